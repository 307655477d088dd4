package wsrouter

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/presence"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

const (
	ofPresence = 'p' // kind of the topics on which nodes tell each other who is in a room

	rollNode    = 8                    // bytes of a node's id that are part of its connections' IDs
	rollPause   = 5 * time.Millisecond // between two looks at what is due, at least
	rollWait    = 10 * time.Second     // for the broker
	rollWorkers = 16                   // calls of the broker at a time
	defaultPage = 256
	largestPage = 10_000
)

// A roll is who is in the rooms of a router: a [presence.State] with a clock, a broker and members to tell. One timer serves all rooms.
type roll struct {
	router *router
	broker broker.Broker // nil: there are no other nodes
	node   string
	typ    reflect.Type // of info
	told   reflect.Type // message to members, which carries no position
	plan   *schema.Plan // of info
	info   func(c *conn, room string) any
	word   func(*word) any

	mu      sync.Mutex // taken under rooms.mu too
	state   *presence.State
	timer   *time.Timer // nil: it does not run
	due     time.Duration
	looked  time.Duration // when the last look began
	looking bool
	jobs    []presence.Job
	workers int
	ends    map[string]func() error // of subscriptions
	asked   map[string]*asked       // rooms that somebody waits for
	gone    chan struct{}           // closed when all is over; nil before close
}

// word is what a PresenceChanged says.
type word struct {
	room   string
	joined []presence.Member
	left   []presence.Key
	next   string
}

// asked is a room until it is known.
type asked struct {
	over chan struct{}
	err  error // of over
}

// newRoll completes p.
func newRoll(r *router, p *roll) *roll {
	p.router = r
	if r.opts.Broker != nil {
		p.broker = r.rooms.hub.broker
	}
	id := make([]byte, rollNode)
	crand.Read(id) // never fails
	if h := r.rooms.hub; h != nil {
		id = []byte(h.node[:rollNode])
	}
	p.node = hex.EncodeToString(id)
	p.ends, p.asked = map[string]func() error{}, map[string]*asked{}
	p.state = presence.New(presence.Config{
		Node:  p.node,
		Alone: p.broker == nil,
		Valid: p.valid,
		Rand:  rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	})
	return p
}

// valid reports whether info can be shown.
func (p *roll) valid(info []byte) (ok bool) {
	defer p.recover(func() { ok = false })
	return p.plan.Validate(info) == nil
}

// recover logs a panic of the application's type of info.
func (p *roll) recover(then func()) {
	if v := recover(); v != nil {
		tell(func() {
			p.router.logger().Error("wsrouter: panic", "in", "Presence", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		})
		then()
	}
}

var errInfo = errors.New("presence info")

// infoOf is what others see of c in a room, as JSON.
func (p *roll) infoOf(c *conn, room string) ([]byte, error) {
	info, err := p.plan.Append(nil, p.info(c, room), nil)
	if err != nil {
		return nil, fmt.Errorf("wsrouter: Join: room %q: %w: %w", room, errInfo, err)
	}
	if len(info) > presence.MaxInfo {
		return nil, fmt.Errorf("wsrouter: Join: room %q: %w: it has %d bytes as JSON, more than %d", room, errInfo, len(info), presence.MaxInfo)
	}
	if issues := p.plan.Validate(info); issues != nil {
		return nil, fmt.Errorf("wsrouter: Join: room %q: %w: it breaks the rules of %v: %s %s", room, errInfo, p.typ, orElse(issues[0].Path, "/"), issues[0].Message)
	}
	return info, nil
}

// joinRoom adds c to a room, and to who is in it.
func (r *router) joinRoom(name string, c *conn) error {
	p := r.rooms.roll
	if p == nil {
		return r.join(place{ofRoom, name}, c)
	}
	info, err := p.infoOf(c, name)
	if err != nil {
		return err
	}
	if err := r.join(place{ofRoom, name}, c); err != nil {
		return err
	}
	r.rooms.mu.RLock()
	defer r.rooms.mu.RUnlock()
	if m := r.rooms.byPlace[place{ofRoom, name}]; m != nil && c.membership(m) >= 0 { // else it has left meanwhile
		p.with(func(now time.Duration) { p.state.Join(now, m.name, c.id, info) })
	}
	return nil
}

// leave takes c off who is in a room. The caller holds rooms.mu.
func (p *roll) leave(name string, c *conn) {
	p.with(func(now time.Duration) { p.state.Leave(now, name, c.id) })
}

// with changes the state, and has the timer follow.
func (p *roll) with(f func(now time.Duration)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.router.now())
	p.follow()
}

// follow sets the timer to when something is due. The caller holds mu.
func (p *roll) follow() {
	next, ok := p.state.Next()
	next = max(next, p.looked+rollPause)
	if p.timer != nil && (!ok || p.looking || next != p.due) {
		p.timer.Stop()
		p.timer = nil
	}
	if ok && !p.looking && p.timer == nil {
		p.due = next
		p.timer = time.AfterFunc(next-p.router.now(), p.look)
	}
	if p.gone != nil && !p.looking && p.workers == 0 && p.state.Stats().Rooms == 0 {
		select {
		case <-p.gone:
		default:
			close(p.gone)
		}
	}
}

// look does what is due.
func (p *roll) look() {
	p.mu.Lock()
	if p.looking {
		p.mu.Unlock()
		return // a timer that could not be stopped any more
	}
	p.looking, p.looked = true, p.router.now()
	jobs, tells, ready := p.state.Tick(p.looked)
	for _, room := range ready {
		p.known(room, nil)
	}
	p.begin(jobs)
	p.mu.Unlock()
	for _, t := range tells {
		p.tell(&t)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looking = false
	p.follow()
}

// begin has jobs done. The caller holds mu.
func (p *roll) begin(jobs []presence.Job) {
	p.jobs = append(p.jobs, jobs...)
	for range min(len(p.jobs), rollWorkers-p.workers) {
		p.workers++
		go p.work()
	}
}

// work does jobs until there are none.
func (p *roll) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.jobs) > 0 {
		j := p.jobs[0]
		p.jobs[0] = presence.Job{}
		p.jobs = p.jobs[1:]
		p.mu.Unlock()
		err := p.do(j)
		p.mu.Lock()
		if j.Unlisten || j.Listen && err != nil {
			p.known(j.Room, err)
		}
		p.state.Done(p.router.now(), j, err == nil)
		p.follow()
	}
	p.jobs = nil
	p.workers--
	p.follow()
}

// do does one job.
func (p *roll) do(j presence.Job) (err error) {
	defer func() {
		if err != nil {
			p.failed(j.Room, err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), rollWait)
	defer cancel()
	topic := place{ofPresence, j.Room}.topic()
	if j.Listen {
		_, end, err := p.broker.Subscribe(ctx, topic, func(m broker.Message) { p.receive(j.Room, m) })
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.ends[j.Room] = end
		p.mu.Unlock()
	}
	for _, data := range j.Send {
		if _, err := p.broker.Publish(ctx, topic, data, broker.PublishOptions{}); err != nil {
			return err
		}
	}
	if j.Unlisten {
		p.mu.Lock()
		end := p.ends[j.Room]
		delete(p.ends, j.Room)
		p.mu.Unlock()
		if err := end(); err != nil { // there is no subscription all the same
			p.failed(j.Room, err)
		}
	}
	return nil
}

// failed logs what the broker refuses.
func (p *roll) failed(room string, err error) {
	if silent, ok := p.router.refusals.due("presence", time.Now()); ok {
		tell(func() {
			p.router.logger().Warn("wsrouter: presence does not reach other processes", "room", brief(room), "err", err, "not_logged", silent)
		})
	}
}

// receive takes a message from the broker, which anybody may have written.
func (p *roll) receive(room string, m broker.Message) {
	var before, after presence.Stats
	p.with(func(now time.Duration) {
		before = p.state.Stats()
		if m.Lost {
			p.state.Lost(now, room)
		}
		if m.Data != nil {
			p.state.Receive(now, room, m.Data)
		}
		after = p.state.Stats()
	})
	dropped := after.Dropped - before.Dropped
	if dropped == 0 {
		return
	}
	p.router.rooms.hub.counts.malformed.Add(dropped)
	if silent, ok := p.router.refusals.due("presence message", time.Now()); ok {
		tell(func() {
			p.router.logger().Warn("wsrouter: presence from the broker dropped", "room", brief(room), "why", after.Why, "not_logged", silent)
		})
	}
}

// known tells those who wait for a room that it is known, or that it has to be looked at again, or why it cannot be. The caller holds mu.
func (p *roll) known(room string, err error) {
	if a := p.asked[room]; a != nil {
		a.err = err
		close(a.over)
		delete(p.asked, room)
	}
}

// page returns members of a room, when it is known.
func (p *roll) page(ctx context.Context, room string, after presence.Key, limit int) (page []presence.Member, more bool, err error) {
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, largestPage)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		known, err := p.state.Watch(p.router.now(), room)
		if err != nil {
			return nil, false, err
		}
		p.follow()
		if known {
			page, more = p.state.Page(room, after, limit)
			return page, more, nil
		}
		if err := p.await(ctx, room); err != nil {
			return nil, false, err
		}
	}
}

// await waits until it can be seen whether a room is known. The caller holds mu, which is let go meanwhile.
func (p *roll) await(ctx context.Context, room string) error {
	a := p.asked[room]
	if a == nil {
		a = &asked{over: make(chan struct{})}
		p.asked[room] = a
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-a.over:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// count is how many members there are, of all rooms.
func (p *roll) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state.Stats()
	return s.Own + s.Others
}

// tell tells the members of a room that are connected here.
func (p *roll) tell(t *presence.Tell) {
	defer p.recover(func() {})
	m := p.router.rooms.find(place{ofRoom, t.Room})
	if m == nil {
		return
	}
	var news, present *delivery
	if len(t.Joined)+len(t.Left) > 0 {
		news = p.deliver(&word{room: t.Room, joined: t.Joined, left: t.Left})
	}
	fresh := map[uint64]bool{}
	if len(t.Fresh) > 0 {
		w := &word{room: t.Room, joined: t.Present}
		if t.More {
			w.next = idOf(t.Present[len(t.Present)-1].Key)
		}
		present = p.deliver(w)
		for _, n := range t.Fresh {
			fresh[n] = true
		}
	}
	m.mu.Lock()
	for _, c := range m.members {
		d := news
		if fresh[c.id] {
			d = present
			delete(m.unaware, c)
		} else if _, unaware := m.unaware[c]; unaware {
			continue // it has come since, and the next word tells it of all
		}
		if d != nil {
			d.queueFor(c)
		}
	}
	if len(m.unaware) == 0 {
		m.unaware = nil // a map keeps its memory
	}
	m.mu.Unlock()
	for _, d := range []*delivery{news, present} {
		if d != nil {
			m.flush(p.router.loop, d.flush, d.frame.Len())
			p.router.observeBroadcast(context.Background(), d.message, d.frame.Data(), d.queued)
		}
	}
}

// deliver encodes w, nil if that cannot be.
func (p *roll) deliver(w *word) *delivery {
	r := p.router
	m, buf, err := r.encode(p.word(w), nil)
	if err != nil {
		tell(func() { r.logger().Error("wsrouter: presence not told", "room", brief(w.room), "err", err) })
		return nil
	}
	how := r.delivery(m, buf)
	how.NoWait = true
	return &delivery{message: m, how: how, frame: wsconn.NewFrame(buf, r.opts.Binary)}
}

// drain has the others told of those who leave from now on by the goodbye, unless that takes long.
func (p *roll) drain() { p.with(func(time.Duration) { p.state.Drain() }) }

// close takes everybody out of all rooms and waits until the other nodes have been told.
func (p *roll) close(ctx context.Context) error {
	p.mu.Lock()
	if p.gone == nil {
		p.gone = make(chan struct{})
		p.state.Close(p.router.now())
		for room := range p.asked {
			p.known(room, nil)
		}
		p.follow()
	}
	gone := p.gone
	p.mu.Unlock()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
