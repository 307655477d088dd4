package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

type (
	poke struct {
		_ none `ws:"poke"`
	}
	poked struct {
		_ none `ws:"poked"`
		N int  `json:"n" minimum:"1"`
	}
	strict struct {
		_ none `ws:"strict"`
		N int  `json:"n"`
	}
	decoded struct {
		_ none      `ws:"decoded"`
		V exploding `json:"v" example:"\"x\""`
	}
	exploding string
)

func (m strict) Validate() error {
	if m.N == 13 {
		panic("thirteen")
	}
	if m.N > 100 {
		return errors.New("n is too much for us")
	}
	return nil
}

func (e *exploding) UnmarshalText(text []byte) error {
	switch string(text) {
	case "bang":
		panic("bang")
	case "bad":
		return errors.New("a secret of the server")
	}
	*e = exploding(text)
	return nil
}

// scene is one router with one peer, and a bystander that must not notice.
type scene struct {
	*testing.T
	rec  *recorder
	r    *wsrouter.Router[none]
	peer *peer
	gate chan struct{} // handlers that wait for the test
}

// say sends and waits until everything that follows from it has happened.
func (s *scene) say(text string) {
	s.peer.send(text)
	synctest.Wait()
}

func (s *scene) on(fn func(ctx context.Context, c *conn) error) {
	wsrouter.Receive(s.r, func(ctx context.Context, c *conn, _ poke) error { return fn(ctx, c) }, wsrouter.Sends(poked{}))
}

// failures are what can go wrong on a connection. The golden file says what the peer, the hooks and the log saw.
var failures = []struct {
	name    string
	opts    wsrouter.Options
	declare func(s *scene)
	act     func(s *scene)
	late    time.Duration // how long the end may take; 0: 100 ms
}{
	{name: "handler error", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return errors.New("a secret") })
	}},
	{name: "handler error with an id", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return errors.New("a secret") })
	}, act: func(s *scene) { s.say(`{"type":"poke","id":"q1"}`) }},
	{name: "Errorf", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return wsrouter.Errorf("not_joined", "join first") })
	}, act: func(s *scene) { s.say(`{"type":"poke","id":7}`) }},
	{name: "Errorf with a cause", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return wsrouter.Errorf("full", "disk: %w", errors.New("no space")) })
	}},
	{name: "wrapped Errorf", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error {
			return fmt.Errorf("handle: %w", wsrouter.Errorf("full", "no room"))
		})
	}},
	{name: "nil *Error", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { var e *wsrouter.Error; return e })
	}},
	{name: "Close", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return wsrouter.Close(4000, "enough") })
	}},
	{name: "ProtocolError", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { return &wsrouter.ProtocolError{Code: 1008, Reason: "no"} })
	}},
	{name: "own ValidationError", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error {
			return &wsrouter.ValidationError{Code: "validation_failed"}
		})
	}},
	{name: "server close after a message", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			err := c.Send(ctx, poked{N: 1})
			c.Close(1000, "done")
			c.Close(1001, "only the first counts")
			s.rec.hook("send after close: %v", c.Send(ctx, poked{N: 2}))
			return err
		})
	}},
	{name: "close with an impossible code", declare: func(s *scene) {
		s.on(func(_ context.Context, c *conn) error { c.Close(1006, ""); return nil })
	}},
	{name: "error after the end", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			c.Close(1000, "")
			<-ctx.Done()
			return fmt.Errorf("wait: %w", ctx.Err())
		})
	}},
	{name: "panic in a handler", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { panic("ouch") })
	}},
	{name: "panic with an error value", declare: func(s *scene) {
		s.on(func(context.Context, *conn) error { panic(errors.New("an error")) })
	}},
	{name: "panic in OnConnect", declare: func(s *scene) {
		s.r.OnConnect(func(context.Context, *conn) error { panic("ouch") })
	}},
	{name: "panic in OnDisconnect", declare: func(s *scene) {
		s.r.OnDisconnect(func(context.Context, *conn, wsrouter.CloseInfo) { panic("ouch") })
	}},
	{name: "panic in OnFallback", declare: func(s *scene) {
		s.r.OnFallback(func(context.Context, *conn, wsrouter.Frame, error) error { panic("ouch") })
	}},
	{name: "panic in Dispatch", declare: func(s *scene) {
		s.r.Dispatch(func(context.Context, *conn, *wsrouter.Routes[none], wsrouter.Frame) error { panic("ouch") })
	}},
	{name: "panic in middleware", declare: func(s *scene) {
		s.r.Use(func(wsrouter.Handler[none]) wsrouter.Handler[none] {
			return func(context.Context, *conn, *wsrouter.Incoming) error { panic("ouch") }
		})
		s.on(func(context.Context, *conn) error { return nil })
	}},
	{name: "panic in Validate", declare: func(s *scene) { wsrouter.Receive(s.r, nothing[strict]) },
		act: func(s *scene) { s.say(`{"type":"strict","n":13}`) }},
	{name: "panic in a decoder", declare: func(s *scene) { wsrouter.Receive(s.r, nothing[decoded]) },
		act: func(s *scene) { s.say(`{"type":"decoded","v":"bang"}`) }},
	{name: "panic in ErrorMessage", opts: wsrouter.Options{ErrorMessage: func(e *wsrouter.Error) any {
		if e.Code == "unknown_type" {
			panic("ouch")
		}
		return e
	}}},
	{name: "error of Validate", declare: func(s *scene) { wsrouter.Receive(s.r, nothing[strict]) },
		act: func(s *scene) { s.say(`{"type":"strict","n":101}`) }},
	{name: "error of a decoder", declare: func(s *scene) { wsrouter.Receive(s.r, nothing[decoded]) },
		act: func(s *scene) { s.say(`{"type":"decoded","v":"bad"}`) }},
	{name: "OnConnect refuses with Close", declare: func(s *scene) {
		s.r.OnConnect(func(context.Context, *conn) error { return wsrouter.Close(4001, "not today") })
	}},
	{name: "OnConnect refuses with Errorf", declare: func(s *scene) {
		s.r.OnConnect(func(context.Context, *conn) error { return wsrouter.Errorf("banned", "you are banned") })
	}},
	{name: "OnConnect fails", declare: func(s *scene) {
		s.r.OnConnect(func(context.Context, *conn) error { return errors.New("a secret") })
	}},
	{name: "fallback answers itself", declare: func(s *scene) {
		s.r.Sends(poked{})
		s.r.OnFallback(func(ctx context.Context, c *conn, f wsrouter.Frame, err error) error {
			s.rec.hook("fallback %s: %v", f.Data, err)
			return c.Send(ctx, poked{N: 9})
		})
	}},
	{name: "fallback fails", declare: func(s *scene) {
		s.r.OnFallback(func(context.Context, *conn, wsrouter.Frame, error) error { return errors.New("a secret") })
	}},
	{name: "client gone while idle", act: func(s *scene) { s.peer.conn.Close() }},
	{name: "client gone in a handler", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			<-ctx.Done()
			s.rec.hook("handler sees %v", context.Cause(ctx))
			return ctx.Err()
		})
	}, act: func(s *scene) {
		s.say(`{"type":"poke"}`)
		s.peer.conn.Close()
	}},
	{name: "client gone in a send", opts: wsrouter.Options{Overflow: wsrouter.OverflowWait, Outbox: 64}, declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			for {
				if err := c.Send(ctx, poked{N: 1}); err != nil {
					s.rec.hook("send fails: %v", err)
					return err
				}
			}
		})
	}, act: func(s *scene) {
		s.peer = dial(s.T, s.r, "/", nil) // does not read
		s.peer.send(`{"type":"poke"}`)
		synctest.Wait()
		s.peer.conn.Close()
	}},
	{name: "client never reads", opts: wsrouter.Options{Outbox: 64}, declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			for {
				if err := c.Send(ctx, poked{N: 1}); err != nil {
					s.rec.hook("send fails: %v", err)
					return err
				}
			}
		})
	}, act: func(s *scene) {
		s.peer = dial(s.T, s.r, "/", nil)
		s.peer.send(`{"type":"poke"}`)
	}},
	{name: "client takes no pings", opts: wsrouter.Options{PingInterval: time.Second, PongTimeout: time.Second}, act: func(s *scene) {
		s.peer = dial(s.T, s.r, "/", nil)
	}, late: 12 * time.Second},
	{name: "client leaves while a handler blocks", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			<-ctx.Done()
			s.rec.hook("handler sees the end")
			return nil
		})
	}, act: func(s *scene) {
		s.say(`{"type":"poke"}`)
		s.rec.hook("pong: %v", s.peer.ws.Ping(context.Background()))
		s.peer.close()
	}},
	{name: "binary where messages are text", act: func(s *scene) {
		_ = s.peer.ws.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"poke"}`))
		synctest.Wait()
	}},
	{name: "text where messages are binary", opts: wsrouter.Options{Binary: true}},
	{name: "wrong kind to the fallback", declare: func(s *scene) {
		s.r.OnFallback(func(_ context.Context, _ *conn, f wsrouter.Frame, err error) error {
			s.rec.hook("fallback binary=%v: %v", f.Binary, err)
			return nil
		})
	}, act: func(s *scene) {
		_ = s.peer.ws.Write(context.Background(), websocket.MessageBinary, []byte(`x`))
		synctest.Wait()
	}},
	{name: "unknown type", declare: func(s *scene) { s.on(func(context.Context, *conn) error { return nil }) },
		act: func(s *scene) { s.say(`{"type":"pok","id":"a"}`) }},
	{name: "no type", act: func(s *scene) { s.say(`{"n":1}`) }},
	{name: "type that is no string", act: func(s *scene) { s.say(`{"type":1}`) }},
	{name: "no object", act: func(s *scene) { s.say(`[1]`) }},
	{name: "not JSON", act: func(s *scene) { s.say(`{"type":`) }},
	{name: "empty message", act: func(s *scene) { s.say(``) }},
	{name: "NaN", act: func(s *scene) { s.say(`{"type":NaN}`) }},
	{name: "second type", declare: func(s *scene) { s.on(func(context.Context, *conn) error { return nil }) },
		act: func(s *scene) { s.say(`{"type":"poke","type":"strict"}`) }},
	{name: "too big", opts: wsrouter.Options{MaxMessage: 20}, act: func(s *scene) { s.say(`{"type":"poke","n":1000}`) }},
	{name: "150 levels deep", declare: func(s *scene) { s.on(func(context.Context, *conn) error { return nil }) },
		act: func(s *scene) {
			s.say(`{"type":"poke","x":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`)
		}},
	{name: "not UTF-8", act: func(s *scene) { s.say("{\"type\":\"\xff\"}") }},
	{name: "shutdown", act: func(s *scene) {
		s.rec.hook("shutdown: %v", s.r.Shutdown(context.Background()))
	}},
	{name: "shutdown while a handler runs", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error {
			<-s.gate
			return c.Send(ctx, poked{N: 5})
		})
	}, act: func(s *scene) {
		s.say(`{"type":"poke"}`)
		go func() { s.rec.hook("shutdown: %v", s.r.Shutdown(context.Background())) }()
		synctest.Wait()
		s.rec.hook("handler goes on")
		close(s.gate)
	}},
	{name: "shutdown that runs out of time", declare: func(s *scene) {
		s.on(func(ctx context.Context, c *conn) error { <-ctx.Done(); return ctx.Err() })
	}, act: func(s *scene) {
		s.say(`{"type":"poke"}`)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.rec.hook("shutdown: %v", s.r.Shutdown(ctx))
	}},
}

// TestFailures: each case ends as the golden file says, OnDisconnect runs exactly once and at once, and a bystander on the same router
// does not notice.
func TestFailures(t *testing.T) {
	var got strings.Builder
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{T: t, rec: &recorder{}, gate: make(chan struct{})}
				opts := tt.opts
				opts.Logger = s.rec.logger()
				s.r = wsrouter.New[none](&opts)
				if tt.declare != nil {
					tt.declare(s)
				}
				if !strings.HasPrefix(tt.name, "OnConnect") && tt.name != "panic in OnConnect" {
					s.r.OnConnect(func(context.Context, *conn) error { s.rec.hook("connect"); return nil })
				}
				if tt.name != "panic in OnDisconnect" {
					s.r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) {
						s.rec.hook("disconnect %d %q remote=%v err=%v", info.Code, info.Reason, info.Remote, info.Err)
					})
				}
				fmt.Fprintf(&got, "%s\n", tt.name)
				got.WriteString(play(s, tt.act, tt.late))
			})
		})
	}
	golden.File(t, "testdata/failures.golden", []byte(got.String()))
}

// play runs one case and writes down what was seen.
func play(s *scene, act func(*scene), late time.Duration) string {
	var bystander *peer
	if name := s.Name(); !strings.Contains(name, "shutdown") && !strings.Contains(name, "OnConnect") {
		bystander = connect(s.T, s.r, "/", nil)
		synctest.Wait()
		s.rec.hooks, s.rec.logs = nil, nil
	}
	s.peer = connect(s.T, s.r, "/", nil)
	first := s.peer
	synctest.Wait()
	if act == nil {
		act = func(s *scene) { s.say(`{"type":"poke"}`) }
	}
	act(s)
	acted := time.Now()
	synctest.Wait()
	time.Sleep(max(late, 100*time.Millisecond)) // by then the end is seen
	if s.peer == first {
		s.peer.close() // where the connection still stands
	} else {
		first.close()
	}
	synctest.Wait()
	if bystander != nil {
		if err := bystander.ws.Ping(context.Background()); err != nil || bystander.got() != nil {
			s.Errorf("the bystander noticed: %v, got %q", err, bystander.got())
		}
	}

	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	if s.rec.ended.Sub(acted) > max(late, 100*time.Millisecond) {
		s.Errorf("OnDisconnect ran %v after the end", s.rec.ended.Sub(acted))
	}
	var b strings.Builder
	for _, f := range s.peer.got() {
		fmt.Fprintf(&b, "\t← %s\n", f)
	}
	for _, h := range s.rec.hooks {
		h, _, _ = strings.Cut(h, " while ") // reading or writing sees it first
		fmt.Fprintf(&b, "\t* %s\n", h)
	}
	for _, l := range s.rec.logs {
		fmt.Fprintf(&b, "\t# %s\n", l)
	}
	return b.String()
}
