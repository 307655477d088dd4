package wsrouter_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
)

// TestDrainAnswersFirst: many handlers run when the router is shut down, and more messages wait behind them. Whoever began is answered
// before the 1001 whatever time it takes, nobody else is, and Shutdown returns when the last has.
func TestDrainAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 200
		random := rand.New(rand.NewPCG(1, 2))
		takes := make(chan time.Duration, 2*clients)
		longest := time.Duration(0)
		for range clients {
			d := time.Duration(random.IntN(20_000)) * time.Millisecond
			takes <- time.Second + d
			longest = max(longest, time.Second+d)
		}
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, _ poke) error {
			time.Sleep(<-takes)
			return c.Send(ctx, poked{N: 1})
		}, wsrouter.Sends(poked{}))
		var peers []*peer
		for i := range 2 * clients {
			p := connect(t, r, "/", nil)
			if i%2 == 0 { // the others are idle
				p.send(`{"type":"poke"}`)
				go p.send(`{"type":"poke"}`) // is read when somebody reads for the handler
			}
			peers = append(peers, p)
		}
		synctest.Wait()

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < longest {
			t.Errorf("Shutdown returned after %v, a handler took %v", took, longest)
		}
		synctest.Wait()
		for i, p := range peers {
			want := []string{`{"type":"poked","n":1}`, "close 1001 server shutting down"}[i%2:]
			if got := p.got(); !slices.Equal(got, want) {
				t.Errorf("client %d got %q, want %q", i, got, want)
			}
		}
	})
}

// TestLifeAndDeath: a peer that shows no life is gone after ping interval and pong timeout, and none that shows any, however late, in
// ten minutes.
func TestLifeAndDeath(t *testing.T) {
	const interval, timeout = 10 * time.Second, 4 * time.Second
	lives := []struct {
		name string
		dead bool
		pong func() bool // what it does with a ping; nil: it does not even read
		talk time.Duration
	}{
		{name: "answers", pong: func() bool { return true }},
		{name: "answers late", pong: func() bool { time.Sleep(timeout - 10*time.Millisecond); return true }},
		{name: "talks and never answers", pong: func() bool { return false }, talk: timeout - 10*time.Millisecond},
		{name: "reads and never answers", pong: func() bool { return false }, dead: true},
		{name: "does not read", dead: true},
	}
	synctest.Test(t, func(t *testing.T) {
		// A pipe holds nothing: the ping to who does not read waits, as it would behind a full buffer.
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, PingInterval: interval, PongTimeout: timeout, WriteTimeout: timeout})
		var mu sync.Mutex
		var ended []string
		began := time.Now()
		r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) {
			mu.Lock()
			defer mu.Unlock()
			if info.Code != 1001 { // of Shutdown
				ended = append(ended, fmt.Sprintf("after %v with %d, %v", time.Since(began), info.Code, info.Err))
			}
		})
		wsrouter.Receive(r, nothing[poke])
		var stops []func()
		dead := 0
		for _, l := range lives {
			for range 20 {
				p := dialWith(t, r, "/", &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { return l.pong() }})
				over := make(chan struct{})
				stops = append(stops, sync.OnceFunc(func() { close(over) }))
				if l.pong != nil {
					go p.read()
				}
				if l.talk != 0 {
					go func() {
						for {
							select {
							case <-over:
								return
							case <-time.After(l.talk):
								p.send(`{"type":"poke"}`)
							}
						}
					}()
				}
				if l.dead {
					dead++
				}
			}
		}
		time.Sleep(interval*11/10 + timeout + time.Second)
		mu.Lock()
		if len(ended) != dead {
			t.Errorf("%d of %d dead peers found after ping interval, pong timeout and a second", len(ended), dead)
		}
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if len(ended) != dead {
			t.Errorf("%d peers ended, %d were dead: %q", len(ended), dead, ended[dead:])
		}
		mu.Unlock()
		for _, stop := range stops {
			stop()
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
