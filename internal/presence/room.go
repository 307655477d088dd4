package presence

import (
	"slices"
	"time"
)

// room is what is known of one room that has members on this node or is asked about.
type room struct {
	name  string
	due   time.Duration // the earliest of at
	index int           // in the queue; -1: not there
	at    timers

	busy      bool // there is a Job
	listening bool
	ready     bool // it is known
	announced bool // others were told of members here
	watched   bool // it is counted as a room without members here

	own      map[uint64][]byte // infos of the members here
	changed  []uint64          // of own, of which the others have not heard
	sent     map[uint64]bool   // those in changed: whether the others know of them
	counter  uint64            // of the last message that was sent
	snapshot time.Duration     // when the last one was sent
	asked    time.Duration     // when others were last asked

	others map[string]*node

	told    time.Duration       // when the members were last told
	waiting []Key               // what they have to be told of, the oldest first
	before  map[Key]before      // those in waiting: what the members know of them
	fresh   map[uint64]struct{} // of own, that have not been told anything
}

// before is what a member was when clients were last told.
type before struct {
	is   bool
	info []byte
}

// A timer is something that a room waits for.
type timer int

const (
	toListen   timer = iota
	toGreet          // a snapshot for the others, who are asked for theirs
	toSnapshot       // a snapshot for the others
	toSend           // what has changed
	toAsk            // nodes of which something is missing
	jobs             // those before need a Job
	toBeReady        // others have answered
	toExpire         // a node that is not heard of
	toTell           // the members here
	toForget         // a room without members here
	count
)

// timers are when what is to happen; never: not.
type timers [count]time.Duration

var nothing = func() (t timers) {
	for i := range t {
		t[i] = never
	}
	return t
}()

// sooner has t happen at a time or before.
func (r *room) sooner(t timer, at time.Duration) { r.at[t] = min(r.at[t], at) }

// take reports whether t is due, once.
func (r *room) take(t timer, now time.Duration) bool {
	if r.at[t] > now {
		return false
	}
	r.at[t] = never
	return true
}

// wanted reports whether there is a reason to know of the room.
func (r *room) wanted() bool { return len(r.own) > 0 || r.announced || r.at[toForget] != never }

// room returns the room of a name, new if there is none.
func (s *State) room(now time.Duration, name string) *room {
	r := s.rooms[name]
	if r == nil {
		r = &room{
			name: name, due: never, index: -1, at: nothing,
			own: map[uint64][]byte{}, sent: map[uint64]bool{}, counter: s.counter, snapshot: now - answerWait, asked: now - answerWait,
			others: map[string]*node{},
			told:   now - TellEvery, before: map[Key]before{}, fresh: map[uint64]struct{}{},
		}
		s.rooms[name] = r
	}
	return r
}

// settle puts r where it belongs in the queue, or forgets it.
func (s *State) settle(r *room) {
	if !r.wanted() && !r.listening && !r.busy {
		for name := range r.others {
			s.forget(r, name)
		}
		r.at = nothing
		delete(s.rooms, r.name)
	}
	if len(r.own) == 0 {
		s.hush(r)
	}
	if watched := r.at[toForget] != never && len(r.own) == 0; watched != r.watched {
		r.watched = watched
		if s.watched--; watched {
			s.watched += 2
		}
	}
	r.due = slices.Min(r.at[jobs:])
	if !r.busy {
		r.due = slices.Min(r.at[:])
	}
	s.queue.move(r)
}

// job is what is due for the others, if anything is.
func (s *State) job(r *room, now time.Duration) (j Job, is bool) {
	j.Room = r.name
	if !r.listening {
		for t := toGreet; t < jobs; t++ {
			r.at[t] = never // who listens greets
		}
		j.Listen = r.take(toListen, now)
		return j, j.Listen
	}
	j.Send = s.send(r, now)
	j.Unlisten = !r.wanted()
	return j, j.Send != nil || j.Unlisten
}

// send returns the messages that are due.
func (s *State) send(r *room, now time.Duration) (all [][]byte) {
	greet, full, changes := r.take(toGreet, now), r.take(toSnapshot, now), r.take(toSend, now)
	switch {
	case len(r.own) == 0 && r.announced && (greet || full || changes):
		all = s.bye(r)
	case len(r.own) == 0:
	case greet:
		all = s.snapshot(r, hello, now)
	case full:
		all = s.snapshot(r, snapshot, now)
	case changes:
		all = s.delta(r)
	}
	if greet && len(r.own) == 0 && r.at[toForget] != never {
		all = append(all, s.encode(r, &message{kind: ask}))
	}
	if r.take(toAsk, now) {
		if nodes := r.missing(); len(nodes) > 0 {
			if len(nodes) > maxAsked {
				nodes = nil
			}
			all = append(all, s.encode(r, &message{kind: ask, nodes: nodes}))
			r.asked = now
			r.at[toAsk] = now + askAgain
		}
	}
	return all
}

// encode gives m its sender and counter.
func (s *State) encode(r *room, m *message) []byte {
	m.node = s.c.Node
	if m.kind != ask {
		r.counter++
		s.counter++
		m.counter = r.counter
	}
	return m.append(nil)
}

// bye says that nobody is left.
func (s *State) bye(r *room) [][]byte {
	r.announced = false
	r.unchanged()
	r.at[toSnapshot] = never
	return [][]byte{s.encode(r, &message{kind: bye})}
}

// unchanged: the others are told of everybody.
func (r *room) unchanged() {
	r.changed, r.at[toSend] = nil, never
	clear(r.sent)
}

// snapshot tells of all members here, in pages.
func (s *State) snapshot(r *room, k kind, now time.Duration) (all [][]byte) {
	r.unchanged()
	r.announced = true
	r.snapshot = now
	r.at[toSnapshot] = now + SnapshotEvery - s.upTo(SnapshotEvery/10)
	m := &message{kind: k, first: true}
	size := headSize
	for _, n := range sorted(r.own) {
		e := entry{n, r.own[n]}
		if size += e.size(); size > maxMessage {
			all = append(all, s.encode(r, m))
			m = &message{kind: k}
			size = headSize + e.size()
		}
		m.joined = append(m.joined, e)
	}
	m.last = true
	return append(all, s.encode(r, m))
}

// delta tells of those who came and went.
func (s *State) delta(r *room) (all [][]byte) {
	m := &message{kind: delta}
	size := headSize
	for _, n := range r.changed {
		info, is := r.own[n]
		e := entry{n, info}
		if !is && !r.sent[n] {
			continue
		}
		if size += e.size(); size > maxMessage {
			all = append(all, s.encode(r, m))
			m = &message{kind: delta}
			size = headSize + e.size()
		}
		if is {
			m.joined = append(m.joined, e)
		} else {
			m.left = append(m.left, n)
		}
	}
	r.unchanged()
	if len(m.joined)+len(m.left) > 0 {
		all = append(all, s.encode(r, m))
	}
	return all
}

// note remembers that the members here have to be told of somebody, and what they know: m if is, else nothing.
func (s *State) note(r *room, now time.Duration, m Member, is bool) {
	if _, noted := r.before[m.Key]; !noted {
		s.held += entrySize + len(m.Info)
		r.before[m.Key] = before{is, m.Info}
		r.waiting = append(r.waiting, m.Key)
	}
	r.sooner(toTell, max(now+gather, r.told+TellEvery))
}

// noted forgets what the members here know of k.
func (s *State) noted(r *room, k Key) {
	s.held -= entrySize + len(r.before[k].info)
	delete(r.before, k)
}

// hush forgets what nobody is there to be told.
func (s *State) hush(r *room) {
	for _, k := range r.waiting {
		s.noted(r, k)
	}
	r.waiting, r.at[toTell] = nil, never
}

// tell is the next word for the members here.
func (s *State) tell(r *room, now time.Duration) Tell {
	t := Tell{Room: r.name}
	bytes, done := tellBytes, 0
	for _, k := range r.waiting {
		was := r.before[k]
		info, is := s.info(r, k)
		joined, left := is && !(was.is && string(was.info) == string(info)), was.is && !is
		if joined || left {
			if bytes -= (Member{k, info}).size(); len(t.Joined)+len(t.Left) == TellMost || bytes < 0 {
				break
			}
		}
		done++
		s.noted(r, k)
		switch {
		case joined:
			t.Joined = append(t.Joined, Member{k, info})
		case left:
			t.Left = append(t.Left, k)
		}
	}
	if r.waiting = r.waiting[done:]; len(r.waiting) == 0 {
		r.waiting = nil
	} else {
		r.at[toTell] = now + TellEvery
	}
	if len(r.fresh) > 0 {
		for n := range r.fresh {
			t.Fresh = append(t.Fresh, n)
		}
		slices.Sort(t.Fresh)
		clear(r.fresh)
		t.Present, t.More = s.page(r, Key{}, TellMost, tellBytes)
	}
	return t
}

// info of a member, if it is there.
func (s *State) info(r *room, k Key) (info []byte, is bool) {
	if k.Node == s.c.Node {
		info, is = r.own[k.N]
	} else if o := r.others[k.Node]; o != nil {
		info, is = o.members[k.N]
	}
	return info, is
}
