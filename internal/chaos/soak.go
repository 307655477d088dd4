//go:build linux && (amd64 || arm64)

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// soaking says how to soak: clients that resume, in rooms that are published to, while faults come.
type soaking struct {
	Seed           uint64
	For            time.Duration
	Nodes          int
	Rooms, Members int     // rooms, and clients in each
	Rate           float64 // publishes a second over all rooms
	Crowd          int     // clients in one more room
	CrowdRate      float64
	Calm           bool   // no faults
	Log            string // file for the nodes' logs; "": none
}

// fullSoak is what the bar asks for.
var fullSoak = soaking{For: 3 * time.Minute, Nodes: 3, Rooms: 200, Members: 10, Rate: 490, Crowd: 2000, CrowdRate: 10}

// enoughTime is from when on a run has to have seen every kind of fault twice.
const enoughTime = 3 * time.Minute

// soak is a run.
type soak struct {
	soaking
	*cluster
	ledger   *ledger
	crowd    *crowd
	clients  []*client
	out      io.Writer
	began    time.Time
	outcomes [failed + 1]atomic.Int64
	failure  atomic.Pointer[string] // the first that is none of the outcomes that there are
	pending  sync.WaitGroup
}

// verdict is what came of a run.
type verdict struct {
	wrongs []wrong
	others []string // what else is wrong
}

func (v *verdict) err() error {
	if len(v.wrongs) == 0 && len(v.others) == 0 {
		return nil
	}
	return fmt.Errorf("%d messages or gaps are wrong; %d other things", len(v.wrongs), len(v.others))
}

// kinds counts what is wrong.
func (v *verdict) kinds() map[string]int {
	kinds := map[string]int{}
	for _, w := range v.wrongs {
		kinds[w.kind]++
	}
	return kinds
}

// run soaks, and says what it does and what came of it.
func (cfg soaking) run(out io.Writer) (v *verdict, s *soak, err error) {
	s = &soak{soaking: cfg, out: out, began: time.Now()}
	fmt.Fprintf(out, "seed %d: %v, %d nodes, %d rooms of %d at %v publishes/s, a room of %d at %v\n",
		cfg.Seed, cfg.For, cfg.Nodes, cfg.Rooms, cfg.Members, cfg.Rate, cfg.Crowd, cfg.CrowdRate)
	s.cluster, err = startCluster(cfg.Nodes, nodeConfig{
		Ping: 4 * time.Second, Pong: 3 * time.Second, History: historyFor(cfg.Rate + cfg.CrowdRate), Log: cfg.Log,
	})
	if err != nil {
		return nil, s, err
	}
	defer s.stop()
	if err := s.healthy(30 * time.Second); err != nil {
		return nil, s, err
	}
	s.people()
	storm := newStorm(s.cluster, s.ledger, s.clients, cfg.Seed, s.say)
	over := make(chan struct{})
	var wg sync.WaitGroup
	if err := s.settle(); err != nil { // all are there
		s.numbers(storm)
		return nil, s, err
	}
	s.say("all %d clients are in their rooms", len(s.clients))
	wg.Go(func() { s.publishing(over) })
	if cfg.Calm {
		time.Sleep(cfg.For)
	} else {
		err = storm.rage(time.Now().Add(cfg.For))
	}
	close(over)
	wg.Wait()
	if err != nil {
		return nil, s, err
	}
	v = &verdict{}
	s.say("the storm is over")
	if err := s.settle(); err != nil {
		v.others = append(v.others, err.Error())
	}
	s.pending.Wait()
	for _, c := range s.clients {
		c.stop()
	}
	s.crowd.wg.Wait()
	s.judge(v, storm)
	return v, s, nil
}

func (s *soak) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%8.3f %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// people starts the clients.
func (s *soak) people() {
	rooms := make([]string, s.Rooms+min(s.Crowd, 1))
	for i := range rooms {
		rooms[i] = roomName(i)
	}
	most := int((s.Rate+s.CrowdRate)*(s.For+3*time.Minute).Seconds()) + 1000*len(rooms)
	s.ledger = newLedger(rooms, most)
	s.crowd = &crowd{ledger: s.ledger, silence: 8 * time.Second, address: s.door}
	for i := range s.Rooms * s.Members {
		s.clients = append(s.clients, newClient(s.crowd, fmt.Sprintf("client %d", i), s.Seed+uint64(i), i%s.Rooms))
	}
	for i := range s.Crowd {
		s.clients = append(s.clients, newClient(s.crowd, fmt.Sprintf("crowd %d", i), s.Seed-uint64(i)-1, s.Rooms))
	}
	for i, c := range s.clients {
		s.crowd.wg.Add(1)
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond)
		}
		go c.live()
	}
}

// door is the address of a node for a client: every fourth is a proxy's.
func (s *soak) door(random *rand.Rand) string {
	n := s.nodes[random.IntN(len(s.nodes))]
	if random.IntN(4) == 0 {
		return n.front.address()
	}
	_, address := n.running()
	return address
}

// publishing publishes to all rooms at their rates until over. None waits for another's outcome.
func (s *soak) publishing(over <-chan struct{}) {
	random := rand.New(rand.NewPCG(s.Seed, 2))
	began := time.Now()
	rooms, crowd := 0, 0
	for {
		select {
		case <-over:
			return
		case <-time.After(2 * time.Millisecond):
		}
		now := time.Since(began).Seconds()
		for ; float64(rooms) < now*s.Rate; rooms++ {
			s.publish(random.IntN(s.Rooms), random.IntN(len(s.nodes)))
		}
		for ; float64(crowd) < now*s.CrowdRate && s.Crowd > 0; crowd++ {
			s.publish(s.Rooms, random.IntN(len(s.nodes)))
		}
	}
}

// publish publishes one message by a node, or by another that runs.
func (s *soak) publish(room, node int) {
	for range s.nodes {
		if p, _ := s.nodes[node].running(); p != nil {
			break
		}
		node = (node + 1) % len(s.nodes)
	}
	number, m := s.ledger.begin(room)
	s.pending.Go(func() { s.outcomes[s.send(node, room, number, m)].Add(1) })
}

// send publishes a message and writes down what came of it.
func (s *soak) send(node, room int, number uint32, m *message) outcome {
	var p published
	err := s.nodes[node].ask("publish", publication{Room: s.ledger.rooms[room], Number: number, Pad: padding}, &p)
	switch {
	case errors.Is(err, errGone):
		p.Outcome = refused
	case err != nil: // it died, before or after
		p.Outcome = unknown
	case p.Outcome == failed:
		s.failure.CompareAndSwap(nil, &p.Err)
	}
	m.end(p.Outcome)
	return p.Outcome
}

var padding = strings.Repeat("x", 64)

// patience is how long a cluster has to become well again, and clients to hear what they missed.
const patience = 90 * time.Second

// settle publishes a last message to every room and waits until every client has heard it.
func (s *soak) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	last := make([]uint32, len(s.ledger.rooms))
	for room := range last {
		for last[room] == 0 {
			node := room % len(s.nodes)
			number, m := s.ledger.begin(room)
			if s.send(node, room, number, m) == acknowledged {
				last[room] = number
			} else if ctx.Err() != nil {
				return fmt.Errorf("%v after the last fault, %s cannot be published to", patience, s.ledger.rooms[room])
			} else {
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
	return s.heard(ctx, last)
}

// heard waits until every client has heard the last message of its rooms. Stays are those of the beginning.
func (s *soak) heard(ctx context.Context, last []uint32) error {
	for {
		var late []string
		for _, c := range s.clients {
			for _, stay := range c.stays {
				if !c.reached(stay, last[stay.room]) {
					late = append(late, c.where(stay))
				}
			}
		}
		switch {
		case len(late) == 0:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%d clients have not heard the last message: %s", len(late), strings.Join(late[:min(3, len(late))], "; "))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// judge asks the oracle, and the counters.
func (s *soak) judge(v *verdict, storm *storm) {
	v.wrongs = newOracle(s.ledger).judge(s.hearings())
	complain := func(format string, args ...any) { v.others = append(v.others, fmt.Sprintf(format, args...)) }
	c := s.crowd
	if rare := storm.rare(); !s.Calm && s.For >= enoughTime && rare != "" {
		complain("faults that came less than twice: %s", rare)
	}
	if own := c.resyncs.Load() - c.induced.Load(); float64(own) > 0.01*float64(c.resumes.Load()) {
		complain("%d resyncs of %d resumes that no fault excuses, more than 1 %%", own, c.resumes.Load())
	}
	if text := c.firstUnspeakable.Load(); text != nil {
		complain("a client heard %s", *text)
	}
	if text := c.firstRefusal.Load(); text != nil {
		complain("%d handshakes were refused, the first: %s", c.refusals.Load(), *text)
	}
	if text := s.failure.Load(); text != nil {
		complain("%d publishes failed, the first: %s", s.outcomes[failed].Load(), *text)
	}
	s.print(v, storm)
}

// report is what stands in the document.
func (s *soak) report(v *verdict) (r report) {
	r = report{Title: "Chaos", About: fmt.Sprintf("%d node processes and a NATS server on files for %v, seed %d: %d rooms of %d clients at %.0f publishes/s, one room of %d at %.0f, a fault every 2 to 5 s.",
		s.Nodes, s.For, s.Seed, s.Rooms, s.Members, s.Rate, s.Crowd, s.CrowdRate)}
	kinds := v.kinds()
	c := s.crowd
	r.note("publishes acknowledged, of unknown outcome, refused", fmt.Sprintf("%d, %d, %d", s.outcomes[acknowledged].Load(), s.outcomes[unknown].Load(), s.outcomes[refused].Load()))
	r.note("messages heard", fmt.Sprint(c.messages.Load()))
	for _, kind := range []string{"lost", "twice", "out of order", "unannounced"} {
		r.add(kinds[kind] == 0, kind, fmt.Sprint(kinds[kind]), "0")
		delete(kinds, kind)
	}
	others := len(v.others)
	for _, n := range kinds {
		others += n
	}
	r.add(others == 0, "otherwise wrong", fmt.Sprint(others), "0")
	own := c.resyncs.Load() - c.induced.Load()
	r.add(float64(own) <= 0.01*float64(c.resumes.Load()), fmt.Sprintf("resyncs of %d resumes, without induced overruns", c.resumes.Load()), fmt.Sprint(own), "≤ 1 %")
	return r
}

// hearings of all clients, who are gone.
func (s *soak) hearings() (all []*hearing) {
	for _, c := range s.clients {
		for _, stay := range c.stays {
			all = append(all, &stay.hearing)
		}
	}
	return all
}

// numbers prints what was counted.
func (s *soak) numbers(storm *storm) {
	c := s.crowd
	fmt.Fprintf(s.out, "\npublishes: %d acknowledged, %d of unknown outcome, %d refused, %d failed\n",
		s.outcomes[acknowledged].Load(), s.outcomes[unknown].Load(), s.outcomes[refused].Load(), s.outcomes[failed].Load())
	fmt.Fprintf(s.out, "clients: %d messages heard, %d dials, %d open, %d resumes answered: %d recovered; resyncs: %d, %d of them our doing\n",
		c.messages.Load(), c.dials.Load(), c.opened.Load(), c.resumes.Load(), c.recovered.Load(), c.resyncs.Load(), c.induced.Load())
	fmt.Fprintf(s.out, "ends: %d connections gave no sign of life", c.silences.Load())
	for code := range c.closes {
		if n := c.closes[code].Load(); n > 0 {
			fmt.Fprintf(s.out, ", %d of code %d", n, code)
		}
	}
	fmt.Fprintf(s.out, "\nfaults:")
	for i, f := range faults {
		fmt.Fprintf(s.out, "%s %d %s", map[bool]string{true: ","}[i > 0], storm.counts[f.name], f.name)
	}
	fmt.Fprintln(s.out)
	for _, text := range []*string{c.firstUnspeakable.Load(), c.firstRefusal.Load(), c.firstDial.Load()} {
		if text != nil {
			fmt.Fprintf(s.out, "a client met: %s\n", *text)
		}
	}
}

func (s *soak) print(v *verdict, storm *storm) {
	s.numbers(storm)
	for _, other := range v.others {
		fmt.Fprintf(s.out, "WRONG: %s\n", other)
	}
	kinds := v.kinds()
	for _, kind := range []string{"lost", "torn", "twice", "out of order", "two places", "unannounced", "refused", "failed", "foreign", "stranger"} {
		fmt.Fprintf(s.out, "%s: %d\n", kind, kinds[kind])
	}
	slices.SortStableFunc(v.wrongs, func(a, b wrong) int { return cmp.Compare(a.number, b.number) })
	for _, w := range v.wrongs[:min(20, len(v.wrongs))] {
		fmt.Fprintf(s.out, "  %s: %s, %s, message %d%s\n", w.kind, w.client, s.ledger.rooms[w.room], w.number, s.about(w))
	}
	fmt.Fprintf(s.out, "seed %d: %s\n", s.Seed, map[bool]string{true: "GREEN", false: "RED"}[v.err() == nil])
}

func (s *soak) about(w wrong) (text string) {
	if m := s.ledger.published(w.number); m != nil {
		text = fmt.Sprintf(" (published %s to %s, place %#x)", clock(m.began), clock(m.ended), m.place.Load())
	}
	if w.text != "" {
		text += ": " + w.text
	}
	return text
}
