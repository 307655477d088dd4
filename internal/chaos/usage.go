//go:build linux && (amd64 || arm64)

package main

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process has used since it began, and holds.
type usage struct {
	CPU        time.Duration
	Heap       uint64
	Goroutines int
}

func used() (usage, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return usage{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), m.HeapAlloc, runtime.NumGoroutine()}, nil
}
