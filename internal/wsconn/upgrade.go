package wsconn

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// readBuffer is what an idle connection holds; a payload that is larger is read past it.
const readBuffer = 1024

// Upgrade answers r with a 101 and takes over its connection; neither w nor r is kept.
// The caller has checked the handshake. If Upgrade fails it has written nothing, or nothing can be written any more.
func Upgrade(w http.ResponseWriter, r *http.Request, c Config) (*Socket, error) {
	hj, err := Hijacker(w)
	if err != nil {
		return nil, err
	}
	s := &Socket{
		cfg:     c,
		over:    make(chan struct{}),
		told:    make(chan struct{}),
		said:    make(chan struct{}),
		gone:    make(chan struct{}),
		writing: make(chan struct{}, 1),
	}
	s.changed.L = &s.mu
	u := &upgrade{w: w, hj: hj, socket: s, header: w.Header().Clone()}
	if u.header == nil {
		u.header = http.Header{}
	}
	u.header.Del("Sec-WebSocket-Protocol")
	if c.Subprotocol != "" {
		u.header.Set("Sec-WebSocket-Protocol", c.Subprotocol)
	}
	s.ws, err = websocket.Accept(u, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the caller has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(_ context.Context, payload []byte) bool { s.pong(payload); return false },
	})
	if err != nil {
		if s.conn != nil {
			s.drop()
		}
		return nil, err
	}
	s.ws.SetReadLimit(-1) // counted while reading, where the size is known
	return s, nil
}

// Hijacker finds what can give its connection away, under the writers of middlewares.
func Hijacker(w http.ResponseWriter) (http.Hijacker, error) {
	for rw := w; ; {
		switch t := rw.(type) {
		case http.Hijacker:
			return t, nil
		case interface{ Unwrap() http.ResponseWriter }:
			rw = t.Unwrap()
		default:
			return nil, fmt.Errorf("%T has neither Hijack nor Unwrap, so a middleware or HTTP/2 keeps the connection from being upgraded", rw)
		}
	}
}

// An upgrade is the ResponseWriter that the library sees. It lets the 101 through and nothing else, and keeps
// the connection here.
type upgrade struct {
	w      http.ResponseWriter
	hj     http.Hijacker
	socket *Socket
	header http.Header
}

func (u *upgrade) Header() http.Header { return u.header }

func (u *upgrade) Write(p []byte) (int, error) { return len(p), nil }

func (u *upgrade) WriteHeader(code int) {
	if code != http.StatusSwitchingProtocols {
		return
	}
	h := u.w.Header()
	clear(h)
	for k, v := range u.header {
		h[k] = v
	}
	u.w.WriteHeader(code)
	// gin's writer only notes the status, wherever it stands under other writers.
	for rw := u.w; rw != nil; {
		if gin, ok := rw.(interface{ WriteHeaderNow() }); ok {
			gin.WriteHeaderNow()
			return
		}
		under, ok := rw.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		rw = under.Unwrap()
	}
}

func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := u.hj.Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.socket.conn = conn
	if err := conn.SetDeadline(time.Time{}); err != nil { // those of http.Server
		return nil, nil, err
	}
	if err := rw.Writer.Flush(); err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	src := &source{Conn: conn, socket: u.socket, early: append([]byte(nil), early...)}
	u.socket.src = src
	return src, bufio.NewReadWriter(bufio.NewReaderSize(src, readBuffer), bufio.NewWriterSize(src, maxControl+minHeader)), nil
}

// A source is the connection as the library sees it, for reading only.
type source struct {
	net.Conn
	socket *Socket
	early  []byte // what came behind the handshake
	err    error  // of the last Read: not the library's, so no broken rule
}

func (c *source) Read(p []byte) (n int, err error) {
	if len(c.early) > 0 {
		n = copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	n, err = c.Conn.Read(p)
	if n > 0 {
		c.socket.received.Store(true)
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// Write drops the library's close frames; the socket sends its own.
func (c *source) Write(p []byte) (int, error) { return len(p), nil }

// Close leaves the connection open until the socket is done with it.
func (c *source) Close() error { return nil }
