// Package compat shows wsrouter's documents to libraries and tools of other people, so that none of them stands in a user's module graph. Its tests
// run without the race detector: they are one goroutine each, measure what documents cost, and the validators take minutes to be built for it.
package compat
