// Package race tells tests whether the race detector watches. It makes them several times as slow, and what is counted in thousands finds no more
// races than a part of it: such a test does that part, and `make unit` runs it whole without the detector.
package race

// Part is n, or a tenth of it under the race detector.
func Part(n int) int {
	if Enabled {
		return n / 10
	}
	return n
}
