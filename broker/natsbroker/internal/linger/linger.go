// Package linger has the calls of a busy process wait for each other, so that they leave together: whoever takes them is woken once for several.
//
// Waiting pays where many calls are made that do not wait for each other. So nobody waits before there were 20 calls in a fifth of a second, or for a second after three
// waits in a row that gathered nobody else. And a call that is made within 200 µs of the end of another one leaves at once, as it may have waited for that end: who
// makes calls right after each other is not slowed down by those who do not.
package linger

import (
	"context"
	"sync"
	"time"
)

const (
	slot      = 200 * time.Millisecond // calls are counted in slots of the clock,
	busyCalls = 20                     // and so many in one, or the one before, are many
	follows   = 200 * time.Microsecond
	mostAlone = 3           // waits that gathered nobody, one after the other
	free      = time.Second // in which nobody waits then
)

// A Linger holds up calls. Its methods may be called at the same time.
type Linger struct {
	window time.Duration

	mu            sync.Mutex
	slot          time.Time
	calls, before int       // in slot, and in the one before
	ended         time.Time // the last call
	alone         int       // groups of one, since the last of more
	free          time.Time // until then nobody waits
	group         *group    // that gathers; nil: none
}

// group leaves together.
type group struct {
	calls int
	leave chan struct{} // closed then
}

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
	case <-g.leave:
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
func (l *Linger) gather(ctx context.Context) *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.count(now)
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) < 2*l.window {
		return nil
	}
	if l.window <= 0 || max(l.calls, l.before) < busyCalls || now.Before(l.free) || now.Sub(l.ended) < follows {
		return nil
	}
	if l.group == nil {
		g := &group{leave: make(chan struct{})}
		l.group = g
		time.AfterFunc(now.Truncate(l.window).Add(l.window).Sub(now), func() { l.release(g) })
	}
	l.group.calls++
	return l.group
}

// count counts a call.
func (l *Linger) count(now time.Time) {
	switch s := now.Truncate(slot); {
	case s.Equal(l.slot):
	case s.Equal(l.slot.Add(slot)):
		l.slot, l.calls, l.before = s, 0, l.calls
	default:
		l.slot, l.calls, l.before = s, 0, 0
	}
	l.calls++
}

func (l *Linger) release(g *group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group = nil
	if l.alone++; g.calls > 1 {
		l.alone = 0
	}
	if l.alone == mostAlone {
		l.alone, l.free = 0, time.Now().Add(free)
	}
	close(g.leave)
}
