package natsbroker

import (
	"context"
	"fmt"

	"github.com/wsrouter-go/wsrouter/broker"
)

// History reads the topic's messages from the stream. It fails with ErrOverrun too where the stream no longer has what followed since, of whatever topic: then
// nothing shows that no message of this one was there.
func (b *Broker) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
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
	if since.Epoch != l.epoch && (since.Epoch != "" || since.Seq != 0) {
		return nil, fmt.Errorf("%w: epoch %q is over", broker.ErrOverrun, since.Epoch)
	}
	return b.history(ctx, l, topic, since.Seq, limit)
}

func (b *Broker) history(ctx context.Context, l *life, topic string, since uint64, limit int) (all []broker.Message, err error) {
	tok, prev := token(topic), uint64(0)
	for after := since; ; {
		n := readMessages
		if limit > 0 {
			n = min(n, limit+1-len(all))
		}
		recs, more, err := b.readChunk(ctx, l, tok, after, n)
		if err != nil {
			return nil, b.readError(ctx, err)
		}
		for _, rec := range recs {
			all = append(all, broker.Message{
				Topic: topic, ID: messageID(rec.id), Data: rec.data,
				Position: broker.Position{Epoch: l.epoch, Seq: rec.seq, Prev: prev},
			})
			after, prev = rec.seq, rec.seq
		}
		if limit > 0 && len(all) > limit {
			return nil, fmt.Errorf("%w: more than %d messages", broker.ErrOverrun, limit)
		}
		if !more || len(recs) == 0 {
			break
		}
	}
	info, err := b.infos.get(ctx)
	switch {
	case err != nil:
		return nil, b.readError(ctx, err)
	case epochOf(info) != l.epoch:
		b.keep.check()
		return nil, fmt.Errorf("%w: epoch %q is over", broker.ErrOverrun, l.epoch)
	case since > info.State.LastSeq:
		return nil, fmt.Errorf("%w: position %d is above the last one, %d", broker.ErrOverrun, since, info.State.LastSeq)
	case firstKept(info) > since+1:
		return nil, fmt.Errorf("%w: complete from %d on only", broker.ErrOverrun, firstKept(info))
	}
	return all, nil
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
