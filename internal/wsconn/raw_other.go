//go:build !unix

package wsconn

import (
	"net"
	"syscall"
)

func newConn(_ *Socket, conn net.Conn) transport { return &stream{Conn: conn} }

func unread(syscall.RawConn) bool { return false }
