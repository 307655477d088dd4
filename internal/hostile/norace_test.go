//go:build linux && !race

package hostile

const (
	costsCount = true
	raceFactor = 1
	raceShare  = 1
	atOnce     = 64 // peers that play a row at the same time
)
