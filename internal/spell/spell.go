// Package spell finds the name that somebody meant.
package spell

// Nearest returns the candidate closest to word, and whether it is near enough to be a slip: at most
// two edits, and fewer than half of word.
func Nearest(word string, candidates []string) (string, bool) {
	best, nearest := 3, ""
	for _, c := range candidates {
		if d := Distance(word, c, best); d < best {
			best, nearest = d, c
		}
	}
	return nearest, nearest != "" && 2*best < len(word)
}

// Distance counts the bytes that have to be inserted, removed, replaced or swapped with their neighbour
// to make b of a. It stops counting at limit, so that a long word of a peer costs little.
func Distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
