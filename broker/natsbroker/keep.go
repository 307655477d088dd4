package natsbroker

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

const (
	checkEvery   = 30 * time.Second // or sooner, where the stream keeps messages for less than 4 min
	checkAtLeast = time.Second
	retryEvery   = 200 * time.Millisecond
	tailTopics   = 500                    // of one question; the server answers at most 1,024
	tailBytes    = 256 << 10              // of it
	tailCost     = 100 * time.Microsecond // topics are asked about no faster
)

// keeper looks after connection, epoch and completeness, on one goroutine.
type keeper struct {
	wake      chan struct{}
	needCheck atomic.Bool
	needSweep atomic.Bool
	sweeping  atomic.Bool
	suspected atomic.Bool

	// Of the goroutine.
	sweeps  uint64
	changed bool // the epoch, and nobody was told yet
	lastOf  *life
	last    uint64 // sequence of the stream at the check of tails before
	lastAt  time.Time
	tailsAt time.Time // when they are checked next
}

func (k *keeper) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// check has the stream looked at soon.
func (k *keeper) check() { k.needCheck.Store(true); k.signal() }

// suspect has the stream looked at within a second.
func (k *keeper) suspect() {
	if k.suspected.CompareAndSwap(false, true) {
		time.AfterFunc(time.Second, func() { k.suspected.Store(false); k.check() })
	}
}

// sweep has the stream read soon.
func (k *keeper) sweep() { k.needSweep.Store(true); k.signal() }

// sweepDue: what is held now is released by a sweep.
func (k *keeper) sweepDue() bool { return k.needSweep.Load() || k.sweeping.Load() }

func (b *Broker) runKeeper() {
	k := &b.keep
	k.tailsAt = time.Now().Add(checkAtLeast)
	for {
		wait := time.Until(k.tailsAt)
		if up, _, _ := b.state.now(); !up || k.needCheck.Load() || k.needSweep.Load() {
			wait = min(wait, retryEvery)
		}
		t := time.NewTimer(wait)
		select {
		case <-k.wake:
		case <-t.C:
		case <-b.ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
		if c := b.conn.Load(); c.IsConnected() {
			b.look()
		} else if c.IsClosed() {
			b.replace(c)
		}
	}
}

// look does what is due.
func (b *Broker) look() {
	k := &b.keep
	if up, outage, _ := b.state.now(); k.needCheck.Swap(false) || !up {
		if !b.checkStream(up, outage) {
			k.needCheck.Store(true)
			return
		}
	}
	if k.needSweep.Swap(false) {
		k.sweeping.Store(true)
		done := b.sweep()
		if !done {
			k.needSweep.Store(true)
		}
		k.sweeping.Store(false)
		if !done || !b.inShards((*shard).releaseAll) {
			return
		}
	}
	if time.Now().After(k.tailsAt) {
		b.checkTails()
	}
}

func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/4) }

// checkStream finds out which epoch is in force, and tells that the stream can be reached, or not.
func (b *Broker) checkStream(up bool, outage uint64) bool {
	ctx, cancel := context.WithTimeout(b.ctx, readTimeout)
	defer cancel()
	info, err := b.establish(ctx, false)
	if err != nil {
		if b.ctx.Err() == nil {
			b.log.say(unreachable, "natsbroker: the stream cannot be reached", "error", err)
			b.state.setIf(broker.Down, outage)
		}
		return false
	}
	b.conn.Load().look(info)
	k := &b.keep
	if l := b.life.Load(); epochOf(info) != l.epoch {
		k.changed = true
		b.changeLife(info)
	} else {
		l.see(info.State.LastSeq)
	}
	word := broker.Up
	switch {
	case k.changed:
		word = broker.EpochChanged
	case up:
		return true
	}
	k.needSweep.Store(true)
	if !b.state.setIf(word, outage) {
		return false
	}
	k.changed = false
	for _, s := range b.shards {
		s.do(s.rejoin) // behind the change of the state: a join that failed before it is taken up
	}
	return true
}

// changeLife moves every topic to another epoch. Its subscribers are told of a loss when it has been joined there.
func (b *Broker) changeLife(info *jetstream.StreamInfo) {
	l := lifeOf(info)
	b.life.Store(l)
	for _, s := range b.shards {
		s.do(func() { s.changeLife(l) })
	}
}

func (s *shard) changeLife(l *life) {
	s.life = l
	old := s.topics
	s.topics = make(map[string]*topic, len(old))
	for _, t := range old {
		if t.sub != nil {
			t.sub.Unsubscribe()
		}
		t.unhold(len(t.held))
		t.standing = standing{live: l.out + token(t.name), joining: true, again: t.again || !t.joining}
		s.topics[t.live] = t
		if t.again {
			t.lose(l.from)
		}
		t.join()
	}
}

// rejoin takes up topics whose join in a new epoch failed.
func (s *shard) rejoin() {
	for _, t := range s.topics {
		if t.joining {
			t.join()
		}
	}
}

// inShards runs f in every shard, one after the other.
func (b *Broker) inShards(f func(s *shard)) bool {
	for _, s := range b.shards {
		s.do(func() { f(s) })
	}
	return b.ctx.Err() == nil
}

// sweep reads the stream once, from the topic that is farthest behind, and gives each topic what it lacks.
func (b *Broker) sweep() bool {
	b.keep.sweeps++
	l, id, from, p := b.life.Load(), b.keep.sweeps, uint64(math.MaxUint64), b.proof()
	ok := b.inShards(func(s *shard) {
		if s.life != l {
			return
		}
		for _, t := range s.topics {
			if !t.joining {
				t.swept, t.sweptSince = id, t.now(p)
				from = min(from, t.at+1)
			}
		}
	})
	if !ok || from == math.MaxUint64 {
		return ok
	}
	b.stats.sweeps.Add(1)
	return b.sweepFrom(l, from, id) && b.inShards(func(s *shard) { s.sweepDone(l, id) })
}

func (b *Broker) sweepFrom(l *life, from, id uint64) bool {
	for {
		recs, more, err := b.read(b.ctx, get{Seq: from, Batch: readMessages, MaxBytes: readBytes})
		if err != nil {
			if b.ctx.Err() == nil {
				b.log.say(unreachable, "natsbroker: reading what was missed", "error", err)
			}
			return false
		}
		if len(recs) == 0 { // nothing there: what was, is gone
			info, err := b.infos.get(b.ctx)
			if err != nil {
				return false
			}
			if epochOf(info) == l.epoch && info.State.FirstSeq > from {
				b.inShards(func(s *shard) { s.sweptUpTo(l, id, info.State.FirstSeq-1, true) })
			}
			return true
		}
		if b.life.Load() != l {
			return true // the topics are joined anew
		}
		gone := recs[0].seq > from // the stream counts without holes
		b.inShards(func(s *shard) {
			if gone {
				s.sweptUpTo(l, id, recs[0].seq-1, true)
			}
			s.swept(l, id, recs)
			s.sweptUpTo(l, id, recs[len(recs)-1].seq, false)
		})
		from = recs[len(recs)-1].seq + 1
		if !more {
			return true
		}
	}
}

// swept delivers those of recs that the topics of the sweep lack. One that was joined during the sweep may lack what was read before, too.
func (s *shard) swept(l *life, id uint64, recs []record) {
	if s.life != l {
		return
	}
	for i, rec := range recs {
		if i > 0 && rec.seq != recs[i-1].seq+1 {
			s.lostBetween(recs[i-1].seq, rec.seq-1)
		}
		if len(rec.subject) <= len(l.in) || rec.subject[:len(l.in)] != l.in {
			continue
		}
		if t := s.topics[l.out+rec.subject[len(l.in):]]; t != nil && !t.joining && t.swept == id && rec.seq > t.at {
			t.read(rec)
		}
	}
}

// lostBetween: the stream has a hole.
func (s *shard) lostBetween(after, seq uint64) {
	for _, t := range s.topics {
		if !t.joining && t.at >= after && t.at < seq {
			t.lose(seq)
		}
	}
}

// sweptUpTo: the topics of the sweep have everything up to seq, or have lost it.
func (s *shard) sweptUpTo(l *life, id, seq uint64, lost bool) {
	if s.life != l {
		return
	}
	for _, t := range s.topics {
		if t.joining || t.swept != id || t.at >= seq {
			continue
		}
		if lost {
			t.lose(seq)
		} else {
			t.at = seq
		}
	}
}

// sweepDone: the sweep has read everything.
func (s *shard) sweepDone(l *life, id uint64) {
	for _, t := range s.topics {
		if s.life == l && t.swept == id && !t.joining {
			t.since = t.sweptSince
		}
	}
}

// releaseAll: what is held need not wait for the sweep.
func (s *shard) releaseAll() {
	for _, t := range s.topics {
		if !t.joining && !t.filling && (len(t.held) > 0 || t.behind) {
			t.release(0)
		}
	}
}

// tail is a topic that is asked about.
type tail struct {
	t       *topic
	subject string // of what is published
	at      uint64
	newest  uint64 // the stream's last message of it, if above at
}

// checkTails asks whether the stream has messages of subscribed topics that have not arrived. What is known to be complete moves on with it, so that a
// quiet topic does not fall behind what the stream still has.
func (b *Broker) checkTails() {
	k, l := &b.keep, b.life.Load()
	seen := l.seen.Load()
	var tails []*tail
	b.inShards(func(s *shard) { tails = append(tails, s.tails(l)...) })
	atLeast := max(checkAtLeast, time.Duration(len(tails))*tailCost)
	k.tailsAt = time.Now().Add(atLeast)
	for from := 0; from < len(tails); {
		to := tailChunk(tails, from)
		if err := b.askTails(tails[from:to]); err != nil {
			b.keep.check()
			return
		}
		from = to
	}
	info, err := b.infos.get(b.ctx)
	if err != nil || epochOf(info) != l.epoch || info.State.LastSeq < seen {
		b.keep.check()
		return
	}
	l.see(info.State.LastSeq)
	complete := uint64(0) // what was stored before the check before has arrived wherever it was going to
	if k.lastOf == l {
		complete = k.last
		k.tailsAt = time.Now().Add(max(atLeast, jitter(nextCheck(info, info.State.LastSeq-k.last, time.Since(k.lastAt)))))
	}
	k.last, k.lastOf, k.lastAt = info.State.LastSeq, l, time.Now()
	of := map[*shard][]*tail{}
	for _, t := range tails {
		of[t.t.shard] = append(of[t.t.shard], t)
	}
	for s, tails := range of {
		s.do(func() { s.checked(l, tails, complete, info.State.FirstSeq) })
	}
}

// nextCheck is well within the time for which the stream keeps a message.
func nextCheck(info *jetstream.StreamInfo, passed uint64, in time.Duration) time.Duration {
	next := float64(checkEvery)
	c, s := info.Config, info.State
	if c.MaxAge > 0 {
		next = min(next, float64(c.MaxAge)/8)
	}
	if passed > 0 {
		each := float64(in) / float64(passed)
		if c.MaxMsgs > 0 {
			next = min(next, each*float64(c.MaxMsgs)/8)
		}
		if c.MaxBytes > 0 && s.Bytes > 0 {
			next = min(next, each*float64(c.MaxBytes)/(float64(s.Bytes)/float64(max(s.Msgs, 1)))/8)
		}
	}
	return time.Duration(next)
}

func (s *shard) tails(l *life) []*tail {
	if s.life != l {
		return nil
	}
	all := make([]*tail, 0, len(s.topics))
	for live, t := range s.topics {
		if !t.joining {
			all = append(all, &tail{t: t, subject: l.in + live[len(l.out):], at: t.at})
		}
	}
	return all
}

// tailChunk returns the end of what fits one question.
func tailChunk(tails []*tail, from int) int {
	to, size := from, 0
	for to < len(tails) && to-from < tailTopics && size < tailBytes {
		size += len(tails[to].subject) + 3
		to++
	}
	return to
}

func (b *Broker) askTails(tails []*tail) error {
	g := get{Seq: math.MaxUint64, MaxBytes: readBytes}
	of := make(map[string]*tail, len(tails))
	for _, t := range tails {
		of[t.subject] = t
		g.Seq = min(g.Seq, t.at+1)
		g.Multi = append(g.Multi, t.subject)
	}
	for {
		recs, more, err := b.read(b.ctx, g)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if t := of[rec.subject]; t != nil && rec.seq > t.at {
				t.newest = rec.seq
			}
		}
		if !more || len(recs) == 0 {
			return nil
		}
		g.Seq = recs[len(recs)-1].seq + 1
	}
}

// checked takes the answer. first is the first sequence that the stream had afterwards.
func (s *shard) checked(l *life, tails []*tail, complete, first uint64) {
	if s.life != l {
		return
	}
	var late []*tail
	for _, tl := range tails {
		t := tl.t
		switch {
		case s.topics[t.live] != t || t.joining || t.filling || len(t.held) > 0:
		case tl.newest > t.at:
			late = append(late, tl)
		case tl.newest == 0 && first > tl.at+1 && first > t.at+1 && !t.unbroken():
			t.lose(first - 1)
		default:
			t.at = max(t.at, complete)
		}
	}
	if len(late) > 0 {
		s.b.after(lookAfter, func() { s.do(func() { s.fillLate(l, late) }) })
	}
}

func (s *shard) fillLate(l *life, late []*tail) {
	for _, tl := range late {
		if t := tl.t; s.life == l && s.topics[t.live] == t && t.at < tl.newest && len(t.held) == 0 {
			s.b.stats.gaps.Add(1)
			t.fill()
		}
	}
}

// fillRequest: read what the topic has behind after.
type fillRequest struct {
	t     *topic
	life  *life
	live  string
	after uint64
	proof proof
}

func (b *Broker) runFills() {
	for {
		select {
		case <-b.fills.wake:
		case <-b.ctx.Done():
			return
		}
		for _, r := range b.fills.take(1) {
			recs, more, err := b.readChunk(b.ctx, r.life, r.live[len(r.life.out):], r.after, readMessages)
			var info *jetstream.StreamInfo
			if err == nil {
				info, err = b.infos.get(b.ctx)
			}
			r.t.shard.do(func() { r.t.shard.filled(r, recs, more, info, err) })
		}
	}
}

func (s *shard) filled(r fillRequest, recs []record, more bool, info *jetstream.StreamInfo, err error) {
	switch t := r.t; {
	case s.life != r.life || s.topics[r.live] != t:
	case err != nil || epochOf(info) != r.life.epoch:
		t.filling = false
		s.b.keep.check()
		s.b.keep.sweep()
	default:
		t.filled(recs, more, firstKept(info), r.proof)
	}
}

// readChunk reads what a topic has after a sequence, at most n. more: there is more.
func (b *Broker) readChunk(ctx context.Context, l *life, token string, after uint64, n int) (recs []record, more bool, err error) {
	return b.read(ctx, get{Seq: after + 1, NextFor: l.in + token, Batch: n, MaxBytes: readBytes})
}

// firstKept is the first sequence from which on the stream has every message.
func firstKept(info *jetstream.StreamInfo) uint64 {
	if info.State.NumDeleted > 0 {
		return info.State.LastSeq + 1 // holes, and nobody says where
	}
	return info.State.FirstSeq
}

// after calls f after some milliseconds.
func (b *Broker) after(ms int, f func()) { time.AfterFunc(time.Duration(ms)*time.Millisecond, f) }
