package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

type (
	cursor struct {
		_    none   `ws:"cursor,latest=user"`
		User string `json:"user"`
		X    int    `json:"x"`
	}
	typing struct {
		_   none   `ws:"typing,drop"`
		Pad string `json:"pad"`
	}
)

// slowly connects somebody who does not read until all is sent, has a first message go out, runs send, and returns what then comes.
func slowly(t *testing.T, o *wsrouter.Options, send func(ctx context.Context, r *wsrouter.Router[none], c *conn)) (got []string, r *wsrouter.Router[none]) {
	t.Helper()
	r = wsrouter.New[none](o)
	r.Sends(cursor{}, typing{}, answer{})
	r.OnConnect(func(ctx context.Context, c *conn) error {
		if err := r.Room("all").Join(c); err != nil {
			return err
		}
		if err := c.Send(ctx, answer{Text: "first"}); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // from now on it is on its way
		send(ctx, r, c)
		return nil
	})
	p := dial(t, r, "/", nil)
	time.Sleep(time.Second)
	synctest.Wait()
	go p.read()
	synctest.Wait()
	got = p.got()
	p.close()
	synctest.Wait()
	if s := r.Stats(); s.BytesBuffered != 0 {
		t.Errorf("%d bytes wait for nobody", s.BytesBuffered)
	}
	return got, r
}

// TestLatestReplacesInPlace: of one key the newest is sent, in the place of the oldest, so that what must arrive keeps its order.
func TestLatestReplacesInPlace(t *testing.T) {
	for _, broadcast := range []bool{false, true} {
		for _, payload := range []string{"", "data"} {
			t.Run(fmt.Sprint(broadcast, payload), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got, r := slowly(t, &wsrouter.Options{Logger: quiet, Payload: payload}, func(ctx context.Context, r *wsrouter.Router[none], c *conn) {
						for i, msg := range []any{cursor{User: "ann", X: 1}, answer{Text: "one"}, cursor{User: "bob", X: 2}, answer{Text: "two"},
							cursor{User: "ann", X: 3}, cursor{User: "bob", X: 4}, cursor{User: "ann", X: 5}, answer{Text: "three"}, cursor{X: 6}, cursor{X: 7}} {
							send := c.Send
							if broadcast {
								send = func(ctx context.Context, msg any) error { return r.Room("all").Broadcast(ctx, msg) }
							}
							if err := send(ctx, msg); err != nil {
								t.Errorf("%d: %v", i, err)
							}
						}
					})
					var short []string
					for _, m := range got {
						m = strings.NewReplacer(`"type":`, "", `"data":`, "", `"user":`, "", `"text":`, "", "{", "", "}", "", `"`, "").Replace(m)
						short = append(short, m)
					}
					expect(t, "came", short, []string{"answer,first", "cursor,ann,x:5", "answer,one", "cursor,bob,x:4", "answer,two", "answer,three", "cursor,,x:7"})
					if s := r.Stats(); s.Sent != 11 || s.Replaced != 4 || s.Dropped != 0 {
						t.Errorf("%+v", s)
					}
				})
			})
		}
	}
}

// TestLatestIsNotLost: what a full outbox holds of a key can still be replaced, whatever the policy for a message more.
func TestLatestIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, r := slowly(t, &wsrouter.Options{Logger: quiet, Outbox: 150}, func(ctx context.Context, r *wsrouter.Router[none], c *conn) {
			for i := range 1000 {
				if err := c.Send(ctx, cursor{User: "ann", X: i%10 + 1}); err != nil {
					t.Fatal(err)
				}
			}
		})
		expect(t, "came", got, []string{`{"type":"answer","text":"first"}`, `{"type":"cursor","user":"ann","x":10}`})
		if s := r.Stats(); s.Replaced != 999 {
			t.Errorf("%+v", s)
		}
	})
}

// TestDropIsDropped: a message of a type that may be dropped is, when the outbox is full, and closes nobody; each is counted, an episode is
// one line.
func TestDropIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec, w := &recorder{}, &watcher{}
		dropped := 0
		got, r := slowly(t, &wsrouter.Options{Logger: rec.logger(), Outbox: 150, Observer: &wsrouter.Observer{Drop: w.observer().Drop}}, func(ctx context.Context, r *wsrouter.Router[none], c *conn) {
			for range 10 {
				switch err := c.Send(ctx, typing{Pad: "0123456789"}); {
				case errors.Is(err, wsrouter.ErrDropped):
					dropped++
				case err != nil:
					t.Error(err)
				}
				if err := r.Room("all").Broadcast(ctx, typing{Pad: "broadcast!"}); err != nil {
					t.Error(err)
				}
			}
		})
		kept := len(got) - 1
		if kept < 1 || kept > 3 || dropped < 8 {
			t.Errorf("%d came, Send told of %d drops: %q", kept, dropped, got)
		}
		if s := r.Stats(); int(s.Dropped) != 20-kept {
			t.Errorf("%d of 20 came, %d are counted as dropped", kept, s.Dropped)
		}
		if seen := w.seen(); len(seen) != 20-kept || seen[0] != `drop "typing"` {
			t.Errorf("the observer was told of %d: %.100q", len(seen), seen)
		}
		if len(rec.logs) != 1 || !strings.Contains(rec.logs[0], "messages dropped") {
			t.Errorf("logged %q", rec.logs)
		}
	})
}

// TestDropsByPolicy: the observer learns the name of what was dropped, which under OverflowDropOldest is another message than the one sent;
// the log has one line for each episode.
func TestDropsByPolicy(t *testing.T) {
	for policy, want := range map[wsrouter.Overflow][]string{
		wsrouter.OverflowDropOldest: {`drop "cursor"`, `drop "cursor"`},
		wsrouter.OverflowDropNewest: {`drop "cursor"`, `drop "answer"`},
	} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec, w := &recorder{}, &watcher{}
				r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger(), Outbox: 140, Overflow: policy, Observer: &wsrouter.Observer{Drop: w.observer().Drop}})
				r.Sends(cursor{}, answer{})
				var c *conn
				r.OnConnect(func(ctx context.Context, me *conn) error { c = me; return nil })
				p := dial(t, r, "/", nil)
				for episode := 1; episode <= 3; episode++ {
					synctest.Wait()
					w.events = nil
					_ = c.Send(t.Context(), answer{Text: "first"})
					synctest.Wait() // it is on its way
					for i := range 3 {
						_ = c.Send(t.Context(), cursor{User: fmt.Sprint("user ", i), X: 1}) // two have room
					}
					_ = c.Send(t.Context(), answer{Text: "0123456789012345"})
					expect(t, "told", w.seen(), want)
					for range 3 {
						if _, _, err := p.ws.Read(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					synctest.Wait()
					if len(rec.logs) != episode {
						t.Errorf("%d lines after %d episodes: %q", len(rec.logs), episode, rec.logs)
					}
				}
				p.ws.CloseNow()
			})
		})
	}
}
