package wsconn

import (
	"net"
	"syscall"
	"time"
)

const (
	tcpUserTimeout  = 18 // TCP_USER_TIMEOUT
	tcpNotSentLowat = 25 // TCP_NOTSENT_LOWAT
	notSentLowat    = 16 << 10
)

// States of a TCP connection that the peer has ended, by a FIN or by a reset: TCP_CLOSE_WAIT and TCP_CLOSE.
const (
	tcpCloseWait = 8
	tcpClose     = 7
)

// peerEnded reports whether the peer of a TCP socket has ended the connection, though what it sent before may not be read yet.
func peerEnded(fd int) bool {
	info, err := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO) // for its first byte, tcpi_state
	return err == nil && (info[0] == tcpCloseWait || info[0] == tcpClose)
}

// tune makes the kernel say early that a peer does not read, by default after megabytes, and notice by itself that it is gone.
func tune(conn net.Conn, l *Loop) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	patience := l.WriteTimeout
	if l.PingInterval > 0 {
		patience = max(patience, l.PingInterval+l.PongTimeout)
	}
	_ = rc.Control(func(fd uintptr) { // what a kernel does not know it does without
		if syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, notSentLowat) != nil {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4*notSentLowat)
		}
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience/time.Millisecond))
	})
}
