package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

// The stream can be read forwards only. So Recall reads a stretch of it before the topic's last message, then one before that, and so on, each as long as
// is likely to have the rest, and at most so many times as long as all before.
const (
	firstStretch  = 64
	stretchGrowth = 8
	recallAtLeast = 100 // messages of one answer, so that a stretch with many takes few
)

var errBehind = errors.New("natsbroker: the server that was asked is behind the stream's leader")

// Recall reads the stream backwards. What was deleted from the stream by hand it does not miss.
func (b *Broker) Recall(ctx context.Context, topic string, before broker.Position, limit, bytes int) (messages []broker.Message, more bool, err error) {
	l, err := b.readable(ctx, topic, before)
	if err != nil {
		return nil, false, err
	}
	if before == (broker.Position{}) {
		before.Seq = math.MaxUint64
	}
	for range mostTries {
		p, err := b.recallAgain(ctx, past{life: l, topic: topic, before: before.Seq, limit: limit, bytes: bytes})
		if err != nil {
			return nil, false, b.readError(ctx, err)
		}
		info, err := b.infos.get(ctx)
		switch {
		case err != nil:
			return nil, false, b.readError(ctx, err)
		case epochOf(info) != l.epoch:
			b.keep.check()
			return nil, false, fmt.Errorf("%w: epoch %q is over", broker.ErrOverrun, l.epoch)
		}
		for _, m := range p.messages {
			if holds(m.Seq) >= info.State.FirstSeq { // what went while it was read may have gone from between what was read
				messages = appendMessage(messages, m)
			}
		}
		if len(messages) > 0 || p.last == 0 || before.Seq < math.MaxUint64 { // else the newest went while it was read, and there are newer ones
			return messages, p.full, nil
		}
	}
	return nil, false, fmt.Errorf("%w: what was the newest was gone when it had been read, %d times", broker.ErrOverrun, mostTries)
}

// recallAgain recalls from a server that has all that the leader has.
func (b *Broker) recallAgain(ctx context.Context, of past) (p *past, err error) {
	for try := range mostTries {
		again := of
		if p, err = &again, b.recall(ctx, &again); !errors.Is(err, errBehind) {
			return p, err
		}
		if err := sleep(ctx, time.Duration(firstPause*(try+1))*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (b *Broker) recall(ctx context.Context, p *past) (err error) {
	if p.last, err = b.lastOf(ctx, p.life.in+token(p.topic)); err != nil || p.last == 0 {
		return err
	}
	end := min(holds(p.before), p.last) + 1 // the position may lie in a pack
	for lo := end; lo > 1 && !p.full; {
		hi := lo
		lo -= min(p.stretch(end-lo), lo-1)
		if err := b.readStretch(ctx, p, lo, hi); err != nil {
			return err
		}
	}
	return nil
}

// readStretch adds to p the topic's messages from the stream's message lo to before hi. The last one is one of the topic: unless a server shows what is behind the stretch,
// it may not have all that is in it.
func (b *Broker) readStretch(ctx context.Context, p *past, lo, hi uint64) error {
	var mine []broker.Message
	for after := lo - 1; after < min(hi, p.last); {
		recs, _, err := b.readChunk(ctx, p.life, token(p.topic), after, min(max(p.limit-len(p.messages), recallAtLeast), readMessages))
		switch {
		case err != nil:
			return err
		case len(recs) == 0:
			return errBehind
		}
		for _, rec := range recs {
			if after = rec.seq; after < hi {
				mine = append(mine, rec.unpack(p.life, p.topic, 0)...)
			}
		}
		mine = p.newest(slices.DeleteFunc(mine, func(m broker.Message) bool { return m.Seq >= p.before }))
	}
	p.messages = append(mine, p.messages...)
	for _, m := range mine {
		p.bytes -= len(m.Data)
	}
	p.full = p.full || len(p.messages) == p.limit
	return nil
}

// past is the newest messages, oldest first, that Recall has so far.
type past struct {
	life     *life
	topic    string
	before   uint64 // position
	messages []broker.Message
	limit    int
	bytes    int    // that may come before them
	full     bool   // none may
	last     uint64 // the topic's last message in the stream; 0: there was none
}

// stretch is how much of the stream to read next, when so much has been read.
func (p *past) stretch(read uint64) uint64 {
	have := len(p.messages)
	if have == 0 {
		return max(firstStretch, read*stretchGrowth)
	}
	rest := float64(read) / float64(have) * float64(p.limit-have) * 5 / 4
	return min(uint64(rest)+firstStretch, read*stretchGrowth)
}

// newest returns those of list, which are before all of p, that p has room for.
func (p *past) newest(list []broker.Message) []broker.Message {
	first, size := len(list), 0
	for ; first > 0 && len(list)-first < p.limit-len(p.messages); first-- {
		size += len(list[first-1].Data)
		if alone := first == len(list) && len(p.messages) == 0; size > p.bytes && !alone {
			break
		}
	}
	p.full = p.full || first > 0
	return list[first:]
}

// lastOf returns the sequence of the last message of a subject, 0 if there is none, as the stream's leader knows it: all that was acknowledged.
func (b *Broker) lastOf(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return 0, err
	}
	answer, err := b.conn.Load().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+b.o.Namespace, body)
	if err != nil {
		return 0, err
	}
	var last struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(answer.Data, &last); {
	case err != nil:
		return 0, err
	case last.Error != nil && last.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return 0, nil
	case last.Error != nil:
		return 0, last.Error
	}
	return last.Message.Seq, nil
}
