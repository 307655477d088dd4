//go:build linux && !386

package wsconn

import (
	"syscall"
	"unsafe"
)

// The calls of this file never wait, so that Go's scheduler is not told of them. Who tells it wakes its monitor thread if the process was idle
// before, and that costs as much as the message that has come.

// recv reads from a socket what is there.
func recv(fd int, p []byte, flags int) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, p, flags)
}

// send writes to a socket what it takes now.
func send(fd int, p []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, p, syscall.MSG_NOSIGNAL)
}

func transfer(call uintptr, fd int, p []byte, flags int) (int, error) {
	n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags|syscall.MSG_DONTWAIT), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
