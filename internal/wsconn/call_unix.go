//go:build unix && (!linux || 386)

package wsconn

import "syscall"

// recv reads from a socket what is there.
func recv(fd int, p []byte, flags int) (int, error) {
	n, _, err := syscall.Recvfrom(fd, p, flags)
	return n, err
}

// send writes to a socket what it takes now.
func send(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
