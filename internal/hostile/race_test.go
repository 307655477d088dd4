//go:build linux && race

package hostile

// Under the race detector the child is watched too: races that hostile inputs bring about are found, and costs are multiples of the true
// ones, which the run without it holds to the bars.
const raceFactor = 12
