package wsconn

import "time"

// sweepTime is how often handlers that run are looked at. One that is seen twice loses the reading role, so that its peer is heard
// within twice this time.
const sweepTime = 40 * time.Millisecond

// busy lists s, of which a handler runs. It stays listed until none has run for a while.
func (h *shard) busy(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.listed.Load() {
		h.list(s)
	}
	if !h.sweeping {
		h.sweeping = true
		h.sweep = alarm(h.sweep, sweepTime, h.onSweep)
	}
}

// list needs mu.
func (h *shard) list(s *Socket) {
	s.listed.Store(true)
	s.timers.swept = s.phase.Load()
	s.succ, h.running = h.running, s
}

// onSweep frees the peers of handlers that have run since the last time, and takes those off the list that have not run since.
func (h *shard) onSweep() {
	var slow []stealing
	h.mu.Lock()
	for at := &h.running; *at != nil; {
		s := *at
		v := s.phase.Load()
		if v != s.timers.swept {
			s.timers.swept = v
			at = &s.succ
			continue
		}
		s.listed.Store(false)
		switch now := s.phase.Load(); {
		case v&phaseMask == phaseHandling:
			slow = append(slow, stealing{s, v})
		case now&phaseMask == phaseHandling || s.corked(): // it has just begun, and saw itself listed
			s.listed.Store(true)
			s.timers.swept = now
			at = &s.succ
			continue
		}
		*at, s.succ = s.succ, nil
	}
	if h.sweeping = h.running != nil; h.sweeping {
		h.sweep.Reset(sweepTime)
	}
	h.mu.Unlock()
	for _, st := range slow {
		st.s.steal(st.v)
	}
}

// stealing is a handler that is to lose the reading role.
type stealing struct {
	s *Socket
	v uint32 // its Socket.phase
}

// watchCork sees to it that replies that are held back leave in time though the next handler blocks.
func (h *shard) watchCork() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.corking {
		h.corking = true
		h.cork = alarm(h.cork, corkTime, h.onCork)
	}
}

// onCork has replies leave that wait for a handler which takes its time, and that handler's own at once.
func (h *shard) onCork() {
	var late []*Socket
	h.mu.Lock()
	now := int64(h.loop.now())
	h.corking = false
	for s := h.running; s != nil; s = s.succ {
		switch at := s.corkedAt.Load(); {
		case at == 0:
		case now-at < int64(corkTime):
			h.corking = true
		default:
			late = append(late, s)
		}
	}
	if h.corking {
		h.cork.Reset(corkTime)
	}
	h.mu.Unlock()
	for _, s := range late {
		s.sendHeld()
	}
}

// sendHeld is uncork by another goroutine than the one that reads.
func (s *Socket) sendHeld() {
	defer s.guard()
	s.uncork()
}

// alarm sets t, which may be nil.
func alarm(t *time.Timer, d time.Duration, f func()) *time.Timer {
	if t == nil {
		return time.AfterFunc(d, f)
	}
	t.Reset(d)
	return t
}
