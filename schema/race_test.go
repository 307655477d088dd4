//go:build race

package schema_test

// The race detector makes sync.Pool forget on purpose.
const raceEnabled = true
