package natsbroker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

// ledger knows what was published with what outcome, and what subscribers heard.
type ledger struct {
	t  testing.TB
	mu sync.Mutex
	// By data, which is different in every message.
	outcome map[string]error
	heard   map[*natsbroker.Broker]map[string][]broker.Message // by topic
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, outcome: map[string]error{}, heard: map[*natsbroker.Broker]map[string][]broker.Message{}}
}

func (l *ledger) subscribe(b *natsbroker.Broker, topics ...string) {
	l.t.Helper()
	l.mu.Lock()
	if l.heard[b] == nil {
		l.heard[b] = map[string][]broker.Message{}
	}
	l.mu.Unlock()
	for _, topic := range topics {
		_, _, err := b.Subscribe(context.Background(), topic, func(m broker.Message) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.heard[b][m.Topic] = append(l.heard[b][m.Topic], m)
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *ledger) publish(b *natsbroker.Broker, topic, data string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := b.Publish(ctx, topic, []byte(data), broker.PublishOptions{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcome[topic+" "+data] = err
	if err != nil && !errors.Is(err, broker.ErrUnavailable) && !errors.Is(err, broker.ErrUnknownOutcome) {
		l.t.Errorf("Publish: %v", err)
	}
	return err
}

// mustPublish publishes in an order of its own to each topic.
func (l *ledger) mustPublish(b *natsbroker.Broker, n int, topics ...string) {
	l.t.Helper()
	for i := range n {
		for _, topic := range topics {
			if err := l.publish(b, topic, fmt.Sprintf("%p %d %d", b, time.Now().UnixNano(), i)); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}

// writers publish from each broker to each topic, again where nothing was sent, until the returned function is called.
func (l *ledger) writers(brokers []*natsbroker.Broker, topics ...string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w, b := range brokers {
		wg.Go(func() {
			pause := time.NewTicker(2 * time.Millisecond)
			defer pause.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-pause.C:
				}
				for _, topic := range topics {
					l.publish(b, topic, fmt.Sprintf("writer %d %d", w, i))
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

// settle waits until every subscriber has a last message of each topic, and checks what all have heard. It returns how many losses were told.
func (l *ledger) settle(by *natsbroker.Broker) (losses int) {
	l.t.Helper()
	l.mu.Lock()
	topics := map[string]bool{}
	for _, heard := range l.heard {
		for topic := range heard {
			topics[topic] = true
		}
	}
	for key := range l.outcome {
		topic, _, _ := cut(key)
		topics[topic] = true
	}
	l.mu.Unlock()
	end := fmt.Sprint("end ", time.Now().UnixNano())
	for topic := range topics {
		await(l.t, "the last message is published", func() bool { return l.publish(by, topic, end) == nil })
	}
	for b := range l.heard {
		for topic := range topics {
			await(l.t, fmt.Sprintf("the last message of %q arrives", topic), func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				heard := l.heard[b][topic]
				return len(heard) > 0 && string(heard[len(heard)-1].Data) == end
			})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, heard := range l.heard {
		losses += l.check(heard)
	}
	return losses
}

func cut(key string) (topic, data string, ok bool) {
	for i := range key {
		if key[i] == ' ' {
			return key[:i], key[i+1:], true
		}
	}
	return key, "", false
}

func (l *ledger) check(heard map[string][]broker.Message) (losses int) {
	l.t.Helper()
	times := map[string]int{}
	for topic, messages := range heard {
		var last broker.Position
		for _, m := range messages {
			if m.Epoch == last.Epoch && (m.Seq < last.Seq || m.Seq == last.Seq && !m.Lost) {
				l.t.Errorf("topic %q: heard %d behind %d", topic, m.Seq, last.Seq)
			}
			if m.Prev != 0 && m.Epoch == last.Epoch && m.Prev > last.Seq {
				l.t.Errorf("topic %q: a gap before %d, whose forerunner %d is not the last one, %d", topic, m.Seq, m.Prev, last.Seq)
			}
			last = m.Position
			if m.Lost {
				losses++
			}
			if m.Data != nil {
				times[topic+" "+string(m.Data)]++
			}
		}
	}
	missing := 0
	for key, err := range l.outcome {
		switch n := times[key]; {
		case n > 1:
			l.t.Errorf("%q was heard %d times (%v)", key, n, err)
		case n == 1 && errors.Is(err, broker.ErrUnavailable):
			l.t.Errorf("%q was heard, but Publish said %v", key, err)
		case n == 0 && err == nil:
			missing++
		}
	}
	if missing > 0 && losses == 0 {
		l.t.Errorf("%d acknowledged messages of %d are missing, and nobody was told", missing, len(l.outcome))
	}
	return losses
}

// order of what a broker heard on a topic.
func (l *ledger) data(b *natsbroker.Broker, topic string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.heard[b][topic] {
		all = append(all, string(m.Data))
	}
	return slices.Clip(all)
}
