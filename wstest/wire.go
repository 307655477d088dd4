package wstest

import (
	"io"
	"net"
	"sync"
	"time"
)

// A wire is the client's end of the connection. It takes what the client writes at once, as the buffers of a network
// would: a server that does not read must not block the test, nor the client's answers to pings.
type wire struct {
	net.Conn
	r io.Reader // what came behind the handshake, then Conn

	mu      sync.Mutex
	changed sync.Cond // of what follows
	out     []byte
	muted   bool // our close frame is written, nothing may follow it
	closed  bool
}

func newWire(conn net.Conn, r io.Reader) *wire {
	w := &wire{Conn: conn, r: r}
	w.changed.L = &w.mu
	go w.pump()
	return w
}

func (w *wire) Read(p []byte) (int, error) { return w.r.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, net.ErrClosed
	}
	if !w.muted {
		w.out = append(w.out, p...)
		w.changed.Signal()
	}
	return len(p), nil
}

// sayClose sends a close frame with 1000 and, unlike the client library's Close, leaves the reading to the reader:
// messages that come before the answer are not lost.
func (w *wire) sayClose() {
	_, _ = w.Write([]byte{0x80 | 8, 0x80 | 2, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff}) // masked by zeros
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = true
}

// Close ends reading at once, and the connection when what was written is through.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.closed = true
	w.changed.Signal()
	time.AfterFunc(timeout/5, w.drop)
	return w.Conn.SetReadDeadline(time.Now())
}

// drop ends the connection and what is on its way.
func (w *wire) drop() {
	w.mu.Lock()
	w.closed = true
	w.changed.Signal()
	w.mu.Unlock()
	_ = w.Conn.Close()
}

// pump hands on what was written, until the connection is closed at one of its ends.
func (w *wire) pump() {
	defer w.Conn.Close()
	for {
		w.mu.Lock()
		for len(w.out) == 0 && !w.closed {
			w.changed.Wait()
		}
		out := w.out
		w.out = nil
		w.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if _, err := w.Conn.Write(out); err != nil {
			w.mu.Lock()
			w.closed, w.out = true, nil
			w.mu.Unlock()
			return
		}
	}
}
