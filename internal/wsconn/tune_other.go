//go:build !linux

package wsconn

import "net"

// peerEnded does not know.
func peerEnded(int) bool { return false }

// tune bounds what the kernel takes for a peer that does not read.
func tune(conn net.Conn, _ *Loop) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(64 << 10)
	}
}
