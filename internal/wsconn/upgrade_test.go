package wsconn_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// wrapper is a middleware's writer without Hijack.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// opaque is one that cannot be seen through.
type opaque struct{ http.ResponseWriter }

// ginWriter notes the status and writes it when told.
type ginWriter struct {
	http.ResponseWriter
	code int
}

func (w *ginWriter) WriteHeader(code int) { w.code = code }
func (w *ginWriter) WriteHeaderNow()      { w.ResponseWriter.WriteHeader(w.code) }
func (w *ginWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
func (w *ginWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestUpgradeThroughMiddleware(t *testing.T) {
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"none":               func(w http.ResponseWriter) http.ResponseWriter { return w },
		"wrapped":            func(w http.ResponseWriter) http.ResponseWriter { return wrapper{w} },
		"wrapped twice":      func(w http.ResponseWriter) http.ResponseWriter { return wrapper{wrapper{w}} },
		"gin's":              func(w http.ResponseWriter) http.ResponseWriter { return &ginWriter{ResponseWriter: w} },
		"wrapped over gin's": func(w http.ResponseWriter) http.ResponseWriter { return wrapper{&ginWriter{ResponseWriter: w}} },
	} {
		t.Run(name, func(t *testing.T) {
			servers := make(chan *server, 1)
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Request-Id", "7")
				conn, early, err := wsconn.Hijack(wrap(w), r, wsconn.Handshake{Subprotocol: "chat.v2"})
				if err != nil {
					t.Error(err)
					return
				}
				servers <- start(wsconn.NewLoop(config()), conn, early, echo)
			}))
			defer ts.Close()
			c, resp, err := websocket.Dial(t.Context(), ts.URL, &websocket.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			s := <-servers
			if c.Subprotocol() != "chat.v2" || resp.Header.Get("X-Request-Id") != "7" {
				t.Errorf("headers %v", resp.Header)
			}
			if err := c.Write(t.Context(), websocket.MessageBinary, []byte("hi")); err != nil {
				t.Fatal(err)
			}
			if typ, got, err := c.Read(t.Context()); err != nil || typ != websocket.MessageBinary || string(got) != "hi" {
				t.Errorf("got %v %q %v", typ, got, err)
			}
			if err := c.Close(3000, ""); err != nil {
				t.Error(err)
			}
			if e := s.end(t); e != (wsconn.End{Code: 3000, Remote: true}) {
				t.Errorf("end %+v", e)
			}
		})
	}
}

type failing struct{ http.ResponseWriter }

func (failing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("taken already")
}

// The first frames may stand in the same packet as the handshake.
func TestFramesBehindTheHandshake(t *testing.T) {
	servers := make(chan *server, 1)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{})
		if err != nil {
			t.Error(err)
			return
		}
		servers <- start(wsconn.NewLoop(config()), conn, early, echo)
	}))
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	upgradeRequest().Write(&b)
	long := strings.Repeat("a", 3000) // more than the socket's own buffer
	send(t, conn, b.String()+frame(fin|text, "one")+frame(fin|text, long))
	r := bufio.NewReader(conn)
	if _, err := http.ReadResponse(r, nil); err != nil {
		t.Fatal(err)
	}
	expectFrame(t, r, "text one")
	expectFrame(t, r, "text "+long)
	conn.Close()
	if e := (<-servers).end(t); e.Code != 1006 || !errors.Is(e.Err, io.EOF) {
		t.Errorf("end %+v", e)
	}
}

func TestLostTCP(t *testing.T) {
	for name, lose := range map[string]func(*net.TCPConn){
		"reset":      func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half-close": func(c *net.TCPConn) { c.CloseWrite() },
	} {
		for at, sent := range map[string]string{
			"between messages": frame(fin|text, "a"),
			"in a message":     frame(text, "a"),
			"in a payload":     string(append(head(fin|text, 0x80, 100), 1, 2, 3, 4)) + "abc",
			"in a header":      "\x81",
			"in a ping":        frame(fin|ping, "abc")[:6],
		} {
			t.Run(name+" "+at, func(t *testing.T) {
				s, conn := overTCP(t, config(), nil)()
				send(t, conn, sent)
				lose(conn)
				if e := s.end(t); e.Code != 1006 || e.Remote || e.Err == nil || !strings.HasPrefix(e.Err.Error(), "connection lost while reading: ") {
					t.Errorf("end %+v", e)
				}
			})
		}
	}
}

// Megabytes are on their way when the close frame leaves: it must arrive all the same.
func TestCloseAgainstTheStream(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"too big":     {frame(fin|text, strings.Repeat("a", 8<<20)), "close 1009 message over 65536 bytes: 8388608"},
		"no protocol": {frame(fin|3, "") + strings.Repeat("a", 8<<20), "close 1002 unknown opcode"},
	} {
		t.Run(name, func(t *testing.T) {
			s, conn := overTCP(t, config(), nil)()
			got := make(chan []string)
			go func() { got <- frames(conn) }()
			conn.Write([]byte(tt.in)) // may fail: the other end has closed
			if fs := <-got; !slices.Equal(fs, []string{tt.want}) {
				t.Errorf("got %q, want %q", fs, tt.want)
			}
			s.end(t)
		})
	}
}

// A browser answers our close frame and waits for the end of the connection, also when it broke the protocol.
func TestPeerWaitsForTheEnd(t *testing.T) {
	for name, in := range map[string]string{"no UTF-8": frame(fin|text, "\xff"), "no protocol": frame(fin|rsv1|text, "")} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.CloseTimeout = time.Hour
			s, conn := overTCP(t, c, nil)()
			send(t, conn, in)
			r := bufio.NewReader(conn)
			op, body, err := readFrame(r)
			if op != closed || err != nil {
				t.Fatalf("got %s %v", describe(op, body), err)
			}
			send(t, conn, frame(fin|closed, body))
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("got %v", err)
			}
			conn.Close()
			s.end(t)
		})
	}
}

func TestTLS(t *testing.T) {
	servers := make(chan *server, 1)
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{})
		if err != nil {
			t.Error(err)
			return
		}
		servers <- start(wsconn.NewLoop(config()), conn, early, echo)
	}))
	defer ts.Close()
	dial := func() (*websocket.Conn, *server) {
		c, _, err := websocket.Dial(t.Context(), ts.URL, &websocket.DialOptions{HTTPClient: ts.Client()})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(-1)
		t.Cleanup(func() { c.CloseNow() })
		return c, <-servers
	}
	c, s := dial()
	for _, n := range []int{1, 10_000, 60_000} {
		want := strings.Repeat("a", n)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || string(got) != want {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if err := c.Close(1000, ""); err != nil {
		t.Error(err)
	}
	if e := s.end(t); e != (wsconn.End{Code: 1000, Remote: true}) {
		t.Errorf("end %+v", e)
	}
	c, s = dial()
	c.Write(t.Context(), websocket.MessageText, []byte("\xff"))
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != 1007 {
		t.Errorf("client saw %v", err)
	}
	s.end(t)
}

// Everything at once, for the race detector.
func TestStress(t *testing.T) {
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			c := config()
			c.ReadAhead, c.PingInterval, c.PongTimeout = 500, time.Millisecond, 2*time.Millisecond
			s, conn := serve(t, c, nil)
			cl := client(t, conn)
			var wg sync.WaitGroup
			wg.Go(func() {
				for cl.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("a", 200))) == nil {
					time.Sleep(100 * time.Microsecond) // only then does the bubble's time go on
				}
			})
			wg.Go(func() {
				for {
					if _, _, err := cl.Read(t.Context()); err != nil {
						return
					}
				}
			})
			wg.Go(func() {
				for s.Write([]byte("hello"), false) == nil {
					time.Sleep(100 * time.Microsecond)
				}
			})
			wg.Go(func() { cl.Ping(t.Context()) })
			time.Sleep(20 * time.Millisecond)
			wg.Go(func() { s.Close(1000, "") })
			wg.Go(func() { s.Abort(errors.New("a")) })
			wg.Go(func() { s.Close(1001, "") })
			wg.Go(func() { cl.Close(1000, "") })
			s.end(t)
			wg.Wait()
		})
	}
}
