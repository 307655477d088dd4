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
	s.prev, s.succ = nil, h.running
	if s.succ != nil {
		s.succ.prev = s
	}
	h.running = s
}

// idle takes s off the list.
func (h *shard) idle(s *Socket) {
	if !s.listed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unlist(s)
}

// unlist needs mu.
func (h *shard) unlist(s *Socket) {
	if !s.listed.Load() {
		return
	}
	s.listed.Store(false)
	if s.prev != nil {
		s.prev.succ = s.succ
	} else {
		h.running = s.succ
	}
	if s.succ != nil {
		s.succ.prev = s.prev
	}
	s.prev, s.succ = nil, nil
}

// onSweep frees the peers of handlers that have run since the last time.
func (h *shard) onSweep() {
	var slow []stealing
	h.mu.Lock()
	for s := h.running; s != nil; {
		next := s.succ
		v := s.phase.Load()
		switch running := v&phaseMask == phaseHandling; {
		case v != s.timers.swept:
			s.timers.swept = v
		case running:
			slow = append(slow, stealing{s, v})
			h.unlist(s)
		default: // nothing ran since the last time
			h.unlist(s)
			if s.phase.Load()&phaseMask == phaseHandling { // it has just begun, and saw itself listed
				h.list(s)
			}
		}
		s = next
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

func (h *shard) onCork() {
	var held []*Socket
	h.mu.Lock()
	h.corking = false
	for s := h.running; s != nil; s = s.succ {
		if s.phase.Load()&phaseMask == phaseHandling {
			held = append(held, s)
		}
	}
	h.mu.Unlock()
	for _, s := range held {
		if s.flushHeld() {
			h.watchCork()
		}
	}
}

// flushHeld sends what is held back and reports whether more may come.
func (s *Socket) flushHeld() (corked bool) {
	defer s.guard()
	s.out.mu.Lock()
	corked = s.out.corked
	if corked {
		s.flushLocked()
	}
	s.unlock()
	return corked
}

// alarm sets t, which may be nil.
func alarm(t *time.Timer, d time.Duration, f func()) *time.Timer {
	if t == nil {
		return time.AfterFunc(d, f)
	}
	t.Reset(d)
	return t
}
