// Package linger has the calls of a busy process wait for each other, so that they leave together: whoever takes them is woken once for several.
//
// Waiting pays where many calls are made that do not wait for each other. So nobody waits before there were 100 calls a second. Where those who make them wait for each
// other, one after the other, fewer come as soon as they wait: if less than half as many do, nobody waits for a while, and for twice as long if that happens again. And a call that
// is made within 200 µs of the end of another one leaves at once, as it may have waited for that end: who makes calls right after each other is not slowed down by those who do not.
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
	longest   = time.Minute // for which calls wait; then it is seen anew how many there are without

	// Nobody waits for so long, when it slows down those who do: the shorter time at first, because fewer calls may also just have been made.
	freeFirst = 800 * time.Millisecond
	freeMost  = 12800 * time.Millisecond
)

// A Linger holds up calls. Its methods may be called at the same time.
type Linger struct {
	window time.Duration
	always bool

	mu            sync.Mutex
	slot          time.Time
	calls, before int       // in slot, and in the one before; 0 before a silence
	ended         time.Time // the last call
	free          time.Time // until then nobody waits
	freed         time.Duration
	quick         int       // calls in the last slot before they began to wait; 0: they do not
	since         time.Time // the slot in which they began to
	next          []func()  // are called at the end of the window
}

// New has calls wait until the clock is at a multiple of window, which is the same moment in all processes of one clock. If window is 0 or less, nobody waits.
func New(window time.Duration) *Linger { return &Linger{window: window} }

// Always is New, but each call waits: for tests.
func Always(window time.Duration) *Linger { return &Linger{window: window, always: true} }

// Begin reports whether a call is to wait for what [Linger.Next] brings: not if ctx ends within two windows. Each is followed by an End, when its call has been answered.
func (l *Linger) Begin(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.always {
		return true
	}
	now := time.Now()
	l.count(now)
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(now) < 2*l.window {
		return false
	}
	return l.window > 0 && l.quick > 0 && now.Sub(l.ended) >= follows
}

// End is behind each Begin.
func (l *Linger) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
}

// Next has f called at the end of the window, behind those that were given before, one at a time.
func (l *Linger) Next(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next = append(l.next, f); len(l.next) == 1 {
		now := time.Now()
		time.AfterFunc(now.Truncate(l.window).Add(l.window).Sub(now), l.release)
	}
}

func (l *Linger) release() {
	l.mu.Lock()
	next := l.next
	l.next = nil
	l.mu.Unlock()
	for _, f := range next {
		f()
	}
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
		l.quick = 0
		l.freed = min(max(2*l.freed, freeFirst), freeMost)
		l.free = now.Add(l.freed)
	case few || l.slot.Sub(l.since) > longest:
		l.quick = 0
	case l.slot.Sub(l.since) > freeMost:
		l.freed = 0
	}
}
