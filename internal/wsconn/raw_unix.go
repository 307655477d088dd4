//go:build unix

package wsconn

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
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
	rc    syscall.RawConn
	try   func(fd uintptr) bool // readOnce, bound once
	want  int32                 // of the read
	errno int32                 // how it failed, if it left nothing in Socket.in. 0: it was the end
}

// A write is what is done with a descriptor of Go's that is written to. Connections that wait hold none.
type write struct {
	p    []byte
	sent int
	err  error
	once func(fd uintptr)      // writeOnce, bound once
	some func(fd uintptr) bool // writeWaiting
}

var writes = sync.Pool{New: func() any {
	w := new(write)
	w.once, w.some = w.writeOnce, w.writeWaiting
	return w
}}

func newRaw(s *Socket, conn net.Conn, sc syscall.Conn) transport {
	rc, err := sc.SyscallConn()
	if err != nil {
		return &stream{Conn: conn}
	}
	c := &raw{Conn: conn, rc: rc}
	c.try = func(fd uintptr) bool { return s.conn.(*raw).readOnce(s, int(fd)) } // which keeps s alone
	return c
}

func (c *raw) fill(s *Socket, n int) (int, error) {
	c.want = int32(n)
	if err := c.rc.Read(c.try); err != nil {
		return 0, err
	}
	switch {
	case s.in != nil:
		return len(s.in.B), nil
	case c.errno != 0:
		return 0, os.NewSyscallError("read", syscall.Errno(c.errno))
	}
	return 0, io.EOF
}

// readOnce reports false if nothing is there, and holds no buffer while it is not called again.
func (c *raw) readOnce(s *Socket, fd int) bool {
	s.in = getBuffer(int(c.want))
	n, errno := recvAgain(fd, s.in.B[:c.want])
	if n > 0 {
		s.in.B = s.in.B[:n]
		return true
	}
	s.freeInput()
	c.errno = int32(errno)
	return errno != syscall.EAGAIN
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
	w := newWrite(p)
	return w.done(c.rc.Control(w.once))
}

func (c *raw) writeSome(p []byte) (int, error) {
	w := newWrite(p)
	return w.done(c.rc.Write(w.some))
}

func newWrite(p []byte) *write {
	w := writes.Get().(*write)
	w.p = p
	return w
}

// done is what the network said, unless there was err before. w is no longer the caller's.
func (w *write) done(err error) (int, error) {
	sent := w.sent
	if err == nil {
		err = w.err
	}
	w.p, w.sent, w.err = nil, 0, nil
	writes.Put(w)
	return sent, err
}

func (w *write) writeOnce(fd uintptr) { w.sent, w.err = writeFD(int(fd), w.p) }

func (w *write) writeWaiting(fd uintptr) bool {
	w.writeOnce(fd)
	return w.sent > 0 || w.err != nil
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
	switch n, errno := recvAgain(fd, p); {
	case errno == syscall.EAGAIN:
		return 0, errParked
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0:
		return 0, io.EOF
	default:
		return n, nil
	}
}

// recvAgain is recv until no signal comes between.
func recvAgain(fd int, p []byte) (int, syscall.Errno) {
	for {
		n, err := recv(fd, p, 0)
		errno, _ := err.(syscall.Errno)
		if errno != syscall.EINTR {
			return n, errno
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
