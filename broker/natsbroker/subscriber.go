package natsbroker

import (
	"sync"

	"github.com/wsrouter-go/wsrouter/broker"
)

// What waits for one handler; beyond, it has lost what comes.
const (
	mostWaiting  = 8192
	waitingBytes = 16 << 20
)

// subscriber has a goroutine while there is something that its handler has not seen.
type subscriber struct {
	b      *Broker
	h      func(broker.Message)
	joined chan joined // one value

	mu      sync.Mutex
	waiting []broker.Message
	bytes   int
	lost    *broker.Message // once nothing is waiting: what came meanwhile is lost up to there
	running bool
	ended   bool
	stopped chan struct{} // made by who waits for the end of running
}

type joined struct {
	at  broker.Position
	err error
}

// push is called by the topic's shard.
func (s *subscriber) push(m broker.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return
	case s.lost == nil && len(s.waiting) < mostWaiting && s.bytes+len(m.Data) <= waitingBytes:
		s.waiting = append(s.waiting, m)
		s.bytes += len(m.Data)
	default:
		if s.lost == nil {
			s.b.stats.losses.Add(1)
		}
		s.lost = &broker.Message{Topic: m.Topic, Position: broker.Position{Epoch: m.Epoch, Seq: m.Seq}, Lost: true}
	}
	if !s.running {
		s.running = true
		s.b.wg.Go(s.deliver)
	}
}

func (s *subscriber) deliver() {
	for {
		m, ok := s.next()
		if !ok {
			return
		}
		s.h(m)
	}
}

func (s *subscriber) next() (m broker.Message, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || s.b.ctx.Err() != nil:
		s.waiting, s.lost = nil, nil
	case len(s.waiting) > 0:
		m = s.waiting[0]
		s.waiting[0] = broker.Message{}
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
		s.bytes -= len(m.Data)
		return m, true
	case s.lost != nil:
		m, s.lost = *s.lost, nil
		return m, true
	}
	s.running = false
	if s.stopped != nil {
		close(s.stopped)
	}
	return m, false
}

// end returns when the handler is not called any more.
func (s *subscriber) end() {
	s.mu.Lock()
	s.ended = true
	if s.running && s.stopped == nil {
		s.stopped = make(chan struct{})
	}
	stopped := s.stopped
	s.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}
