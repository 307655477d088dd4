//go:build unix

package wsconn

import (
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
)

// newConn returns the transport for conn. Only the types that are a descriptor and nothing else are read past: what wraps one may
// count or encrypt.
func newConn(s *Socket, conn net.Conn) transport {
	switch t := conn.(type) {
	case *net.TCPConn:
		return newRaw(s, t, t)
	case *net.UnixConn:
		return newRaw(s, t, t)
	}
	return &stream{Conn: conn}
}

// A raw is a transport on a descriptor that Go's poller waits for. A socket that waits holds no buffer, and a write takes what the
// network takes at once.
type raw struct {
	net.Conn
	rc   syscall.RawConn
	s    *Socket
	want int // of the read
	got  int
	rerr error
	try  func(fd uintptr) bool // readOnce, bound once

	p    []byte // of the write
	sent int
	werr error
	put  func(fd uintptr)      // writeOnce
	some func(fd uintptr) bool // writeWaiting
}

func newRaw(s *Socket, conn net.Conn, sc syscall.Conn) transport {
	rc, err := sc.SyscallConn()
	if err != nil {
		return &stream{Conn: conn}
	}
	c := &raw{Conn: conn, rc: rc, s: s}
	c.try, c.put, c.some = c.readOnce, c.writeOnce, c.writeWaiting
	return c
}

func (c *raw) fill(s *Socket, n int) (int, error) {
	c.want = n
	if err := c.rc.Read(c.try); err != nil {
		return 0, err
	}
	return c.got, c.rerr
}

// readOnce reports false if nothing is there, and holds no buffer while it is not called again.
func (c *raw) readOnce(fd uintptr) bool {
	c.s.in = getBuffer(c.want)
	c.got, c.rerr = readFD(int(fd), c.s.in.B[:c.want])
	c.s.in.B = c.s.in.B[:c.got]
	if c.got == 0 {
		c.s.freeInput()
	}
	return c.rerr != errParked
}

func (c *raw) unread(*Socket) bool { return unread(c.rc) }

func (c *raw) yield() bool {
	runtime.Gosched()
	return false
}

func (c *raw) behind() bool { return false }

func (c *raw) ended() bool { return endedConn(c.rc) }

func (c *raw) direct() bool { return true }

// write goes by Control, because it never waits: Write would first look into what Go's poller keeps of the descriptor, which is in
// no cache when a broadcast comes.
func (c *raw) write(p []byte) (int, error) {
	c.p = p
	return c.wrote(c.rc.Control(c.put))
}

func (c *raw) writeSome(p []byte) (int, error) {
	c.p = p
	return c.wrote(c.rc.Write(c.some))
}

// wrote is what the network said, unless there was err before.
func (c *raw) wrote(err error) (int, error) {
	c.p = nil
	if err != nil {
		return 0, err
	}
	return c.sent, c.werr
}

func (c *raw) writeOnce(fd uintptr) { c.sent, c.werr = writeFD(int(fd), c.p) }

func (c *raw) writeWaiting(fd uintptr) bool {
	c.writeOnce(fd)
	return c.sent > 0 || c.werr != nil
}

func (c *raw) awaitWritable(s *Socket) { go s.pump() }

func (c *raw) halves() bool { return true }

func (c *raw) closeWrite() bool {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

func (c *raw) shut(*Socket) { _ = c.Close() }

func (c *raw) close(*Socket) {}

// unread looks at what rc has to read and leaves it there.
func unread(rc syscall.RawConn) (yes bool) {
	err := rc.Control(func(fd uintptr) { yes = unreadFD(int(fd)) })
	return yes && err == nil
}

func unreadFD(fd int) bool {
	var p [1]byte
	_, err := recv(fd, p[:], syscall.MSG_PEEK)
	return err == nil
}

// readFD reads what is there. errParked: nothing.
func readFD(fd int, p []byte) (int, error) {
	for {
		n, err := recv(fd, p, 0)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errParked
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// writeFD writes what the network takes now.
func writeFD(fd int, p []byte) (int, error) {
	for {
		n, err := send(fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, nil
		case err != nil:
			return max(n, 0), os.NewSyscallError("write", err)
		default:
			return n, nil
		}
	}
}
