//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A ledger knows every message of a run: when it was published, what came of that, and at which place it arrived.
type ledger struct {
	rooms    []string
	messages []message // by number; no more than there is room for
	last     atomic.Uint32

	mu     sync.Mutex
	epochs map[string]uint64 // from 1, in the order in which they were first seen
	wiped  uint64            // epochs up to this one were ended by us, with all that they held
}

// A message of a run. Who publishes it writes it, until the run is over.
type message struct {
	room         int
	began, ended int64 // of Broadcast, in Unix ns
	outcome      outcome
	place        atomic.Uint64 // where it arrived; 0: nowhere
}

// An outcome of Broadcast.
type outcome uint8

const (
	unknown      outcome = iota // ErrUnknownOutcome, or its node died
	acknowledged                // nil
	refused                     // ErrUnavailable: it was not sent
	failed                      // anything else, which must not happen
)

// A place is a position that can be compared: of a later epoch, or of a larger sequence. The zero value is before everything.
type place = uint64

const sequenceBits = 44

func newLedger(rooms []string, most int) *ledger {
	return &ledger{rooms: rooms, messages: make([]message, most), epochs: map[string]uint64{}}
}

// begin writes a message down before it is published, and returns its number, from 1.
func (l *ledger) begin(room int) (uint32, *message) {
	n := l.last.Add(1)
	m := &l.messages[n] // as large as the run needs
	m.room, m.began = room, time.Now().UnixNano()
	return n, m
}

func (m *message) end(o outcome) { m.ended, m.outcome = time.Now().UnixNano(), o }

// published returns a message that has begun, or nil.
func (l *ledger) published(n uint32) *message {
	if n == 0 || n > l.last.Load() {
		return nil
	}
	return &l.messages[n]
}

// arrived notes where a message arrived, and returns where it did before if that was elsewhere.
func (m *message) arrived(at place) (elsewhere place) {
	if !m.place.CompareAndSwap(0, at) {
		if before := m.place.Load(); before != at {
			return before
		}
	}
	return 0
}

// place reads a position as the router writes it.
func (l *ledger) place(at string) (place, error) {
	i := strings.LastIndexByte(at, '-')
	if i < 0 {
		return 0, fmt.Errorf("position %q", at)
	}
	seq, err := strconv.ParseUint(at[i+1:], 10, sequenceBits)
	if err != nil {
		return 0, fmt.Errorf("position %q", at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	epoch := l.epochs[at[:i]]
	if epoch == 0 {
		epoch = uint64(len(l.epochs)) + 1
		l.epochs[strings.Clone(at[:i])] = epoch
	}
	return epoch<<sequenceBits | seq, nil
}

// wipe says that the broker's history is being thrown away.
func (l *ledger) wipe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wiped = uint64(len(l.epochs))
}

// lostByUs reports whether the history that at belongs to was thrown away.
func (l *ledger) lostByUs(at place) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return at>>sequenceBits <= l.wiped
}

// A hearing is what one client heard of one room. The client writes it, until the run is over.
type hearing struct {
	client string
	room   int
	heard  []uint32 // numbers of messages
	marks  []mark   // what came between them
	last   place    // of the last message, or of what stood in its place
	wrong  []wrong  // seen at once
}

// A mark is what a client heard that is no message, or did.
type mark struct {
	before int // how many messages
	kind   markKind
	place  place
	at     int64
}

type markKind uint8

const (
	entered  markKind = iota // joined without a position: everything after place follows
	resumed                  // joined, recovered: true
	unheard                  // joined, recovered: false, or a resync: what is missing up to place is announced; place 0: up to the next message
	departed                 // asked to leave
)

func (h *hearing) mark(kind markKind, at place) {
	h.marks = append(h.marks, mark{len(h.heard), kind, at, time.Now().UnixNano()})
	if at != 0 {
		h.last = at
	}
}

// message notes that a message came.
func (h *hearing) message(l *ledger, n uint32, at place) {
	m := l.published(n)
	switch {
	case m == nil:
		h.complain("foreign", n, "nobody published it")
		return
	case m.room != h.room:
		h.complain("foreign", n, fmt.Sprintf("it was published to %s", l.rooms[m.room]))
		return
	}
	if before := m.arrived(at); before != 0 {
		h.complain("two places", n, fmt.Sprintf("it came at %#x and at %#x", before, at))
	}
	h.heard = append(h.heard, n)
	h.last = at
}

// A wrong is one thing that must not be.
type wrong struct {
	kind   string
	client string
	room   int
	number uint32 // of the message; 0: none
	text   string
}

// mostWrong is how much of it one client keeps.
const mostWrong = 100

func (h *hearing) complain(kind string, n uint32, text string) {
	if len(h.wrong) == mostWrong {
		return
	}
	h.wrong = append(h.wrong, wrong{kind, h.client, h.room, n, text})
}
