package wsrouter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// live holds the connections of a router from before their 101 until nothing of them runs.
type live struct {
	most, mostPerKey int // 0: no limit

	mu      sync.Mutex
	conns   []*conn        // each at its place
	keys    map[string]int // connections of a ConnKey whose end has not been seen
	closing bool
	empty   chan struct{} // closed with the last connection while closing; nil: nobody waits
}

// refuse says why there cannot be one more of key now, or returns nil. "" is the key of nobody.
func (l *live) refuse(key string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuseLocked(key)
}

func (l *live) refuseLocked(key string) *refusal {
	switch {
	case l.closing:
		return &refusal{status: http.StatusServiceUnavailable, retry: 1, Code: "shutting_down", Detail: "the server is shutting down, try again"}
	case l.most > 0 && len(l.conns) >= l.most:
		return &refusal{status: http.StatusServiceUnavailable, retry: 10, Code: "too_many_connections",
			Detail: fmt.Sprintf("all places are taken, of which there are %d: try again later", l.most),
			remedy: fmt.Sprintf("a larger Options.MaxConns than %d", l.most)}
	case key != "" && l.mostPerKey > 0 && l.keys[key] >= l.mostPerKey:
		return &refusal{status: http.StatusTooManyRequests, retry: 10, Code: "too_many_connections_per_key",
			Detail: fmt.Sprintf("all your places are taken, of which there are %d: close a connection", l.mostPerKey),
			remedy: fmt.Sprintf("a larger Options.MaxConnsPerKey than %d", l.mostPerKey)}
	}
	return nil
}

// add counts c under its key, or says why it cannot.
func (l *live) add(c *conn) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if no := l.refuseLocked(c.rarely().key); no != nil {
		return no
	}
	c.place = int32(len(l.conns))
	l.conns = append(l.conns, c)
	if key := c.rarely().key; key != "" {
		l.keys[key]++
	}
	return nil
}

// release takes c's key off the count, once.
func (l *live) release(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(c)
}

func (l *live) releaseLocked(c *conn) {
	key := c.rarely().key
	if key == "" {
		return
	}
	if l.keys[key]--; l.keys[key] == 0 {
		delete(l.keys, key)
	}
	c.extra.key = ""
}

// count is how many there are.
func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func (l *live) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(c)
	last := len(l.conns) - 1
	l.conns[c.place], l.conns[last].place = l.conns[last], c.place
	l.conns[last] = nil
	l.conns = l.conns[:last]
	l.signal()
}

// signal tells who waits that there is nothing left. The caller holds mu.
func (l *live) signal() {
	if l.empty != nil && len(l.conns) == 0 {
		close(l.empty)
		l.empty = nil
	}
}

// shut refuses more connections and returns those there are, in no order, with a channel that is closed when all are gone: clients that came
// together, as those of one place or of one release do, would else come back together.
func (l *live) shut() (conns []*conn, gone <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	gone = l.empty
	conns = slices.Clone(l.conns)
	l.signal()
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	return conns, gone
}

// isClosing reports whether shut was called.
func (l *live) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// beginShutdown takes no more connections and closes those there are when no handler of theirs runs, spread over time; it does not
// wait. ctx may bound the time.
func (r *router) beginShutdown(ctx context.Context) (conns []*conn, gone <-chan struct{}) {
	conns, gone = r.live.shut()
	if p := r.rooms.roll; p != nil {
		p.drain()
	}
	pause := closePause
	if deadline, ok := ctx.Deadline(); ok && len(conns) > 0 {
		pause = min(pause, time.Until(deadline)/2/time.Duration(len(conns)))
	}
	go drainAll(ctx, conns, pause, gone)
	return conns, gone
}

// closePause is the least time between two closes of a shutdown, unless they are too many for that.
const closePause = time.Millisecond

// drainAll drains one connection in every pause, until all are gone or there is no more time. Those with a handler at work come first and at
// once: they close when it returns, and begin no further message.
func drainAll(ctx context.Context, conns []*conn, pause time.Duration, gone <-chan struct{}) {
	for _, c := range conns {
		if c.busy() {
			c.drain()
		}
	}
	begin := time.Now()
	for i, c := range conns {
		if wait := time.Duration(i)*pause - time.Since(begin); wait >= closePause {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-gone:
			case <-ctx.Done():
			}
			timer.Stop()
			if ctx.Err() != nil {
				return
			}
		}
		c.drain()
	}
}

// shutdown closes every connection when its running handler has returned.
func (r *router) shutdown(ctx context.Context) error {
	conns, gone := r.beginShutdown(ctx)
	select {
	case <-gone:
		r.loop.Stop()
		if p := r.rooms.roll; p != nil {
			if err := p.close(ctx); err != nil {
				return err
			}
		}
		if h := r.rooms.hub; h != nil {
			return h.stop(ctx)
		}
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		c.abort(context.Cause(ctx))
	}
	if p := r.rooms.roll; p != nil {
		p.close(ctx) // the goodbyes leave, but nobody waits for them
	}
	return ctx.Err()
}
