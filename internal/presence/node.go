package presence

import (
	"bytes"
	"slices"
	"time"
)

// node is what is known of a room's members on another node.
type node struct {
	members map[uint64][]byte
	counter uint64        // of its last message
	heard   time.Duration // when that came
	missing bool          // something, so that what changes cannot be applied

	pages map[uint64][]byte // of a snapshot that has begun; nil: none has
}

// nodeSize and entrySize are about what one takes in memory besides its info.
const (
	nodeSize  = 512
	entrySize = 64
)

// Receive takes a message about a room, of any node. What makes no sense is counted and dropped. data may be changed afterwards.
func (s *State) Receive(now time.Duration, name string, data []byte) {
	r := s.rooms[name]
	if r == nil || !r.listening {
		return
	}
	m, err := decode(data)
	if err != nil {
		s.dropped("it is no message of this version")
		return
	}
	if m.node == s.c.Node {
		return
	}
	switch m.kind {
	case ask:
		if m.nodes == nil || slices.Contains(m.nodes, s.c.Node) {
			s.answer(r, now)
		}
	case hello:
		if s.hear(r, now, &m) && m.first {
			r.at[toGreet] = never // all others answer this one, and we hear it
			s.answer(r, now)
		}
	default:
		s.hear(r, now, &m)
	}
	s.settle(r)
}

const tooMuch = "there is too much to remember"

// dropped counts what is not taken, and why.
func (s *State) dropped(why string) {
	s.stats.Dropped++
	s.stats.Why = why
}

// answer sends a snapshot to whoever asks within a while.
func (s *State) answer(r *room, now time.Duration) {
	if len(r.own) > 0 {
		r.sooner(toSnapshot, max(now+s.upTo(answerWait), r.snapshot+answerWait))
	}
}

// hear takes what a node says about its members. It reports whether that is news.
func (s *State) hear(r *room, now time.Duration, m *message) bool {
	o := r.others[m.node]
	if o == nil {
		if m.kind == bye {
			return false
		}
		if s.held+nodeSize > maxHeld {
			s.dropped(tooMuch)
			return false
		}
		s.held += nodeSize
		o = &node{missing: true}
		r.others[m.node] = o
	}
	if m.counter <= o.counter {
		s.stats.Stale++
		return false
	}
	follows := m.counter == o.counter+1
	o.counter, o.heard = m.counter, now
	r.sooner(toExpire, now+TTL)
	switch {
	case m.kind == bye:
		s.drop(o)
		o.missing = false
		s.replace(r, now, m.node, o, nil)
	case m.kind == delta && follows && !o.missing && o.pages == nil:
		s.apply(r, now, m, o)
	case m.kind == delta:
		s.miss(r, now, o)
	case m.first:
		s.drop(o)
		o.pages = map[uint64][]byte{}
		s.collect(r, now, m, o)
	case follows && o.pages != nil:
		s.collect(r, now, m, o)
	default:
		s.miss(r, now, o)
	}
	return true
}

// miss asks for a snapshot of o.
func (s *State) miss(r *room, now time.Duration, o *node) {
	s.drop(o)
	o.missing = true
	r.sooner(toAsk, max(now+s.upTo(2*gather), r.asked+answerWait))
}

// missing returns the nodes to ask for a snapshot.
func (r *room) missing() (nodes []string) {
	for name, o := range r.others {
		if o.missing && o.pages == nil {
			nodes = append(nodes, name)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// drop forgets a snapshot that has begun.
func (s *State) drop(o *node) {
	for _, info := range o.pages {
		s.held -= entrySize + len(info)
	}
	o.pages = nil
}

// collect adds a page of a snapshot, and uses it if it is the last.
func (s *State) collect(r *room, now time.Duration, m *message, o *node) {
	for _, e := range m.joined {
		info, ok := s.keep(o, e)
		if !ok {
			continue
		}
		if !s.put(o.pages, e.n, info) {
			s.drop(o)
			o.missing = true
			return
		}
	}
	if m.last {
		pages := o.pages
		o.pages, o.missing = nil, false
		s.replace(r, now, m.node, o, pages)
	}
}

// keep returns e's info as it can be kept: the one that is known, or a copy. It is not ok if it must not be shown.
func (s *State) keep(o *node, e entry) (info []byte, ok bool) {
	if known, is := o.members[e.n]; is && bytes.Equal(known, e.info) {
		return known, true
	}
	if s.c.Valid != nil && !s.c.Valid(e.info) {
		s.dropped("the info of a member breaks the rules")
		return nil, false
	}
	return bytes.Clone(e.info), true
}

// put stores a member of another node, if there is room.
func (s *State) put(members map[uint64][]byte, n uint64, info []byte) bool {
	held := s.held + entrySize + len(info)
	if old, is := members[n]; is {
		held -= entrySize + len(old)
	}
	if held > maxHeld {
		s.dropped(tooMuch)
		return false
	}
	s.held = held
	members[n] = info
	return true
}

// apply changes o's members.
func (s *State) apply(r *room, now time.Duration, m *message, o *node) {
	for _, n := range m.left {
		if info, is := o.members[n]; is {
			s.remove(r, now, Member{Key{m.node, n}, info}, o)
		}
	}
	for _, e := range m.joined {
		old, is := o.members[e.n]
		info, ok := s.keep(o, e)
		key := Key{m.node, e.n}
		switch {
		case !ok && is:
			s.remove(r, now, Member{key, old}, o)
		case !ok:
		case o.members == nil:
			o.members = map[uint64][]byte{}
			fallthrough
		default:
			if !s.put(o.members, e.n, info) {
				o.missing = true
				return
			}
			s.note(r, now, Member{key, old}, is)
			if !is {
				s.stats.Others++
			}
		}
	}
}

func (s *State) remove(r *room, now time.Duration, m Member, o *node) {
	delete(o.members, m.N)
	s.held -= entrySize + len(m.Info)
	s.stats.Others--
	s.note(r, now, m, true)
}

// replace gives o other members, whose bytes are counted already.
func (s *State) replace(r *room, now time.Duration, name string, o *node, members map[uint64][]byte) {
	var changed []uint64
	for n, info := range o.members {
		s.held -= entrySize + len(info)
		if after, is := members[n]; !is || !bytes.Equal(info, after) {
			changed = append(changed, n)
		}
	}
	for n := range members {
		if _, is := o.members[n]; !is {
			changed = append(changed, n)
		}
	}
	slices.Sort(changed)
	for _, n := range changed {
		info, is := o.members[n]
		s.note(r, now, Member{Key{name, n}, info}, is)
	}
	s.stats.Others += len(members) - len(o.members)
	o.members = members
}

// expire forgets the nodes that have not been heard of for too long.
func (s *State) expire(r *room, now time.Duration) {
	for name, o := range r.others {
		if o.heard+TTL > now {
			r.sooner(toExpire, o.heard+TTL)
			continue
		}
		s.replace(r, now, name, o, nil)
		s.forget(r, name)
	}
}

// forget removes a node from a room.
func (s *State) forget(r *room, name string) {
	o := r.others[name]
	s.drop(o)
	for _, info := range o.members {
		s.held -= entrySize + len(info)
	}
	s.stats.Others -= len(o.members)
	s.held -= nodeSize
	delete(r.others, name)
}
