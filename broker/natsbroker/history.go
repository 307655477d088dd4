package natsbroker

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

// History reads the topic's messages from the stream. It fails with ErrOverrun too where the stream no longer has what followed since, of whatever topic: then
// nothing shows that no message of this one was there.
func (b *Broker) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	l, err := b.readable(ctx, topic, since)
	if err != nil {
		return nil, err
	}
	r := &historyRequest{ctx: ctx, life: l, topic: topic, since: since.Seq, limit: limit, done: make(chan struct{})}
	b.pasts.add(r)
	select {
	case <-r.done:
		return r.all, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.ctx.Done():
		return nil, broker.ErrClosed
	}
}

// readable returns the life in which a topic can be read from, or up to, a position.
func (b *Broker) readable(ctx context.Context, topic string, at broker.Position) (*life, error) {
	if err := checkTopic(topic); err != nil {
		return nil, err
	}
	if b.state.isClosed() {
		return nil, broker.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if up, _, _ := b.state.now(); !up {
		return nil, broker.ErrUnavailable
	}
	l := b.life.Load()
	if at.Epoch != l.epoch && (at.Epoch != "" || at.Seq != 0) {
		return nil, fmt.Errorf("%w: epoch %q is over", broker.ErrOverrun, at.Epoch)
	}
	return l, nil
}

// historyRequest is one call of History. Until done it belongs to runHistories.
type historyRequest struct {
	ctx   context.Context
	life  *life
	topic string
	since uint64
	limit int
	all   []broker.Message
	err   error
	done  chan struct{}
}

// mostPassed is how many messages of other topics are read for the sake of several requests. To read a topic costs the server as much as the stream behind
// since is long, for each topic: 5,000 of them, one by one, took minutes.
const mostPassed = 200_000

// runHistories answers one request alone, and those that came meanwhile by reading the stream once.
func (b *Broker) runHistories() {
	for {
		select {
		case <-b.pasts.wake:
		case <-b.ctx.Done():
			return
		}
		batch := slices.DeleteFunc(b.pasts.take(0), func(r *historyRequest) bool { return r.ctx.Err() != nil }) // who does not wait any more
		if len(batch) > 1 {
			batch = b.pass(batch)
		}
		for _, r := range batch {
			b.readAlone(r)
			b.finish(r)
		}
	}
}

// readAlone reads one topic.
func (b *Broker) readAlone(r *historyRequest) {
	for after := whole(r.since); !r.full(); {
		n := readMessages
		if r.limit > 0 {
			n = min(n, r.limit+1-len(r.all))
		}
		recs, more, err := b.readChunk(r.ctx, r.life, token(r.topic), after, n)
		if err != nil {
			r.err = err
			return
		}
		for _, rec := range recs {
			r.add(rec)
			after = rec.seq
		}
		if !more || len(recs) == 0 {
			return
		}
	}
}

// pass reads the stream once for all requests that are not too far behind, and returns the others.
func (b *Broker) pass(batch []*historyRequest) (others []*historyRequest) {
	l, last, from := b.life.Load(), uint64(0), uint64(math.MaxUint64)
	if info, err := b.infos.get(b.ctx); err == nil {
		last = info.State.LastSeq
	}
	of := map[string][]*historyRequest{}
	var mine []*historyRequest
	for _, r := range batch {
		if r.life != l || whole(r.since)+mostPassed < last {
			others = append(others, r)
			continue
		}
		mine = append(mine, r)
		subject := l.in + token(r.topic)
		of[subject] = append(of[subject], r)
		from = min(from, whole(r.since)+1)
	}
	for more := len(mine) > 0; more; {
		var recs []record
		var err error
		if recs, more, err = b.read(b.ctx, get{Seq: from, Batch: readMessages, MaxBytes: readBytes}); err != nil {
			for _, r := range mine {
				r.err = err
			}
			break
		}
		for _, rec := range recs {
			for _, r := range of[rec.subject] {
				if rec.seq > whole(r.since) && !r.full() {
					r.add(rec)
				}
			}
			from = rec.seq + 1
		}
		more = more && len(recs) > 0
	}
	b.finish(mine...)
	return others
}

// full: there is more than was asked for.
func (r *historyRequest) full() bool { return r.limit > 0 && len(r.all) > r.limit }

func (r *historyRequest) add(rec record) {
	for _, m := range rec.unpack(r.life, r.topic, 0) {
		if m.Seq > r.since {
			r.all = appendMessage(r.all, m)
		}
	}
}

// appendMessage appends what was read behind all.
func appendMessage(all []broker.Message, m broker.Message) []broker.Message {
	m.Prev = 0
	if n := len(all); n > 0 {
		m.Prev = all[n-1].Seq
	}
	return append(all, m)
}

// finish judges what was read by what the stream has afterwards.
func (b *Broker) finish(requests ...*historyRequest) {
	if len(requests) == 0 {
		return
	}
	info, err := b.infos.get(b.ctx)
	for _, r := range requests {
		if r.err == nil {
			r.err = err
		}
		if r.err != nil {
			r.err = b.readError(r.ctx, r.err)
		} else {
			r.err = b.judge(r, info)
		}
		if r.err != nil {
			r.all = nil
		}
		close(r.done)
	}
}

func (b *Broker) judge(r *historyRequest, info *jetstream.StreamInfo) error {
	switch {
	case r.full():
		return fmt.Errorf("%w: more than %d messages", broker.ErrOverrun, r.limit)
	case epochOf(info) != r.life.epoch:
		b.keep.check()
		return fmt.Errorf("%w: epoch %q is over", broker.ErrOverrun, r.life.epoch)
	case holds(r.since) > info.State.LastSeq:
		return fmt.Errorf("%w: position %d is above the last one, %d", broker.ErrOverrun, r.since, r.life.position(info.State.LastSeq).Seq)
	case firstKept(info) > whole(r.since)+1:
		return fmt.Errorf("%w: position %d is not kept any more, what follows %d is", broker.ErrOverrun, r.since, r.life.position(firstKept(info)-1).Seq)
	}
	return nil
}

func (b *Broker) readError(ctx context.Context, err error) error {
	if e := ctx.Err(); e != nil {
		return e
	}
	if b.state.isClosed() {
		return broker.ErrClosed
	}
	return unavailable(err)
}
