package wsrouter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// A feed brings the messages of a place from the broker to the members that are connected here, by one subscription. It lives as long as
// the place has members; one that comes later has another feed.
//
// Messages come into the inbox, and are handed to the members and written to the network round by round: what comes during a round leaves together in
// the next, by one write for each member. Who brings messages for few members hands them out itself; else a goroutine does, which is there while
// something is in the inbox.
type feed struct {
	hub    *hub
	room   *room
	topic  string
	ctx    context.Context // ends with the feed
	cancel context.CancelFunc
	ready  chan struct{} // closed when it is subscribed, or cannot be
	err    error         // why it cannot; of ready
	round  chan struct{} // tells the end of one
	prefix []byte        // of the member that holds a position

	// Of who hands out.
	pause time.Time // until when the next round waits

	mu      sync.Mutex
	inbox   []*cast
	waiting int             // bytes of it
	got     broker.Position // of the last message that came
	begun   bool            // it is known where the subscription begins
	running bool            // somebody hands out
	leave   func() error    // unsubscribes; nil: not yet
	drained chan struct{}   // closed when waiting is less than half an outbox; nil: nobody waits for that

	history // of room.mu
}

// A cast is a message of a place on its way to the members that are connected here.
type cast struct {
	at      broker.Position
	message *message
	wsconn.Item
	except []uint64 // connections of this node that it is not for

	bye  *wsconn.End // in place of a message: closes all
	lost bool        // in place of a message: what was between the last one and at is lost, but for bye
}

// size is what c counts for.
func (c *cast) size() int {
	if c.Frame == nil {
		return 0
	}
	return c.Len()
}

// feed makes the feed of a room and begins to subscribe. The caller holds rooms.mu.
func (h *hub) feed(m *room) *feed {
	f := &feed{hub: h, room: m, topic: m.topic(), ready: make(chan struct{}), round: make(chan struct{}, 1), prefix: h.positionPrefix(m.place)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	h.run(f.open)
	return f
}

// open subscribes.
func (f *feed) open() {
	ctx, cancel := context.WithTimeout(f.ctx, joinWait)
	at, leave, err := f.hub.broker.SubscribeBatches(ctx, f.topic, f.receive)
	cancel()
	if err != nil {
		f.err = f.room.failed(f.room.joinCall(), err)
		f.hub.router.rooms.abandon(f.room)
		f.cancel()
		close(f.ready)
		return
	}
	f.begin(at)
	close(f.ready)
	f.mu.Lock()
	f.leave = leave
	f.mu.Unlock()
	if f.ctx.Err() != nil { // and end has found no leave, maybe
		f.close()
	}
}

// end lets go of the subscription, without waiting for it. The caller holds rooms.mu.
func (f *feed) end() {
	f.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leave != nil {
		f.hub.run(f.close)
	}
}

// close unsubscribes, also a second time.
func (f *feed) close() {
	if err := f.leave(); err != nil {
		tell(func() {
			f.hub.router.logger().Warn("wsrouter: unsubscribe failed", "topic", brief(f.topic), "err", err)
		})
	}
}

// begin notes the position that the subscription begins at. Messages after it may have come already.
func (f *feed) begin(at broker.Position) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.got == (broker.Position{}) {
		f.got = at
	}
	f.start(at)
	f.begun = true
	if f.due() {
		f.hub.run(f.hand)
	}
}

// abandon lets who joins from now on try anew.
func (r *rooms) abandon(m *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byPlace[m.place] == m {
		delete(r.byPlace, m.place)
	}
}

// receive takes messages from the broker.
func (f *feed) receive(list []broker.Message) {
	if f.ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	before := f.got
	f.mu.Unlock()
	at := before
	var news []*cast
	for _, msg := range list {
		at, news = f.read(at, msg, news)
	}
	if at != before && f.put(at, news) {
		f.serve()
	}
}

// read appends what a message from the broker brings to news, and returns the position that it has come to.
func (f *feed) read(before broker.Position, msg broker.Message, news []*cast) (broker.Position, []*cast) {
	anew := before.Epoch != msg.Epoch && before.Epoch != ""
	if !anew && before.Epoch != "" && msg.Seq <= before.Seq && !msg.Lost {
		f.hub.refuse(f.topic, fmt.Errorf("its place %d is not after %d", msg.Seq, before.Seq))
		return before, news
	}
	if msg.Lost || anew {
		f.hub.counts.gaps.Add(1)
		at := msg.Position
		if msg.Data != nil {
			at.Seq = msg.Prev
		}
		news = append(news, &cast{at: at, lost: true})
	}
	if msg.Data != nil {
		c, err := f.hub.decode(f.room.place, f.prefix, msg)
		if err != nil {
			f.hub.refuse(f.topic, err)
		} else {
			news = append(news, c)
		}
	}
	return msg.Position, news
}

// put appends news to the inbox. One that is full has lost what is in it, but for a bye. The caller has it handed out if it is due.
func (f *feed) put(at broker.Position, news []*cast) (due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = at
	for _, c := range news {
		f.waiting += c.size()
		f.inbox = append(f.inbox, c)
	}
	if f.waiting > maxInbox {
		f.hub.counts.gaps.Add(1)
		lost := &cast{at: at, lost: true}
		for _, c := range f.inbox {
			if c.bye != nil {
				lost.bye = c.bye
			}
		}
		f.inbox, f.waiting = []*cast{lost}, 0
	}
	return f.due()
}

// due reports whether there is something to be handed out that nobody hands out, which the caller does then. It holds mu.
func (f *feed) due() bool {
	due := f.begun && !f.running && len(f.inbox) > 0
	f.running = f.running || due
	return due
}

// awaitInbox waits until less than half an outbox is to be handed out: who publishes must not be quicker than those who read.
func (f *feed) awaitInbox(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.waiting < f.hub.router.opts.Outbox/2 {
			f.mu.Unlock()
			return nil
		}
		if f.drained == nil {
			f.drained = make(chan struct{})
		}
		drained := f.drained
		f.mu.Unlock()
		select {
		case <-drained:
		case <-f.ctx.Done():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A round for many members costs a write for each of them, however many messages it has. So where messages come faster than rounds go out the next one
// waits, for a time that grows with the members, and takes more with it. A round of one message says that they do not: nothing waits behind it.
const (
	fewMembers = 16 // the writes of a round for so many are left to who brings it

	pausePerMember = 40 * time.Microsecond
	shortestPause  = time.Millisecond // a shorter one is none: timers are no finer
	longestPause   = 60 * time.Millisecond
	fullBatch      = 5 // messages; a smaller round has a shorter pause

	// Writes have a third of the time at most, but for longestPause. Where the machine is slow, or has much else to do, rounds would follow each other without a pause
	// otherwise, each with a few messages.
	restAfterWrites = 2

	// A round that fills a quarter of an outbox says that there are many more to come, or were: those who read quickly need the time to do so. It is
	// counted from the round's end, because a flush only begins a write that the network does not take at once.
	backlogPause = 10 * time.Millisecond
)

// pauseAfter is how long after the beginning of a round of n messages for so many members, which took some time, the next one may begin.
func pauseAfter(n, members int, took time.Duration) time.Duration {
	pause := min(time.Duration(members)*pausePerMember, longestPause)
	if members > fewMembers {
		pause = max(pause, took+min(restAfterWrites*took, longestPause))
	}
	return pause * time.Duration(min(n, fullBatch)-1) / (fullBatch - 1)
}

// serve hands out what is in the inbox, in a goroutine of its own if that takes long.
func (f *feed) serve() {
	for f.quick() {
		if !f.handRound() {
			return
		}
	}
	f.hub.run(f.hand)
}

// quick reports whether a round takes no longer than the broker's goroutine may: members are few, nothing pauses, and no function of the application is called.
func (f *feed) quick() bool {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	return len(f.room.members) <= fewMembers && f.hub.router.opts.Observer == nil && time.Until(f.pause) < shortestPause
}

// hand hands out what is in the inbox until that is empty.
func (f *feed) hand() {
	for f.rest(); f.handRound(); f.rest() {
	}
}

// handRound hands out a round. It reports false if there is nothing, and nobody hands out any more.
func (f *feed) handRound() bool {
	batch := f.take()
	if batch == nil {
		return false
	}
	begun := time.Now()
	sockets := f.handOut(batch)
	if !f.hub.router.loop.FlushFew(sockets) {
		f.hub.router.loop.FlushAll(sockets, func() { f.round <- struct{}{} })
		<-f.round
	}
	f.pause = begun.Add(pauseAfter(len(batch), len(sockets), time.Since(begun)))
	if sum(batch) >= f.hub.router.opts.Outbox/4 {
		f.pause = latest(f.pause, time.Now().Add(backlogPause))
	}
	f.observe(batch)
	return true
}

func sum(batch []*cast) (n int) {
	for _, c := range batch {
		n += c.size()
	}
	return n
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rest waits for the end of the pause.
func (f *feed) rest() {
	wait := time.Until(f.pause)
	if wait < shortestPause {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.ctx.Done():
	}
}

// take takes a round's share out of the inbox: as much as outboxes have room for, and nothing behind a bye. With nothing there, nil, the
// goroutine is over.
func (f *feed) take() (batch []*cast) {
	f.mu.Lock()
	defer f.mu.Unlock()
	half := f.hub.router.opts.Outbox / 2
	bytes, n := 0, 0
	for _, c := range f.inbox {
		if n > 0 && bytes+c.size() > half {
			break
		}
		bytes += c.size()
		if n++; c.bye != nil {
			break
		}
	}
	batch = f.inbox[:n:n]
	if f.inbox = f.inbox[n:]; len(f.inbox) == 0 {
		f.inbox = nil
	}
	f.waiting -= bytes
	if f.waiting < half && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
	if n == 0 {
		f.running = false
		return nil
	}
	return batch
}

// handOut queues a batch for the members and returns the sockets to be flushed.
func (f *feed) handOut(batch []*cast) (flush []*wsconn.Socket) {
	m := f.room
	m.mu.Lock()
	h := f.record(batch)
	if len(h.items) > 0 && len(m.members) > 0 {
		flush = make([]*wsconn.Socket, 0, len(m.members))
		h.all = wsconn.Together(h.items)
		for _, c := range m.members {
			if f.give(c, h) {
				flush = append(flush, c.socket)
			}
		}
	}
	var closing []*conn
	if h.bye != nil {
		closing = slices.Clone(m.members)
	}
	m.mu.Unlock()
	for _, c := range closing {
		c.close(h.bye.Code, h.bye.Reason)
	}
	return flush
}

// handout is a batch as members get it.
type handout struct {
	casts []*cast // that have a frame
	items []*wsconn.Item
	all   *wsconn.Frame // of items together
	some  bool          // a cast leaves somebody out
	bye   *wsconn.End
}

func (h *handout) add(c *cast) {
	h.casts = append(h.casts, c)
	h.items = append(h.items, &c.Item)
	h.some = h.some || c.except != nil
}

// give queues h for c. The caller holds room.mu.
func (f *feed) give(c *conn, h *handout) (flush bool) {
	casts, items, all := h.casts, h.items, h.all
	if heard, ahead := f.skips[c]; h.some || ahead && slices.ContainsFunc(casts, func(k *cast) bool { return covers(heard, k.at) }) {
		casts, items = nil, nil
		for i, k := range h.casts {
			if !slices.Contains(k.except, c.id) && !(ahead && covers(heard, k.at)) {
				casts, items = append(casts, k), append(items, h.items[i])
			}
		}
		if len(items) == 0 {
			return false
		}
		if len(items) < len(h.items) {
			all = wsconn.Together(items)
		}
	}
	if c.rarely().hook != nil {
		for _, k := range casts {
			c.inspectBroadcast(k.message, k.Data())
		}
	}
	return c.socket.QueueAll(all, items)
}

// observe tells of a batch.
func (f *feed) observe(batch []*cast) {
	for _, c := range batch {
		if c.Frame != nil {
			f.hub.router.observeBroadcast(context.Background(), c.message, c.Data(), c.Queued)
		}
	}
}

// await waits until the feed is subscribed.
func (f *feed) await(ctx context.Context) error {
	select {
	case <-f.ready:
		return f.err
	case <-ctx.Done():
		return ErrClosed
	}
}

// join adds c to a place, when its feed is there.
func (h *hub) join(p place, c *conn) error {
	r := &h.router.rooms
	r.mu.Lock()
	m, err := r.enter(p, c)
	if m == nil {
		r.mu.Unlock()
		return err
	}
	m.joining++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		m.joining--
		r.close(m)
	}()
	if err := m.feed.await(&c.ctx); err != nil {
		return err
	}
	return m.feed.admit(c)
}
