package wsconn_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// config is what the router's defaults give.
func config() wsconn.Config {
	return wsconn.Config{
		MaxMessage:     64 << 10,
		MaxFrames:      4096,
		ReadAhead:      64 << 10,
		PingInterval:   25 * time.Second,
		PongTimeout:    10 * time.Second,
		WriteTimeout:   10 * time.Second,
		MessageTimeout: 30 * time.Second,
		CloseTimeout:   5 * time.Second,
		Outbox:         256 << 10,
		Fault: func(p any, stack []byte) { // a panic would be caught
			fmt.Fprintf(os.Stderr, "%v\n%s", p, stack)
			os.Exit(2)
		},
	}
}

// A server is a socket with a handler that notes what it is given.
type server struct {
	loop *wsconn.Loop
	*wsconn.Socket
	message func(data []byte, binary bool) // may be nil
	linger  time.Duration                  // of Ended
	theirs  net.Conn                       // the other end, where it is kept
	onEnded func()                         // may be nil
	gate    chan struct{}                  // for handlers that wait

	mu   sync.Mutex
	got  []string
	ends []wsconn.End

	ended  chan struct{} // by the first Ended
	served chan struct{} // by Released
}

func (s *server) Open()                {}
func (s *server) Limited([]byte, bool) {}
func (s *server) Finish(wsconn.End)    {}
func (s *server) Released()            { close(s.served) }
func (s *server) Dropped(wsconn.Drops) {}

// Write sends one message.
func (s *server) Write(data []byte, binary bool) error {
	b := wsconn.NewBuffer()
	defer b.Free()
	b.B = append(b.B, data...)
	return s.Send(context.Background(), b, binary, wsconn.Delivery{})
}

func (s *server) Message(data []byte, binary bool) {
	s.mu.Lock()
	s.got = append(s.got, string(data))
	s.mu.Unlock()
	if s.message != nil {
		s.message(data, binary)
	}
}

func (s *server) Ended(e wsconn.End) {
	time.Sleep(s.linger) // in a bubble
	if s.onEnded != nil {
		s.onEnded()
	}
	s.mu.Lock()
	s.ends = append(s.ends, e)
	first := len(s.ends) == 1
	s.mu.Unlock()
	if first {
		close(s.ended)
	}
}

func (s *server) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

// end waits until the socket is served and checks that there was one end.
func (s *server) end(t *testing.T) wsconn.End {
	t.Helper()
	<-s.served
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ends) != 1 {
		t.Fatalf("Ended was called %d times: %+v", len(s.ends), s.ends)
	}
	return s.ends[0]
}

// pipe is a hijackable writer over an in-memory connection.
type pipe struct {
	header http.Header
	conn   net.Conn
}

func (p *pipe) Header() http.Header         { return p.header }
func (p *pipe) Write(b []byte) (int, error) { return len(b), nil }
func (p *pipe) WriteHeader(int)             {}
func (p *pipe) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return p.conn, bufio.NewReadWriter(bufio.NewReader(p.conn), bufio.NewWriter(p.conn)), nil
}

// upgradeRequest is a handshake without a mistake.
func upgradeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return r
}

// readHead reads an answer up to its empty line, byte by byte: what follows belongs to the test.
func readHead(r io.Reader) string {
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte("\r\n\r\n")); got = append(got, b[0]) {
		if _, err := r.Read(b); err != nil {
			return string(got) + err.Error()
		}
	}
	return string(got)
}

// serve upgrades one end of an in-memory connection and returns the other, after its 101.
func serve(t *testing.T, c wsconn.Config, message func(*server, []byte, bool)) (*server, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	answered := make(chan string)
	go func() { answered <- readHead(theirs) }()
	conn, early, err := wsconn.Hijack(&pipe{header: http.Header{}, conn: ours}, upgradeRequest(), wsconn.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-answered; !strings.HasPrefix(got, "HTTP/1.1 101 ") {
		t.Fatalf("answer %q", got)
	}
	s := start(wsconn.NewLoop(c), conn, early, message)
	t.Cleanup(func() { theirs.Close(); <-s.served })
	return s, theirs
}

// start serves a connection that is upgraded.
func start(l *wsconn.Loop, conn net.Conn, early []byte, message func(*server, []byte, bool)) *server {
	s := newServer(l, conn, early, message)
	s.Start()
	return s
}

func newServer(l *wsconn.Loop, conn net.Conn, early []byte, message func(*server, []byte, bool)) *server {
	s := &server{gate: make(chan struct{}), ended: make(chan struct{}), served: make(chan struct{})}
	if message != nil {
		s.message = func(data []byte, binary bool) { message(s, data, binary) }
	}
	s.Socket = l.New(conn, early, nil, s)
	return s
}

// client is coder's, over one end of an in-memory connection.
func client(t *testing.T, conn net.Conn) *websocket.Conn {
	t.Helper()
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		w := httptest.NewRecorder()
		_ = w
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		h.Set("Sec-WebSocket-Accept", accept(r.Header.Get("Sec-WebSocket-Key")))
		return &http.Response{StatusCode: 101, Header: h, Body: conn, Request: r}, nil
	})
	c, _, err := websocket.Dial(context.Background(), "ws://example.test/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: rt}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func echo(s *server, data []byte, binary bool) { _ = s.Write(data, binary) }

func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), echo)
		c := client(t, conn)
		ctx := t.Context()
		for _, m := range []string{"", "hello", string(make([]byte, 60_000))} {
			if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
				t.Fatal(err)
			}
			typ, got, err := c.Read(ctx)
			if err != nil || string(got) != m || typ != websocket.MessageText {
				t.Fatalf("got %v %d bytes %v", typ, len(got), err)
			}
		}
		if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Fatal(err)
		}
		if e := s.end(t); e != (wsconn.End{Code: 1000, Reason: "bye", Remote: true}) {
			t.Errorf("end %+v", e)
		}
	})
}

func TestCloseAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		c := client(t, conn)
		go s.Close(4001, "enough")
		_, _, err := c.Read(t.Context())
		if websocket.CloseStatus(err) != 4001 {
			t.Errorf("client saw %v", err)
		}
		start := time.Now()
		if e := s.end(t); e != (wsconn.End{Code: 4001, Reason: "enough"}) {
			t.Errorf("end %+v", e)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the end took %v", d)
		}
	})
}
