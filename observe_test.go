package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
)

// watcher writes events down, without their durations.
type watcher struct {
	mu     sync.Mutex
	events []string
}

func (w *watcher) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

func (w *watcher) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

func (w *watcher) observer() *wsrouter.Observer {
	return &wsrouter.Observer{
		Upgrade: func(_ context.Context, e wsrouter.UpgradeEvent) { w.note("upgrade %d %s", e.Status, e.Code) },
		Message: func(_ context.Context, e wsrouter.MessageEvent) {
			w.note("message %q %d %v %s", e.Name, e.Size, e.Duration, e.Outcome)
		},
		Send:  func(_ context.Context, e wsrouter.SendEvent) { w.note("send %q %d to %d", e.Name, e.Size, e.Count) },
		Drop:  func(_ context.Context, e wsrouter.DropEvent) { w.note("drop %q", e.Name) },
		Close: func(_ context.Context, e wsrouter.CloseEvent) { w.note("close %d %v %v", e.Code, e.Remote, e.Duration) },
	}
}

type stray struct {
	_ none `ws:"stray"`
}

// TestObserver: every event comes once, in the order of what happens.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Observer: w.observer()})
		wsrouter.Respond(r, func(ctx context.Context, c *conn, q question) (answer, error) {
			time.Sleep(time.Second)
			return answer{Text: q.Text}, nil
		})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, s shape) error {
			switch s.Size {
			case 1:
				return wsrouter.Errorf("no", "no")
			case 2:
				return errors.New("broken")
			case 3:
				panic("broken")
			case 4:
				return wsrouter.Close(4000, "enough")
			case 5:
				c.Close(1000, "")
				return c.Send(ctx, s)
			case 6:
				return c.Send(ctx, stray{})
			}
			return c.Send(ctx, s)
		}, wsrouter.Sends(shape{}))
		for _, tt := range []struct {
			in   string
			want []string
		}{
			{`{"type":"question","text":"a"}`, []string{`send "answer" 28 to 1`, `message "question" 30 1s ok`}},
			{`{"type":"question","text":""}`, []string{`send "error" 182 to 1`, `message "question" 29 0s invalid`}},
			{`{"type":"square","size":0}`, []string{`send "square" 26 to 1`, `message "square" 26 0s ok`}},
			{`{"type":"circle","size":1}`, []string{`send "error" 41 to 1`, `message "circle" 26 0s error`}},
			{`{"type":"circle","size":2}`, []string{`send "error" 59 to 1`, `message "circle" 26 0s failed`}},
			{`{"type":"circle","size":3}`, []string{`message "circle" 26 0s panic`, "close 1011 false 0s"}},
			{`{"type":"circle","size":4}`, []string{`message "circle" 26 0s close`, "close 4000 false 0s"}},
			{`{"type":"circle","size":5}`, []string{`message "circle" 26 0s over`, "close 1000 false 0s"}},
			{`{"type":"circle","size":6}`, []string{`send "" 16 to 1`, `message "circle" 26 0s ok`}},
			{`{"type":"` + strings.Repeat("x", 100) + `"}`, []string{`send "error" 420 to 1`, `message "" 111 0s invalid`}},
			{`no JSON`, []string{`send "error" 165 to 1`, `message "" 7 0s invalid`}},
		} {
			w.events = nil
			p := connect(t, r, "/", nil)
			p.send(tt.in)
			time.Sleep(time.Second)
			synctest.Wait()
			got, want := w.seen(), append([]string{"upgrade 101 "}, tt.want...)
			for i := range got { // the texts of errors are not the point
				if strings.HasPrefix(got[i], `send "error"`) && i < len(want) && strings.HasPrefix(want[i], `send "error"`) {
					want[i] = got[i]
				}
				if strings.HasPrefix(got[i], "close") {
					got[i] = strings.Replace(got[i], " 1s", " 0s", 1)
				}
			}
			expect(t, tt.in, got, want)
			p.close()
			synctest.Wait()
		}
	})
}

// TestObserverLabels: nothing that a peer makes up becomes a name or a code.
func TestObserverLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Observer: w.observer()})
		wsrouter.Receive(r, nothing[shape])
		r.Dispatch(func(ctx context.Context, c *conn, routes *wsrouter.Routes[none], f wsrouter.Frame) error {
			return routes.Handle(ctx, c, "circle", f.Data)
		})
		p := connect(t, r, "/", nil)
		p.send(`{"type":"made up","size":1}`)
		synctest.Wait()
		_ = p.ws.Close(4999, "made up")
		synctest.Wait()
		if resp := refuse(t, r, "/", http.Header{"Origin": {"https://made.up"}}); resp != 403 {
			t.Errorf("status %d", resp)
		}
		synctest.Wait()
		for _, e := range w.seen() {
			if strings.Contains(e, "made") || strings.Contains(e, "4999") {
				t.Errorf("told %s", e)
			}
		}
		expect(t, "told", w.seen()[2:], []string{`message "circle" 27 0s invalid`, "close 0 true 0s", "upgrade 403 origin_not_allowed"})
	})
}

// refuse asks for a connection that is not to be had.
func refuse(t *testing.T, h http.Handler, target string, header http.Header) int {
	t.Helper()
	_, resp, err := websocket.Dial(t.Context(), "ws://example.test"+target, &websocket.DialOptions{
		HTTPHeader: header, HTTPClient: &http.Client{Transport: &memory{handler: h}}})
	if err == nil {
		t.Fatal("it was let in")
	}
	return resp.StatusCode
}

// TestObserverOfBroadcast: one event tells how many have it.
func TestObserverOfBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Observer: &wsrouter.Observer{Send: w.observer().Send}})
		r.Sends(answer{})
		r.OnConnect(func(ctx context.Context, c *conn) error { return r.Room("all").Join(c) })
		for range 3 {
			connect(t, r, "/", nil)
		}
		synctest.Wait()
		if err := r.Room("all").Broadcast(t.Context(), answer{Text: "a"}); err != nil {
			t.Error(err)
		}
		if err := r.Room("none").Broadcast(t.Context(), answer{Text: "a"}); err != nil {
			t.Error(err)
		}
		expect(t, "told", w.seen(), []string{`send "answer" 28 to 3`})
		if s := r.Stats(); s.Sent != 3 || s.Rooms != 1 || s.Members != 3 {
			t.Errorf("%+v", s)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestObserverPanics: wherever the observer panics, its connection alone ends, with one line in the log.
func TestObserverPanics(t *testing.T) {
	only := func(is *bool) {
		if *is {
			panic("observer")
		}
	}
	for _, tt := range []struct {
		name     string
		observer func(armed *bool) *wsrouter.Observer
		opts     wsrouter.Options
		say      string
		code     int // 0: it is served further
	}{
		{name: "Upgrade", code: 1011, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Upgrade: func(context.Context, wsrouter.UpgradeEvent) { only(armed) }}
		}},
		{name: "Message", say: `{"type":"question","text":"a"}`, code: 1011, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Message: func(context.Context, wsrouter.MessageEvent) { only(armed) }}
		}},
		{name: "Message of an unknown one", say: `{}`, code: 1011, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Message: func(context.Context, wsrouter.MessageEvent) { only(armed) }}
		}},
		{name: "Send", say: `{"type":"question","text":"a"}`, code: 1011, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Send: func(context.Context, wsrouter.SendEvent) { only(armed) }}
		}},
		{name: "Send of an error reply", say: `{}`, code: 1011, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Send: func(context.Context, wsrouter.SendEvent) { only(armed) }}
		}},
		{name: "Send of a broadcast", say: `{"type":"ask","text":""}`, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Send: func(_ context.Context, e wsrouter.SendEvent) { only(armed) }}
		}},
		{name: "Close", say: "close", code: 1000, observer: func(armed *bool) *wsrouter.Observer {
			return &wsrouter.Observer{Close: func(context.Context, wsrouter.CloseEvent) { only(armed) }}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec, armed := &recorder{}, false
				o := tt.opts
				o.Logger, o.Observer = rec.logger(), tt.observer(&armed)
				r := wsrouter.New[none](&o)
				wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
					return errors.Join(r.Room("all").Join(c), r.Room("all").Broadcast(ctx, answer{Text: "all"}))
				}, wsrouter.Sends(answer{}))
				r.OnConnect(func(context.Context, *conn) error { rec.hook("connect"); return nil })
				r.OnDisconnect(func(context.Context, *conn, wsrouter.CloseInfo) { rec.hook("disconnect") })
				other := connect(t, r, "/", nil)
				synctest.Wait()

				armed = true
				victim := connect(t, r, "/", nil)
				switch tt.say {
				case "":
				case "close":
					_, _ = victim.conn.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8")) // so that the answer is read as what came
				default:
					victim.send(tt.say)
				}
				synctest.Wait()
				armed = false
				if tt.code != 0 {
					<-victim.done
					if got := victim.got(); !strings.HasPrefix(got[len(got)-1], fmt.Sprint("close ", tt.code)) {
						t.Errorf("the victim got %q", got)
					}
				} else {
					victim.send(`{"type":"question","text":"further"}`)
					synctest.Wait()
					expect(t, "the victim", victim.got(), []string{`{"type":"answer","text":"all"}`, `{"type":"answer","text":"further"}`})
				}
				panics := slices.DeleteFunc(slices.Clone(rec.logs), func(l string) bool { return strings.Contains(l, "message refused") })
				if len(panics) != 1 || !strings.Contains(panics[0], `in="Observer" panic="observer"`) {
					t.Errorf("logged %q", rec.logs)
				}
				for _, p := range []*peer{other, connect(t, r, "/", nil)} {
					p.send(`{"type":"question","text":"still"}`)
					synctest.Wait()
					expect(t, "the others", p.got(), []string{`{"type":"answer","text":"still"}`})
				}
				if err := r.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if n := len(rec.hooks); n != 6 {
					t.Errorf("hooks %q", rec.hooks)
				}
			})
		})
	}
	t.Run("Upgrade that is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger(), Observer: &wsrouter.Observer{Upgrade: func(context.Context, wsrouter.UpgradeEvent) { panic("observer") }}})
			if got := refuse(t, r, "/", http.Header{"Origin": {"https://other.test"}}); got != 403 {
				t.Errorf("status %d", got)
			}
			synctest.Wait()
			if len(rec.logs) != 2 || !strings.Contains(rec.logs[1], `in="Observer"`) { // the first is of the refusal
				t.Errorf("logged %q", rec.logs)
			}
		})
	})
	t.Run("Drop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger(), Outbox: 100, Overflow: wsrouter.OverflowDropOldest,
				Observer: &wsrouter.Observer{Drop: func(context.Context, wsrouter.DropEvent) { panic("observer") }}})
			wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error {
				for c.Send(ctx, answer{Text: strings.Repeat("a", 30)}) == nil {
				}
				return nil
			}, wsrouter.Sends(answer{}))
			p := dial(t, r, "/", nil)
			p.send(`{"type":"question","text":"a"}`)
			synctest.Wait()
			p.read()
			if got := p.got(); got[len(got)-1] != "close 1011 internal error" {
				t.Errorf("got %q", got)
			}
			if len(rec.logs) != 2 || !strings.Contains(rec.logs[0], `in="Observer"`) { // the other is of the drops
				t.Errorf("logged %q", rec.logs)
			}
		})
	})
}

// echoOnce returns a function that sends a message and waits for the answer.
func echoOnce(tb testing.TB, o *wsrouter.Observer) (echo func()) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Observer: o, PingInterval: -1})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error { return c.SendText(ctx, "a") }, wsrouter.Sends(""))
	m := &memory{handler: r}
	ws, _, err := websocket.Dial(context.Background(), "ws://example.test/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: m}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ws.CloseNow() })
	in := append([]byte{0x81, 0x80 | 30, 0, 0, 0, 0}, `{"type":"question","text":"a"}`...)
	out := make([]byte, 3)
	return func() {
		if _, err := m.client.Write(in); err != nil {
			tb.Error(err)
		}
		for n := 0; n < len(out); {
			more, err := m.client.Read(out[n:])
			if n += more; err != nil {
				tb.Fatal(err)
			}
		}
	}
}

func observers() map[string]*wsrouter.Observer {
	return map[string]*wsrouter.Observer{"nil": nil, "empty": {}, "all": {
		Upgrade: func(context.Context, wsrouter.UpgradeEvent) {},
		Message: func(context.Context, wsrouter.MessageEvent) {},
		Send:    func(context.Context, wsrouter.SendEvent) {},
		Drop:    func(context.Context, wsrouter.DropEvent) {},
		Close:   func(context.Context, wsrouter.CloseEvent) {},
	}}
}

// TestObserverAllocatesNothing: neither an observer nor its absence costs memory.
func TestObserverAllocatesNothing(t *testing.T) {
	allocs := map[string]float64{}
	for name, o := range observers() {
		allocs[name] = allocations(2000, echoOnce(t, o))
	}
	if max(allocs["empty"], allocs["all"]) > allocs["nil"]+0.5 { // -race takes from pools at random
		t.Errorf("allocations of an echo: %v", allocs)
	}
}

// allocations is how many fn makes on average, not rounded as testing's.
func allocations(runs int, fn func()) float64 {
	fn()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		fn()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(runs)
}

func BenchmarkObserver(b *testing.B) {
	for name, o := range observers() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			echo := echoOnce(b, o)
			for b.Loop() {
				echo()
			}
		})
	}
}

// TestStats: every number is that of what happened.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MessagesPerSecond: 3})
		gate := make(chan none)
		wsrouter.Respond(r, func(ctx context.Context, c *conn, q question) (answer, error) {
			if q.Text == "wait" {
				<-gate
			}
			return answer{Text: q.Text}, errors.Join(r.Room("a").Join(c), r.Room("b").Join(c), r.Room("b").Join(c))
		})
		if s := r.Stats(); s != (wsrouter.Stats{}) {
			t.Errorf("at first %+v", s)
		}
		refuse(t, r, "/", http.Header{"Origin": {"https://other.test"}})
		first, second := connect(t, r, "/", nil), connect(t, r, "/", nil)
		second.send(`{"type":"question","text":"wait"}`)
		for range 4 {
			first.send(`{"type":"question","text":"a"}`)
		}
		synctest.Wait()
		const in, out = 6 + 30, 2 + 28 // with their headers
		wait := r.Stats()
		if wait.BytesSent <= 3*out || wait.BytesReceived != 4*in+in+3 {
			t.Errorf("bytes %+v", wait)
		}
		wait.BytesReceived, wait.BytesSent = 0, 0
		expect(t, "while a handler waits", wait, wsrouter.Stats{Conns: 2, Rooms: 2, Members: 2, Opened: 2, Refused: 1, Received: 5, Limited: 1, Sent: 4, Handlers: 1})
		time.Sleep(time.Second) // so that the reading role is another goroutine's
		close(gate)
		synctest.Wait()
		if s := r.Stats(); s.Handlers != 0 || s.Sent != 5 || s.Members != 4 {
			t.Errorf("behind it %+v", s)
		}
		first.close()
		second.close()
		synctest.Wait()
		if s := r.Stats(); s.Conns != 0 || s.Rooms != 0 || s.Members != 0 || s.Opened != 2 || s.Handlers != 0 || s.BytesBuffered != 0 {
			t.Errorf("at the end %+v", s)
		}
	})
}
