package wsconn

import (
	"bufio"
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// readBuffer is what an idle connection holds; a payload that is larger is read past it.
const readBuffer = 1024

// Upgrade takes over the connection of r by [Hijack] and returns its socket.
func Upgrade(w http.ResponseWriter, r *http.Request, c Config) (*Socket, error) {
	conn, early, err := Hijack(w, r, Handshake{Subprotocol: c.Subprotocol})
	if err != nil {
		return nil, err
	}
	s := &Socket{
		cfg:     c,
		conn:    conn,
		over:    make(chan struct{}),
		told:    make(chan struct{}),
		said:    make(chan struct{}),
		gone:    make(chan struct{}),
		writing: make(chan struct{}, 1),
	}
	s.changed.L = &s.mu
	s.src = &source{Conn: conn, socket: s, early: early}
	s.ws, err = websocket.Accept(&takenOver{s.src, http.Header{}}, agreed, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the caller has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(_ context.Context, payload []byte) bool { s.pong(payload); return false },
	})
	if err != nil {
		s.drop()
		return nil, err
	}
	s.ws.SetReadLimit(-1) // counted while reading, where the size is known
	return s, nil
}

// agreed is the handshake that the library sees: ours is over.
var agreed = &http.Request{Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
	"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
}}

// takenOver is the ResponseWriter that the library sees. It gives the connection away and writes nothing.
type takenOver struct {
	src    *source
	header http.Header
}

func (t *takenOver) Header() http.Header         { return t.header }
func (t *takenOver) Write(p []byte) (int, error) { return len(p), nil }
func (t *takenOver) WriteHeader(int)             {}

func (t *takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.src, bufio.NewReadWriter(bufio.NewReaderSize(t.src, readBuffer), bufio.NewWriterSize(t.src, maxControl+minHeader)), nil
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
