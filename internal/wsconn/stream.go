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

const (
	smallRead      = 1 << 10
	maxStreamWrite = 16 << 10 // a record of TLS
)

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

// unread knows of what lies under TLS.
func (c *stream) unread(*Socket) bool {
	rc := c.under()
	return rc != nil && unread(rc)
}

func (c *stream) yield() bool {
	runtime.Gosched()
	return false
}

func (c *stream) behind() bool { return false }

func (c *stream) ended() bool {
	rc := c.under()
	return rc != nil && endedConn(rc)
}

// under is the descriptor under TLS; nil: it is not known.
func (c *stream) under() syscall.RawConn {
	over, ok := c.Conn.(interface{ NetConn() net.Conn })
	if !ok {
		return nil
	}
	sc, ok := over.NetConn().(syscall.Conn)
	if !ok {
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return rc
}

// endedConn is peerEnded for a descriptor of Go's.
func endedConn(rc syscall.RawConn) (ended bool) {
	return rc.Control(func(fd uintptr) { ended = peerEnded(int(fd)) }) == nil && ended
}

func (c *stream) direct() bool { return false }

func (c *stream) write(p []byte) (int, error) { panic("wsconn: write on a transport that only waits") }

// writeSome waits for all that it writes, so that it does not write much.
func (c *stream) writeSome(p []byte) (int, error) { return c.Write(p[:min(len(p), maxStreamWrite)]) }

func (c *stream) awaitWritable(s *Socket) { go s.pump() }

func (c *stream) halves() bool {
	_, ok := c.Conn.(interface{ CloseWrite() error })
	return ok
}

func (c *stream) closeWrite() bool {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

func (c *stream) shut(s *Socket) {
	go func() { // TLS says goodbye, which may take its time
		defer s.shard.loop.guard() // of the application's net.Conn
		_ = c.Close()
	}()
}

func (c *stream) close(*Socket) {}
