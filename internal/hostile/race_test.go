//go:build linux && race

package hostile

// Under the race detector the child is watched too: races that hostile inputs bring about are found, and costs are multiples of the true
// ones, which the run without it holds to the bars.
const raceFactor = 12

// Fewer peers find the same races in a quarter of the time.
const (
	raceShare = 4
	atOnce    = 64 / raceShare // peers that play a row at the same time
)
