package wsrouter

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// A Room is a handle on a named set of connections; the zero value is not usable. It is a plain value: make one
// whenever you need it.
type Room[S any] struct {
	core *router
	name string
}

// Join adds c; a second time does nothing. It fails with [ErrClosed] if c has ended, if c is a connection of another router, if c is in 128
// rooms, and if the room's name is not of 1 to 255 bytes. Membership ends with the connection, before OnDisconnect.
//
// With [Options.Broker] the first member of this process waits until the broker delivers the room's messages, at most 10 s: no message is missed
// whose Broadcast begins after Join has returned. It fails with the broker's error. With [Options.Resume] c hears [Joined] first, and what it
// missed if it has presented a position of the room.
func (m Room[S]) Join(c *Conn[S]) error {
	if c.conn.router != m.core {
		return fmt.Errorf("wsrouter: Join: the connection belongs to another router than room %q", m.name)
	}
	if err := m.core.checkRoom("Join", m.name); err != nil {
		return err
	}
	return m.core.joinRoom(m.name, &c.conn)
}

// Leave removes c, if it is there. A broadcast that has begun may still reach it.
func (m Room[S]) Leave(c *Conn[S]) {
	if c.conn.router == m.core {
		m.core.rooms.leave(place{ofRoom, m.name}, &c.conn)
	}
}

// Members iterates over a snapshot of the members that are connected to this process, in no order.
func (m Room[S]) Members() iter.Seq[*Conn[S]] {
	return func(yield func(*Conn[S]) bool) {
		for _, c := range m.core.rooms.members(place{ofRoom, m.name}) {
			if !yield(c.owner.(*Conn[S])) {
				return
			}
		}
	}
}

// Broadcast encodes msg once and queues it for every member, all of which see a room's messages in one order. Slow or gone
// members are no error: their overflow policy decides. Under [OverflowWait] it waits for its slowest member, until ctx is done.
// Errors: [ErrUndeclared], one of encoding, or ctx's if it had to wait for an earlier broadcast.
//
// With [Options.Broker] nil means that the broker has taken msg, and the members of all processes, also those of this one, get it from there: in one
// order for each room, in which the broadcasts of one goroutine follow each other. What the goroutine sends by Send, or to another room, may arrive before it. It fails with
// [broker.ErrUnavailable] if nothing was sent, and with [broker.ErrUnknownOutcome] if nobody knows: then it arrives once or never. msg must be declared and
// keep the rules of its type, or the other processes would not take it. It freezes the router, and waits for its own members' share only where earlier
// broadcasts have half an outbox left to go. Nobody waits for a slow member: under [OverflowWait] it is closed as under [OverflowClose].
func (m Room[S]) Broadcast(ctx context.Context, msg any, opts ...BroadcastOption) error {
	if err := m.core.checkRoom("Broadcast", m.name); err != nil {
		return err
	}
	var b broadcast
	for _, o := range opts {
		o(&b)
	}
	return m.core.broadcast(ctx, place{ofRoom, m.name}, msg, &b)
}

// A BroadcastOption changes one Broadcast.
type BroadcastOption func(*broadcast)

// broadcast is what options say about one Broadcast.
type broadcast struct {
	except []*conn
}

// Except leaves out some connections, which may be gone. Who comes back and resumes is another connection and not left out.
func Except[S any](conns ...*Conn[S]) BroadcastOption {
	return func(b *broadcast) {
		for _, c := range conns {
			b.except = append(b.except, &c.conn)
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

// A place is what connections may be in: a room, or those of a user. The names of one kind reach no place of the other.
type place struct {
	kind byte
	name string
}

const (
	ofRoom = 'r'
	ofUser = 'u'
)

// topic is where a place's messages travel.
func (p place) topic() string { return string(p.kind) + "/" + p.name }

const (
	maxName  = 255 // bytes of a room's or user's name
	maxRooms = 128 // of a connection
)

var errRooms = fmt.Errorf("the connection is in %d rooms, which is the most", maxRooms)

// joinCall is what adds a connection to a place.
func (p place) joinCall() string {
	if p.kind == ofUser {
		return "SetUser"
	}
	return "Join"
}

// failed is the error of a call for a place.
func (p place) failed(call string, err error) error {
	kind := "room"
	if p.kind == ofUser {
		kind = "user"
	}
	return fmt.Errorf("wsrouter: %s: %s %q: %w", call, kind, p.name, err)
}

// checkRoom fails for what is no name of a room.
func (r *router) checkRoom(call, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("wsrouter: %s: the room's name is empty", call)
	case len(name) > maxName:
		return fmt.Errorf("wsrouter: %s: the room's name has %d bytes, more than %d", call, len(name), maxName)
	case (r.opts.Resume != nil || r.rooms.roll != nil) && !utf8.ValidString(name):
		return fmt.Errorf("wsrouter: %s: the room's name %q is not UTF-8, so that messages cannot name it", call, name)
	}
	return nil
}

// rooms holds the places of a router that have members.
type rooms struct {
	hub   *hub          // nil: they are of this process alone
	roll  *roll         // nil: nobody is told who is in them
	conns atomic.Uint64 // numbers given to connections

	mu      sync.RWMutex // also of every conn.joined
	byPlace map[place]*room
	open    int // rooms with members
	seats   int // memberships of all rooms
}

// room is one set of connections.
type room struct {
	place
	turn chan struct{} // holds a token while a broadcast is queued: one order for all members
	feed *feed         // nil without a broker

	joining int // who waits for the feed; guarded by rooms.mu

	mu      sync.Mutex
	members []*conn
	unaware map[*conn]struct{} // members that have not been told who is there; nil without a roll
	pending int                // bytes of broadcasts that are queued and not flushed yet
	flushed chan struct{}      // closed when pending gets less; nil: nobody waits for that
}

// membership is a connection's place in a room.
type membership struct {
	room  *room
	index int // of room.members
}

// join adds c to a place.
func (r *router) join(p place, c *conn) error {
	if r.rooms.hub != nil {
		return r.rooms.hub.join(p, c)
	}
	r.rooms.mu.Lock()
	defer r.rooms.mu.Unlock()
	m, err := r.rooms.enter(p, c)
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		r.rooms.add(m, c)
	}
	return err
}

// Below, the caller holds mu.

// enter returns the room that c is to be added to, nil if it is there or cannot be.
func (r *rooms) enter(p place, c *conn) (*room, error) {
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	m := r.byPlace[p]
	if m != nil && c.membership(m) >= 0 {
		return nil, nil
	}
	if p.kind == ofRoom && c.rooms() >= maxRooms {
		return nil, p.failed("Join", errRooms)
	}
	if m == nil {
		p.name = strings.Clone(p.name) // it may be part of a message
		m = &room{place: p}
		if r.hub != nil {
			m.feed = r.hub.feed(m)
		} else {
			m.turn = make(chan struct{}, 1)
		}
		r.byPlace[p] = m
	}
	return m, nil
}

// rooms is how many c is in.
func (c *conn) rooms() (n int) {
	for _, j := range c.joined {
		if j.room.kind == ofRoom {
			n++
		}
	}
	return n
}

// add makes c a member of m, which it is not. The caller holds m.mu too.
func (r *rooms) add(m *room, c *conn) {
	c.joined = append(c.joined, membership{m, len(m.members)})
	m.members = append(m.members, c)
	if m.kind == ofRoom {
		if r.roll != nil {
			if m.unaware == nil {
				m.unaware = map[*conn]struct{}{}
			}
			m.unaware[c] = struct{}{}
		}
		r.seats++
		if len(m.members) == 1 {
			r.open++
		}
	}
}

// membership is the index in c.joined of its place in m, or -1.
func (c *conn) membership(m *room) int {
	return slices.IndexFunc(c.joined, func(j membership) bool { return j.room == m })
}

// remove ends the membership with index i in c.joined.
func (r *rooms) remove(c *conn, i int) {
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
	if m.feed != nil {
		delete(m.feed.skips, c)
	}
	delete(m.unaware, c)
	m.mu.Unlock()
	if moved != c {
		moved.joined[moved.membership(m)].index = left.index
	}
	if m.kind == ofRoom {
		r.seats--
		if last == 0 {
			r.open--
		}
		if r.roll != nil {
			r.roll.leave(m.name, c)
		}
	}
	r.close(m)
}

// close forgets m if nobody is in it or about to be.
func (r *rooms) close(m *room) {
	if len(m.members) > 0 || m.joining > 0 { // members change under mu too
		return
	}
	if r.byPlace[m.place] == m {
		delete(r.byPlace, m.place)
	}
	if m.feed != nil {
		m.feed.end()
	}
}

// Here the caller does not hold mu.

func (r *rooms) leave(p place, c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.byPlace[p]; m != nil {
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

// count is how many rooms there are, and how many members in all.
func (r *rooms) count() (rooms, members int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.open, r.seats
}

// find returns a room that has members, or nil.
func (r *rooms) find(p place) *room {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byPlace[p]
}

// take waits for the room's turn to broadcast n bytes, and until earlier ones have left if those are many. It returns nil if nobody
// is there.
func (r *rooms) take(ctx context.Context, p place, most int) (*room, error) {
	for {
		m := r.find(p)
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
		if r.find(p) == m { // else it vanished meanwhile, and may have come again
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
func (r *rooms) members(p place) []*conn {
	m := r.find(p)
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.members)
}

// broadcast queues msg for the members of a room.
func (r *router) broadcast(ctx context.Context, p place, msg any, b *broadcast) error {
	if r.rooms.hub != nil {
		return r.rooms.hub.broadcast(ctx, p, msg, b)
	}
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
	room, err := r.rooms.take(ctx, p, r.opts.Outbox/2)
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
		d.queueFor(c)
	}
}

// queueFor hands the frame to one member.
func (d *delivery) queueFor(c *conn) {
	if c.rarely().hook != nil {
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
