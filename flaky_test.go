package wsrouter_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// flaky is a broker whose faults are drawn by chance. It tells of what it loses, as the contract asks.
type flaky struct {
	broker.Broker
	subscribeSlow, subscribeFails, publishFails, publishUnknown, loses, historyFails float64 // of 1

	mu        sync.Mutex
	rand      *rand.Rand
	published map[string][]uint64 // all that it has taken, by topic
	histories map[string][]time.Time
	subs      int
	lost      int
}

func newFlaky(seed uint64, o *broker.Options) *flaky {
	return &flaky{Broker: broker.New(o), rand: rand.New(rand.NewPCG(seed, 1)), published: map[string][]uint64{}, histories: map[string][]time.Time{}}
}

func (b *flaky) happens(p *float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *p > 0 && b.rand.Float64() < *p
}

func (b *flaky) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	if b.happens(&b.publishFails) {
		return broker.Position{}, broker.ErrUnavailable
	}
	p, err := b.Broker.Publish(ctx, topic, data, o)
	if err != nil {
		return p, err
	}
	b.mu.Lock()
	b.published[topic] = append(b.published[topic], p.Seq)
	b.mu.Unlock()
	if b.happens(&b.publishUnknown) {
		return broker.Position{}, broker.ErrUnknownOutcome
	}
	return p, nil
}

func (b *flaky) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	b.mu.Lock()
	b.histories[topic] = append(b.histories[topic], time.Now())
	b.mu.Unlock()
	if b.happens(&b.historyFails) {
		return nil, broker.ErrUnavailable
	}
	return b.Broker.(broker.Historian).History(ctx, topic, since, limit)
}

func (b *flaky) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	if b.happens(&b.subscribeSlow) {
		time.Sleep(50 * time.Millisecond)
	}
	if b.happens(&b.subscribeFails) {
		return broker.Position{}, nil, broker.ErrUnavailable
	}
	s := &losing{broker: b, h: h}
	at, unsubscribe, err := b.Broker.Subscribe(ctx, topic, s.receive)
	if err != nil {
		return at, nil, err
	}
	b.mu.Lock()
	b.subs++
	b.mu.Unlock()
	if b.happens(&b.subscribeSlow) {
		time.Sleep(50 * time.Millisecond)
	}
	return at, func() error {
		b.mu.Lock()
		b.subs--
		b.mu.Unlock()
		err := unsubscribe()
		s.end()
		return err
	}, nil
}

// losing is a subscription that loses messages now and then.
type losing struct {
	broker *flaky
	mu     sync.Mutex
	h      func(broker.Message)
	ended  bool
	gap    *broker.Message // the last that was lost, and is to be told of
}

func (s *losing) receive(m broker.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker.happens(&s.broker.loses) {
		s.broker.mu.Lock()
		s.broker.lost++
		s.broker.mu.Unlock()
		if s.gap == nil {
			time.AfterFunc(30*time.Millisecond, s.tell)
		}
		s.gap = &broker.Message{Topic: m.Topic, Position: m.Position, Lost: true}
		return
	}
	m.Lost = m.Lost || s.gap != nil
	s.gap = nil
	s.h(m)
}

// tell tells of what is lost if no message has told it.
func (s *losing) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gap != nil && !s.ended {
		m := *s.gap
		s.gap = nil
		s.h(m)
	}
}

func (s *losing) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}
