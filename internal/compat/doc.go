// Package compat shows wsrouter to libraries and tools of other people, so that none of them stands in a user's module graph.
package compat
