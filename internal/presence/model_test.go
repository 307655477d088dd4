package presence_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/presence"
	"github.com/wsrouter-go/wsrouter/internal/race"
)

const (
	simNodes = 5
	simRooms = 12
	simConns = 10 // of a node in a room, about
)

// TestModel: after a million random joins and leaves, with nodes that die and stop, partitions, losses, duplicates and messages out of order, every node and
// every client believes what is so as soon as messages arrive again; and when everybody has left, nothing is left.
func TestModel(t *testing.T) {
	const seed = 20261123
	moves := race.Part(1_000_000)
	s := newSim(t, seed, simNodes)
	t.Log("seed", seed)
	var kills, stops, splits, storms, quiet int
	for op := range moves {
		s.randomMove()
		if op%8 == 0 {
			s.run(time.Duration(s.rand.Int64N(int64(16 * time.Millisecond))))
		}
		switch s.rand.IntN(20000) {
		case 0:
			kills++
			s.kill(s.rand.IntN(len(s.nodes)))
			s.start()
		case 1:
			stops++
			s.stop(s.rand.IntN(len(s.nodes)))
			s.start()
		case 2, 3:
			splits++
			for _, n := range s.nodes {
				n.side = s.rand.IntN(2)
			}
		case 4, 5:
			storms++
			s.loss, s.twice, s.delay = s.rand.Float64()*.5, s.rand.Float64()*.5, time.Duration(1+s.rand.Int64N(int64(3*time.Second)))
			s.mixed = s.rand.IntN(2) == 0
		case 6, 7, 8:
			s.heal()
		}
		if op%(moves/20) == moves/20-1 {
			quiet++
			s.heal()
			s.run(presence.TTL + presence.SnapshotEvery + 5*time.Second)
			for room := range simRooms {
				s.compare(fmt.Sprint("r", room))
			}
		}
	}
	t.Logf("%d moves, %d messages in %v: %d kills, %d stops, %d splits, %d storms, %d comparisons", moves, s.sent, s.now, kills, stops, splits, storms, quiet)
	for _, n := range s.nodes {
		for room, conns := range n.rooms {
			for c := range conns {
				s.leave(n, room, c)
			}
		}
	}
	s.run(time.Second)
	for _, n := range s.nodes {
		s.empty(n)
	}
	if kills == 0 || stops == 0 || splits == 0 || storms == 0 {
		t.Error("the run was too short to show anything")
	}
}

// randomMove has a connection join or leave a room.
func (s *sim) randomMove() {
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	room := fmt.Sprint("r", s.rand.IntN(simRooms))
	c := 1 + s.rand.Uint64N(2*simConns)
	if _, is := n.rooms[room][c]; is {
		s.leave(n, room, c)
	} else {
		s.joinAs(n, room, c, fmt.Sprint("i", s.rand.IntN(3)))
	}
	if s.rand.IntN(200) == 0 { // a room becomes empty
		for _, c := range slices.Sorted(maps.Keys(n.rooms[room])) {
			s.leave(n, room, c)
		}
	}
}

// heal has every message arrive, once.
func (s *sim) heal() {
	s.loss, s.twice, s.delay, s.mixed = 0, 0, 5*time.Millisecond, false
	for _, n := range s.nodes {
		n.side = 0
	}
}
