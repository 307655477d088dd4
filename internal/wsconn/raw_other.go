//go:build !unix

package wsconn

import "net"

func newConn(_ *Socket, conn net.Conn) transport { return &stream{Conn: conn} }
