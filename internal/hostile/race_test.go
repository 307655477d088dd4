//go:build linux && race

package hostile

// Under the race detector the child is watched too, and its pools are poisoned: races and foreign bytes that hostile inputs bring about are
// found. What they cost is held to the bars by the run without it.
const (
	costsCount = false
	raceFactor = 12 // of patience
)

// Fewer peers find the same races in a quarter of the time.
const (
	raceShare = 4
	atOnce    = 64 / raceShare // peers that play a row at the same time
)
