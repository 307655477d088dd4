//go:build linux && (amd64 || arm64)

package main

import (
	"slices"
	"testing"
	"time"
)

// A script is what two clients of one room hear of five messages, 1 to 5, which arrive at places 10 to 50. Number 4 has an unknown outcome.
type script struct {
	ledger *ledger
	a, b   *hearing
	now    int64
}

func newScript() *script {
	s := &script{ledger: newLedger([]string{"room", "other"}, 20), now: int64(10 * time.Second)}
	for range 5 {
		s.publish(acknowledged)
	}
	s.ledger.messages[4].outcome = unknown
	s.a, s.b = &hearing{client: "a"}, &hearing{client: "b"}
	return s
}

// publish takes a second, from the last one's end on.
func (s *script) publish(o outcome) uint32 {
	n, m := s.ledger.begin(0)
	m.began = s.now
	s.now += int64(time.Second)
	m.ended, m.outcome = s.now-1, o
	return n
}

func (s *script) hear(h *hearing, numbers ...uint32) {
	for _, n := range numbers {
		h.message(s.ledger, n, 10*place(n))
	}
}

// mark at the time at which a message began.
func (s *script) mark(h *hearing, kind markKind, at place, before uint32) {
	h.mark(kind, at)
	h.marks[len(h.marks)-1].at = s.ledger.messages[before].began
}

func (s *script) verdict() (kinds []string) {
	for _, w := range newOracle(s.ledger).judge([]*hearing{s.a, s.b}) {
		kinds = append(kinds, w.kind)
	}
	return kinds
}

func TestOracle(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(s *script)
		want []string // of the second client; the first hears all
	}{
		{"all", func(s *script) { s.hear(s.b, 1, 2, 3, 4, 5) }, nil},
		{"lost in the middle", func(s *script) { s.hear(s.b, 1, 2, 4, 5) }, []string{"lost"}},
		{"lost at the beginning", func(s *script) { s.hear(s.b, 2, 3, 4, 5) }, []string{"lost"}},
		{"lost at the end", func(s *script) { s.hear(s.b, 1, 2, 3, 4) }, []string{"lost"}},
		{"all lost", func(s *script) {}, []string{"lost", "lost", "lost", "torn", "lost"}},
		{"an unknown outcome for some only", func(s *script) { s.hear(s.b, 1, 2, 3, 5) }, []string{"torn"}},
		{"twice", func(s *script) { s.hear(s.b, 1, 2, 2, 3, 4, 5) }, []string{"twice"}},
		{"twice, later", func(s *script) { s.hear(s.b, 1, 2, 3, 4, 5, 2) }, []string{"twice"}},
		{"an unknown outcome twice", func(s *script) { s.hear(s.b, 1, 2, 3, 4, 4, 5) }, []string{"twice"}},
		{"out of order", func(s *script) { s.hear(s.b, 1, 3, 2, 4, 5) }, []string{"lost", "out of order"}},
		{"of nobody", func(s *script) { s.hear(s.b, 1, 2, 3, 17, 4, 5) }, []string{"foreign"}},
		{"of another room", func(s *script) { s.b.room = 1; s.hear(s.b, 1) }, []string{"foreign"}},
		{"at another place", func(s *script) {
			s.hear(s.b, 1, 2, 3, 4)
			s.b.message(s.ledger, 5, 51)
		}, []string{"two places"}},
		{"resumed, all", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, resumed, 20, 4)
			s.hear(s.b, 3, 4, 5)
		}, nil},
		{"resumed, one lost", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, resumed, 20, 4)
			s.hear(s.b, 4, 5)
		}, []string{"lost"}},
		{"resumed, one twice", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, resumed, 20, 4)
			s.hear(s.b, 2, 3, 4, 5)
		}, []string{"twice"}},
		{"a gap that is announced", func(s *script) {
			s.hear(s.b, 1)
			s.mark(s.b, unheard, 30, 4)
			s.hear(s.b, 4, 5)
		}, nil},
		{"a gap that is announced too small", func(s *script) {
			s.hear(s.b, 1)
			s.mark(s.b, unheard, 20, 4)
			s.hear(s.b, 4, 5)
		}, []string{"lost"}},
		{"a gap that is announced without its end", func(s *script) {
			s.hear(s.b, 1)
			s.mark(s.b, unheard, 0, 4)
			s.hear(s.b, 4, 5)
		}, nil},
		{"a gap that is announced, and one that is not", func(s *script) {
			s.hear(s.b, 1)
			s.mark(s.b, unheard, 20, 3)
			s.hear(s.b, 3, 5)
		}, []string{"torn"}},
		{"a gap before the announced one", func(s *script) {
			s.hear(s.b, 1, 3)
			s.mark(s.b, unheard, 40, 5)
			s.hear(s.b, 5)
		}, []string{"lost"}},
		{"a message again after an announced gap", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, unheard, 10, 3)
			s.hear(s.b, 2, 3, 4, 5)
		}, []string{"twice"}},
		{"a gap that a fresh join hides", func(s *script) {
			s.hear(s.b, 1)
			s.mark(s.b, entered, 30, 4)
			s.hear(s.b, 4, 5)
		}, []string{"unannounced"}},
		{"left, with all that was acknowledged then", func(s *script) {
			s.hear(s.b, 1, 2, 3)
			s.mark(s.b, departed, 0, 5)
		}, nil},
		{"left, one lost", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, departed, 0, 5)
		}, []string{"lost"}},
		{"left, lost before another", func(s *script) {
			s.hear(s.b, 1, 3)
			s.mark(s.b, departed, 0, 5)
		}, []string{"lost"}},
		{"left and back", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, departed, 0, 4)
			s.mark(s.b, entered, 40, 5)
			s.hear(s.b, 5)
		}, nil},
		{"heard outside", func(s *script) {
			s.hear(s.b, 1, 2)
			s.mark(s.b, departed, 0, 4)
			s.hear(s.b, 4)
		}, []string{"stranger"}},
		{"acknowledged, and nobody heard it", func(s *script) {
			s.publish(acknowledged) // 6
			s.hear(s.b, 1, 2, 3, 4, 5)
		}, []string{"lost", "lost"}},
		{"acknowledged, nobody heard it, and all go on", func(s *script) {
			s.publish(acknowledged) // 6
			s.publish(acknowledged) // 7
			s.hear(s.a, 7)
			s.hear(s.b, 1, 2, 3, 4, 5, 7)
		}, []string{"lost", "lost"}},
		{"acknowledged, nobody heard it, and it is announced", func(s *script) {
			s.publish(acknowledged) // 6
			s.publish(acknowledged) // 7
			s.hear(s.b, 1, 2, 3, 4, 5)
			for _, h := range []*hearing{s.a, s.b} {
				s.mark(h, unheard, 60, 7)
				s.hear(h, 7)
			}
		}, nil},
		{"acknowledged, nobody heard it, and what is announced comes before it", func(s *script) {
			s.publish(acknowledged) // 6
			s.publish(acknowledged) // 7
			s.hear(s.b, 1, 2, 3, 4, 5)
			for _, h := range []*hearing{s.a, s.b} {
				s.mark(h, unheard, 50, 5)
				s.hear(h, 7)
				s.mark(h, unheard, 70, 7)
			}
		}, []string{"lost", "lost"}},
		{"unknown, and nobody heard it", func(s *script) {
			s.publish(unknown) // 6
			s.hear(s.b, 1, 2, 3, 4, 5)
		}, nil},
		{"refused, and nobody heard it", func(s *script) {
			s.publish(refused) // 6
			s.hear(s.b, 1, 2, 3, 4, 5)
		}, nil},
		{"refused, and all heard it", func(s *script) {
			s.publish(refused) // 6
			s.hear(s.a, 6)
			s.hear(s.b, 1, 2, 3, 4, 5, 6)
		}, []string{"refused"}},
		{"not the order of the acknowledgements", func(s *script) {
			s.publish(acknowledged) // 6
			s.hear(s.b, 1, 2, 3, 4, 5)
			for _, h := range []*hearing{s.a, s.b} {
				h.message(s.ledger, 6, 55)
			}
			s.ledger.messages[6].began, s.ledger.messages[6].ended = s.ledger.messages[5].began-2, s.ledger.messages[5].began-1
		}, []string{"out of order"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript()
			s.mark(s.a, entered, 1, 1)
			s.mark(s.b, entered, 1, 1)
			s.hear(s.a, 1, 2, 3, 4, 5)
			c.play(s)
			if got := s.verdict(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) {
				t.Errorf("the oracle says %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	l := newLedger(nil, 0)
	var before place
	for _, at := range []string{"first-1", "first-2", "first-10", "second-1", "a-b-c-3"} {
		p, err := l.place(at)
		if err != nil || p <= before {
			t.Errorf("%s: %#x after %#x, %v", at, p, before, err)
		}
		before = p
	}
	for _, at := range []string{"", "x", "x-", "x-y"} {
		if p, err := l.place(at); err == nil {
			t.Errorf("%q is %#x", at, p)
		}
	}
	l.wipe()
	p, _ := l.place("next-1")
	if before, _ := l.place("a-b-c-99"); !l.lostByUs(before) || l.lostByUs(p) {
		t.Error("a wipe ends the epochs before it and no later one")
	}
}
