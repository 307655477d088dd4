// Package presence knows who is in which room on which node. It is a state without goroutines, locks, clocks and input or output: what happens is
// handed in with the time at which it does, and Tick says what to do about it.
//
// Each node tells the others of its own members and nobody else's: by a message about each change, by a snapshot of all of them every [SnapshotEvery],
// and by a goodbye. Whoever has not been heard of for [TTL] is gone with its members. The messages of a node about a room carry a counter; what does not
// follow on what is known is answered by asking for a snapshot. So messages may be lost, come twice or come late: all nodes that keep hearing
// each other agree in the end, and until then each knows what it has heard. Only the receiver's clock counts.
package presence

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// TTL is how long a node's members are believed in without a word of it.
	TTL = 60 * time.Second
	// SnapshotEvery is how often a node tells all its members of a room, up to 10 % more often.
	SnapshotEvery = 25 * time.Second
	// TellEvery is the least time between two words to the members of one room: once a second, less what a message from another node may take,
	// so that what happens just behind a word is known within the second.
	TellEvery = 950 * time.Millisecond
	// TellMost is how many members one word names; those that are left out come with the next.
	TellMost = 256
	// Settle is how long a node that begins to listen waits until it believes that it knows a room.
	Settle = time.Second

	tellBytes   = 64 << 10               // of infos and ids in one word
	gather      = 50 * time.Millisecond  // for changes that come together
	drainGather = 500 * time.Millisecond // the same while a node shuts down, whose goodbye, if that is soon, then tells of all at once
	answerWait  = 500 * time.Millisecond // in which many askers get one snapshot
	retryWait   = 2 * time.Second        // after what could not be sent, and up to twice that
	askAgain    = 5 * time.Second        // for a snapshot that has not come
	watchLinger = 10 * time.Second       // for which a room without members here is listened to after a question
	maxWatched  = 1000                   // rooms without members here
	maxHeld     = 256 << 20              // bytes of other nodes' members, and of what clients have to be told

	never = time.Duration(math.MaxInt64)
)

// Config of a State.
type Config struct {
	// Node is this node's name, of letters, digits and underscores, at most 64. No other node has it, nor had it a short while ago.
	Node string
	// Alone: there are no other nodes.
	Alone bool
	// Valid says whether the info of another node's member can be shown; a member with another one is left out.
	Valid func(info []byte) bool
	// Rand spreads what many nodes do at once.
	Rand *rand.Rand
}

// A Key is one member's place among all.
type Key struct {
	Node string
	N    uint64 // of the connection on its node
}

// A Member of a room. Info is not to be changed.
type Member struct {
	Key
	Info []byte
}

// A Job is what is to be done for a room, in the order of the fields, up to what fails. Done reports it; until then there is no other Job for the room.
type Job struct {
	Room string
	// Listen for messages about the room.
	Listen bool
	// Send these to all nodes that listen, in order.
	Send [][]byte
	// Unlisten: nobody here wants to know any more.
	Unlisten bool
}

// A Tell is word for the members of a room on this node: Joined and Left for those who have been told before, Present for those in Fresh, who
// have not been told anything.
type Tell struct {
	Room    string
	Joined  []Member
	Left    []Key
	Fresh   []uint64
	Present []Member // the first of all
	More    bool     // there are more behind Present
}

// Stats of a State.
type Stats struct {
	Rooms   int // that have members here or are listened to
	Own     int // memberships of this node's connections
	Others  int // of other nodes'
	Held    int // bytes of other nodes' members, and of what clients have to be told
	Waiting int // rooms that wait for a time

	Dropped uint64 // messages that are no messages or too much, and members whose info must not be shown
	Why     string // the last of them was
	Stale   uint64 // messages that came again, or too late
}

// State of all rooms on one node. It is not safe for concurrent use. The time that is handed in never goes back; where it begins does not matter.
type State struct {
	c       Config
	rooms   map[string]*room
	queue   queue
	counter uint64 // of messages sent: no smaller than that of any room, also of those that are gone
	held    int
	watched int
	gather  time.Duration
	closed  bool
	stats   Stats
}

// New returns the state of a node without members.
func New(c Config) *State {
	if !validNode(c.Node) {
		panic("presence: New: a node cannot be named " + c.Node)
	}
	return &State{c: c, rooms: map[string]*room{}, gather: gather}
}

// Join says that connection n of this node is in a room. If it is already, its info changes. info must not be changed afterwards.
func (s *State) Join(now time.Duration, name string, n uint64, info []byte) {
	if s.closed {
		return
	}
	r := s.room(now, name)
	old, is := r.own[n]
	r.own[n] = info
	s.change(r, n, is)
	s.note(r, now, Member{Key{s.c.Node, n}, old}, is)
	if !is {
		r.fresh[n] = struct{}{}
		s.stats.Own++
	}
	s.listen(r, now)
	r.sooner(toSend, now+s.gather)
	s.settle(r)
}

// listen begins to listen, if that has not begun.
func (s *State) listen(r *room, now time.Duration) {
	if !r.listening && !s.c.Alone {
		r.sooner(toListen, now)
	}
}

// Leave says that connection n of this node is no longer in a room.
func (s *State) Leave(now time.Duration, name string, n uint64) {
	r := s.rooms[name]
	if r == nil {
		return
	}
	old, is := r.own[n]
	if !is {
		return
	}
	delete(r.own, n)
	delete(r.fresh, n)
	s.stats.Own--
	s.change(r, n, true)
	s.note(r, now, Member{Key{s.c.Node, n}, old}, true)
	r.sooner(toSend, now+s.gather)
	s.settle(r)
}

// change remembers that the others have to hear of a connection, which is in the room or was.
func (s *State) change(r *room, n uint64, was bool) {
	if !r.announced {
		return // the first snapshot tells everything
	}
	if _, changed := r.sent[n]; !changed {
		r.sent[n] = was
		r.changed = append(r.changed, n)
	}
}

// Watch reports whether a room is known, and if not, makes it so: Tick says when. A room without members here
// stays known for a while after the last Watch. It fails if too many such rooms are.
func (s *State) Watch(now time.Duration, name string) (known bool, err error) {
	if s.c.Alone || s.closed {
		return true, nil
	}
	r := s.rooms[name]
	if r == nil {
		if s.watched >= maxWatched {
			return false, ErrWatched
		}
		r = s.room(now, name)
	}
	r.at[toForget] = now + watchLinger
	s.listen(r, now)
	s.settle(r)
	return r.ready, nil
}

// ErrWatched: too many rooms without members here are asked about.
var ErrWatched = fmt.Errorf("presence: asked about more than %d rooms without members on this node within %v", maxWatched, watchLinger)

// Done says that a Job is over. Not ok: it failed, and messages may not have been sent, and nothing after them was done.
func (s *State) Done(now time.Duration, j Job, ok bool) {
	r := s.rooms[j.Room]
	r.busy = false
	switch {
	case j.Listen && ok:
		r.listening = true
		r.at[toListen], r.at[toGreet] = never, now
		r.at[toBeReady] = now + Settle
	case j.Unlisten && ok:
		r.listening, r.ready = false, false
		if r.wanted() {
			r.sooner(toListen, now)
		}
	case j.Listen:
		r.sooner(toListen, now+retryWait+s.upTo(retryWait))
	case !ok && j.Unlisten && (s.closed || now > r.snapshot+SnapshotEvery+TTL): // others have given us up, or will
	case !ok:
		r.announced = r.announced || j.Unlisten // they have not heard that we are not
		r.sooner(toGreet, now+retryWait+s.upTo(retryWait))
	}
	if !r.wanted() {
		r.sooner(toSend, now)
	}
	s.settle(r)
}

// Lost says that messages of others about a room were lost.
func (s *State) Lost(now time.Duration, name string) {
	if r := s.rooms[name]; r != nil && r.listening {
		r.sooner(toGreet, now+s.upTo(retryWait))
		s.settle(r)
	}
}

// Next is when Tick has something to do; false: nothing at all.
func (s *State) Next() (time.Duration, bool) {
	if len(s.queue) == 0 {
		return 0, false
	}
	return s.queue[0].due, true
}

// Tick returns what is due. In rooms that are ready the other nodes have had the time to answer.
func (s *State) Tick(now time.Duration) (jobs []Job, tells []Tell, ready []string) {
	for len(s.queue) > 0 && s.queue[0].due <= now {
		r := s.queue[0]
		if r.take(toBeReady, now) {
			r.ready = true
			ready = append(ready, r.name)
		}
		if r.take(toExpire, now) {
			s.expire(r, now)
		}
		r.take(toForget, now)
		if r.take(toTell, now) {
			if t := s.tell(r, now); len(t.Joined)+len(t.Left)+len(t.Fresh) > 0 {
				tells = append(tells, t)
				r.told = now
			}
		}
		if !r.busy {
			if job, is := s.job(r, now); is {
				r.busy = true
				jobs = append(jobs, job)
			}
		}
		s.settle(r)
	}
	return jobs, tells, ready
}

// Drain says that all connections of this node are about to leave, and Close to be called.
func (s *State) Drain() { s.gather = drainGather }

// Close takes everybody out of every room, and nobody comes in any more. When the Jobs that follow are done, nothing is left.
func (s *State) Close(now time.Duration) {
	s.closed = true
	for _, name := range slices.Sorted(maps.Keys(s.rooms)) {
		r := s.rooms[name]
		s.stats.Own -= len(r.own)
		clear(r.own)
		clear(r.fresh)
		r.at[toForget] = never
		r.at[toSend] = now
		s.settle(r)
	}
}

// Page returns who is in a room, as far as is known: at most limit members behind after, by node and number, and whether there are more.
func (s *State) Page(name string, after Key, limit int) (page []Member, more bool) {
	if r := s.rooms[name]; r != nil {
		return s.page(r, after, limit, math.MaxInt)
	}
	return nil, false
}

// page is Page, of at most so many bytes.
func (s *State) page(r *room, after Key, limit, bytes int) (page []Member, more bool) {
	nodes := make([]string, 0, len(r.others)+1)
	if after.Node <= s.c.Node {
		nodes = append(nodes, s.c.Node)
	}
	for name := range r.others {
		if after.Node <= name {
			nodes = append(nodes, name)
		}
	}
	slices.Sort(nodes)
	for _, name := range nodes {
		members := r.own
		if name != s.c.Node {
			members = r.others[name].members
		}
		for _, n := range sorted(members) {
			if name == after.Node && n <= after.N {
				continue
			}
			m := Member{Key{name, n}, members[n]}
			if bytes -= m.size(); len(page) == limit || bytes < 0 {
				return page, true
			}
			page = append(page, m)
		}
	}
	return page, false
}

// size is about what m takes in a word to clients.
func (m Member) size() int { return len(m.Node) + len(m.Info) + 48 }

// sorted returns the numbers of members in order.
func sorted(members map[uint64][]byte) []uint64 {
	all := make([]uint64, 0, len(members))
	for n := range members {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// Stats of the moment.
func (s *State) Stats() Stats {
	t := s.stats
	t.Rooms, t.Held, t.Waiting = len(s.rooms), s.held, len(s.queue)
	return t
}

// upTo is a random time less than d.
func (s *State) upTo(d time.Duration) time.Duration { return time.Duration(s.c.Rand.Int64N(int64(d))) }
