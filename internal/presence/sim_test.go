package presence_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/presence"
)

// sim is a network of nodes in one goroutine and a time of its own.
type sim struct {
	t     testing.TB
	rand  *rand.Rand
	now   time.Duration
	nodes []*simNode
	all   []*simNode // also those that are gone
	mail  mail
	count uint64

	loss, twice float64       // how likely a message is lost, or comes twice
	delay       time.Duration // at most, of a message
	mixed       bool          // messages of one node overtake each other
	last        map[[2]*simNode]time.Duration
	sent        int
}

// simNode is one node with its connections as the model knows them.
type simNode struct {
	name   string
	state  *presence.State
	side   int // of a partition
	gone   bool
	next   uint64
	rooms  map[string]map[uint64]string // who is in a room, with which info
	views  map[string]map[uint64]view   // what a member has been told
	listen map[string]bool
	busy   map[string]bool
	told   map[string]time.Duration // when a room was told last
}

// view is what one client believes.
type view map[presence.Key]string

// letter is a message on its way, or the end of a Job.
type letter struct {
	at    time.Duration
	count uint64
	to    *simNode
	from  *simNode
	room  string
	data  []byte
	job   *presence.Job
}

type mail []letter

func (m mail) Len() int { return len(m) }
func (m mail) Less(i, j int) bool {
	return m[i].at < m[j].at || m[i].at == m[j].at && m[i].count < m[j].count
}
func (m mail) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *mail) Push(x any)   { *m = append(*m, x.(letter)) }
func (m *mail) Pop() any {
	last := len(*m) - 1
	l := (*m)[last]
	*m = (*m)[:last]
	return l
}

func newSim(t testing.TB, seed uint64, nodes int) *sim {
	s := &sim{t: t, rand: rand.New(rand.NewPCG(seed, 1)), delay: 5 * time.Millisecond, last: map[[2]*simNode]time.Duration{}}
	for range nodes {
		s.start()
	}
	return s
}

// start adds a node.
func (s *sim) start() *simNode {
	s.count++
	name := fmt.Sprint("n", s.count)
	n := &simNode{
		name: name,
		state: presence.New(presence.Config{
			Node: name, Rand: rand.New(rand.NewPCG(s.rand.Uint64(), 2)),
			Valid: func(info []byte) bool { return len(info) > 0 && info[0] != '!' },
		}),
		rooms: map[string]map[uint64]string{}, views: map[string]map[uint64]view{}, listen: map[string]bool{}, busy: map[string]bool{}, told: map[string]time.Duration{},
	}
	s.nodes, s.all = append(s.nodes, n), append(s.all, n)
	return n
}

// kill ends a node without a word.
func (s *sim) kill(i int) {
	s.nodes[i].gone = true
	s.nodes = append(s.nodes[:i:i], s.nodes[i+1:]...)
}

// stop ends a node in order.
func (s *sim) stop(i int) {
	n := s.nodes[i]
	n.state.Close(s.now)
	clear(n.rooms)
	for range 1000 { // a job may take seconds in a storm
		if n.state.Stats().Rooms == 0 {
			break
		}
		s.run(10 * time.Millisecond)
	}
	s.empty(n)
	s.kill(i)
}

// empty checks that a node holds nothing.
func (s *sim) empty(n *simNode) {
	s.t.Helper()
	st := n.state.Stats()
	if st.Rooms+st.Own+st.Others+st.Held+st.Waiting != 0 {
		s.t.Fatalf("%s still holds %+v", n.name, st)
	}
	for room, is := range n.listen {
		if is {
			s.t.Fatalf("%s still listens to %s", n.name, room)
		}
	}
}

func (s *sim) join(n *simNode, room string, info string) uint64 {
	n.next++
	s.joinAs(n, room, n.next, info)
	return n.next
}

func (s *sim) joinAs(n *simNode, room string, c uint64, info string) {
	if n.rooms[room] == nil {
		n.rooms[room], n.views[room] = map[uint64]string{}, map[uint64]view{}
	}
	n.rooms[room][c] = info
	n.views[room][c] = view{}
	n.state.Join(s.now, room, c, []byte(info))
}

// crowd adds members whose clients nobody asks what they believe.
func (s *sim) crowd(n *simNode, room string, size int, info string) {
	for range size {
		delete(n.views[room], s.join(n, room, info))
	}
}

func (s *sim) leave(n *simNode, room string, c uint64) {
	delete(n.rooms[room], c)
	delete(n.views[room], c)
	n.state.Leave(s.now, room, c)
}

// post sends a message on its way to a node, or several times, or not.
func (s *sim) post(l letter) {
	times := 1
	if l.job == nil {
		if s.rand.Float64() < s.loss {
			return
		}
		if s.rand.Float64() < s.twice {
			times = 2
		}
	}
	for range times {
		s.count++
		l.count = s.count
		l.at = s.now + time.Duration(s.rand.Int64N(int64(s.delay)))
		if pair := [2]*simNode{l.from, l.to}; l.job == nil && !s.mixed {
			l.at = max(l.at, s.last[pair])
			s.last[pair] = l.at
		}
		heap.Push(&s.mail, l)
	}
}

// do carries out what a state wants.
func (s *sim) do(n *simNode, jobs []presence.Job, tells []presence.Tell) {
	for _, j := range jobs {
		if n.busy[j.Room] {
			s.t.Fatalf("%s has two jobs for %s", n.name, j.Room)
		}
		n.busy[j.Room] = true
		fails := s.rand.Float64() < s.loss/2
		for _, data := range j.Send {
			if len(data) > 64<<10 {
				s.t.Fatalf("a message of %d bytes", len(data))
			}
			s.sent++
			for _, to := range s.nodes {
				if !fails || s.rand.IntN(2) == 0 {
					s.post(letter{to: to, from: n, room: j.Room, data: data})
				}
			}
		}
		s.post(letter{to: n, room: j.Room, job: &j, data: []byte{boolByte(!fails)}})
	}
	for _, t := range tells {
		s.tell(n, t)
	}
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// tell changes what n's clients believe.
func (s *sim) tell(n *simNode, t presence.Tell) {
	if before, is := n.told[t.Room]; is && s.now-before < presence.TellEvery && len(n.rooms[t.Room]) > len(t.Fresh) {
		s.t.Fatalf("%s was told of %s %v after the last time", n.name, t.Room, s.now-before)
	}
	n.told[t.Room] = s.now
	if len(t.Joined)+len(t.Left) > presence.TellMost || len(t.Present) > presence.TellMost {
		s.t.Fatalf("one word names %d, %d and %d members", len(t.Joined), len(t.Left), len(t.Present))
	}
	fresh := map[uint64]bool{}
	for _, c := range t.Fresh {
		fresh[c] = true
		v := n.views[t.Room][c]
		if _, is := n.rooms[t.Room][c]; !is {
			s.t.Fatalf("%s has told %d of %s, which is not there", n.name, c, t.Room)
		}
		for _, m := range t.Present {
			if v == nil {
				break
			}
			v[m.Key] = string(m.Info)
		}
	}
	for c, v := range n.views[t.Room] {
		if fresh[c] {
			continue
		}
		for _, k := range t.Left {
			delete(v, k)
		}
		for _, m := range t.Joined {
			v[m.Key] = string(m.Info)
		}
	}
}

// run lets time go by.
func (s *sim) run(d time.Duration) {
	end := s.now + d
	for {
		at, n := end+1, (*simNode)(nil)
		for _, c := range s.nodes {
			if due, ok := c.state.Next(); ok && due < at {
				at, n = due, c
			}
		}
		if len(s.mail) > 0 && s.mail[0].at <= at {
			at, n = s.mail[0].at, nil
		}
		if at > end {
			s.now = end
			return
		}
		s.now = max(s.now, at)
		if n == nil {
			s.deliver(heap.Pop(&s.mail).(letter))
		} else {
			jobs, tells, _ := n.state.Tick(s.now)
			s.do(n, jobs, tells)
		}
	}
}

func (s *sim) deliver(l letter) {
	switch {
	case l.to.gone:
	case l.job != nil:
		ok := l.data[0] == 1
		l.to.busy[l.room] = false
		if l.job.Listen && ok {
			l.to.listen[l.room] = true
		}
		if l.job.Unlisten && ok {
			delete(l.to.listen, l.room)
		}
		l.to.state.Done(s.now, *l.job, ok)
	case l.from.side == l.to.side:
		l.to.state.Receive(s.now, l.room, l.data)
	}
}

// model is who is in a room.
func (s *sim) model(room string) view {
	v := view{}
	for _, n := range s.nodes {
		for c, info := range n.rooms[room] {
			v[presence.Key{Node: n.name, N: c}] = info
		}
	}
	return v
}

// compare fails if a node or one of its clients believes anything else than what is so.
func (s *sim) compare(room string) {
	s.t.Helper()
	want := s.model(room)
	for _, n := range s.nodes {
		if len(n.rooms[room]) == 0 {
			continue
		}
		s.same(fmt.Sprintf("%s of %s", n.name, room), want, s.page(n, room, 7))
		for c, v := range n.views[room] {
			if len(want) <= presence.TellMost {
				s.same(fmt.Sprintf("client %d on %s of %s", c, n.name, room), want, v)
			}
		}
	}
}

func (s *sim) same(who string, want, got view) {
	s.t.Helper()
	for k, info := range want {
		if got[k] != info {
			s.t.Fatalf("at %v %s believes that %v is %.20q, but it is %.20q", s.now, who, k, got[k], info)
		}
	}
	for k := range got {
		if _, is := want[k]; !is {
			s.t.Fatalf("at %v %s believes in %v", s.now, who, k)
		}
	}
}

// page reads a room as n knows it, page by page.
func (s *sim) page(n *simNode, room string, limit int) view {
	s.t.Helper()
	v := view{}
	var after presence.Key
	for {
		page, more := n.state.Page(room, after, limit)
		if len(page) > limit {
			s.t.Fatalf("a page of %d members, want at most %d", len(page), limit)
		}
		for _, m := range page {
			if m.Node < after.Node || m.Node == after.Node && m.N <= after.N {
				s.t.Fatalf("%v comes behind %v", m.Key, after)
			}
			after = m.Key
			v[m.Key] = string(m.Info)
		}
		if !more {
			return v
		}
	}
}
