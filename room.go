package wsrouter

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
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
	mu     sync.RWMutex // also of every conn.joined
	byName map[string]*room
	places int // memberships of all
}

// room is one set of connections.
type room struct {
	name string
	turn chan struct{} // holds a token while a broadcast is queued: one order for all members

	mu      sync.Mutex
	members []*conn
	pending int           // bytes of broadcasts that are queued and not flushed yet
	flushed chan struct{} // closed when pending gets less; nil: nobody waits for that
}

// membership is a connection's place in a room.
type membership struct {
	room  *room
	index int // of room.members
}

func (r *rooms) join(name string, c *conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	m := r.byName[name]
	if m == nil {
		m = &room{name: name, turn: make(chan struct{}, 1)}
		r.byName[name] = m
	}
	if c.membership(m) < 0 {
		r.places++
		c.joined = append(c.joined, membership{m, len(m.members)})
		m.mu.Lock()
		m.members = append(m.members, c)
		m.mu.Unlock()
	}
	return nil
}

// membership is the index in c.joined of its place in m, or -1. The caller holds rooms.mu.
func (c *conn) membership(m *room) int {
	return slices.IndexFunc(c.joined, func(j membership) bool { return j.room == m })
}

func (r *rooms) leave(name string, c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.byName[name]; m != nil {
		if i := c.membership(m); i >= 0 {
			r.remove(c, i)
		}
	}
}

// leaveAll ends c's memberships. Its context is done, so that it cannot join again.
func (r *rooms) leaveAll(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(c.joined) > 0 {
		r.remove(c, len(c.joined)-1)
	}
	c.joined = nil
}

// remove ends the membership with index i in c.joined. The caller holds mu.
func (r *rooms) remove(c *conn, i int) {
	r.places--
	left := c.joined[i]
	c.joined[i] = c.joined[len(c.joined)-1]
	c.joined[len(c.joined)-1] = membership{}
	c.joined = c.joined[:len(c.joined)-1]

	m := left.room
	m.mu.Lock()
	last := len(m.members) - 1
	moved := m.members[last]
	m.members[left.index] = moved
	m.members[last] = nil
	m.members = m.members[:last]
	if cap(m.members) > 64 && last < cap(m.members)/4 {
		m.members = slices.Clip(slices.Clone(m.members))
	}
	m.mu.Unlock()
	if moved != c {
		moved.joined[moved.membership(m)].index = left.index
	}
	if last == 0 {
		delete(r.byName, m.name)
	}
}

// count is how many rooms there are, and how many members in all.
func (r *rooms) count() (rooms, members int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byName), r.places
}

// find returns a room that has members, or nil.
func (r *rooms) find(name string) *room {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byName[name]
}

// take waits for the room's turn to broadcast n bytes, and until earlier ones have left if those are many. It returns nil if nobody
// is there.
func (r *rooms) take(ctx context.Context, name string, most int) (*room, error) {
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
		if err := m.awaitFlush(ctx, most); err != nil {
			m.giveBack()
			return nil, err
		}
		if r.find(name) == m { // else it vanished meanwhile, and may have come again
			return m, nil
		}
		m.giveBack()
	}
}

// giveBack ends a turn.
func (m *room) giveBack() { <-m.turn }

// awaitFlush waits until less than most bytes are pending.
func (m *room) awaitFlush(ctx context.Context, most int) error {
	for {
		m.mu.Lock()
		if m.pending < most {
			m.mu.Unlock()
			return nil
		}
		if m.flushed == nil {
			m.flushed = make(chan struct{})
		}
		flushed := m.flushed
		m.mu.Unlock()
		select {
		case <-flushed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flush writes n bytes to the sockets that have them queued, without waiting for it.
func (m *room) flush(l *wsconn.Loop, sockets []*wsconn.Socket, n int) {
	switch len(sockets) {
	case 0:
		return
	case 1:
		sockets[0].Flush()
		return
	}
	m.mu.Lock()
	m.pending += n
	m.mu.Unlock()
	l.FlushAll(sockets, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.pending -= n
		if m.flushed != nil {
			close(m.flushed)
			m.flushed = nil
		}
	})
}

// members returns a snapshot.
func (r *rooms) members(name string) []*conn {
	m := r.find(name)
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.members)
}

// broadcast queues msg for the members of a room.
func (r *router) broadcast(ctx context.Context, name string, msg any, b *broadcast) error {
	if !r.freezing.frozen.Load() {
		return nil // nobody can have joined, and the name of the type is not settled
	}
	m, buf, err := r.encode(msg, nil)
	if err != nil {
		return err
	}
	if err := r.declaredOrFail(m, false); err != nil {
		buf.Free()
		return err
	}
	room, err := r.rooms.take(ctx, name, r.opts.Outbox/2)
	if room == nil {
		buf.Free()
		return err
	}
	defer room.giveBack()
	out := delivery{message: m, how: r.delivery(m, buf), frame: wsconn.NewFrame(buf, r.opts.Binary)}
	out.queue(room, b)
	room.flush(r.loop, out.flush, out.frame.Len())
	err = out.finish(ctx)
	r.observeBroadcast(ctx, m, out.frame.Data(), out.queued)
	return err
}

// delivery is one broadcast on its way to the members.
type delivery struct {
	message *message
	how     wsconn.Delivery
	frame   *wsconn.Frame

	flush []*wsconn.Socket // that have it and are to be flushed
	full  []*conn          // that must wait for room

	queued int // connections that have it
}

// queue hands the frame to the members. Those that cannot take it are their own affair.
func (d *delivery) queue(m *room, b *broadcast) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.flush = make([]*wsconn.Socket, 0, len(m.members))
	for _, c := range m.members {
		if b.leavesOut(c) {
			continue
		}
		if c.hook != nil {
			c.inspectBroadcast(d.message, d.frame.Data())
		}
		flush, full := d.give(c)
		if flush {
			d.flush = append(d.flush, c.socket)
		}
		if full {
			d.full = append(d.full, c)
		}
	}
}

// give queues the frame for c.
func (d *delivery) give(c *conn) (flush, full bool) {
	flush, full, err := c.socket.Queue(d.frame, d.how)
	if !full && err == nil {
		d.queued++
	}
	return flush, full
}

// finish waits for the members that have no room, under OverflowWait.
func (d *delivery) finish(ctx context.Context) error {
	for _, c := range d.full {
		for full := true; full; {
			if err := c.socket.Wait(ctx); err != nil {
				return nil // the slowest member's own affair
			}
			var flush bool
			if flush, full = d.give(c); flush {
				c.socket.Flush()
			}
		}
	}
	return nil
}
