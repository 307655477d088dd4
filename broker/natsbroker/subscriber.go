package natsbroker

import (
	"slices"
	"sync"

	"github.com/wsrouter-go/wsrouter/broker"
)

// What waits for one handler; beyond, it has lost what comes.
const (
	mostWaiting  = 8192
	waitingBytes = 16 << 20
)

// subscriber has a goroutine while there is something that its handler has not seen. One that takes batches has none: its shard's
// calls its handler.
type subscriber struct {
	shard  *shard
	h      func([]broker.Message)
	most   int         // messages for one call of h; 0: all, and the subscriber takes batches
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

// push is called with shard.mu held.
func (s *subscriber) push(list ...broker.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.shard.b.ctx.Err() != nil { // behind which its shard calls nobody
		return
	}
	for _, m := range list {
		s.add(m)
	}
	switch {
	case s.running:
		return
	case s.most == 0:
		s.shard.due = append(s.shard.due, s)
	default:
		s.shard.b.wg.Go(s.deliver)
	}
	s.running = true
}

// add adds m to what is waiting, or it is lost. The caller holds mu.
func (s *subscriber) add(m broker.Message) {
	if s.lost == nil && len(s.waiting) < mostWaiting && s.bytes+len(m.Data) <= waitingBytes {
		s.waiting = append(s.waiting, m)
		s.bytes += len(m.Data)
		return
	}
	if s.lost == nil {
		s.shard.b.stats.losses.Add(1)
	}
	s.lost = &broker.Message{Topic: m.Topic, Position: broker.Position{Epoch: m.Epoch, Seq: m.Seq}, Lost: true}
}

func (s *subscriber) deliver() {
	for list := s.next(); len(list) > 0; list = s.next() {
		s.h(list)
	}
}

// next is what h is called with next, nothing if the subscriber runs no longer.
func (s *subscriber) next() (list []broker.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || s.shard.b.ctx.Err() != nil:
		s.waiting, s.lost = nil, nil
	case len(s.waiting) > 0:
		return s.take()
	case s.lost != nil:
		list, s.lost = []broker.Message{*s.lost}, nil
		return list
	}
	s.running = false
	if s.stopped != nil {
		close(s.stopped)
	}
	return nil
}

// take takes from what is waiting. The caller holds mu.
func (s *subscriber) take() (list []broker.Message) {
	if s.most == 0 || len(s.waiting) <= s.most {
		list, s.waiting, s.bytes = s.waiting, nil, 0
		return list
	}
	list = slices.Clone(s.waiting[:s.most])
	clear(s.waiting[:s.most])
	s.waiting = s.waiting[s.most:]
	for _, m := range list {
		s.bytes -= len(m.Data)
	}
	return list
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
