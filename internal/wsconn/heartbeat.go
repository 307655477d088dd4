package wsconn

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A heartbeat asks a silent peer for a sign of life. It is one timer, which costs no goroutine between two beats.
// Socket.mu guards it.
type heartbeat struct {
	timer    *time.Timer
	awaiting bool // a pong; else it is time for a ping
	stopped  bool
}

// startHeartbeat sets the first ping.
func (s *Socket) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.PingInterval <= 0 || s.end != nil {
		return
	}
	s.beat.timer = time.AfterFunc(s.pause(), s.onBeat)
}

// pause is the interval give or take 10 %, so that connections that came together do not ping together.
func (s *Socket) pause() time.Duration {
	return time.Duration(float64(s.cfg.PingInterval) * (0.9 + 0.2*rand.Float64()))
}

// awaitPong gives the peer its time to answer the ping that has just left.
func (s *Socket) awaitPong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beat.stopped {
		return
	}
	s.beat.awaiting = true
	s.beat.timer.Reset(s.cfg.PongTimeout)
}

// onBeat runs when the timer fires.
func (s *Socket) onBeat() {
	s.mu.Lock()
	if s.beat.stopped {
		s.mu.Unlock()
		return
	}
	s.tasks.Add(1) // Serve stops the heartbeat before it waits
	s.mu.Unlock()
	defer s.tasks.Done()
	if s.beatDue() {
		s.ping()
	}
}

// beatDue reports whether it is time for a ping. A peer that has shown no life ends here, unless it was us who did not
// read: then it is asked again later. Its answer waits unread, but writing to a peer that is gone fails, which is all that
// tells so while the handler of a message blocks and as much is read ahead as may be.
func (s *Socket) beatDue() bool {
	s.mu.Lock()
	switch b := &s.beat; {
	case b.stopped:
	case !b.awaiting:
		s.mu.Unlock()
		return true
	case s.received.Load():
		b.awaiting = false
		b.timer.Reset(max(s.pause()-s.cfg.PongTimeout, 0))
	case s.stalled:
		b.awaiting = false
		b.timer.Reset(s.pause())
	default:
		s.mu.Unlock()
		s.Abort(fmt.Errorf("no pong within %v", s.cfg.PongTimeout))
		return false
	}
	s.mu.Unlock()
	return false
}

// stop needs Socket.mu.
func (b *heartbeat) stop() {
	b.stopped = true
	if b.timer != nil {
		b.timer.Stop()
	}
}
