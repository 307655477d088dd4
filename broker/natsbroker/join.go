package natsbroker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
)

const (
	joinEvery  = 2 * time.Millisecond // for each change of the batch before: from 500 a second on batches grow
	joinLatest = 10 * time.Millisecond
	joinMost   = 1024 // topics at once
)

// Subscribe returns when the server has the subscription. While there is no connection it fails with ErrUnavailable at once. A handler that is
// behind by more than 8,192 messages or 16 MiB has lost what comes until it has none left.
func (b *Broker) Subscribe(ctx context.Context, name string, h func(broker.Message)) (broker.Position, func() error, error) {
	return b.subscribe(ctx, name, 1, func(one []broker.Message) { h(one[0]) })
}

// SubscribeBatches is Subscribe for a handler that never blocks and takes all messages at once that have arrived.
func (b *Broker) SubscribeBatches(ctx context.Context, name string, h func([]broker.Message)) (broker.Position, func() error, error) {
	return b.subscribe(ctx, name, 0, h)
}

func (b *Broker) subscribe(ctx context.Context, name string, most int, h func([]broker.Message)) (broker.Position, func() error, error) {
	if err := checkTopic(name); err != nil {
		return broker.Position{}, nil, err
	}
	if b.state.isClosed() {
		return broker.Position{}, nil, broker.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return broker.Position{}, nil, err
	}
	if up, _, _ := b.state.now(); !up {
		return broker.Position{}, nil, broker.ErrUnavailable
	}
	s := b.shardOf(name)
	sub := &subscriber{shard: s, h: h, most: most, joined: make(chan joined, 1)}
	s.do(func() { s.subscribe(name, sub) })
	var once sync.Once
	unsubscribe := func() error {
		once.Do(func() { s.unsubscribe(name, sub) })
		return nil
	}
	var j joined
	select {
	case j = <-sub.joined:
	case <-ctx.Done():
		j.err = ctx.Err()
	case <-b.ctx.Done():
		j.err = broker.ErrClosed
	}
	if j.err != nil {
		unsubscribe()
		return broker.Position{}, nil, j.err
	}
	return j.at, unsubscribe, nil
}

func (s *shard) subscribe(name string, sub *subscriber) {
	live := s.life.out + token(name)
	t := s.topics[live]
	if t == nil {
		t = &topic{name: name, shard: s, standing: standing{live: live, joining: true}}
		s.topics[live] = t
		s.b.stats.topics.Add(1)
		t.join()
	}
	t.subs = append(t.subs, sub)
	if t.joining {
		t.waiting = append(t.waiting, sub)
	} else {
		sub.joined <- joined{at: t.position()}
	}
}

// unsubscribe returns when h is not called any more.
func (s *shard) unsubscribe(name string, sub *subscriber) {
	s.do(func() {
		t := s.topics[s.life.out+token(name)]
		if t == nil {
			return
		}
		is := func(x *subscriber) bool { return x == sub }
		t.subs = slices.DeleteFunc(t.subs, is)
		t.waiting = slices.DeleteFunc(t.waiting, is)
		if len(t.subs) == 0 {
			t.remove()
		}
	})
	sub.end()
}

func (t *topic) remove() {
	t.unhold(len(t.held))
	t.shard.forget(t)
	if t.sub != nil {
		t.shard.b.leaves.add(t.sub)
	}
}

func (t *topic) join() {
	if !t.queued {
		t.queued = true
		t.shard.b.joins.add(joinRequest{t: t, life: t.shard.life, live: t.live})
	}
}

// joinRequest: a topic wants its subscription and position.
type joinRequest struct {
	t    *topic
	life *life
	live string
	sub  *nats.Subscription
	err  error
}

// runJoins subscribes all topics that came since the batch before with one question, and unsubscribes those that are not wanted any more.
func (b *Broker) runJoins() {
	for {
		select {
		case <-b.joins.wake:
		case <-b.leaves.wake:
		case <-b.ctx.Done():
			return
		}
		begin := time.Now()
		batch, leaves := b.joins.take(joinMost), b.leaves.take(0)
		for _, sub := range leaves { // before the batch has the same topic again, whose messages would arrive twice
			sub.Unsubscribe() // fails only where there is no subscription any more
		}
		if len(batch) > 0 {
			b.join(batch)
		}
		pause := min(time.Duration(max(len(batch)+len(leaves), 1))*joinEvery, joinLatest)
		if sleep(b.ctx, pause-time.Since(begin)) != nil {
			return
		}
	}
}

func (b *Broker) join(batch []joinRequest) {
	up, outage, _ := b.state.now()
	p, c := b.proof(), b.conn.Load()
	refused := c.refusal.Load()
	for i := range batch {
		r := &batch[i]
		if !up {
			r.err = broker.ErrUnavailable
		} else if r.sub, r.err = c.ChanSubscribe(r.live, r.t.shard.arrived); r.err != nil {
			r.err = unavailable(r.err)
		}
	}
	at, epoch, err := b.last(up)
	refusal := c.refusal.Load()
	for _, s := range b.shards {
		mine := slices.DeleteFunc(slices.Clone(batch), func(r joinRequest) bool { return r.t.shard != s })
		if len(mine) == 0 {
			continue
		}
		s.do(func() {
			_, now, _ := b.state.now()
			for _, r := range mine {
				switch {
				case r.err != nil:
				case err != nil:
					r.err = unavailable(err)
				case now != outage || r.life.epoch != epoch:
					r.err = broker.ErrUnavailable // what came meanwhile may be missing
				case refusal != refused:
					r.err = fmt.Errorf("natsbroker: the server refuses subscriptions: %w", refusal.why)
				}
				s.joined(r, at, p)
			}
		})
	}
}

// last returns the stream's last sequence. What is asked comes to the server behind the subscriptions made so far, so that they have everything
// behind the answer.
func (b *Broker) last(up bool) (uint64, string, error) {
	if !up {
		return 0, "", broker.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(b.state.link(), readTimeout)
	defer cancel()
	l := b.life.Load()
	if subject := l.recent.Load(); subject != nil {
		if at, err := b.upTo(ctx, *subject); err != nil || at > 0 {
			return at, l.epoch, err
		}
	}
	info, err := b.infos.get(ctx)
	if err != nil {
		return 0, "", err
	}
	return info.State.LastSeq, epochOf(info), nil
}

// joined takes the outcome; at is where the stream was and p what the connection had lost. A topic that has subscribers from before stays, and
// joins again when there is a connection.
func (s *shard) joined(r joinRequest, at uint64, p proof) {
	t := r.t
	if s.topics[r.live] != t || r.life != s.life { // gone, or joined anew in another epoch
		if r.sub != nil {
			s.b.leaves.add(r.sub)
		}
		return
	}
	t.queued = false
	waiting := t.waiting
	t.waiting = nil
	if r.err != nil {
		if r.sub != nil {
			s.b.leaves.add(r.sub)
		}
		t.subs = slices.DeleteFunc(t.subs, func(x *subscriber) bool { return slices.Contains(waiting, x) })
		if len(t.subs) == 0 {
			t.remove()
		} else if up, _, _ := s.b.state.now(); up { // else the end of the outage takes it up
			s.b.keep.check()
			s.b.after(int(retryEvery/time.Millisecond), func() { s.do(func() { s.joinAgain(t) }) })
		}
		for _, sub := range waiting {
			sub.joined <- joined{err: r.err}
		}
		return
	}
	t.sub, t.joining = r.sub, false
	if s.life.see(at); t.again {
		t.again = false
		s.b.keep.sweep() // for what the epoch has had so far
	} else {
		t.at, t.since = at, p // and nothing dropped, which it may have been since the answer
	}
	for _, sub := range waiting {
		sub.joined <- joined{at: s.life.position(at)}
	}
	t.release(0)
}

func (s *shard) joinAgain(t *topic) {
	if s.topics[t.live] == t && t.joining {
		t.join()
	}
}
