//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A fault is one kind of harm.
type fault struct {
	name  string
	harms string // the one of its kind that it harms is harmed by nothing else until it is well again; "": nothing that has to be spared
	do    func(s *storm, node int) (remedy, error)
}

// A remedy makes good what a fault did.
type remedy struct {
	after time.Duration
	do    func() error // nil: nothing to do
}

// A storm harms a cluster and its clients, now and then, as its seed says.
type storm struct {
	*cluster
	clients []*client
	ledger  *ledger
	say     func(format string, args ...any)
	random  *rand.Rand
	counts  map[string]int

	mu     sync.Mutex
	harmed map[string]bool
	failed error
	wg     sync.WaitGroup
}

// overrun is longer than the broker's history lasts.
const overrun = 45 * time.Second

// historyFor is how many messages the broker keeps, at so many a second.
func historyFor(perSecond float64) int { return int(perSecond * 30) }

// faults of every kind that a run has to have seen.
var faults = []fault{
	{"client RST", "front", func(s *storm, node int) (remedy, error) {
		s.nodes[node].front.resetAll()
		return remedy{}, nil
	}},
	{"half-open", "front", func(s *storm, node int) (remedy, error) {
		p := s.nodes[node].front
		p.halfOpen()
		for _, c := range s.some(20) { // gone with their machines
			c.leaves.Store(true)
		}
		return remedy{15 * time.Second, func() error { p.mend(); return nil }}, nil
	}},
	{"client black hole", "front", func(s *storm, node int) (remedy, error) {
		p := s.nodes[node].front
		p.swallow(true)
		return remedy{s.between(3, 12), func() error { p.swallow(false); return nil }}, nil
	}},
	{"slow reader", "", func(s *storm, _ int) (remedy, error) {
		until := time.Now().Add(s.between(2, 7)).UnixNano()
		for _, c := range s.some(100) {
			c.deaf.Store(until)
		}
		return remedy{}, nil
	}},
	{"node kill -9", "node", func(s *storm, node int) (remedy, error) {
		s.nodes[node].kill()
		return remedy{s.between(0.2, 3), s.nodes[node].start}, nil
	}},
	{"paused node", "node", func(s *storm, node int) (remedy, error) {
		n := s.nodes[node]
		return remedy{s.between(1, 8), func() error { return n.signal(syscall.SIGCONT) }}, n.signal(syscall.SIGSTOP)
	}},
	{"broker SIGKILL", "broker", func(s *storm, _ int) (remedy, error) {
		return remedy{s.between(0.1, 2), s.broker.start}, s.broker.stop(syscall.SIGKILL)
	}},
	{"broker SIGTERM", "broker", func(s *storm, _ int) (remedy, error) {
		return remedy{s.between(0.1, 2), s.broker.start}, s.broker.stop(syscall.SIGTERM)
	}},
	{"history lost", "broker", func(s *storm, _ int) (remedy, error) {
		if err := s.broker.stop(syscall.SIGKILL); err != nil {
			return remedy{}, err
		}
		s.ledger.wipe()
		return remedy{s.between(0.1, 1), s.broker.start}, s.broker.forget()
	}},
	{"paused broker", "broker", func(s *storm, _ int) (remedy, error) {
		return remedy{s.between(1, 4), func() error { return s.broker.Signal(syscall.SIGCONT) }}, s.broker.Signal(syscall.SIGSTOP)
	}},
	{"broker black hole", "link", func(s *storm, node int) (remedy, error) {
		p := s.nodes[node].link
		p.swallow(true)
		return remedy{s.between(3, 8), func() error { p.swallow(false); return nil }}, nil
	}},
	{"partition of 5 s", "link", func(s *storm, node int) (remedy, error) {
		p := s.nodes[node].link
		p.part(true)
		return remedy{5 * time.Second, func() error { p.part(false); return nil }}, nil
	}},
	{"broker RST", "link", func(s *storm, node int) (remedy, error) {
		s.nodes[node].link.resetAll()
		return remedy{}, nil
	}},
	{"overrun", "", func(s *storm, _ int) (remedy, error) {
		until := time.Now().Add(overrun).UnixNano()
		for _, c := range s.some(20) {
			c.sleeps.Store(until)
			c.reset()
		}
		return remedy{}, nil
	}},
}

func newStorm(c *cluster, l *ledger, clients []*client, seed uint64, say func(string, ...any)) *storm {
	return &storm{cluster: c, ledger: l, clients: clients, say: say, random: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}, harmed: map[string]bool{}}
}

// between draws a time, in seconds.
func (s *storm) between(least, most float64) time.Duration {
	return time.Duration((least + s.random.Float64()*(most-least)) * float64(time.Second))
}

// some draws clients, each at most once.
func (s *storm) some(n int) (drawn []*client) {
	for _, i := range s.random.Perm(len(s.clients))[:min(n, len(s.clients)/4)] {
		drawn = append(drawn, s.clients[i])
	}
	return drawn
}

// rage begins a fault every 2 to 5 s, each kind before any comes again, and returns when all is made good.
func (s *storm) rage(until time.Time) error {
	var bag []fault
	for {
		pause := s.between(2, 5)
		if time.Now().Add(pause).After(until) {
			break
		}
		time.Sleep(pause)
		if len(bag) == 0 {
			bag = slices.Clone(faults)
			s.random.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		if i := slices.IndexFunc(bag, s.begin); i >= 0 {
			bag = slices.Delete(bag, i, i+1)
		}
	}
	s.wg.Wait()
	return s.failed
}

// begin begins a fault, if what it harms is well.
func (s *storm) begin(f fault) bool {
	node := s.random.IntN(len(s.nodes))
	what := f.harms
	if what != "" && what != "broker" {
		what = fmt.Sprintf("%s %d", f.harms, node)
	}
	if what != "" && !s.harm(what) {
		return false
	}
	s.counts[f.name]++
	r, err := f.do(s, node)
	s.say("%s (%s) for %v", f.name, what, r.after.Round(time.Millisecond))
	s.wg.Go(func() {
		time.Sleep(r.after)
		if err == nil && r.do != nil {
			err = r.do()
		}
		s.well(what, err)
	})
	return true
}

func (s *storm) harm(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.harmed[what] {
		return false
	}
	s.harmed[what] = true
	return true
}

func (s *storm) well(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.harmed, what)
	if err != nil && s.failed == nil {
		s.failed = fmt.Errorf("the storm failed to harm or to mend %s: %w", what, err)
	}
}

// rare returns the kinds that came less than twice.
func (s *storm) rare() string {
	var rare []string
	for _, f := range faults {
		if s.counts[f.name] < 2 {
			rare = append(rare, f.name)
		}
	}
	return strings.Join(rare, ", ")
}
