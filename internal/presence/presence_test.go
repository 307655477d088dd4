package presence_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/presence"
)

// TestKilledAndStopped: the members of a node that is killed are gone after the TTL, and clients know within a second more; those of one that stops
// within a second.
func TestKilledAndStopped(t *testing.T) {
	s := newSim(t, 1, 3)
	for _, n := range s.nodes {
		for range 3 {
			s.join(n, "a", "x")
		}
	}
	s.run(2 * time.Second)
	s.compare("a")

	s.stop(2)
	s.run(time.Second)
	s.compare("a")

	s.kill(1)
	s.run(presence.TTL - presence.SnapshotEvery - time.Second)
	if got := s.page(s.nodes[0], "a", 100); len(got) != 6 {
		t.Errorf("%d members are known although the TTL is not over, want 6", len(got))
	}
	s.run(presence.SnapshotEvery + 2*time.Second)
	s.compare("a")
}

// TestJustBehind: a node that stops just after the clients elsewhere were told of something is known to be gone within a second all the same.
func TestJustBehind(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	s.join(s.nodes[1], "a", "y")
	s.run(5 * time.Second)
	told := s.nodes[0].told["a"]
	s.join(s.nodes[1], "a", "z")
	for s.nodes[0].told["a"] == told {
		s.run(time.Millisecond)
	}
	const way = 10 * time.Millisecond // to the client, and the clocks of two processes
	until := s.now + time.Second - way
	s.stop(1)
	s.run(until - s.now)
	s.compare("a")
}

// TestQuiet: in a quiet room a change is told in less than a second, and a room costs a message every 25 s.
func TestQuiet(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	s.join(s.nodes[1], "a", "y")
	s.run(10 * time.Second)
	for range 10 {
		c := s.join(s.nodes[0], "a", "z")
		s.run(200 * time.Millisecond)
		s.compare("a")
		s.run(3 * time.Second)
		s.leave(s.nodes[0], "a", c)
		s.run(200 * time.Millisecond)
		s.compare("a")
		s.run(3 * time.Second)
	}
	before := s.sent
	s.run(1000 * time.Second)
	if sent := s.sent - before; sent < 80 || sent > 90 {
		t.Errorf("%d messages of two nodes in 1,000 s, want 80 to 90", sent)
	}
}

// TestRejoin: who leaves and comes back before anybody was told is not talked about, and not flickering with another info.
func TestRejoin(t *testing.T) {
	s := newSim(t, 1, 1)
	n := s.nodes[0]
	s.join(n, "a", "watching")
	c := s.join(n, "a", "x")
	s.run(5 * time.Second)
	s.leave(n, "a", c)
	s.joinAs(n, "a", c, "x")
	s.run(30 * time.Millisecond)
	s.leave(n, "a", c)
	s.joinAs(n, "a", c, "y")
	s.run(30 * time.Millisecond)
	s.compare("a")
}

// TestPassing: who comes and goes at once is not spoken of between nodes.
func TestPassing(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	s.join(s.nodes[1], "a", "x")
	s.run(5 * time.Second)
	before := s.sent
	for range 10 {
		s.leave(s.nodes[0], "a", s.join(s.nodes[0], "a", "y"))
		s.run(time.Second)
	}
	if s.sent != before {
		t.Errorf("%d messages, want none", s.sent-before)
	}
}

// TestLargeRoom: a room of thousands is told of in pages, each node's snapshot in messages of at most 64 KiB.
func TestLargeRoom(t *testing.T) {
	s := newSim(t, 1, 2)
	info := strings.Repeat("x", presence.MaxInfo)
	first := s.join(s.nodes[0], "a", info)
	s.crowd(s.nodes[1], "a", 3000, info)
	s.run(3 * time.Second)
	s.same("the other node", s.model("a"), s.page(s.nodes[0], "a", 1000))
	// One word names about 60 such members.
	s.run(60 * time.Second)
	s.same("a client", s.model("a"), s.nodes[0].views["a"][first])

	// A lost page has the whole asked for again.
	s.loss = .02
	for range 100 {
		s.run(time.Second)
		s.same("the other node", s.model("a"), s.page(s.nodes[0], "a", 1000))
	}
	s.loss = 0
	s.run(presence.SnapshotEvery + time.Second)
	s.same("the other node", s.model("a"), s.page(s.nodes[0], "a", 1000))
}

// TestGap: a change that is lost is noticed with the next one, and made up for at once.
func TestGap(t *testing.T) {
	s := newSim(t, 1, 3)
	for _, n := range s.nodes {
		s.join(n, "a", "x")
	}
	s.run(5 * time.Second)
	s.loss = 1
	s.join(s.nodes[0], "a", "y")
	s.run(200 * time.Millisecond)
	s.loss = 0
	before := s.sent
	s.join(s.nodes[0], "a", "z")
	s.run(900 * time.Millisecond)
	for _, n := range s.nodes {
		s.same(n.name, s.model("a"), s.page(n, "a", 10))
	}
	if sent := s.sent - before; sent > 5 {
		t.Errorf("%d messages, want at most 5: the change, two questions, an answer or two", sent)
	}
}

// TestAgain: a node whose members have all left and come again is heard at once.
func TestAgain(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	for range 5 {
		c := s.join(s.nodes[1], "a", "y")
		s.run(3 * time.Second)
		s.compare("a")
		s.leave(s.nodes[1], "a", c)
		s.run(time.Second)
		s.compare("a")
	}
}

// TestGreeting: a node that begins knows the room as soon as it is said to be ready, and a crowd of beginners gets few answers.
func TestGreeting(t *testing.T) {
	s := newSim(t, 1, 40)
	for _, n := range s.nodes[:10] {
		s.join(n, "a", "x")
	}
	s.run(5 * time.Second)
	before := s.sent
	for _, n := range s.nodes[10:] {
		s.join(n, "a", "x")
	}
	s.run(presence.Settle + 10*time.Millisecond)
	for _, n := range s.nodes {
		s.same(n.name, s.model("a"), s.page(n, "a", 10))
	}
	// Each of 40 nodes may answer twice in a second, and greets or not.
	if sent := s.sent - before; sent > 40*3 {
		t.Errorf("%d messages, want at most 120", sent)
	}
}

// TestWatch: a node without members in a room can know it for a while, unseen.
func TestWatch(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	s.run(time.Second)
	watcher := s.nodes[1]
	watch := func() bool {
		t.Helper()
		known, err := watcher.state.Watch(s.now, "a")
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	if watch() {
		t.Error("the room is known before anybody could answer")
	}
	s.run(presence.Settle + 10*time.Millisecond)
	if !watch() {
		t.Error("the room is not known after a second")
	}
	s.same("the watcher", s.model("a"), s.page(watcher, "a", 10))
	s.run(11 * time.Second)
	s.empty(watcher)

	for i := range 1000 {
		if _, err := watcher.state.Watch(s.now, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := watcher.state.Watch(s.now, "a"); err == nil {
		t.Error("a thousand rooms are watched, and one more")
	}
	s.run(20 * time.Second)
	s.empty(watcher)
}

// TestForgotten: a room that is not asked about any more is let go of, also if its time is over while a job is done.
func TestForgotten(t *testing.T) {
	state := presence.New(presence.Config{Node: "n", Rand: rand.New(rand.NewPCG(1, 1))})
	job := func(now time.Duration) presence.Job {
		t.Helper()
		jobs, _, _ := state.Tick(now)
		if len(jobs) != 1 {
			t.Fatalf("%d jobs at %v, want one", len(jobs), now)
		}
		return jobs[0]
	}
	if _, err := state.Watch(0, "a"); err != nil {
		t.Fatal(err)
	}
	state.Done(0, job(0), true)
	asks := job(0)
	if len(asks.Send) != 1 {
		t.Fatalf("%+v, want a question", asks)
	}
	state.Tick(11 * time.Second)
	state.Done(12*time.Second, asks, true)
	end := job(12 * time.Second)
	if !end.Unlisten {
		t.Errorf("%+v, want the end", end)
	}
	state.Done(12*time.Second, end, true)
	if st := state.Stats(); st.Rooms+st.Waiting != 0 {
		t.Errorf("left: %+v", st)
	}
}

// TestBrokerAway: while nothing is sent, the others are gone after the TTL; when it is again, they are back within seconds.
func TestBrokerAway(t *testing.T) {
	s := newSim(t, 1, 3)
	for _, n := range s.nodes {
		s.join(n, "a", "x")
	}
	s.run(5 * time.Second)
	s.loss = 1
	s.run(presence.TTL + time.Second)
	for _, n := range s.nodes {
		if got := s.page(n, "a", 10); len(got) != 1 {
			t.Errorf("%s still knows %d members", n.name, len(got))
		}
	}
	s.loss = 0
	for _, n := range s.nodes {
		n.state.Lost(s.now, "a")
	}
	before := s.sent
	s.run(4 * time.Second)
	s.compare("a")
	if sent := s.sent - before; sent > 6 {
		t.Errorf("%d messages for three nodes to find each other again, want at most 6", sent)
	}
}

// TestUnsent: what could not be sent is made up for by a snapshot.
func TestUnsent(t *testing.T) {
	s := newSim(t, 1, 2)
	s.join(s.nodes[0], "a", "x")
	s.join(s.nodes[1], "a", "x")
	s.run(5 * time.Second)
	s.loss = 2 // the job fails
	s.join(s.nodes[0], "a", "y")
	s.run(time.Second)
	s.loss = 0
	s.run(5 * time.Second)
	s.compare("a")
}

// TestGoodbyeUnsent: a goodbye that could not be sent is sent when the broker is back, unless the others have given the node up by then or it shuts down.
func TestGoodbyeUnsent(t *testing.T) {
	for name, of := range map[string]struct {
		away    time.Duration
		closes  bool
		goodbye bool
		over    time.Duration // no later
	}{
		"back":   {away: 10 * time.Second, goodbye: true, over: 15 * time.Second},
		"never":  {away: time.Hour, over: presence.TTL + presence.SnapshotEvery + 5*time.Second},
		"closed": {away: time.Hour, closes: true, over: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			state := presence.New(presence.Config{Node: "n", Rand: rand.New(rand.NewPCG(1, 1))})
			var now, left time.Duration
			sent, listens := 0, false
			run := func(until time.Duration) {
				for ; now < until && state.Stats().Rooms > 0; now += 10 * time.Millisecond {
					jobs, _, _ := state.Tick(now)
					for _, j := range jobs {
						ok := left == 0 || now > left+of.away || len(j.Send) == 0
						if ok {
							sent += len(j.Send)
							listens = (listens || j.Listen) && !j.Unlisten
						}
						state.Done(now, j, ok)
					}
				}
			}
			state.Join(0, "a", 1, []byte("x"))
			run(5 * time.Second)
			left, sent = now, 0
			if of.closes {
				state.Close(now)
			} else {
				state.Leave(now, "a", 1)
			}
			run(left + of.over)
			if st := state.Stats(); st.Rooms+st.Waiting != 0 || listens {
				t.Errorf("%v behind the leave: %+v, listens: %t", now-left, st, listens)
			}
			if sent > 0 != of.goodbye {
				t.Errorf("%d messages were sent", sent)
			}
		})
	}
}

// TestComeAndGo: thousands who come and go within a word's time keep nobody from being told of who stays.
func TestComeAndGo(t *testing.T) {
	state := presence.New(presence.Config{Node: "n", Alone: true, Rand: rand.New(rand.NewPCG(1, 1))})
	state.Join(0, "a", 1, []byte("x"))
	n, stays, told := uint64(1), uint64(0), time.Duration(0)
	for now := time.Duration(0); now < 12*time.Second; now += 10 * time.Millisecond {
		for range 20 {
			n++
			state.Join(now, "a", n, []byte("x"))
			state.Leave(now, "a", n)
		}
		if now == 10*time.Second {
			stays = 1 << 40
			state.Join(now, "a", stays, []byte("x"))
		}
		_, tells, _ := state.Tick(now)
		for _, tell := range tells {
			for _, m := range tell.Joined {
				if m.N == stays {
					told = now
				}
			}
		}
	}
	if told == 0 || told > 11*time.Second {
		t.Errorf("who came after 10s is told of after %v", told)
	}
	if held := state.Stats().Held; held > 1<<20 {
		t.Errorf("%d bytes are held", held)
	}
}

// TestAlone: without other nodes nothing is sent, and nothing waits in a quiet room.
func TestAlone(t *testing.T) {
	state := presence.New(presence.Config{Node: "n", Alone: true, Rand: rand.New(rand.NewPCG(1, 1))})
	state.Join(0, "a", 1, []byte("x"))
	jobs, tells, _ := state.Tick(time.Second)
	if len(jobs) != 0 || len(tells) != 1 || len(tells[0].Present) != 1 {
		t.Errorf("jobs %v, tells %v", jobs, tells)
	}
	if at, ok := state.Next(); ok {
		t.Errorf("something waits until %v", at)
	}
	state.Leave(2*time.Second, "a", 1)
	if st := state.Stats(); st != (presence.Stats{}) {
		t.Errorf("left: %+v", st)
	}
}

// TestHostile: what is forged changes nothing but counters, a member whose info must not be shown is left out, and what a node is said to have
// done ends with its TTL.
func TestHostile(t *testing.T) {
	s := newSim(t, 1, 2)
	n := s.nodes[0]
	s.join(n, "a", "x")
	s.join(s.nodes[1], "a", "!bad")
	s.join(s.nodes[1], "a", "good")
	s.run(2 * time.Second)
	if got := s.page(n, "a", 10); len(got) != 2 {
		t.Errorf("%v are known, want two", got)
	}
	st := n.state.Stats()
	if st.Dropped == 0 {
		t.Error("an invalid info was not counted")
	}
	for _, data := range []string{
		"", "\x01", "\x02\x04\x02n2\x01", // version
		"\x01\x09\x02n2\x01",                      // kind
		"\x01\x04\x00\x01", "\x01\x04\x03n-2\x01", // node
		"\x01\x04\x02n2\x00", "\x01\x04\x02n2", "\x01\x04\x02n2\x07x", // counter, end
		"\x01\x02\x02n2\x01\x00\x02\x00",                                          // no bool
		"\x01\x02\x02n2\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f",          // members
		"\x01\x03\x02n2\x01\x01\x01\x81\x08" + strings.Repeat("x", 1025) + "\x00", // a long info
		"\x01\x05\xff\x01",
		strings.Repeat("x", 70_000),
	} {
		n.state.Receive(s.now, "a", []byte(data))
	}
	if got := n.state.Stats().Dropped - st.Dropped; got != 14 {
		t.Errorf("%d messages were malformed, want 14", got)
	}
	// A counter from the far future keeps the true node's messages out, for as long as the TTL.
	n.state.Receive(s.now, "a", []byte("\x01\x04\x02n2\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	if got := s.page(n, "a", 10); len(got) != 1 {
		t.Errorf("%v are known after a forged goodbye, want one", got)
	}
	s.run(presence.TTL + presence.SnapshotEvery)
	if got := s.page(n, "a", 10); len(got) != 2 {
		t.Errorf("%v are known after the TTL, want two", got)
	}
	if n.state.Stats().Stale == 0 {
		t.Error("stale messages were not counted")
	}
}

// TestTooMuch: nodes that never were cannot fill the memory.
func TestTooMuch(t *testing.T) {
	s := newSim(t, 1, 1)
	n := s.nodes[0]
	s.join(n, "a", "x")
	s.run(time.Second)
	info := strings.Repeat("x", 1000)
	for i := 0; n.state.Stats().Dropped == 0; i++ {
		if i > 10_000 {
			t.Fatal("10,000 forged snapshots of 60 KB were taken")
		}
		data := []byte(fmt.Sprintf("\x01\x02\x08f%07d\x01\x01\x01\x3c", i))
		for m := range 60 {
			data = append(append(data, byte(m), 0xe8, 0x07), info...)
		}
		n.state.Receive(s.now, "a", data)
	}
	if held := n.state.Stats().Held; held > 256<<20 {
		t.Errorf("%d bytes are held", held)
	}
	s.run(presence.TTL)
	if st := n.state.Stats(); st.Others != 0 {
		t.Errorf("%+v is held after the TTL", st)
	}
	s.leave(n, "a", 1)
	s.run(time.Second)
	s.empty(n)
}
