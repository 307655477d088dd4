package wsrouter_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
)

// TestMessagesPerSecond: what comes too soon is answered with its id and not handled; after a second as many may come again.
func TestMessagesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MessagesPerSecond: 2})
		wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
		p, other := connect(t, r, "/", nil), connect(t, r, "/", nil)
		for i := range 4 {
			p.send(fmt.Sprintf(`{"type":"question","text":"a","id":%d}`, i))
		}
		p.send(`{"type":"question","text":"a"}`)
		other.send(`{"type":"question","text":"b"}`)
		time.Sleep(time.Second)
		p.send(`{"type":"question","text":"a","id":"next"}`)
		synctest.Wait()
		const limited = `{"type":"error","code":"rate_limited","detail":"too many messages, this one was not handled: at most 2 messages a second"`
		expect(t, "answers", p.got(), []string{
			`{"type":"answer","id":0,"text":"a"}`, `{"type":"answer","id":1,"text":"a"}`,
			limited[:15] + `,"id":2` + limited[15:] + `}`, limited[:15] + `,"id":3` + limited[15:] + `}`, limited + `}`,
			`{"type":"answer","id":"next","text":"a"}`,
		})
		expect(t, "the other's", other.got(), []string{`{"type":"answer","text":"b"}`})
		p.close()
		other.close()
	})
}

// TestBytesPerSecond: a message may be as long as MaxMessage says, but not often.
func TestBytesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxMessage: 1000, BytesPerSecond: 100})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error { return c.Send(ctx, answer{Text: "ok"}) }, wsrouter.Sends(answer{}))
		p := connect(t, r, "/", nil)
		code := func(n int) string {
			before := len(p.got())
			p.send(`{"type":"question","text":"` + strings.Repeat("a", n-29) + `"}`)
			synctest.Wait()
			switch got := p.got()[before:]; {
			case len(got) != 1:
				return fmt.Sprintf("%q", got)
			case strings.Contains(got[0], `"rate_limited"`) && strings.Contains(got[0], "at most 100 bytes a second"):
				return "limited"
			}
			return "taken"
		}
		for _, step := range []struct {
			wait time.Duration
			size int
			want string
		}{{0, 1000, "taken"}, {0, 30, "limited"}, {time.Second, 90, "taken"}, {0, 90, "limited"}, {5 * time.Second, 600, "limited"}, {time.Second, 600, "taken"}, {time.Hour, 1000, "taken"}, {0, 30, "limited"}} {
			time.Sleep(step.wait)
			if got := code(step.size); got != step.want {
				t.Errorf("%+v: %s", step, got)
			}
		}
		p.close()
	})
}

// TestRateClose: or it closes at once.
func TestRateClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MessagesPerSecond: 2, RateClose: true})
		wsrouter.Receive(r, func(context.Context, *conn, poke) error { handled++; return nil })
		p := connect(t, r, "/", nil)
		for range 5 {
			p.send(`{"type":"poke"}`)
		}
		<-p.done
		expect(t, "end", p.got(), []string{"close 1008 too many messages: at most 2 messages a second"})
		if handled != 2 {
			t.Errorf("%d were handled", handled)
		}
	})
}

// TestMaxHandlers: more do not run at once, and none is forgotten; OnConnect counts too.
func TestMaxHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most, all := 0, 0, 0
		work := func() {
			mu.Lock()
			running++
			most, all = max(most, running), all+1
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
		}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxHandlers: 3})
		r.OnConnect(func(context.Context, *conn) error { work(); return nil })
		wsrouter.Receive(r, func(context.Context, *conn, poke) error { work(); return nil })
		var peers []*peer
		for range 10 {
			p := connect(t, r, "/", nil)
			peers = append(peers, p)
			go p.send(`{"type":"poke"}`)
			go p.send(`{"type":"poke"}`)
		}
		time.Sleep(500 * time.Millisecond)
		if s := r.Stats(); s.Handlers != 3 {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if most != 3 || all != 30 {
			t.Errorf("%d at once, %d in all after 10.5 s", most, all)
		}
		for _, p := range peers {
			p.close()
		}
	})
}

// TestMaxBuffered: when all together hold too much, who holds most goes with 1013, and the others stay.
func TestMaxBuffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		ends := map[*conn]int{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxBuffered: 10_000, WriteTimeout: time.Hour, PingInterval: -1})
		r.Sends("")
		conns := make(chan *conn, 3)
		r.OnConnect(func(_ context.Context, c *conn) error { conns <- c; return nil })
		r.OnDisconnect(func(_ context.Context, c *conn, info wsrouter.CloseInfo) {
			mu.Lock()
			defer mu.Unlock()
			ends[c] = info.Code
		})
		var all []*conn
		for range 3 {
			dial(t, r, "/", nil)
			all = append(all, <-conns)
		}
		send := func(c *conn, n int) {
			if err := c.SendText(t.Context(), strings.Repeat("a", n)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		for i, c := range all {
			send(c, 1) // is on its way, and no longer counts
			send(c, 2000+1000*i)
		}
		if s := r.Stats(); s.BytesBuffered < 9000 || s.BytesBuffered > 9100 {
			t.Errorf("%+v", s)
		}
		send(all[0], 1500) // now it holds 3500, and the last one 4000
		mu.Lock()
		if len(ends) != 1 || ends[all[2]] != 1013 {
			t.Errorf("ended %v", ends)
		}
		mu.Unlock()
		if s := r.Stats(); s.BytesBuffered > 7000 {
			t.Errorf("behind it %+v", s)
		}
		send(all[1], 10)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = r.Shutdown(ctx)
		synctest.Wait()
	})
}

// TestMaxFrames and the time that a message may take: both close with 1008, whatever the frames hold.
func TestMaxFrames(t *testing.T) {
	const first, more, last = "\x01\x80\x00\x00\x00\x00", "\x00\x80\x00\x00\x00\x00", "\x80\x80\x00\x00\x00\x00"
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, MaxFrames: 3, MessageTimeout: 2 * time.Second, Observer: &wsrouter.Observer{Close: w.observer().Close}})
		wsrouter.Receive(r, nothing[poke])
		for in, want := range map[string]string{
			first + more + last:        "", // is no JSON
			first + more + more + last: "close 1008 message in more than 3 frames",
			first + more:               "close 1008 a message was not complete within 2s",
		} {
			p := connect(t, r, "/", nil)
			begun := time.Now()
			go p.conn.Write([]byte(in))
			if want == "" {
				time.Sleep(10 * time.Second)
				if got := p.got(); len(got) != 1 || !strings.Contains(got[0], "not_json") {
					t.Errorf("%q", got)
				}
				p.close()
				continue
			}
			<-p.done
			expect(t, "end", p.got(), []string{want})
			if took := time.Since(begun); strings.Contains(want, "complete") && (took < 2*time.Second || took > 2200*time.Millisecond) {
				t.Errorf("after %v", took)
			}
		}
		synctest.Wait()
		if n := len(w.seen()); n != 3 {
			t.Errorf("closed %q", w.seen())
		}
	})
}

// TestExpireAt: the connection closes with 4401 at the time that was set last, and not at all if that is none.
func TestExpireAt(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(c *conn, begun time.Time)
		want time.Duration // 0: never
	}{
		{"once", func(c *conn, begun time.Time) { c.ExpireAt(begun.Add(time.Hour)) }, time.Hour},
		{"renewed", func(c *conn, begun time.Time) {
			c.ExpireAt(begun.Add(time.Minute))
			time.Sleep(59 * time.Second)
			c.ExpireAt(begun.Add(time.Hour))
		}, time.Hour},
		{"earlier", func(c *conn, begun time.Time) { c.ExpireAt(begun.Add(time.Hour)); c.ExpireAt(begun.Add(time.Minute)) }, time.Minute},
		{"never", func(c *conn, begun time.Time) { c.ExpireAt(begun.Add(time.Hour)); c.ExpireAt(time.Time{}) }, 0},
		{"past", func(c *conn, begun time.Time) { c.ExpireAt(begun.Add(-time.Hour)) }, time.Nanosecond},
		{"without a monotonic clock", func(c *conn, begun time.Time) { c.ExpireAt(time.Unix(begun.Unix()+60, 0)) }, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var end wsrouter.CloseInfo
				r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
				begun := time.Now()
				r.OnConnect(func(_ context.Context, c *conn) error { go tt.set(c, begun); return nil })
				var ended time.Time
				r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) { end, ended = info, time.Now() })
				p := connect(t, r, "/", nil)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if tt.want == 0 {
					if !ended.IsZero() {
						t.Errorf("ended %+v", end)
					}
					p.close()
					return
				}
				expect(t, "end", p.got(), []string{"close 4401 credentials expired"})
				if took := ended.Sub(begun); end.Code != 4401 || end.Remote || took < tt.want-time.Second || took > tt.want+200*time.Millisecond {
					t.Errorf("after %v %+v", took, end)
				}
			})
		})
	}
}

// TestExpireOnTheNetwork is TestExpireAt for real sockets, in both modes, while a handler runs and while none does.
func TestExpireOnTheNetwork(t *testing.T) {
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprint("idle ", idle), func(t *testing.T) {
			r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Idle: idle})
			wsrouter.Receive(r, func(ctx context.Context, c *conn, _ poke) error {
				c.ExpireAt(time.Now().Add(200 * time.Millisecond))
				<-ctx.Done()
				return ctx.Err()
			})
			wsrouter.Receive(r, func(_ context.Context, c *conn, _ ask) error {
				c.ExpireAt(time.Now().Add(200 * time.Millisecond))
				return nil
			})
			srv := httptest.NewServer(r)
			defer srv.Close()
			for _, in := range []string{`{"type":"poke"}`, `{"type":"ask","text":""}`} {
				ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer ws.CloseNow()
				begun := time.Now()
				if err := ws.Write(t.Context(), websocket.MessageText, []byte(in)); err != nil {
					t.Fatal(err)
				}
				_, _, err = ws.Read(t.Context())
				if took := time.Since(begun); websocket.CloseStatus(err) != 4401 || took < 200*time.Millisecond {
					t.Errorf("%s: after %v %v", in, took, err)
				}
			}
			if err := r.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
