package broker

import (
	"cmp"
	"slices"
)

// fifo is a queue whose memory shrinks with it.
type fifo[E any] struct {
	items []E
	head  int // those before are zero
}

func (q *fifo[E]) len() int { return len(q.items) - q.head }

// first is zero if there is none.
func (q *fifo[E]) first() (e E) {
	if q.len() > 0 {
		e = q.items[q.head]
	}
	return e
}

func (q *fifo[E]) push(e E) {
	if q.head > len(q.items)/2 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, e)
}

// pop takes the first away, which is there.
func (q *fifo[E]) pop() (e E) {
	e, q.items[q.head] = q.items[q.head], e
	q.head++
	switch n := q.len(); {
	case n == 0 && cap(q.items) <= 16:
		q.items, q.head = q.items[:0], 0
	case n < cap(q.items)/4:
		q.items, q.head = append(make([]E, 0, 2*n), q.items[q.head:]...), 0
	}
	return e
}

// after is what of a queue by rising Seq comes after seq.
func after(q *fifo[*entry], seq uint64) []*entry {
	live := q.items[q.head:]
	if n := len(live); n > 0 && live[n-1].Prev <= seq && seq < live[n-1].Seq {
		return live[n-1:] // as for every subscriber that keeps up
	}
	i, _ := slices.BinarySearchFunc(live, seq+1, func(e *entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return live[i:]
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
