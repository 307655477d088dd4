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
	end := before.Seq
	if before == (broker.Position{}) {
		end = math.MaxUint64
	}
	for range mostTries {
		p, err := b.recallAgain(ctx, l, token(topic), end, limit, bytes)
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
		for _, rec := range p.recs {
			if rec.seq >= info.State.FirstSeq { // what went while it was read may have gone from between what was read
				messages = appendMessage(messages, l, topic, rec)
			}
		}
		if len(messages) > 0 || p.last == 0 || end < math.MaxUint64 { // else the newest went while it was read, and there are newer ones
			return messages, p.full, nil
		}
	}
	return nil, false, fmt.Errorf("%w: what was the newest was gone when it had been read, %d times", broker.ErrOverrun, mostTries)
}

// recallAgain recalls from a server that has all that the leader has.
func (b *Broker) recallAgain(ctx context.Context, l *life, token string, end uint64, limit, bytes int) (p *past, err error) {
	for try := range mostTries {
		p = &past{limit: limit, bytes: bytes}
		if err = b.recall(ctx, l, token, end, p); !errors.Is(err, errBehind) {
			return p, err
		}
		if err := sleep(ctx, time.Duration(firstPause*(try+1))*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (b *Broker) recall(ctx context.Context, l *life, token string, end uint64, p *past) error {
	last, err := b.lastOf(ctx, l.in+token)
	p.last = last
	if err != nil || last == 0 {
		return err
	}
	end = min(end, last+1)
	for lo := end; lo > 1 && !p.full; {
		hi := lo
		lo -= min(p.stretch(end-lo), lo-1)
		if err := b.readStretch(ctx, l, token, lo, hi, last, p); err != nil {
			return err
		}
	}
	return nil
}

// readStretch adds to p the topic's messages from lo to before hi. last is one of the topic: unless a server shows what is behind the stretch, it may
// not have all that is in it.
func (b *Broker) readStretch(ctx context.Context, l *life, token string, lo, hi, last uint64, p *past) error {
	var mine []record
	for after := lo - 1; after < min(hi, last); {
		recs, _, err := b.readChunk(ctx, l, token, after, min(max(p.limit-len(p.recs), recallAtLeast), readMessages))
		switch {
		case err != nil:
			return err
		case len(recs) == 0:
			return errBehind
		}
		after = recs[len(recs)-1].seq
		mine = p.newest(append(mine, slices.DeleteFunc(recs, func(rec record) bool { return rec.seq >= hi })...))
	}
	p.recs = append(mine, p.recs...)
	for _, rec := range mine {
		p.bytes -= len(rec.data)
	}
	p.full = p.full || len(p.recs) == p.limit
	return nil
}

// past is the newest messages, oldest first, that Recall has so far.
type past struct {
	recs  []record
	limit int
	bytes int    // that may come before them
	full  bool   // none may
	last  uint64 // the topic's last message; 0: there was none
}

// stretch is how much of the stream to read next, when so much has been read.
func (p *past) stretch(read uint64) uint64 {
	have := len(p.recs)
	if have == 0 {
		return max(firstStretch, read*stretchGrowth)
	}
	rest := float64(read) / float64(have) * float64(p.limit-have) * 5 / 4
	return min(uint64(rest)+firstStretch, read*stretchGrowth)
}

// newest returns those of recs, which are before all of p, that p has room for.
func (p *past) newest(recs []record) []record {
	first, size := len(recs), 0
	for ; first > 0 && len(recs)-first < p.limit-len(p.recs); first-- {
		size += len(recs[first-1].data)
		if alone := first == len(recs) && len(p.recs) == 0; size > p.bytes && !alone {
			break
		}
	}
	p.full = p.full || first > 0
	return recs[first:]
}

// lastOf returns the sequence of the last message of a subject, 0 if there is none, as the stream's leader knows it: all that was acknowledged.
func (b *Broker) lastOf(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return 0, err
	}
	answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+b.o.Namespace, body)
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
