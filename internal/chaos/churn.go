//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// churn is clients that come to rooms and leave them all the time.
type churn struct {
	Clients, Rooms int
	PerSecond      int           // joins, and as many leaves
	Stay           time.Duration // of a client in a room
	Publishes      float64       // a second, to rooms that somebody is in
	For            time.Duration
	Seed           uint64
	Idle           bool
	Profile        string // file for a CPU profile of the node; "": none
}

// visit is a client in a room.
type visit struct {
	c     *client
	room  int
	until time.Time
}

func (t churn) run(say func(string, ...any)) (r report, err error) {
	r = report{Title: "Churn", About: fmt.Sprintf("%d joins and as many leaves a second by %d clients of one node, over %d rooms, for %v, while %.0f messages a second are published to rooms that somebody is in.",
		t.PerSecond, t.Clients, t.Rooms, t.For, t.Publishes)}
	s := &soak{soaking: soaking{Seed: t.Seed, Nodes: 1, For: t.For, Rate: t.Publishes, Rooms: t.Rooms}, out: io.Discard, began: time.Now()}
	if s.cluster, err = startCluster(1, nodeConfig{Idle: t.Idle}); err != nil {
		return r, err
	}
	defer s.stop()
	if err := s.cluster.direct(); err != nil {
		return r, err
	}
	if err := s.healthy(30 * time.Second); err != nil {
		return r, err
	}
	s.people()
	for i := range t.Clients {
		c := newClient(s.crowd, fmt.Sprintf("client %d", i), t.Seed+uint64(i))
		s.clients = append(s.clients, c)
		s.crowd.wg.Add(1)
		go c.live()
	}
	if err := s.connected(); err != nil {
		return r, err
	}
	var before, after int
	if err := s.broker.Ask(context.Background(), "subscriptions", struct{}{}, &before); err != nil {
		return r, err
	}
	nodes, broker, err := s.cpu()
	if err != nil {
		return r, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- t.profile(s) }()
	joins, err := t.mill(s)
	if err := errors.Join(err, <-profiled); err != nil {
		return r, err
	}
	took := t.For.Seconds() // the last leaves come later, and count
	nodesAfter, brokerAfter, err := s.cpu()
	if err != nil {
		return r, err
	}
	s.pending.Wait()
	if err := s.empty(); err != nil {
		return r, err
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := s.broker.Ask(context.Background(), "subscriptions", struct{}{}, &after); err != nil {
			return r, err
		}
		if after <= before || time.Now().After(deadline) {
			break
		}
	}
	for _, c := range s.clients {
		c.stop()
	}
	s.crowd.wg.Wait()
	v := &verdict{wrongs: newOracle(s.ledger).judge(s.hearings())}
	if unanswered := s.unanswered(); unanswered > 0 {
		v.others = append(v.others, fmt.Sprintf("%d joins were not answered", unanswered))
	}
	if n := s.crowd.opened.Load(); n != int64(t.Clients) {
		v.others = append(v.others, fmt.Sprintf("%d connections of %d clients: some ended", n, t.Clients))
	}
	say("%d joins, %d publishes of which %d acknowledged, %d heard; %v; %v", joins, s.ledger.last.Load(), s.outcomes[acknowledged].Load(), s.crowd.messages.Load(), v.kinds(), v.others)
	node, nats := (nodesAfter-nodes).Seconds()/took, (brokerAfter-broker).Seconds()/took
	r.note("joins and leaves a second", fmt.Sprintf("%.0f and %.0f", float64(joins)/took, float64(joins)/took))
	r.add(v.err() == nil, fmt.Sprintf("missed after a join was acknowledged, of %d heard", s.crowd.messages.Load()), fmt.Sprint(len(v.wrongs)+len(v.others)), "0")
	r.add(node <= 0.3, "node", fmt.Sprintf("%.2f cores", node), "≤ 0.3")
	r.add(nats <= 0.3, "broker", fmt.Sprintf("%.2f cores", nats), "≤ 0.3")
	r.add(after <= before, "subscriptions that the broker has left", fmt.Sprint(after-before), "0")
	return r, nil
}

// profile has the node write a profile, if one is wanted.
func (t churn) profile(s *soak) error {
	if t.Profile == "" {
		return nil
	}
	return s.nodes[0].ask("profile", profiling{t.Profile, t.For}, nil)
}

// mill has clients join and leave, and publishes, until time is up and all have left.
func (t churn) mill(s *soak) (joins int, err error) {
	random := rand.New(rand.NewPCG(t.Seed, 3))
	var in []visit // by when they end
	free := random.Perm(t.Rooms * t.Clients)[:t.Rooms]
	began := time.Now()
	published := 0
	for now := began; now.Sub(began) < t.For || len(in) > 0; now = time.Now() {
		passed := now.Sub(began)
		for len(in) > 0 && now.After(in[0].until) {
			if err := in[0].c.leave(in[0].room); err != nil {
				return joins, err
			}
			in = in[1:]
		}
		for ; passed < t.For && float64(joins) < passed.Seconds()*float64(t.PerSecond); joins++ {
			v := visit{s.clients[joins%t.Clients], free[joins%len(free)] % t.Rooms, now.Add(t.Stay)}
			if v.c.isIn(s.ledger.rooms[v.room]) {
				continue
			}
			if err := v.c.enter(v.room); err != nil {
				return joins, err
			}
			in = append(in, v)
		}
		for ; float64(published) < passed.Seconds()*t.Publishes && len(in) > 0; published++ {
			s.publish(in[random.IntN(len(in))].room, 0)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return joins, nil
}

// isIn reports whether the client is in a room, or was.
func (c *client) isIn(room string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.rooms[room]
	return s != nil && !s.gone
}

// connected waits until all clients have a connection.
func (s *soak) connected() error {
	for deadline := time.Now().Add(patience); s.crowd.opened.Load() < int64(len(s.clients)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d clients are connected", s.crowd.opened.Load(), len(s.clients))
		}
	}
	return nil
}

// unanswered counts stays that were not acknowledged.
func (s *soak) unanswered() (n int) {
	for _, h := range s.hearings() {
		if len(h.marks) == 0 || h.marks[0].kind != entered {
			n++
		}
	}
	return n
}
