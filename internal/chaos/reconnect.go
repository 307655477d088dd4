//go:build linux && (amd64 || arm64)

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// reconnect is many clients that come back at once.
type reconnect struct {
	Clients, Missed int // Missed messages of each room
	Rooms           int // only so many; 0: what the bars ask for
}

func (t reconnect) run(say func(string, ...any)) (r report, err error) {
	r = report{Title: fmt.Sprintf("%d clients come back at once", t.Clients), About: fmt.Sprintf("All lose their connections, %d messages are published to each room, and then all dial three nodes at once; the time is that until the last has all it missed.", t.Missed)}
	type bar struct {
		rooms int
		most  time.Duration
	}
	bars := []bar{{100, 5 * time.Second}, {5000, 15 * time.Second}}
	if t.Rooms > 0 {
		bars = []bar{{t.Rooms, 15 * time.Second}}
	}
	for _, c := range bars {
		took, calls, worst, err := t.once(c.rooms)
		if err != nil {
			return r, err
		}
		say("%d rooms: %v, %d calls of History, at most %d of one room and node in 100 ms", c.rooms, took, calls, worst)
		r.add(took <= c.most, fmt.Sprintf("over %d rooms", c.rooms), fmt.Sprintf("%.1f s", took.Seconds()), fmt.Sprintf("≤ %v", c.most))
		r.add(worst <= 1, "calls of History, at most of one room and node in 100 ms", fmt.Sprintf("%d, %d", calls, worst), "1")
	}
	return r, nil
}

// once is one return.
func (t reconnect) once(rooms int) (took time.Duration, calls, worst int, err error) {
	s := &soak{soaking: soaking{Nodes: 3, Rooms: rooms, Members: t.Clients / rooms, For: time.Minute, Rate: float64(rooms * t.Missed)}, out: io.Discard, began: time.Now()}
	if s.cluster, err = startCluster(s.Nodes, nodeConfig{}); err != nil {
		return 0, 0, 0, err
	}
	defer s.stop()
	if err := s.healthy(30 * time.Second); err != nil {
		return 0, 0, 0, err
	}
	s.people()
	s.crowd.silence = patience
	if err := s.settle(); err != nil {
		return 0, 0, 0, err
	}
	s.crowd.gate.Lock()
	for _, c := range s.clients {
		c.reset()
	}
	if err := s.empty(); err != nil {
		return 0, 0, 0, err
	}
	last, err := s.missed(t.Missed)
	if err != nil {
		return 0, 0, 0, err
	}
	if _, err := s.uses(); err != nil { // from here on
		return 0, 0, 0, err
	}
	began := time.Now()
	s.crowd.gate.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.heard(ctx, last); err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(began)
	uses, err := s.uses()
	if err != nil {
		return 0, 0, 0, err
	}
	for _, u := range uses {
		calls += len(u.Histories)
		worst = max(worst, u.worst(100*time.Millisecond))
	}
	for _, c := range s.clients {
		c.stop()
	}
	s.crowd.wg.Wait()
	if n := s.crowd.resyncs.Load(); n > 0 {
		return 0, 0, 0, fmt.Errorf("%d resyncs", n)
	}
	v := &verdict{wrongs: newOracle(s.ledger).judge(s.hearings())}
	return took, calls, worst, v.err()
}

// empty waits until no node has a subscription.
func (s *soak) empty() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		uses, err := s.uses()
		if err != nil {
			return err
		}
		left := 0
		for _, u := range uses {
			left += u.Subscriptions
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d subscriptions are left of rooms without members", left)
		}
	}
}

func (s *soak) uses() ([]brokerUse, error) {
	uses := make([]brokerUse, len(s.nodes))
	for i, n := range s.nodes {
		if err := n.ask("broker", struct{}{}, &uses[i]); err != nil {
			return nil, err
		}
	}
	return uses, nil
}

// missed publishes to each room, many rooms at a time, and returns the last of each.
func (s *soak) missed(each int) (last []uint32, err error) {
	last = make([]uint32, len(s.ledger.rooms))
	slots := make(chan struct{}, 64)
	outcomes := make([]outcome, len(last))
	for range each {
		for room := range last {
			number, m := s.ledger.begin(room)
			last[room] = number
			slots <- struct{}{}
			s.pending.Go(func() {
				if o := s.send(room%len(s.nodes), room, number, m); o != acknowledged {
					outcomes[room] = o + 1
				}
				<-slots
			})
		}
		s.pending.Wait()
	}
	if i := slices.IndexFunc(outcomes, func(o outcome) bool { return o != 0 }); i >= 0 {
		return nil, fmt.Errorf("a publish to %s had outcome %d", s.ledger.rooms[i], outcomes[i]-1)
	}
	return last, nil
}

// worst is how often one topic was asked for within a time.
func (u *brokerUse) worst(within time.Duration) (worst int) {
	byTopic := map[string][]int64{}
	for _, h := range u.Histories {
		byTopic[h.Topic] = append(byTopic[h.Topic], h.At)
	}
	for _, at := range byTopic {
		slices.SortFunc(at, cmp.Compare[int64])
		for i := range at {
			n := 0
			for n < len(at)-i && at[i+n]-at[i] < int64(within) {
				n++
			}
			worst = max(worst, n)
		}
	}
	return worst
}
