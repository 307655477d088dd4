//go:build linux && (amd64 || arm64)

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// An oracle judges what the clients of a run heard. Nothing is published or heard any more.
//
// The order of a room is that of the places at which its messages arrived. That is one order for all clients, because each message has
// one place (ledger), and each client is held to it here.
type oracle struct {
	*ledger
	order   [][]uint32 // by room: messages that arrived anywhere, by place
	rank    []int32    // by message: where it stands in its room's order
	nowhere [][]uint32 // by room: acknowledged messages that arrived nowhere
}

// slack is how far a node may be behind an acknowledgement when a client leaves a room.
const slack = time.Second

func newOracle(l *ledger) *oracle {
	o := &oracle{ledger: l, order: make([][]uint32, len(l.rooms)), nowhere: make([][]uint32, len(l.rooms))}
	last := l.last.Load()
	o.rank = make([]int32, last+1)
	for n := uint32(1); n <= last; n++ {
		m := &l.messages[n]
		switch {
		case m.place.Load() != 0:
			o.order[m.room] = append(o.order[m.room], n)
		case m.outcome == acknowledged:
			o.nowhere[m.room] = append(o.nowhere[m.room], n)
		}
	}
	for _, order := range o.order {
		slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(o.at(a), o.at(b)) })
		for i, n := range order {
			o.rank[n] = int32(i)
		}
	}
	return o
}

func (o *oracle) at(n uint32) place { return o.messages[n].place.Load() }

// judge returns everything that is wrong.
func (o *oracle) judge(hearings []*hearing) (all []wrong) {
	for room := range o.rooms {
		all = append(all, o.room(room)...)
	}
	for _, h := range hearings {
		w := walk{oracle: o, h: h, cursor: -1}
		w.run()
		all = append(all, h.wrong...)
	}
	return all
}

// room judges what no client needs to be asked for.
func (o *oracle) room(room int) (all []wrong) {
	complain := func(kind string, n uint32, text string) {
		all = append(all, wrong{kind: kind, room: room, number: n, text: text})
	}
	// A message acknowledged before another began comes before it.
	earliest, of := int64(math.MaxInt64), uint32(0) // acknowledgement of those behind
	for _, n := range slices.Backward(o.order[room]) {
		m := &o.messages[n]
		switch {
		case m.outcome == refused:
			complain("refused", n, "it arrived, and its publisher was told that it was not sent")
		case m.outcome == failed:
			complain("failed", n, "it arrived, and Broadcast failed in a way that it must not")
		case m.began > earliest:
			complain("out of order", n, fmt.Sprintf("%d was acknowledged before it began, and comes after it", of))
		}
		if m.outcome == acknowledged && m.ended < earliest {
			earliest, of = m.ended, n
		}
	}
	return all
}

// A walk is the judgement of one hearing. Its stretches lie between words of a loss: within one, nothing may be missing.
type walk struct {
	*oracle
	h       *hearing
	cursor  int32 // rank of the last message that is heard or excused; -1: none
	since   int64 // when the stretch began
	latest  int64 // when the last of its messages began to be published
	joined  bool
	adrift  bool  // a loss was announced without its end: the next message is the first that counts
	highest int32 // rank that was heard, + 1
}

func (w *walk) run() {
	marks := w.h.marks
	for i, n := range w.h.heard {
		for len(marks) > 0 && marks[0].before == i {
			w.mark(marks[0])
			marks = marks[1:]
		}
		w.message(n)
	}
	for _, m := range marks {
		w.mark(m)
	}
	if w.joined {
		w.end(math.MaxInt64)
	}
}

func (w *walk) message(n uint32) {
	rank := w.rank[n]
	switch {
	case !w.joined:
		w.h.complain("stranger", n, "the client is not in the room")
		return
	case rank < w.highest:
		w.h.complain(w.late(n), n, "")
		return
	}
	if !w.adrift {
		w.missing(rank)
	}
	w.adrift = false
	w.cursor, w.highest = rank, rank+1
	w.latest = max(w.latest, w.messages[n].began)
}

// late says what is wrong with a message that comes after a later one.
func (w *walk) late(n uint32) string {
	times := 0
	for _, x := range w.h.heard {
		if x == n {
			times++
		}
	}
	if times > 1 {
		return "twice"
	}
	return "out of order"
}

// missing complains about what lies between the cursor and a rank.
func (w *walk) missing(until int32) {
	for _, n := range w.order[w.h.room][min(w.cursor+1, until):until] {
		w.lose(n)
	}
}

func (w *walk) lose(n uint32) {
	if m := &w.messages[n]; m.outcome == acknowledged {
		w.h.complain("lost", n, fmt.Sprintf("acknowledged %v, the stretch since %v", clock(m.ended), clock(w.since)))
	} else {
		w.h.complain("torn", n, "its outcome is unknown, others heard it")
	}
}

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05.000") }

// upTo is the rank of the last message at or before a place.
func (w *walk) upTo(at place) int32 {
	order := w.order[w.h.room]
	return int32(sort.Search(len(order), func(i int) bool { return w.oracle.at(order[i]) > at })) - 1
}

func (w *walk) mark(m mark) {
	switch m.kind {
	case entered, unheard:
		if w.joined && m.kind == entered {
			w.h.complain("unannounced", 0, "joined afresh, without a word of what is missing")
		}
		if w.joined {
			w.end(0)
		}
		w.joined, w.since, w.latest = true, m.at, 0
		w.adrift = m.place == 0
		w.cursor = max(w.cursor, w.upTo(m.place))
	case resumed:
		if !w.joined {
			w.h.complain("unannounced", 0, "recovered, without having been there")
			w.joined, w.since = true, m.at
		}
	case departed:
		w.end(m.at - int64(slack))
		w.joined = false
		w.cursor, w.highest = -1, 0 // a later stay has nothing to do with this one
	}
}

// end ends a stretch: in which what was acknowledged until then must have been heard. 0: only what came before something that was.
func (w *walk) end(until int64) {
	for _, n := range w.nowhere[w.h.room] {
		if m := &w.messages[n]; m.began > w.since && (m.ended < w.latest || m.ended < until) {
			w.lose(n)
		}
	}
	order := w.order[w.h.room]
	for _, n := range order[min(int(w.cursor)+1, len(order)):] {
		switch m := &w.messages[n]; {
		case until == math.MaxInt64, m.outcome == acknowledged && m.ended < until:
			w.lose(n)
		}
	}
}
