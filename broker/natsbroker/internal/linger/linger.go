// Package linger has the calls of a busy process wait for each other, so that they leave together: whoever takes them is woken once for several.
//
// Waiting pays where many calls are made that do not wait for each other. So nobody waits before there were 100 calls a second. Where those who make them wait for each
// other, one after the other, fewer come as soon as they wait: if less than half as many do, nobody waits for five seconds. And a call that is made within 200 µs of the end
// of another one leaves at once, as it may have waited for that end: who makes calls right after each other is not slowed down by those who do not.
package linger

import (
	"context"
	"sync"
	"time"
)

const (
	slot      = 400 * time.Millisecond // calls are counted in slots of the clock,
	busyCalls = 40                     // and so many in the last one are many
	follows   = 200 * time.Microsecond
	free      = 5 * time.Second // in which nobody waits, when it slows down those who do
	longest   = time.Minute     // for which calls wait; then it is seen anew how many there are without
)

// A Linger holds up calls. Its methods may be called at the same time.
type Linger struct {
	window time.Duration

	mu            sync.Mutex
	slot          time.Time
	calls, before int       // in slot, and in the one before; 0 before a silence
	ended         time.Time // the last call
	free          time.Time // until then nobody waits
	quick         int       // calls in the last slot before they began to wait; 0: they do not
	since         time.Time // the slot in which they began to
	group         group     // that gathers; nil: none
}

// group leaves together when it is closed.
type group chan struct{}

// New has calls wait until the clock is at a multiple of window, which is the same moment in all processes of one clock. If window is 0 or less, nobody waits.
func New(window time.Duration) *Linger { return &Linger{window: window} }

// Begin returns when the call may leave: at once if ctx ends within two windows, and no later than ctx is done or gone is closed. Each is followed by an End, when its
// call has been answered.
func (l *Linger) Begin(ctx context.Context, gone <-chan struct{}) {
	g := l.gather(ctx)
	if g == nil {
		return
	}
	select {
	case <-g:
	case <-gone:
	case <-ctx.Done():
	}
}

// End is behind each Begin.
func (l *Linger) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
}

// gather returns the group that a call leaves with, nil if it leaves at once.
func (l *Linger) gather(ctx context.Context) group {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.count(now)
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) < 2*l.window {
		return nil
	}
	if l.window <= 0 || l.quick == 0 || now.Sub(l.ended) < follows {
		return nil
	}
	if l.group == nil {
		l.group = make(group)
		time.AfterFunc(now.Truncate(l.window).Add(l.window).Sub(now), l.release)
	}
	return l.group
}

// count counts a call, and decides at the beginning of a slot whether calls wait in it.
func (l *Linger) count(now time.Time) {
	if s := now.Truncate(slot); !s.Equal(l.slot) {
		l.before = 0
		if s.Equal(l.slot.Add(slot)) {
			l.before = l.calls
		}
		l.slot, l.calls = s, 0
		l.decide(now)
	}
	l.calls++
}

// decide begins to have calls wait, or ends it, by how many there were in the slot before.
func (l *Linger) decide(now time.Time) {
	few := l.before < busyCalls
	switch {
	case l.quick == 0:
		if !few && !now.Before(l.free) {
			l.quick, l.since = l.before, l.slot
		}
	case l.before < l.quick/2:
		l.quick, l.free = 0, now.Add(free)
	case few || l.slot.Sub(l.since) > longest:
		l.quick = 0
	}
}

func (l *Linger) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.group)
	l.group = nil
}
