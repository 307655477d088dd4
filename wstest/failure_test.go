package wstest_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

var update = flag.Bool("update", false, "write the golden file")

// A fakeT notes how a test fails.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	log      strings.Builder
	cleanups []func()
}

func (t *fakeT) Helper() {}

func (t *fakeT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *fakeT) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.log, format+"\n", args...)
}

func (t *fakeT) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// run returns what test says when it fails. It runs in a bubble, where nothing takes time and no goroutine may stay.
func run(t *testing.T, test func(testing.TB)) string {
	var fake fakeT
	synctest.Test(t, func(t *testing.T) {
		fake.TB = t
		done := make(chan struct{})
		go func() {
			defer close(done)
			test(&fake)
		}()
		<-done
		synctest.Wait()
		for i := range fake.cleanups {
			fake.cleanups[len(fake.cleanups)-1-i]()
		}
		time.Sleep(2 * time.Hour) // handlers that sleep wake up
	})
	log := stack.ReplaceAllString(fake.log.String(), "(stack)\n")
	return strings.ReplaceAll(log, "unable to marshal", "cannot marshal") // json changes its mind from build to build
}

// stack is the trace of a panic.
var stack = regexp.MustCompile(`(?s)goroutine \d+ .*?\n(?:\n|$)`)

// script is a router that does for each message what the test says; do must return.
func script(do func(ctx context.Context, c *conn) error, o wsrouter.Options) *wsrouter.Router[none] {
	o.Logger = slog.New(slog.DiscardHandler)
	r := newRouter(func(ctx context.Context, c *conn, m say) error { return do(ctx, c) }, &o)
	r.Sends("", []byte(nil))
	return r
}

// sendsText is a router that answers with a frame made by hand.
func sendsText(text string) *wsrouter.Router[none] {
	return script(func(ctx context.Context, c *conn) error { return c.SendText(ctx, text) }, wsrouter.Options{})
}

// after dials h, sends a message and goes on with then.
func after(h http.Handler, then func(c *wstest.Client)) func(testing.TB) {
	return func(t testing.TB) {
		c := wstest.Dial(t, h, "/ws")
		c.Send(say{Text: "hello"})
		then(c)
	}
}

func expectSaid(c *wstest.Client) { wstest.Expect[said](c) }

func expectClose(c *wstest.Client) { c.ExpectClose(1000) }

// accepts is a handler that is no router.
func accepts(then func(ctx context.Context, c *websocket.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		then(context.Background(), c)
	}
}

func TestFailures(t *testing.T) {
	nothing := func(context.Context, *conn) error { return nil }
	closes := func(context.Context, *conn) error { return wsrouter.Close(4401, "the token expired") }
	tests := []struct {
		name string
		test func(testing.TB)
	}{
		{"Expect: nothing comes", after(script(nothing, wsrouter.Options{}), expectSaid)},
		{"Expect: an error reply comes", after(script(func(context.Context, *conn) error {
			return wsrouter.Errorf("not_now", "busy until %d", 9)
		}, wsrouter.Options{}), expectSaid)},
		{"Expect: a broken one comes", after(sendsText(`{"type":"said","text":"","at":"noon"}`), expectSaid)},
		{"Expect: no JSON comes", after(sendsText(`hello, world`), expectSaid)},
		{"Expect: an empty frame comes", after(sendsText(""), expectSaid)},
		{"Expect: a long one comes", after(sendsText(`{"type":"other","list":[`+strings.Repeat(`"ä",`, 400)+`1]}`), expectSaid)},
		{"Expect: a binary frame comes", after(script(func(ctx context.Context, c *conn) error {
			return c.SendBytes(ctx, []byte{0xff, 0})
		}, wsrouter.Options{}), expectSaid)},
		{"Expect: a text frame comes", after(script(func(ctx context.Context, c *conn) error {
			return c.SendText(ctx, "hi")
		}, wsrouter.Options{Binary: true}), expectSaid)},
		{"Expect: the connection is closed", after(script(closes, wsrouter.Options{}), expectSaid)},
		{"Expect: the connection is dropped", func(t testing.TB) {
			r := script(nothing, wsrouter.Options{})
			var taken taken
			c := wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				taken.ResponseWriter = w
				r.ServeHTTP(&taken, req)
			}), "/ws")
			taken.conn.Close()
			c.ExpectClose(1006)
			wstest.Expect[said](c)
		}},
		{"Expect: no message type", after(sendsText(`1`), func(c *wstest.Client) { wstest.Expect[chan int](c) })},
		{"Next: nothing comes", after(script(nothing, wsrouter.Options{}), func(c *wstest.Client) { c.Next() })},
		{"ExpectClose: a message comes", after(script(func(ctx context.Context, c *conn) error {
			return c.Send(ctx, said{Text: "still here"})
		}, wsrouter.Options{}), expectClose)},
		{"ExpectClose: another code comes", after(script(closes, wsrouter.Options{}), expectClose)},
		{"ExpectClose: nothing comes", after(script(nothing, wsrouter.Options{}), expectClose)},
		{"Send: cannot be encoded", func(t testing.TB) {
			type point struct {
				X float64 `json:"x"`
			}
			wstest.Dial(t, script(nothing, wsrouter.Options{}), "/ws").Send(point{math.NaN()})
		}},
		{"Send: no message type", func(t testing.TB) {
			wstest.Dial(t, script(nothing, wsrouter.Options{}), "/ws").Send(make(chan int))
		}},
		{"Send: the connection is closed", after(script(closes, wsrouter.Options{}), func(c *wstest.Client) {
			c.ExpectClose(4401)
			c.Send(say{Text: "hello?"})
		})},
		{"Send: the connection is dropped", func(t testing.TB) {
			c := wstest.Dial(t, accepts(func(context.Context, *websocket.Conn) {}), "/ws")
			c.ExpectClose(1006)
			c.SendRaw("hello?")
		}},
		{"Close: no answer", func(t testing.TB) {
			wstest.Dial(t, accepts(func(_ context.Context, c *websocket.Conn) { time.Sleep(time.Minute) }), "/ws").Close()
		}},

		{"violation: undeclared", after(script(func(ctx context.Context, c *conn) error {
			_ = c.Send(ctx, stray{})
			return nil
		}, wsrouter.Options{}), func(*wstest.Client) { synctest.Wait() })},
		{"violation: breaks its schema", after(script(func(ctx context.Context, c *conn) error {
			return c.Send(ctx, said{Text: strings.Repeat("long ", 5)})
		}, wsrouter.Options{}), func(*wstest.Client) { synctest.Wait() })},
		{"violation: when the test is over", func(t testing.TB) {
			wstest.Dial(t, script(func(ctx context.Context, c *conn) error {
				time.Sleep(time.Hour)
				_ = c.Send(ctx, stray{})
				return nil
			}, wsrouter.Options{}), "/ws").Send(say{Text: "hello"})
		}},

		{"Dial: refused", func(t testing.TB) {
			wstest.Dial(t, script(nothing, wsrouter.Options{}), "/ws", wstest.Header("Origin", "https://evil.example"))
		}},
		{"Dial: not found", func(t testing.TB) { wstest.Dial(t, http.NewServeMux(), "/ws") }},
		{"Dial: a redirect", func(t testing.TB) { wstest.Dial(t, http.RedirectHandler("/elsewhere", http.StatusFound), "/ws") }},
		{"Dial: the handler answers nothing", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), "/ws")
		}},
		{"Dial: the handler aborts", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "/ws")
		}},
		{"Dial: the handler panics", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no database") }), "/ws")
		}},
		{"Dial: the handler ends its goroutine", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), "/ws")
		}},
		{"Dial: the handler does not return", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "/ws")
		}},
		{"Dial: the connection is taken and closed", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, _ := w.(http.Hijacker).Hijack()
				c.Close()
			}), "/ws")
		}},
		{"Dial: the connection is taken and left", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _, _ = w.(http.Hijacker).Hijack()
			}), "/ws")
		}},
		{"Dial: refused by hand", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, _ := w.(http.Hijacker).Hijack()
				_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!"))
				c.Close()
			}), "/ws")
		}},
		{"Dial: not a WebSocket", func(t testing.TB) {
			wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Upgrade", "h2c")
				w.WriteHeader(101)
				c, _, _ := w.(http.Hijacker).Hijack()
				c.Close()
			}), "/ws")
		}},
		{"Dial: a target without a slash", func(t testing.TB) { wstest.Dial(t, http.NewServeMux(), "ws") }},
		{"Dial: a target of another scheme", func(t testing.TB) { wstest.Dial(t, http.NewServeMux(), "ftp://h/ws") }},
		{"Dial: a target that is none", func(t testing.TB) { wstest.Dial(t, http.NewServeMux(), "/%zz") }},
		{"Refused: not refused", func(t testing.TB) { wstest.Refused(t, script(nothing, wsrouter.Options{}), "/ws") }},
		{"Refused: the handler panics", func(t testing.TB) {
			wstest.Refused(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no database") }), "/ws")
		}},

		{"no router: Send", func(t testing.TB) {
			wstest.Dial(t, accepts(func(ctx context.Context, c *websocket.Conn) { c.Read(ctx) }), "/ws").Send(say{})
		}},
		{"no router: Expect", func(t testing.TB) {
			c := wstest.Dial(t, accepts(func(ctx context.Context, c *websocket.Conn) {
				typ, data, _ := c.Read(ctx)
				c.Write(ctx, typ, data)
				c.Read(ctx)
			}), "/ws")
			c.SendRaw("echo")
			if got := c.Next(); got.Binary || string(got.Data) != "echo" {
				t.Errorf("got %q", got.Data)
			}
			wstest.Expect[said](c)
		}},
		{"no router: panics after the handshake", func(t testing.TB) {
			wstest.Dial(t, accepts(func(context.Context, *websocket.Conn) { panic("no database") }), "/ws").ExpectClose(1006)
		}},
	}
	var got bytes.Buffer
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { fmt.Fprintf(&got, "== %s\n%s\n", tt.name, run(t, tt.test)) })
	}
	if t.Failed() {
		return
	}
	const golden = "testdata/failures.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	was := strings.Split(string(want), "\n== ")
	for i, is := range strings.Split(got.String(), "\n== ") {
		if i >= len(was) || is != was[i] {
			t.Errorf("not as in %s:\n%s", golden, is)
		}
	}
}

// taken keeps the connection that a router takes over.
type taken struct {
	http.ResponseWriter
	conn net.Conn
}

func (w *taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.conn = c
	return c, rw, err
}
