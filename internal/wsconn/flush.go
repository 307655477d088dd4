package wsconn

import (
	"runtime"
	"sync"
)

// A flusher writes what was queued for many sockets, in goroutines that end when nothing is left.
type flusher struct {
	mu      sync.Mutex
	rounds  []*round
	running int
}

// A round is one broadcast's share: sockets that have something to flush.
type round struct {
	sockets []*Socket
	next    int
	open    int // sockets that are not flushed yet
	done    func()
}

// A flusher's goroutine takes this many sockets at once.
const flushBatch = 64

// FlushAll flushes sockets without waiting for that, and calls done afterwards. Rounds begin in the order of the calls.
func (l *Loop) FlushAll(sockets []*Socket, done func()) {
	f := &l.flusher
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rounds = append(f.rounds, &round{sockets: sockets, open: len(sockets), done: done})
	need := (len(sockets) + flushBatch - 1) / flushBatch
	for ; need > 0 && f.running < runtime.GOMAXPROCS(0); need-- {
		f.running++
		go l.runFlusher()
	}
}

// FlushFew is FlushAll for so few sockets that one goroutine would flush them all: the caller's does. It reports false, having done nothing, if they
// are more.
func (l *Loop) FlushFew(sockets []*Socket) bool {
	if len(sockets) > flushBatch {
		return false
	}
	for _, s := range sockets {
		s.flushGuarded()
	}
	return true
}

func (l *Loop) runFlusher() {
	f := &l.flusher
	for {
		f.mu.Lock()
		if len(f.rounds) == 0 {
			f.running--
			f.mu.Unlock()
			return
		}
		r := f.rounds[0]
		from, to := r.next, min(r.next+flushBatch, len(r.sockets))
		r.next = to
		if to == len(r.sockets) {
			f.rounds[0] = nil
			f.rounds = f.rounds[1:]
		}
		f.mu.Unlock()
		for i, s := range r.sockets[from:to] {
			s.flushGuarded()
			r.sockets[from+i] = nil
		}
		f.mu.Lock()
		r.open -= to - from
		last := r.open == 0
		f.mu.Unlock()
		if last {
			l.finishRound(r)
		}
	}
}

func (s *Socket) flushGuarded() {
	defer s.guard()
	s.Flush()
}

func (l *Loop) finishRound(r *round) {
	defer l.guard()
	if r.done != nil {
		r.done()
	}
}
