package wsrouter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

type (
	kind  string
	level int

	// text is an existing struct whose field is the discriminator.
	text struct {
		Type string `json:"type" const:"text"`
		Body string `json:"body"`
	}
	// shape has several names.
	shape struct {
		Type kind `json:"type"`
		Size int  `json:"size"`
	}
	// numbered has a number for a name.
	numbered struct {
		Type level  `json:"type" const:"7"`
		Body string `json:"body"`
	}
	question struct {
		_    none   `ws:"question"`
		Text string `json:"text" minLength:"1"`
	}
	answer struct {
		_    none   `ws:"answer"`
		Text string `json:"text"`
	}
	vendored struct {
		Price int `json:"price"`
	}
	refused struct {
		_      none   `ws:"refused"`
		Reason string `json:"reason"`
	}
)

func (kind) Enum() []kind { return []kind{"circle", "square"} }

// exchange sends in to a router and returns the frames that come back, all in virtual time.
func exchange(t *testing.T, h http.Handler, in ...string) []string {
	t.Helper()
	p := connect(t, h, "/", nil)
	for _, m := range in {
		p.send(m)
	}
	synctest.Wait()
	got := p.got()
	p.close()
	return got
}

// TestWireShapes: one handler in every shape that messages may have.
func TestWireShapes(t *testing.T) {
	tests := []struct {
		name    string
		opts    wsrouter.Options
		declare func(r *wsrouter.Router[none])
		in      []string
		want    []string
	}{
		{
			name: "an adopted field", in: []string{`{"body":"hi","type":"text"}`}, want: []string{`{"type":"text","body":"hi"}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m text) error {
					if m.Type != "text" {
						return wsrouter.Errorf("bug", "Type is %q", m.Type)
					}
					return c.Send(ctx, text{Body: m.Body})
				}, wsrouter.Sends(text{}))
			},
		},
		{
			name: "an adopted field with several names",
			in:   []string{`{"type":"circle","size":1}`, `{"type":"square","size":2}`, `{"type":"oval","size":3}`},
			want: []string{`{"type":"circle","size":2}`, `{"type":"square","size":3}`,
				`{"type":"error","code":"unknown_type","detail":"unknown type \"oval\"","issues":[{"path":"/type","code":"unknown_type","message":"unknown type \"oval\"","params":{"known":["circle","square"]},"input":"oval"}]}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m shape) error {
					return c.Send(ctx, shape{Type: m.Type, Size: m.Size + 1})
				}, wsrouter.Sends(shape{}))
			},
		},
		{
			name: "a number for a name", in: []string{`{"type":7,"body":"hi"}`, `{"type":"7","body":"hi"}`},
			want: []string{`{"type":7,"body":"hi!"}`,
				`{"type":"error","code":"validation_failed","detail":"1 issue","issues":[{"path":"/type","code":"type","message":"must be an integer","params":{"type":"integer"},"input":"7"}]}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m numbered) error {
					return c.Send(ctx, numbered{Body: m.Body + "!"})
				}, wsrouter.Sends(numbered{}))
			},
		},
		{
			name: "a payload", opts: wsrouter.Options{Payload: "data", Discriminator: "event"},
			in: []string{`{"event":"question","data":{"text":"hi"},"id":"a"}`, `{"event":"question","data":{"text":""},"id":"b"}`, `{"event":"question"}`},
			want: []string{`{"event":"answer","id":"a","data":{"text":"hi"}}`,
				`{"event":"error","id":"b","data":{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/data/text","code":"minLength","message":"must have at least 1 character","params":{"minLength":1},"input":""}]}}`,
				`{"event":"error","data":{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/data/text","code":"required","message":"is required"}]}}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
			},
		},
		{
			name: "a payload that is no object", opts: wsrouter.Options{Payload: "data"},
			in: []string{`{"type":"note","data":"hi"}`, `{"type":"numbers","data":[1,2]}`, `{"type":"note"}`},
			want: []string{`{"type":"numbers","data":[2]}`, `{"type":"note","data":"2 numbers"}`,
				`{"type":"error","data":{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/data","code":"required","message":"is required"}]}}`},
			declare: func(r *wsrouter.Router[none]) {
				type note string
				type numbers []int
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m note) error { return c.Send(ctx, numbers{len(m)}) }, wsrouter.Sends(numbers{}))
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m numbers) error {
					return c.Send(ctx, note(fmt.Sprintf("%d numbers", len(m))))
				}, wsrouter.Sends(note("")))
			},
		},
		{
			name: "no discriminator", opts: wsrouter.Options{Discriminator: "-"},
			in: []string{`{"text":"hi"}`, `{"price":1}`, `{"other":1}`},
			want: []string{`{"text":"text hi"}`, `{"text":"price 1"}`,
				`{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/text","code":"required","message":"is required"}]}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m question) error {
					return c.Send(ctx, answer{Text: "text " + m.Text})
				}, wsrouter.Sends(answer{}))
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m vendored) error {
					return c.Send(ctx, answer{Text: fmt.Sprint("price ", m.Price)})
				})
			},
		},
		{
			name: "a shared const instead of a discriminator", opts: wsrouter.Options{Discriminator: "-"},
			in: []string{`{"op":"sub","v":1}`, `{"op":"add","v":"x"}`, `{"op":"mul"}`, `{"v":1}`},
			want: []string{`{"text":"sub"}`,
				`{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/v","code":"type","message":"must be an integer","params":{"type":"integer"},"input":"x"}]}`,
				`{"code":"unknown_type","detail":"unknown type \"mul\"","issues":[{"path":"/op","code":"unknown_type","message":"unknown type \"mul\"","params":{"known":["add","sub"]},"input":"mul"}]}`,
				`{"code":"validation_failed","detail":"1 issue","issues":[{"path":"/op","code":"required","message":"is required"}]}`},
			declare: func(r *wsrouter.Router[none]) {
				type add struct {
					Op string `json:"op" const:"add"`
					V  int    `json:"v"`
				}
				type sub struct {
					Op string `json:"op" const:"sub"`
					V  int    `json:"v"`
				}
				wsrouter.Receive(r, nothing[add])
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m sub) error { return c.Send(ctx, answer{Text: m.Op}) }, wsrouter.Sends(answer{}))
			},
		},
		{
			name: "an answer with the id of its question", in: []string{`{"type":"question","id":"q1","text":"a"}`, `{"type":"question","text":"b","id":18446744073709551615}`, `{"type":"question","text":"c","id":1.5}`, `{"text":"d","type":"question"}`, `{"type":"question","id":12,"text":""}`},
			want: []string{`{"type":"answer","id":"q1","text":"a"}`, `{"type":"answer","id":18446744073709551615,"text":"b"}`, `{"type":"answer","text":"c"}`, `{"type":"answer","text":"d"}`,
				`{"type":"error","id":12,"code":"validation_failed","detail":"1 issue","issues":[{"path":"/text","code":"minLength","message":"must have at least 1 character","params":{"minLength":1},"input":""}]}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
			},
		},
		{
			name: "a renamed id", opts: wsrouter.Options{IDMember: "ref"}, in: []string{`{"type":"question","ref":"q1","id":"no","text":"a"}`},
			want: []string{`{"type":"answer","ref":"q1","text":"a"}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
			},
		},
		{
			name: "a name by As and one by Options", opts: wsrouter.Options{Names: map[string]any{"quote": vendored{}}}, in: []string{`{"type":"ask","text":"a"}`},
			want: []string{`{"type":"quote","price":5}`, `{"type":"ask","text":"back"}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Receive(r, func(ctx context.Context, c *conn, _ sameText) error {
					return errors.Join(c.Send(ctx, &vendored{Price: 5}), c.Send(ctx, sameText{Text: "back"}))
				}, wsrouter.As("ask"), wsrouter.Sends(vendored{}, sameText{}))
			},
		},
		{
			name: "another error reply", opts: wsrouter.Options{ErrorMessage: func(e *wsrouter.Error) any { return refused{Reason: e.Code} }},
			in: []string{`{"type":"nothing","id":1}`}, want: []string{`{"type":"refused","id":1,"reason":"unknown_type"}`},
		},
		{
			name: "another name of the error reply", opts: wsrouter.Options{ErrorName: "oops"}, in: []string{`[]`},
			want: []string{`{"type":"oops","code":"validation_failed","detail":"1 issue","issues":[{"path":"","code":"type","message":"must be an object","params":{"type":"object"}}]}`},
		},
		{
			name: "unknown members refused", opts: wsrouter.Options{RejectUnknownMembers: true}, in: []string{`{"type":"question","id":1,"text":"a","txt":"b"}`},
			want:    []string{`{"type":"error","id":1,"code":"validation_failed","detail":"1 issue","issues":[{"path":"/txt","code":"additionalProperties","message":"is not a known member","params":{"did_you_mean":"text"}}]}`},
			declare: func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[question]) },
		},
		{
			name: "an escaped name", in: []string{`{"\u0074ype":"quest\u0069on","text":"a"}`}, want: []string{`{"type":"answer","text":"a"}`},
			declare: func(r *wsrouter.Router[none]) {
				wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text}, nil })
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := tt.opts
				opts.StrictSends = true
				r := wsrouter.New[none](&opts)
				if tt.declare != nil {
					tt.declare(r)
				}
				if got := exchange(t, r, tt.in...); !slices.Equal(got, tt.want) {
					t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
				}
			})
		})
	}
}

type sameText struct {
	Text string `json:"text"`
}

// TestReportOnly: a message that breaks a rule is handled and logged, one that cannot be decoded is refused.
func TestReportOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		r := wsrouter.New[none](&wsrouter.Options{ReportOnly: true, Logger: rec.logger()})
		wsrouter.Respond(r, func(_ context.Context, _ *conn, q question) (answer, error) { return answer{Text: q.Text + "!"}, nil })
		got := exchange(t, r, `{"type":"question","text":""}`, `{"type":"question"}`, `{"type":"question","text":1}`)
		want := []string{`{"type":"answer","text":"!"}`, `{"type":"answer","text":"!"}`,
			`{"type":"error","code":"validation_failed","detail":"1 issue","issues":[{"path":"/text","code":"type","message":"must be a string","params":{"type":"string"},"input":1}]}`}
		if !slices.Equal(got, want) {
			t.Errorf("got %s", strings.Join(got, "\n"))
		}
		logs := []string{
			`WARN wsrouter: message breaks rules message="question" issues="validation_failed: /text must have at least 1 character"`,
			`WARN wsrouter: message breaks rules message="question" issues="validation_failed: /text is required"`,
			`INFO wsrouter: message refused message="question" code="validation_failed" issues="validation_failed: /text must be a string"`,
		}
		if !slices.Equal(rec.logs, logs) {
			t.Errorf("logs %s", strings.Join(rec.logs, "\n"))
		}
	})
}

// TestUndeclared: an undeclared message is sent with one warning, or fails where that is asked for.
func TestUndeclared(t *testing.T) {
	for _, strict := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			r := wsrouter.New[none](&wsrouter.Options{StrictSends: strict, Logger: rec.logger()})
			wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error {
				rec.hook("send: %v", c.Send(ctx, answer{Text: q.Text}))
				rec.hook("text: %v", c.SendText(ctx, "raw"))
				rec.hook("broadcast: %v", r.Room("a").Broadcast(ctx, answer{}))
				rec.hook("string: %v", c.Send(ctx, "a string"))
				rec.hook("nil: %v", c.Send(ctx, nil))
				rec.hook("not UTF-8: %v", c.SendText(ctx, "\xff"))
				return nil
			})
			got := exchange(t, r, `{"type":"question","text":"a"}`, `{"type":"question","text":"b"}`)
			if n := len(got); strict && n != 0 || !strict && n != 4 {
				t.Errorf("strict %v: got %q", strict, got)
			}
			undeclared := "<nil>"
			if strict {
				undeclared = "wsrouter: message type not declared by Sends: wsrouter_test.answer: add it to the Sends of a handler or of the router"
			}
			if rec.hooks[0] != "send: "+undeclared || rec.hooks[2] != "broadcast: "+undeclared {
				t.Errorf("strict %v: %q", strict, rec.hooks[:3])
			}
			wantRest := []string{
				"string: wsrouter: a string is no message: use SendText or SendBytes",
				"nil: wsrouter: the message is nil",
				"not UTF-8: wsrouter: SendText: text is not UTF-8",
			}
			if !slices.Equal(rec.hooks[3:6], wantRest) {
				t.Errorf("got %q", rec.hooks[3:6])
			}
			if n := len(rec.logs); strict && n != 0 || !strict && n != 2 { // the answer and the raw text, once each
				t.Errorf("strict %v: logs %q", strict, rec.logs)
			}
		})
	}
}

// TestOverflow: a peer that does not read meets each policy.
func TestOverflow(t *testing.T) {
	tests := []struct {
		overflow wsrouter.Overflow
		errs     []error // of six sends of 30 bytes with their headers, one of which is being written
		got      []string
	}{
		{wsrouter.OverflowClose, []error{nil, nil, nil, wsrouter.ErrClosed, wsrouter.ErrClosed, wsrouter.ErrClosed}, nil},
		{wsrouter.OverflowDropNewest, []error{nil, nil, nil, wsrouter.ErrDropped, wsrouter.ErrDropped, wsrouter.ErrDropped}, []string{"0", "1", "2"}},
		{wsrouter.OverflowDropOldest, []error{nil, nil, nil, nil, nil, nil}, []string{"0", "4", "5"}},
		{wsrouter.OverflowWait, []error{nil, nil, nil, context.DeadlineExceeded, context.DeadlineExceeded, context.DeadlineExceeded}, []string{"0", "1", "2"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			var errs []error
			r := wsrouter.New[none](&wsrouter.Options{Overflow: tt.overflow, Outbox: 3 * 30, Logger: rec.logger()})
			wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error {
				for i := range 6 {
					ctx, cancel := context.WithTimeout(ctx, time.Second)
					errs = append(errs, c.Send(ctx, answer{Text: fmt.Sprint(i)}))
					cancel()
					synctest.Wait()
				}
				return nil
			}, wsrouter.Sends(answer{}))
			p := dial(t, r, "/", nil)
			p.send(`{"type":"question","text":"a"}`)
			time.Sleep(4 * time.Second)
			synctest.Wait()
			for i := range errs {
				if !errors.Is(errs[i], tt.errs[i]) {
					t.Errorf("policy %v: send %d: %v, want %v", tt.overflow, i, errs[i], tt.errs[i])
				}
			}
			go p.read()
			synctest.Wait()
			var got []string
			for _, f := range p.got() {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(f, `{"type":"answer","text":"`), `"}`))
			}
			if !slices.Equal(got, tt.got) {
				t.Errorf("policy %v: got %q, want %q", tt.overflow, got, tt.got)
			}
			if n := len(rec.logs); n != 1 && tt.overflow != wsrouter.OverflowWait {
				t.Errorf("policy %v: logs %q, want one line for the episode", tt.overflow, rec.logs)
			}
			p.close()
		})
	}
}

// TestRooms: a room has one order for all, leaves out whom it is told to, and ends with its members.
func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns []*conn
		r := wsrouter.New[none](nil)
		r.Sends(answer{})
		r.OnConnect(func(_ context.Context, c *conn) error {
			conns = append(conns, c)
			return errors.Join(r.Room("a").Join(c), r.Room("a").Join(c))
		})
		r.OnDisconnect(func(ctx context.Context, c *conn, _ wsrouter.CloseInfo) {
			if n := len(slices.Collect(r.Room("a").Members())); n > 2 {
				t.Errorf("%d members after the end", n)
			}
			if err := r.Room("a").Join(c); !errors.Is(err, wsrouter.ErrClosed) {
				t.Errorf("Join after the end: %v", err)
			}
		})
		var peers []*peer
		for range 3 {
			peers = append(peers, connect(t, r, "/", nil))
			synctest.Wait()
		}
		ctx := t.Context()
		var senders sync.WaitGroup
		for i := range 4 {
			senders.Go(func() {
				for j := range 25 {
					if err := r.Room("a").Broadcast(ctx, answer{Text: fmt.Sprint(i, j)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		senders.Wait()
		synctest.Wait()
		if err := r.Room("a").Broadcast(ctx, answer{Text: "not the first"}, wsrouter.Except(conns[0])); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		one, two := peers[0].got(), peers[1].got()
		if len(one) != 100 || len(two) != 101 || !slices.Equal(one, two[:100]) || !slices.Equal(two, peers[2].got()) {
			t.Errorf("%d, %d and %d frames, want 100, 101 and 101 in one order", len(one), len(two), len(peers[2].got()))
		}
		peers[0].close()
		r.Room("a").Leave(conns[1])
		synctest.Wait()
		if got := slices.Collect(r.Room("a").Members()); len(got) != 1 || got[0] != conns[2] {
			t.Errorf("%d members, want the third connection", len(got))
		}
		if got := slices.Collect(r.Room("b").Members()); got != nil {
			t.Errorf("members of an empty room: %v", got)
		}
		peers[1].close()
		peers[2].close()
	})
}

// TestMiddleware: the first is outermost, sees the decoded message and may change it; hooks are not wrapped.
func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		trace := func(name string) func(wsrouter.Handler[none]) wsrouter.Handler[none] {
			return func(next wsrouter.Handler[none]) wsrouter.Handler[none] {
				return func(ctx context.Context, c *conn, in *wsrouter.Incoming) error {
					q := in.Value.(*question)
					rec.hook("%s before %s %s %s", name, in.Name, q.Text, in.Frame.Data)
					q.Text += name
					err := next(ctx, c, in)
					rec.hook("%s after: %v", name, err)
					return err
				}
			}
		}
		r := wsrouter.New[none](nil)
		r.Use(trace("a"), trace("b"))
		wsrouter.Receive(r, func(_ context.Context, _ *conn, q question) error {
			rec.hook("handler %s", q.Text)
			return wsrouter.Errorf("no", "no")
		})
		exchange(t, r, `{"type":"question","text":"x"}`, `{"type":"unknown"}`)
		want := []string{
			`a before question x {"type":"question","text":"x"}`, `b before question xa {"type":"question","text":"x"}`,
			`handler xab`, `b after: no: no`, `a after: no: no`,
		}
		if !slices.Equal(rec.hooks, want) {
			t.Errorf("got %q", rec.hooks)
		}
	})
}

// TestContext: handlers see the base of Options.Context, its end with the connection, and OnDisconnect 5 s more.
func TestContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Context: func(req *http.Request) context.Context {
			return context.WithValue(context.Background(), key{}, req.URL.Query().Get("trace"))
		}})
		var live context.Context
		r.OnConnect(func(ctx context.Context, c *conn) error {
			live = ctx
			if ctx.Value(key{}) != "t1" || c.Context() != ctx {
				t.Errorf("OnConnect: trace %v", ctx.Value(key{}))
			}
			return nil
		})
		ended := make(chan time.Duration)
		r.OnDisconnect(func(ctx context.Context, c *conn, _ wsrouter.CloseInfo) {
			if ctx.Err() != nil || ctx.Value(key{}) != "t1" || context.Cause(c.Context()) != wsrouter.ErrClosed {
				t.Errorf("OnDisconnect: %v, trace %v, connection %v", ctx.Err(), ctx.Value(key{}), context.Cause(c.Context()))
			}
			start := time.Now()
			<-ctx.Done()
			ended <- time.Since(start)
		})
		p := connect(t, r, "/?trace=t1", nil)
		synctest.Wait()
		if live.Err() != nil {
			t.Errorf("the context has ended: %v", live.Err())
		}
		go p.close()
		if d := <-ended; d != 5*time.Second {
			t.Errorf("OnDisconnect had %v", d)
		}
	})
}

// TestShutdownRefuses: after Shutdown nobody comes in, and a second Shutdown returns at once.
func TestShutdownRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: slog.New(slog.DiscardHandler)})
		for range 2 {
			if err := r.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		m := &memory{handler: r}
		req := upgradeRequest("/")
		resp, err := m.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%v %+v", err, resp)
		}
		m.client.Close()
	})
}

// TestConcurrently: sends, broadcasts, joins, closes and a shutdown at the same time, for the race detector.
func TestConcurrently(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: slog.New(slog.DiscardHandler)})
	r.Sends(answer{})
	disconnected := make(chan struct{}, 100)
	r.OnConnect(func(_ context.Context, c *conn) error { return r.Room("all").Join(c) })
	r.OnDisconnect(func(context.Context, *conn, wsrouter.CloseInfo) { disconnected <- struct{}{} })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = c.Send(ctx, answer{Text: q.Text}) })
			wg.Go(func() { _ = r.Room("all").Broadcast(ctx, answer{Text: q.Text}) })
			wg.Go(func() { r.Room("some").Leave(c); _ = r.Room("some").Join(c) })
		}
		if q.Text == "close" {
			wg.Go(func() { c.Close(4000, "enough") })
		}
		wg.Wait()
		return nil
	})
	var wg sync.WaitGroup
	var peers []*peer
	for range 20 {
		peers = append(peers, connect(t, r, "/", nil))
	}
	for i, p := range peers {
		wg.Go(func() {
			for j := range 10 {
				word := "go"
				if i%4 == 0 && j == 7 {
					word = "close"
				}
				p.send(`{"type":"question","text":"` + word + `"}`)
			}
		})
	}
	wg.Wait()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for range peers {
		<-disconnected
	}
	if n := len(disconnected); n != 0 {
		t.Errorf("OnDisconnect ran %d times too often", n)
	}
}

// TestFeed: a router without handlers sends, and refuses what it gets.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{StrictSends: true})
		r.Sends("", []byte(nil))
		r.OnConnect(func(ctx context.Context, c *conn) error {
			data := []byte{1, 2}
			err := errors.Join(c.SendText(ctx, "hello"), c.SendBytes(ctx, data))
			data[0] = 9 // the caller's again
			return err
		})
		got := exchange(t, r, `{"type":"question"}`)
		want := []string{"hello", "binary 0102", `{"type":"error","code":"unknown_type","detail":"unknown type \"question\"","issues":[{"path":"/type","code":"unknown_type","message":"unknown type \"question\"","params":{"known":[]},"input":"question"}]}`}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// TestResolveOrder: every embedded Resolve runs once, before that of the session around them.
func TestResolveOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    func(*bytes.Buffer) http.Handler
		want string
	}{
		{"two embedded and an own", func(b *bytes.Buffer) http.Handler { return resolving[withOwn](b) }, "first second own "},
		{"one embedded, promoted", func(b *bytes.Buffer) http.Handler { return resolving[promoted](b) }, "first "},
		{"own on the value", func(b *bytes.Buffer) http.Handler { return resolving[onValue](b) }, "first value "},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			exchange(t, tt.h(&b))
			if b.String() != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, b.String(), tt.want)
			}
		})
	}
}

type bufferKey struct{}

func note(ctx context.Context, what string) error {
	ctx.Value(bufferKey{}).(*bytes.Buffer).WriteString(what + " ")
	return nil
}

type First struct{}

func (*First) Resolve(ctx context.Context, _ *http.Request) error { return note(ctx, "first") }

type Second struct{}

func (*Second) Resolve(ctx context.Context, _ *http.Request) error { return note(ctx, "second") }

type withOwn struct {
	First
	Second
}

func (*withOwn) Resolve(ctx context.Context, _ *http.Request) error { return note(ctx, "own") }

type promoted struct{ First }

type onValue struct{ First }

func (onValue) Resolve(ctx context.Context, _ *http.Request) error { return note(ctx, "value") }

func resolving[S any](b *bytes.Buffer) http.Handler {
	r := wsrouter.New[S](nil)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), bufferKey{}, b)))
	})
}

// TestContextPanics: a request that panics on its way is answered, and leaves nothing that Shutdown would wait for.
func TestContextPanics(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Context: func(*http.Request) context.Context { panic("ouch") }})
	m := &writer{header: http.Header{}, answered: make(chan int, 1)}
	if text := panicOf(func() { r.ServeHTTP(m, upgradeRequest("/")) }); text != "" {
		t.Errorf("panicked with %q", text)
	}
	if status := <-m.answered; status != http.StatusInternalServerError {
		t.Errorf("status %d", status)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
