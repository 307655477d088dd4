//go:build race

package wsconn

// raceDetector makes sync.Pool drop one in four.
const raceDetector = true
