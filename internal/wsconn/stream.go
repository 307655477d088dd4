package wsconn

import (
	"net"
	"runtime"
	"syscall"
)

// A stream is a transport on any net.Conn, such as TLS: it can only wait. The goroutine that reads holds a small buffer meanwhile.
type stream struct {
	net.Conn
	more bool // the last read filled what it was given
}

const smallRead = 1 << 10

func (c *stream) fill(s *Socket, n int) (int, error) {
	if !c.more {
		n = min(n, smallRead)
	}
	s.in = getBuffer(n)
	got, err := c.Read(s.in.B[:n])
	s.in.B = s.in.B[:got]
	c.more = got == n
	if got > 0 {
		err = nil // it will come again
	}
	return got, err
}

func (c *stream) yield() bool {
	runtime.Gosched()
	return false
}

func (c *stream) behind() bool { return false }

// ended knows of TLS over TCP.
func (c *stream) ended() bool {
	outer, ok := c.Conn.(interface{ NetConn() net.Conn })
	if !ok {
		return false
	}
	tcp, ok := outer.NetConn().(*net.TCPConn)
	if !ok {
		return false
	}
	rc, err := tcp.SyscallConn()
	return err == nil && endedConn(rc)
}

// endedConn is peerEnded for a descriptor of Go's.
func endedConn(rc syscall.RawConn) (ended bool) {
	return rc.Control(func(fd uintptr) { ended = peerEnded(int(fd)) }) == nil && ended
}

func (c *stream) direct() bool { return false }

func (c *stream) write(p []byte) (int, error) { panic("wsconn: write on a transport that only waits") }

func (c *stream) writeAll(p []byte) (int, error) { return c.Write(p) }

func (c *stream) awaitWritable(s *Socket) { go s.pump() }

func (c *stream) halves() bool {
	_, ok := c.Conn.(interface{ CloseWrite() error })
	return ok
}

func (c *stream) closeWrite() bool {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

func (c *stream) shut(*Socket) { go c.Close() } // TLS says goodbye, which may take its time

func (c *stream) close(*Socket) {}
