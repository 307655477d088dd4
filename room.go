package wsrouter

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// A Room is a handle on a named set of connections; the zero value is not usable. It is a plain value: make one
// whenever you need it.
type Room[S any] struct {
	core *router
	name string
}

// Join adds c; a second time does nothing. It fails with [ErrClosed] if c has ended, and if c is a connection of another router.
// Membership ends with the connection, before OnDisconnect.
func (m Room[S]) Join(c *Conn[S]) error {
	if c.conn.router != m.core {
		return fmt.Errorf("wsrouter: Join: the connection belongs to another router than room %q", m.name)
	}
	return m.core.rooms.join(m.name, c.conn)
}

// Leave removes c, if it is there. A broadcast that has begun may still reach it.
func (m Room[S]) Leave(c *Conn[S]) {
	if c.conn.router == m.core {
		m.core.rooms.leave(m.name, c.conn)
	}
}

// Members iterates over a snapshot of the members, in no order.
func (m Room[S]) Members() iter.Seq[*Conn[S]] {
	return func(yield func(*Conn[S]) bool) {
		for _, c := range m.core.rooms.members(m.name) {
			if !yield(c.owner.(*Conn[S])) {
				return
			}
		}
	}
}

// Broadcast encodes msg once and queues it for every member, all of which see a room's messages in one order. Slow or gone
// members are no error: their overflow policy decides. Under [OverflowWait] it waits for its slowest member, until ctx is done.
// Errors: [ErrUndeclared], one of encoding, or ctx's if it had to wait for an earlier broadcast.
func (m Room[S]) Broadcast(ctx context.Context, msg any, opts ...BroadcastOption) error {
	var b broadcast
	for _, o := range opts {
		o(&b)
	}
	return m.core.broadcast(ctx, m.name, msg, &b)
}

// A BroadcastOption changes one Broadcast.
type BroadcastOption func(*broadcast)

// broadcast is what options say about one Broadcast.
type broadcast struct {
	except []*conn
}

// Except leaves out some connections.
func Except[S any](conns ...*Conn[S]) BroadcastOption {
	return func(b *broadcast) {
		for _, c := range conns {
			b.except = append(b.except, c.conn)
		}
	}
}

func (b *broadcast) leavesOut(c *conn) bool {
	for _, e := range b.except {
		if e == c {
			return true
		}
	}
	return false
}

// rooms holds the rooms of a router that have members.
type rooms struct {
	mu     sync.RWMutex
	byName map[string]*room
}

// room is one set of connections. Its members are guarded by rooms.mu.
type room struct {
	members map[*conn]struct{}
	turn    chan struct{} // holds a token while a broadcast goes out: one order for all members
}

func (r *rooms) join(name string, c *conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	m := r.byName[name]
	if m == nil {
		m = &room{members: map[*conn]struct{}{}, turn: make(chan struct{}, 1)}
		r.byName[name] = m
	}
	m.members[c] = struct{}{}
	if c.joined == nil {
		c.joined = map[string]struct{}{}
	}
	c.joined[name] = struct{}{}
	return nil
}

func (r *rooms) leave(name string, c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(name, c)
}

// leaveAll ends c's memberships. Its context is done, so that it cannot join again.
func (r *rooms) leaveAll(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range c.joined {
		r.remove(name, c)
	}
}

func (r *rooms) remove(name string, c *conn) {
	m := r.byName[name]
	if m == nil {
		return
	}
	delete(m.members, c)
	delete(c.joined, name)
	if len(m.members) == 0 {
		delete(r.byName, name)
	}
}

// find returns a room that has members, or nil.
func (r *rooms) find(name string) *room {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byName[name]
}

// take waits for the room's turn to broadcast. It returns nil if nobody is there.
func (r *rooms) take(ctx context.Context, name string) (*room, error) {
	for {
		m := r.find(name)
		if m == nil {
			return nil, nil
		}
		select {
		case m.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if r.find(name) == m { // else it vanished meanwhile, and may have come again
			return m, nil
		}
		m.giveBack()
	}
}

// giveBack ends a turn.
func (m *room) giveBack() { <-m.turn }

// members returns a snapshot.
func (r *rooms) members(name string) []*conn {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.byName[name]
	if m == nil {
		return nil
	}
	list := make([]*conn, 0, len(m.members))
	for c := range m.members {
		list = append(list, c)
	}
	return list
}

// broadcast queues msg for the members of a room.
func (r *router) broadcast(ctx context.Context, name string, msg any, b *broadcast) error {
	if !r.freezing.frozen.Load() {
		return nil // nobody can have joined, and the name of the type is not settled
	}
	m, data, err := r.encode(msg, nil)
	if err != nil {
		return err
	}
	if err := r.declaredOrFail(m, false); err != nil {
		return err
	}
	room, err := r.rooms.take(ctx, name)
	if room == nil {
		return err
	}
	defer room.giveBack()
	for _, c := range r.rooms.members(name) {
		if !b.leavesOut(c) {
			_ = c.deliver(ctx, m, outgoing{data: data, binary: r.opts.Binary}) // the member's own affair
		}
	}
	return nil
}
