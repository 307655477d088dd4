package wsconn

import (
	"math/bits"
	"sync"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

const (
	minBuffer = 1 << 10
	maxKept   = 1 << 20 // a larger buffer is left to the garbage collector
)

// A Buffer holds bytes that are on their way. It belongs to one owner at a time, who hands it on or frees it.
type Buffer struct {
	B     []byte
	store *store // whose piece it is; nil: the garbage collector's
	piece uint32
}

// buffers are kept by capacity, the powers of two from minBuffer to maxKept: who waits for the rest of a small message
// must not hold what a large one left behind.
var buffers [11]sync.Pool

// getBuffer returns an empty buffer with room for n bytes at least.
func getBuffer(n int) *Buffer {
	class := bits.Len(uint(max(n, minBuffer)-1) / minBuffer)
	if class >= len(buffers) {
		return &Buffer{B: make([]byte, 0, n)}
	}
	if b, ok := buffers[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{B: make([]byte, 0, minBuffer<<class)}
}

// grow returns a buffer with what is in b and room for n bytes more, which is b or comes from get; b is no longer the caller's. Who does not know
// how much will come asks for as much again as there is.
func (b *Buffer) grow(n int, get func(int) *Buffer) *Buffer {
	if cap(b.B)-len(b.B) >= n {
		return b
	}
	larger := get(len(b.B) + n)
	larger.B = append(larger.B, b.B...)
	b.free()
	return larger
}

// free gives b back. Nil is fine.
func (b *Buffer) free() {
	if b == nil {
		return
	}
	if b.store != nil {
		testhook.Freed(b.B)
		b.store.giveBack(b)
		return
	}
	n := cap(b.B)
	if n < minBuffer || n > maxKept || n&(n-1) != 0 {
		return
	}
	testhook.Freed(b.B)
	b.B = b.B[:0]
	buffers[bits.Len(uint(n/minBuffer))-1].Put(b)
}
