package schema

// suggest returns the nearest of n names to one that is unknown, "" if none is near. A message gets only so many.
func (s *scanner) suggest(name string, n int, at func(int) string) (best string) {
	if s.nhint >= maxListed || s.full() || len(name) > maxDepth {
		return ""
	}
	s.nhint++
	limit := 3
	for i := range min(n, 256) {
		if d := distance(name, at(i), limit); d < limit && d*2 < max(len(name), 2) {
			best, limit = at(i), d
		}
	}
	return best
}

// distance counts the edits (insert, delete, change, swap of neighbours) from a to b, limit if there are as many
// or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit)
}
