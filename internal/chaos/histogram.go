//go:build linux && (amd64 || arm64)

package main

import (
	"math/bits"
	"time"
)

// A histogram counts times in classes that are at most 1/16 wide, of microseconds.
type histogram [40 * 16]uint32

func (h *histogram) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 0))
	class := int(us)
	if us >= 16 {
		shift := bits.Len64(us) - 5
		class = 16*(shift+1) + int(us>>shift) - 16
	}
	h[min(class, len(h)-1)]++
}

// most is the upper bound of a class.
func most(class int) time.Duration {
	if class < 16 {
		return time.Duration(class+1) * time.Microsecond
	}
	shift := class/16 - 1
	return time.Duration((class%16+17)<<shift) * time.Microsecond
}

func (h *histogram) count() (n int) {
	for _, x := range h {
		n += int(x)
	}
	return n
}

// quantile is an upper bound of q of the times; 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(q * float64(h.count()))
	for class, n := range h {
		if left -= int(n); left < 0 {
			return most(class)
		}
	}
	return 0
}

func (h *histogram) sum(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}
