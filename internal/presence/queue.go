package presence

import "container/heap"

// queue holds the rooms that wait for a time, the earliest first.
type queue []*room

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	r := x.(*room)
	r.index = len(*q)
	*q = append(*q, r)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	r.index = -1
	return r
}

// move puts r where its due time belongs; a room that waits for nothing is not in the queue.
func (q *queue) move(r *room) {
	switch {
	case r.due == never && r.index >= 0:
		heap.Remove(q, r.index)
	case r.due == never:
	case r.index < 0:
		heap.Push(q, r)
	default:
		heap.Fix(q, r.index)
	}
}
