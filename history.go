package wsrouter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// history is what a feed remembers of its room. All of it is guarded by room.mu.
type history struct {
	at    broker.Position           // of the last message that the members have
	ring  []*cast                   // all messages after base up to at, oldest first; empty without Options.Resume
	base  uint64                    // of the epoch of at
	bytes int                       // of ring
	skips map[*conn]broker.Position // members that have heard more than at, by another node, and up to where

	wanted   []*want
	fetching bool
	overrun  uint64 // History does not reach back to before here, or what it has since then is too much
}

// A want is a client that waits for the broker's history.
type want struct {
	*position
	done chan struct{}
}

// Below, the caller holds room.mu.

// start forgets everything: what is remembered begins after at.
func (h *history) start(at broker.Position) {
	h.at, h.base = at, at.Seq
	h.ring, h.bytes, h.overrun = nil, 0, 0
}

// record takes note of a batch and returns it as members get it.
func (f *feed) record(batch []*cast) *handout {
	out := &handout{}
	maps.DeleteFunc(f.skips, func(_ *conn, heard broker.Position) bool { return covers(f.at, heard) })
	for _, c := range batch {
		if c.bye != nil {
			out.bye = c.bye
		}
		switch {
		case c.lost:
			f.start(c.at)
			if word := f.lossTold(c); word != nil {
				out.add(word)
			}
			continue
		case c.bye == nil:
			out.add(c)
			f.keep(c)
		}
		f.at = c.at
	}
	return out
}

// lossTold is what members are told of a loss, nil if they are told nothing.
func (f *feed) lossTold(c *cast) *cast {
	if f.hub.router.opts.Resume == nil || f.room.kind != ofRoom {
		return nil
	}
	word, err := f.word(Resync{Room: f.room.name, Reason: reasonLost, Position: &RoomPosition{Room: f.room.name, At: formatPosition(c.at)}})
	if err != nil {
		f.hub.refuse(f.topic, err)
		return nil
	}
	word.at = c.at
	f.hub.counts.resyncs.Add(uint64(len(f.room.members)))
	return word
}

// word is a message of the router's own.
func (f *feed) word(msg any) (*cast, error) {
	r := f.hub.router
	m, b, err := r.encode(msg, nil)
	if err != nil {
		return nil, err
	}
	return &cast{message: m, Item: wsconn.Item{Delivery: wsconn.Delivery{Whole: true}, Frame: wsconn.NewFrame(b, r.opts.Binary)}}, nil
}

// keep remembers a message that comes after all others.
func (f *feed) keep(c *cast) {
	if f.hub.router.opts.Resume == nil || f.room.kind != ofRoom {
		return
	}
	f.ring = append(f.ring, c)
	f.bytes += c.size()
	f.trim()
}

// trim forgets what is more than Options.Resume allows.
func (f *feed) trim() {
	s := f.hub.router.opts.Resume
	n := 0
	for len(f.ring)-n > s.Messages || f.bytes > s.Bytes {
		f.base = f.ring[n].at.Seq
		f.bytes -= f.ring[n].size()
		f.ring[n] = nil
		n++
	}
	f.ring = f.ring[n:] // append moves what is left to new memory, now and then
}

// since are the remembered messages after seq.
func (h *history) since(seq uint64) []*cast {
	i, _ := slices.BinarySearchFunc(h.ring, seq, func(c *cast, seq uint64) int { return cmp.Compare(c.at.Seq, seq+1) })
	return h.ring[i:]
}

// missing says why what was missed since p is not there, "" if it is.
func (f *feed) missing(p *position) (reason string) {
	f.mu.Lock()
	got := f.got
	f.mu.Unlock()
	switch {
	case !p.valid:
		return reasonUnknown
	case p.at.Epoch != f.at.Epoch:
		return reasonEpoch
	case p.at.Seq < f.base:
		return orElse(p.reason, reasonOverrun)
	case p.at.Seq > max(f.at.Seq, got.Seq) && !p.exists:
		return orElse(p.reason, reasonUnknown)
	}
	return ""
}

// welcome is what c hears first as a member.
func (f *feed) welcome(c *conn, missed *position) (items []*wsconn.Item, err error) {
	name := f.room.name
	here := RoomPosition{Room: name, At: formatPosition(f.at)}
	joined, reason := Joined{Room: name, Position: here}, ""
	var replay []*wsconn.Item
	if missed != nil {
		reason = f.missing(missed)
		recovered := reason == ""
		joined.Recovered = &recovered
		if recovered {
			replay = newestOf(f.since(missed.at.Seq))
			joined.Missed, joined.Position.At = len(replay), missed.text
			f.hub.counts.replays.Add(1)
		}
		if recovered || reason == reasonEpoch { // which this node may not know yet
			f.skip(c, missed.at)
		}
	}
	words := []any{joined}
	if reason != "" {
		words = append(words, Resync{Room: name, Reason: reason, Position: &here})
		f.hub.counts.resyncs.Add(1)
	}
	for _, w := range words {
		word, err := f.word(w)
		if err != nil {
			return nil, err
		}
		items = append(items, &word.Item)
	}
	return append(items, replay...), nil
}

// skip keeps messages up to heard from c, who has them already, and word that they are lost.
func (f *feed) skip(c *conn, heard broker.Position) {
	if covers(f.at, heard) {
		return
	}
	if f.skips == nil {
		f.skips = map[*conn]broker.Position{}
	}
	f.skips[c] = heard
}

// covers reports whether at is not before p.
func covers(at, p broker.Position) bool { return at.Epoch == p.Epoch && p.Seq <= at.Seq }

// newestOf is what of casts is replayed: all, but of those with a key only the newest.
func newestOf(casts []*cast) (items []*wsconn.Item) {
	var seen map[string]bool
	for _, c := range slices.Backward(casts) {
		if key := c.Latest; key != "" {
			if seen[key] {
				continue
			}
			if seen == nil {
				seen = map[string]bool{}
			}
			seen[key] = true
		}
		items = append(items, &wsconn.Item{Frame: c.Frame, Delivery: wsconn.Delivery{Whole: true, Name: c.Name}})
	}
	slices.Reverse(items)
	return items
}

// Here the caller does not hold room.mu.

// size is how many bytes c is to have that missed all since p.
func (f *feed) size(p *position) (n int) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if f.missing(p) == "" {
		for _, c := range f.since(p.at.Seq) {
			n += c.size()
		}
	}
	return n
}

// fetch asks the broker for what was missed since p and is not remembered, if that can help. Many who ask share one answer, which is then
// remembered as if it had come through the feed. It fails if the broker could not be asked.
func (f *feed) fetch(ctx context.Context, p *position) error {
	m := f.room
	m.mu.Lock()
	if f.settled(p) {
		m.mu.Unlock()
		return nil
	}
	w := &want{p, make(chan struct{})}
	f.wanted = append(f.wanted, w)
	if !f.fetching {
		f.fetching = true
		f.hub.run(f.ask)
	}
	m.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		return ErrClosed
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.err
}

// settled reports whether p is remembered, or cannot be by the help of the broker. The caller holds room.mu.
func (f *feed) settled(p *position) bool {
	reason := f.missing(p)
	if reason == "" || reason == reasonEpoch || !p.valid || p.reason != "" || p.err != nil {
		return true
	}
	return !f.hub.broker.hasHistory() || p.at.Seq < f.overrun && p.at.Seq < f.base
}

// ask asks the broker while somebody wants something, once in a historyPause.
func (f *feed) ask() {
	for failed := false; ; {
		since, ok := f.oldest(failed)
		if !ok {
			return
		}
		if f.pauseHistory() {
			continue // who came meanwhile may want more
		}
		ctx, cancel := context.WithTimeout(f.ctx, joinWait)
		list, err := f.hub.broker.History(ctx, f.topic, since, f.hub.router.opts.Resume.Messages)
		cancel()
		var casts []*cast
		for _, msg := range list {
			c, err := f.hub.decode(f.room.place, f.prefix, msg)
			if err != nil {
				f.hub.refuse(f.topic, err)
				continue
			}
			casts = append(casts, c)
		}
		failed = err != nil
		f.learn(since, list, casts, err)
	}
}

// pauseHistory takes the right to ask for the topic's history now, or waits until it may be had and reports that.
func (f *feed) pauseHistory() (waited bool) {
	wait := f.hub.mayAsk(f.topic)
	if wait <= 0 {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.ctx.Done():
	}
	return true
}

// mayAsk notes that a topic's history is asked for now, or says how long to wait until it may be. A room that was empty meanwhile has a new feed,
// so it is the hub that remembers.
func (h *hub) mayAsk(topic string) (wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if wait := h.asked[topic].Add(historyPause).Sub(now); wait > 0 {
		return wait
	}
	if now.Sub(h.swept) > historyPause {
		maps.DeleteFunc(h.asked, func(_ string, at time.Time) bool { return now.Sub(at) > historyPause })
		h.swept = now
	}
	if h.asked == nil {
		h.asked = map[string]time.Time{}
	}
	h.asked[topic] = now
	return 0
}

// oldest returns the oldest position that is wanted; the middle one if the oldest could not be had the last time, so that a few who ask for too
// much do not keep the others waiting. With none, ok is false and the goroutine is over.
func (f *feed) oldest(failed bool) (since broker.Position, ok bool) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.wanted = slices.DeleteFunc(f.wanted, func(w *want) bool {
		done := f.settled(w.position) || f.ctx.Err() != nil
		if done {
			close(w.done)
		}
		return done
	})
	if len(f.wanted) == 0 {
		f.wanted, f.fetching = nil, false
		return since, false
	}
	slices.SortFunc(f.wanted, func(a, b *want) int { return cmp.Compare(a.at.Seq, b.at.Seq) })
	i := 0
	if failed {
		i = len(f.wanted) / 2
	}
	return broker.Position{Epoch: f.at.Epoch, Seq: f.wanted[i].at.Seq}, true
}

// learn takes note of an answer: list, of which casts are messages, is all after since, or err says why that cannot be had.
func (f *feed) learn(since broker.Position, list []broker.Message, casts []*cast, err error) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	if since.Epoch != f.at.Epoch {
		return
	}
	if err == nil {
		f.prepend(since.Seq, casts)
		if f.base > since.Seq { // it is more than is remembered
			f.overrun = max(f.overrun, f.base)
		}
	}
	for _, w := range f.wanted {
		switch seq := w.at.Seq; {
		case err == nil:
			w.exists = w.exists || seq == since.Seq || slices.ContainsFunc(list, func(m broker.Message) bool { return m.Seq == seq })
		case !errors.Is(err, broker.ErrOverrun):
			w.err = fmt.Errorf("wsrouter: Join: history: %w", err)
		case seq <= since.Seq && seq < f.base:
			w.reason = reasonOverrun
		case seq >= since.Seq && since.Seq > f.at.Seq:
			w.reason = reasonUnknown
		}
	}
	if errors.Is(err, broker.ErrOverrun) && since.Seq < f.base {
		f.overrun = max(f.overrun, since.Seq+1)
	}
}

// prepend remembers casts, all messages after seq, in front of what is remembered already. The caller holds room.mu.
func (f *feed) prepend(seq uint64, casts []*cast) {
	if seq >= f.base {
		return
	}
	older := make([]*cast, 0, len(casts)+len(f.ring))
	for _, c := range casts {
		if c.at.Seq <= f.base {
			older = append(older, c)
			f.bytes += c.size()
		}
	}
	f.ring, f.base = append(older, f.ring...), seq
	f.trim()
}
