package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

type doit struct {
	_ none `ws:"do"`
	N int  `json:"n"`
}

// TestEveryEnd: connections end in every way at once, in handlers and beside them, under every policy. Each has one OnDisconnect
// after its last handler and out of all rooms, and nothing is left behind: the bubble ends only when every goroutine has.
func TestEveryEnd(t *testing.T) {
	for _, policy := range []wsrouter.Overflow{wsrouter.OverflowClose, wsrouter.OverflowDropOldest, wsrouter.OverflowDropNewest, wsrouter.OverflowWait} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("policy %d seed %d", policy, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { everyEnd(t, policy, &dice{rand: rand.New(rand.NewPCG(seed, 0))}) })
			})
		}
	}
}

type life struct {
	running      atomic.Int32
	disconnected atomic.Int32
}

// dice is safe from any goroutine.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

type living = wsrouter.Conn[life]

func everyEnd(t *testing.T, policy wsrouter.Overflow, random *dice) {
	r := wsrouter.New[life](&wsrouter.Options{Logger: quiet, Overflow: policy, Outbox: 1000})
	var mu sync.Mutex
	var all []*living
	anybody := func(n int) *living {
		mu.Lock()
		defer mu.Unlock()
		return all[n%len(all)]
	}
	act := func(ctx context.Context, c *living, n int) error {
		room := r.Room(fmt.Sprint("room", n%3))
		switch n % 16 {
		case 0, 1, 2:
			return room.Join(c)
		case 3:
			room.Leave(c)
		case 4, 5, 6:
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return room.Broadcast(ctx, doit{N: n}, wsrouter.Except(anybody(n)))
		case 7:
			return c.Send(ctx, doit{N: n})
		case 8:
			return anybody(n/16).Send(ctx, doit{N: n})
		case 9:
			anybody(n/16).Close(4000+n%100, strings.Repeat("é", 80))
		case 10:
			panic("on purpose")
		case 11:
			runtime.Goexit()
		case 12:
			return wsrouter.Close(1000, "bye")
		case 13:
			return wsrouter.Errorf("no", "%d", n)
		case 14:
			time.Sleep(time.Duration(n%50) * time.Second)
		case 15:
			return errors.New("broken")
		}
		return nil
	}
	hook := func(c *living, do func() error) error {
		if c.Session.running.Add(1) != 1 {
			t.Error("two hooks or handlers of one connection run")
		}
		defer c.Session.running.Add(-1)
		if c.Session.disconnected.Load() != 0 {
			t.Error("a handler began behind OnDisconnect")
		}
		return do()
	}
	var connected, disconnected atomic.Int32
	r.OnConnect(func(ctx context.Context, c *living) error {
		connected.Add(1)
		mu.Lock()
		all = append(all, c)
		mu.Unlock()
		n := random.IntN(1 << 20)
		return hook(c, func() error {
			if n%4 == 0 {
				return act(ctx, c, n/4)
			}
			return nil
		})
	})
	r.OnDisconnect(func(ctx context.Context, c *living, info wsrouter.CloseInfo) {
		_ = hook(c, func() error {
			disconnected.Add(1)
			if c.Session.disconnected.Add(1) != 1 {
				t.Error("OnDisconnect twice")
			}
			for i := range 3 {
				room := r.Room(fmt.Sprint("room", i))
				for m := range room.Members() {
					if m == c {
						t.Error("still a member")
					}
				}
				if err := room.Join(c); !errors.Is(err, wsrouter.ErrClosed) {
					t.Errorf("Join in OnDisconnect: %v", err)
				}
			}
			if err := c.Send(ctx, doit{}); !errors.Is(err, wsrouter.ErrClosed) {
				t.Errorf("Send in OnDisconnect: %v", err)
			}
			if info.Code == 0 {
				t.Errorf("info %+v", info)
			}
			return nil
		})
		switch random.IntN(8) {
		case 0:
			panic("on purpose")
		case 1:
			runtime.Goexit()
		}
	})
	wsrouter.Receive(r, func(ctx context.Context, c *living, m doit) error {
		return hook(c, func() error { return act(ctx, c, m.N) })
	}, wsrouter.Sends(doit{}))

	var peers sync.WaitGroup
	for i := range 12 {
		numbers := make([]int, 30)
		for j := range numbers {
			numbers[j] = random.IntN(1 << 20)
		}
		peers.Go(func() {
			p := dial(t, r, "/", nil)
			if i%3 != 0 { // the others are slow: they never read
				go p.read()
			}
			for _, n := range numbers {
				p.send(fmt.Sprintf(`{"type":"do","n":%d}`, n))
				time.Sleep(time.Duration(n%7) * 100 * time.Millisecond)
			}
			if i%2 == 0 {
				p.close()
			}
		})
	}
	time.Sleep(3 * time.Second)
	peers.Go(func() { // from outside
		for n := range 200 {
			mu.Lock()
			some := len(all) > 0
			mu.Unlock()
			if some && (n%16 < 10 || n%16 > 14) {
				_ = act(t.Context(), anybody(n), n)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	time.Sleep(time.Duration(1+random.IntN(4)) * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(60))*time.Second)
	defer cancel()
	_ = r.Shutdown(ctx)
	peers.Wait()
	time.Sleep(5 * time.Minute)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if c, d := connected.Load(), disconnected.Load(); c != d {
		t.Errorf("%d connected, %d disconnected", c, d)
	}
	for i := range 3 {
		for range r.Room(fmt.Sprint("room", i)).Members() {
			t.Error("a room has a member")
		}
	}
}
