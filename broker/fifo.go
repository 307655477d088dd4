package broker

import (
	"cmp"
	"slices"
)

// fifo is a queue of entries by rising Seq. Its memory shrinks with it.
type fifo struct {
	items []*entry
	head  int // those before are nil
}

func (q *fifo) len() int { return len(q.items) - q.head }

// first is nil if there is none.
func (q *fifo) first() *entry {
	if q.len() == 0 {
		return nil
	}
	return q.items[q.head]
}

// after is what comes after seq.
func (q *fifo) after(seq uint64) []*entry {
	live := q.items[q.head:]
	if n := len(live); n > 0 && live[n-1].Prev <= seq && seq < live[n-1].Seq {
		return live[n-1:] // the most common case: all but the newest is known
	}
	i, _ := slices.BinarySearchFunc(live, seq, func(e *entry, seq uint64) int { return cmp.Compare(e.Seq, seq+1) })
	return live[i:]
}

func (q *fifo) push(e *entry) {
	if q.head > len(q.items)/2 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, e)
}

func (q *fifo) pop() {
	q.items[q.head] = nil
	q.head++
	switch n := q.len(); {
	case n == 0 && cap(q.items) <= 16:
		q.items, q.head = q.items[:0], 0
	case n < cap(q.items)/4:
		q.items, q.head = append(make([]*entry, 0, 2*n), q.items[q.head:]...), 0
	}
}

// shrinking is a map that gives its memory back, which Go's does not.
type shrinking[V any] struct {
	m    map[string]V
	peak int // the most that m has held
}

func (s *shrinking[V]) set(key string, v V) {
	if s.m == nil {
		s.m = map[string]V{}
	}
	s.m[key] = v
	s.peak = max(s.peak, len(s.m))
}

func (s *shrinking[V]) delete(key string) {
	delete(s.m, key)
	if s.peak > 64 && len(s.m) < s.peak/4 {
		m := make(map[string]V, len(s.m))
		for k, v := range s.m {
			m[k] = v
		}
		s.m, s.peak = m, len(m)
	}
}
