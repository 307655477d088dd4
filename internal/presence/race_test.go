//go:build race

package presence_test

// simOps are a tenth under the race detector, which has nothing to find in one goroutine.
const simOps = 100_000
