package schema

import "github.com/wsrouter-go/wsrouter/internal/spell"

// suggest returns the nearest of n names to one that is unknown, "" if none is near. A message gets only so many.
func (s *scanner) suggest(name string, n int, at func(int) string) (best string) {
	if s.nhint >= maxListed || s.full() || len(name) >= maxDistance {
		return ""
	}
	s.nhint++
	limit := 3
	for i := range min(n, 256) {
		if d := spell.Distance(name, at(i), limit); d < limit && d*2 < max(len(name), 2) {
			best, limit = at(i), d
		}
	}
	return best
}

const maxDistance = 64 // bytes of a name for which a suggestion is looked for
