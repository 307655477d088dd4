package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// What a subscriber that is slow may hold of messages that history has given up; beyond, it has lost them.
	overdueMessages = 1024
	overdueBytes    = 1 << 20
	// So many subscribers run at once. One goroutine for each that is behind would be ten thousands within one time slice of who publishes to many topics.
	maxWorkers = 1000
	// What is told at once to who takes batches.
	batchMessages = 256
)

// memory is the broker of one process. Whoever publishes gives the message its place, appends it to the history and lets the subscribers run;
// a worker then reads for each what comes after its place from the history.
type memory struct {
	limits Options // none of them zero
	epoch  string
	start  time.Time

	mu      sync.Mutex // never held while foreign code runs
	closed  bool
	quiet   chan struct{} // made by Close, closed when workers is 0
	workers int           // goroutines that serve ready
	ready   fifo[*subscription]
	seq     uint64 // of the last message, over all topics
	evicted uint64 // of the last message that history gave up: every later one is in it
	history fifo[*entry]
	bytes   int
	topics  shrinking[*topic]
	ids     shrinking[*entry]

	telling sync.Mutex // held while f of Notify runs
	told    State
	tell    []func(State)
}

// topic is there while it has history or subscribers.
type topic struct {
	name    string
	history fifo[*entry]
	last    uint64 // Seq of its last message, 0: none, or none that is known
	floor   uint64 // what it had up to here may be gone, all later messages are in history
	subs    []*subscription
}

// entry is a message of the history.
type entry struct {
	Message
	at    time.Duration // since memory.start
	named bool          // ID is the publisher's
}

func (e *entry) size() int { return len(e.Topic) + len(e.ID) + len(e.Data) }

// subscription has seen all of its topic up to last.
type subscription struct {
	topic   *topic
	h       func([]Message)
	most    int // messages for one call of h
	last    uint64
	overdue fifo[*entry] // evicted from history before it saw them
	bytes   int          // of overdue
	ready   bool         // it is in memory.ready
	running bool         // a worker has it
	ended   bool
	stopped chan struct{} // made by who waits until it does not run
}

// New returns a broker inside this process. It also is a [Recaller], a [Batcher] and [Stateful], Up until Close makes it Down. Goroutines are there only
// while they deliver, at most 1,000, and no timers: what has become too old leaves with the next call.
//
// Publish never waits for subscribers. Who is slow reads on from the history; of what history gives up meanwhile, each holds up to 1,024
// messages and 1 MiB, and has lost the rest. What is lost is told by a Message of its own, without Data. A panic of a subscriber's function is not
// recovered.
func New(o *Options) Broker {
	b := &memory{epoch: rand.Text()[:13], start: time.Now()}
	if o != nil {
		b.limits = *o
	}
	b.limits.Messages = cmp.Or(b.limits.Messages, 100_000)
	b.limits.Bytes = cmp.Or(b.limits.Bytes, 64<<20)
	b.limits.Age = cmp.Or(b.limits.Age, time.Hour)
	return b
}

func (b *memory) Publish(ctx context.Context, name string, data []byte, o PublishOptions) (Position, error) {
	if err := check(ctx, name); err != nil {
		return Position{}, fmt.Errorf("broker: Publish: %w", err)
	}
	data = slices.Clone(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return Position{}, ErrClosed
	}
	now := b.expire()
	if first, ok := b.ids.m[o.ID]; ok {
		if first.Topic != name {
			return Position{}, fmt.Errorf("broker: Publish: the ID %q belongs to a message of another topic", o.ID)
		}
		return Position{Epoch: b.epoch, Seq: first.Seq}, nil
	}
	b.seq++
	t := b.topic(name)
	e := &entry{Message{Topic: t.name, ID: o.ID, Data: data, Position: Position{b.epoch, b.seq, t.last}}, now, o.ID != ""}
	if e.named {
		b.ids.set(e.ID, e)
	} else {
		id := append(append(make([]byte, 0, 32), b.epoch...), '-')
		e.ID = string(strconv.AppendUint(id, b.seq, 36))
	}
	t.last = b.seq
	t.history.push(e)
	b.history.push(e)
	b.bytes += e.size()
	for b.history.len() > max(b.limits.Messages, 0) || b.bytes > max(b.limits.Bytes, 0) {
		b.evict()
	}
	for _, s := range t.subs {
		b.wake(s)
	}
	return Position{Epoch: b.epoch, Seq: e.Seq}, nil
}

func (b *memory) Subscribe(ctx context.Context, name string, h func(Message)) (Position, func() error, error) {
	return b.subscribe(ctx, name, 1, func(one []Message) { h(one[0]) })
}

func (b *memory) SubscribeBatches(ctx context.Context, name string, h func([]Message)) (Position, func() error, error) {
	return b.subscribe(ctx, name, batchMessages, h)
}

func (b *memory) subscribe(ctx context.Context, name string, most int, h func([]Message)) (Position, func() error, error) {
	if err := check(ctx, name); err != nil {
		return Position{}, nil, fmt.Errorf("broker: Subscribe: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return Position{}, nil, ErrClosed
	}
	b.expire()
	t := b.topic(name)
	s := &subscription{topic: t, h: h, most: most, last: b.seq}
	t.subs = append(t.subs, s)
	return Position{Epoch: b.epoch, Seq: b.seq}, func() error { b.unsubscribe(s); return nil }, nil
}

func (b *memory) History(ctx context.Context, name string, since Position, limit int) ([]Message, error) {
	if err := check(ctx, name); err != nil {
		return nil, fmt.Errorf("broker: History: %w", err)
	}
	entries, err := b.after(name, since, limit)
	return messagesOf(entries), err
}

func (b *memory) Recall(ctx context.Context, name string, before Position, limit, bytes int) (messages []Message, more bool, err error) {
	if err := check(ctx, name); err != nil {
		return nil, false, fmt.Errorf("broker: Recall: %w", err)
	}
	entries, more, err := b.newest(name, before, limit, bytes)
	return messagesOf(entries), more, err
}

func messagesOf(entries []*entry) []Message {
	var messages []Message
	for _, e := range entries {
		messages = append(messages, e.Message)
	}
	return messages
}

func (b *memory) after(name string, since Position, limit int) ([]*entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	b.expire()
	if since.Epoch != b.epoch && since != (Position{}) {
		return nil, fmt.Errorf("%w: epoch %q is over", ErrOverrun, since.Epoch)
	}
	if since.Seq > b.seq {
		return nil, fmt.Errorf("%w: %d was not reached yet", ErrOverrun, since.Seq)
	}
	t := b.topics.m[name]
	floor := b.evicted
	if t != nil {
		floor = t.floor
	}
	if since.Seq < floor {
		return nil, fmt.Errorf("%w: it begins after %d", ErrOverrun, floor)
	}
	if t == nil {
		return nil, nil
	}
	entries := after(&t.history, since.Seq)
	if limit > 0 && len(entries) > limit {
		return nil, fmt.Errorf("%w: more than %d messages", ErrOverrun, limit)
	}
	return slices.Clone(entries), nil
}

func (b *memory) newest(name string, before Position, limit, bytes int) (entries []*entry, more bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, false, ErrClosed
	}
	b.expire()
	t, anywhere := b.topics.m[name], before == Position{}
	switch {
	case !anywhere && before.Epoch != b.epoch:
		return nil, false, fmt.Errorf("%w: epoch %q is over", ErrOverrun, before.Epoch)
	case t == nil:
		return nil, false, nil
	}
	entries = after(&t.history, 0)
	if !anywhere {
		entries = entries[:len(entries)-len(after(&t.history, max(before.Seq, 1)-1))]
	}
	first := len(entries)
	for size := 0; first > 0 && len(entries)-first < limit; first-- {
		if size += len(entries[first-1].Data); size > bytes && first < len(entries) {
			break
		}
	}
	return slices.Clone(entries[first:]), first > 0, nil
}

func (b *memory) Close(ctx context.Context) error {
	b.mu.Lock()
	first := !b.closed
	if first {
		b.close()
	}
	b.mu.Unlock()
	if first {
		b.down()
	}
	select {
	case <-b.quiet:
		return nil
	default:
	}
	select {
	case <-b.quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("broker: Close: a subscriber is still running: %w", ctx.Err())
	}
}

func (b *memory) close() {
	b.closed = true
	for _, t := range b.topics.m {
		for _, s := range t.subs {
			s.ended = true
		}
		t.subs = nil
	}
	b.topics, b.ids, b.history = shrinking[*topic]{}, shrinking[*entry]{}, fifo[*entry]{}
	b.quiet = make(chan struct{})
	if b.workers == 0 {
		close(b.quiet)
	}
}

func (b *memory) Notify(f func(State)) {
	b.telling.Lock()
	defer b.telling.Unlock()
	f(b.told)
	if b.told != Down {
		b.tell = append(b.tell, f)
	}
}

func (b *memory) down() {
	b.telling.Lock()
	defer b.telling.Unlock()
	b.told = Down
	for _, f := range b.tell {
		f(Down)
	}
	b.tell = nil
}

// check says what is wrong with a call before anything was done.
func check(ctx context.Context, topic string) error {
	switch {
	case topic == "":
		return errors.New("the topic is empty")
	case len(topic) > 1024:
		return fmt.Errorf("the topic has %d bytes, more than 1,024", len(topic))
	}
	return ctx.Err()
}

// What follows is called with mu held.

func (b *memory) topic(name string) *topic {
	t := b.topics.m[name]
	if t == nil {
		t = &topic{name: strings.Clone(name), floor: b.evicted}
		b.topics.set(t.name, t)
	}
	return t
}

// forget lets go of a topic that has neither history nor subscribers.
func (b *memory) forget(t *topic) {
	if t.history.len() == 0 && len(t.subs) == 0 {
		b.topics.delete(t.name)
	}
}

// expire evicts what has become too old.
func (b *memory) expire() (now time.Duration) {
	now = time.Since(b.start)
	for b.limits.Age > 0 && b.history.len() > 0 && now-b.history.first().at >= b.limits.Age {
		b.evict()
	}
	return now
}

// evict gives up the oldest message. Subscribers that have not seen it keep it while they have room.
func (b *memory) evict() {
	e := b.history.pop()
	b.bytes -= e.size()
	b.evicted = e.Seq
	if e.named {
		b.ids.delete(e.ID)
	}
	t := b.topics.m[e.Topic]
	t.history.pop()
	t.floor = e.Seq
	for _, s := range t.subs {
		if s.last < e.Seq && s.overdue.len() < overdueMessages && (s.overdue.len() == 0 || s.bytes+e.size() <= overdueBytes) {
			s.overdue.push(e)
			s.bytes += e.size()
		}
	}
	b.forget(t)
}

// wake lets s run if it does not.
func (b *memory) wake(s *subscription) {
	if s.ready || s.running {
		return
	}
	s.ready = true
	b.ready.push(s)
	if b.workers < maxWorkers {
		b.workers++
		go b.work()
	}
}

// pending is what s hears in its next call.
func (b *memory) pending(s *subscription) (list []Message) {
	for len(list) < s.most {
		m, ok := b.following(s)
		if !ok {
			break
		}
		list = append(list, m)
	}
	return list
}

// following is what s hears next. A message whose forerunner it has not seen is behind a gap, and so is the end if nothing is left before it.
func (b *memory) following(s *subscription) (m Message, ok bool) {
	if s.ended || s.last >= s.topic.last {
		return m, false
	}
	e := s.overdue.first()
	if e == nil {
		if later := after(&s.topic.history, s.last); len(later) > 0 {
			e = later[0]
		}
	}
	switch {
	case e == nil:
		s.last = s.topic.last
	case e.Prev > s.last:
		s.last = e.Prev
	default:
		s.last = e.Seq
		if e == s.overdue.first() {
			s.overdue.pop()
			s.bytes -= e.size()
		}
		return e.Message, true
	}
	return Message{Topic: s.topic.name, Position: Position{Epoch: b.epoch, Seq: s.last}, Lost: true}, true
}

// Here mu is not held.

// work lets one subscriber after the other hear all that there is for it.
func (b *memory) work() {
	for s, list := b.next(nil); s != nil; s, list = b.next(s) {
		s.h(list)
	}
}

// next is whom to tell what after s, nil when a worker is not needed any more.
func (b *memory) next(s *subscription) (*subscription, []Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if s != nil {
			if list := b.pending(s); len(list) > 0 {
				return s, list
			}
			s.running = false
			if s.stopped != nil {
				close(s.stopped)
			}
		}
		if b.ready.len() == 0 {
			b.workers--
			if b.closed && b.workers == 0 {
				close(b.quiet)
			}
			return nil, nil
		}
		s = b.ready.pop()
		s.ready, s.running = false, true
	}
}

func (b *memory) unsubscribe(s *subscription) {
	b.mu.Lock()
	if !s.ended {
		s.ended = true
		s.topic.subs = slices.DeleteFunc(s.topic.subs, func(o *subscription) bool { return o == s })
		b.forget(s.topic)
	}
	if s.running && s.stopped == nil {
		s.stopped = make(chan struct{})
	}
	stopped := s.stopped
	b.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}
