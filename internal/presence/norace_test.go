//go:build !race

package presence_test

const simOps = 1_000_000
