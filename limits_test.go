package wsrouter_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// byQuery is the ConnKey of the tests.
func byQuery(r *http.Request) string { return r.URL.Query().Get("key") }

// TestMaxConnsPerKey: whoever has closed a connection finds its place free, however long OnDisconnect takes; "" is nobody's key.
func TestMaxConnsPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxConnsPerKey: 1, ConnKey: byQuery})
		r.OnDisconnect(func(ctx context.Context, c *conn, info wsrouter.CloseInfo) { time.Sleep(time.Second) })
		t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
		for range 100 {
			c := wstest.Dial(t, r, "/?key=ann")
			if resp := wstest.Refused(t, r, "/?key=ann"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
				t.Fatalf("a second one: %s %v", resp.Status, resp.Header)
			}
			wstest.Dial(t, r, "/?key=bob").Close()
			c.Close()
		}
		for range 10 {
			wstest.Dial(t, r, "/")
			wstest.Dial(t, r, "/?key=")
		}
	})
}

// TestMaxConns: a connection counts until OnDisconnect has returned.
func TestMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxConns: 2})
		r.OnDisconnect(func(ctx context.Context, c *conn, info wsrouter.CloseInfo) { time.Sleep(time.Second) })
		t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
		wstest.Dial(t, r, "/")
		wstest.Dial(t, r, "/").Close()
		if resp := wstest.Refused(t, r, "/"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a third one: %s %v", resp.Status, resp.Header)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wstest.Dial(t, r, "/")
	})
}

// TestLimitsAtOnce: of many that come at once, exactly as many as may are let in.
func TestLimitsAtOnce(t *testing.T) {
	for name, o := range map[string]wsrouter.Options{"MaxConns": {MaxConns: 5}, "MaxConnsPerKey": {MaxConnsPerKey: 5, ConnKey: byQuery}} {
		t.Run(name, func(t *testing.T) {
			o.Logger = quiet
			r := wsrouter.New[none](&o)
			var in atomic.Int32
			r.OnConnect(func(context.Context, *conn) error { in.Add(1); return nil })
			ts := httptest.NewServer(r)
			defer ts.Close()
			var all sync.WaitGroup
			var peers []net.Conn
			var let atomic.Int32
			for range 50 {
				c, err := net.Dial("tcp", ts.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				peers = append(peers, c)
				all.Go(func() {
					_ = upgradeRequest("/?key=ann").Write(c)
					resp, err := http.ReadResponse(bufio.NewReader(c), nil)
					switch {
					case err != nil:
						t.Error(err)
					case resp.StatusCode == 101:
						let.Add(1)
					case resp.StatusCode != 503 && resp.StatusCode != 429:
						t.Error(resp.Status)
					}
				})
			}
			all.Wait()
			if let.Load() != 5 {
				t.Errorf("%d of 50 were let in, want 5", let.Load())
			}
			for _, c := range peers {
				c.Close()
			}
			if err := r.Shutdown(t.Context()); err != nil || in.Load() != 5 {
				t.Errorf("%d connected, %v", in.Load(), err)
			}
		})
	}
}

// TestKeysAreForgotten: a key that nobody has any more costs nothing.
func TestKeysAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxConnsPerKey: 1, ConnKey: func(r *http.Request) string { return r.UserAgent() }})
		visit := func(n int) (heap int64) {
			for i := range n {
				req := upgradeRequest("/")
				req.Header.Set("User-Agent", fmt.Sprint(i, strings.Repeat("k", 32<<10)))
				ours, theirs := net.Pipe()
				go io.Copy(io.Discard, theirs)
				r.ServeHTTP(&writer{header: http.Header{}, conn: ours, answered: make(chan int, 1)}, req)
				theirs.Close()
			}
			synctest.Wait()
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := visit(10)
		if grown := visit(500) - before; grown > 4<<20 {
			t.Errorf("500 keys of 32 KiB left %d KiB", grown>>10)
		}
	})
}

// TestUpgradeFails: a connection that was not to be had is answered, and gives its place back.
func TestUpgradeFails(t *testing.T) {
	rec := &recorder{}
	r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger(), MaxConns: 1, MaxConnsPerKey: 1, ConnKey: byQuery})
	for range 3 {
		w := failing{httptest.NewRecorder()}
		r.ServeHTTP(w, upgradeRequest("/?key=ann"))
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	}
	if len(rec.logs) != 3 || !strings.Contains(rec.logs[0], "taken already") {
		t.Errorf("logged %q", rec.logs)
	}
	connect(t, r, "/?key=ann", nil)
}

type failing struct{ *httptest.ResponseRecorder }

func (failing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("taken already")
}

// TestLimitsAreDescribed: documents know them, and which answers they lead to.
func TestLimitsAreDescribed(t *testing.T) {
	all := wsrouter.Options{MaxConns: 1000, MaxConnsPerKey: 5, ConnKey: byQuery, Hosts: []string{"example.test"}}
	s := wsrouter.New[none](&all).Describe()
	if s.Limits["maxConns"] != 1000 || s.Limits["maxConnsPerKey"] != 5 || !slices.Equal(s.Refuses, []int{421, 429}) {
		t.Errorf("%v %v", s.Limits, s.Refuses)
	}
	doc := apidoc.New("Chat", "1")
	doc.Add("/ws", wsrouter.New[none](&all))
	for _, want := range []string{`"421": {`, `"429": {`, `"503": {`, `"maxConns": 1000`, `"maxConnsPerKey": 5`, "holds as many connections as it may"} {
		if !strings.Contains(string(doc.OpenAPI()), want) {
			t.Errorf("OpenAPI has no %s", want)
		}
	}
	s = wsrouter.New[none](nil).Describe()
	if _, ok := s.Limits["maxConns"]; ok || s.Refuses != nil {
		t.Errorf("without limits: %v %v", s.Limits, s.Refuses)
	}
}
