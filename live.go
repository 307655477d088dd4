package wsrouter

import (
	"context"
	"sync"
)

// live holds the connections of a router from before their 101 until nothing of them runs.
type live struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	closing bool
	empty   chan struct{} // closed with the last connection while closing; nil: nobody waits
}

// add reports whether there may be one more.
func (l *live) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *live) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.signal()
}

// signal tells who waits that there is nothing left. The caller holds mu.
func (l *live) signal() {
	if l.empty != nil && len(l.conns) == 0 {
		close(l.empty)
		l.empty = nil
	}
}

// shut refuses more connections and returns those there are, with a channel that is closed when all are gone.
func (l *live) shut() (conns []*conn, gone <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	gone = l.empty
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.signal()
	return conns, gone
}

// shutdown closes every connection when its running handler has returned.
func (r *router) shutdown(ctx context.Context) error {
	conns, gone := r.live.shut()
	for _, c := range conns {
		c.drain()
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		c.abort(context.Cause(ctx))
	}
	return ctx.Err()
}
