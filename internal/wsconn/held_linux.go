package wsconn

import (
	"math/bits"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Buffers for what waits for the rest of a message are memory of the system's and not of Go's heap. Ten thousand peers that send
// 16 KiB at once would make the heap as large as all of that, and with a heap of that size Go sees no reason to collect it
// for two minutes. These go back a few seconds after they were needed last.
const (
	heldLeast = 4 << 10
	heldSteps = 9       // sizes, the powers of two up to maxKept
	heldSlab  = 1 << 20 // is asked for at once
	coolTime  = 5 * time.Second
)

var stores [heldSteps]store

func init() {
	for i := range stores {
		stores[i].size = heldLeast << i
	}
}

// A store has memory for buffers of one size.
type store struct {
	size int

	mu     sync.Mutex
	slabs  [][]byte  // pieces of them are called by number
	warm   []uint32  // free, used last
	unused int       // of warm, from its beginning: nobody has needed them since the last look
	cold   []uint32  // free, without memory behind them
	out    int       // that have an owner
	spare  []*Buffer // without memory
	look   time.Time // the next one; zero: warm has none
}

// getHeld returns an empty buffer with room for n bytes at least, for what may wait. Its owner must not let it go without freeing it, nor
// put other memory into it.
func getHeld(n int) *Buffer {
	class := bits.Len(uint(max(n, 1)-1) / heldLeast)
	if n <= heldLeast/2 || class >= heldSteps {
		return getBuffer(n)
	}
	if b := stores[class].get(); b != nil {
		return b
	}
	return getBuffer(n) // the system has none to give
}

func (s *store) get() *Buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := &s.warm
	if len(s.warm) == 0 {
		if from = &s.cold; len(s.cold) == 0 && !s.enlarge() {
			return nil
		}
	}
	piece := pop(from)
	if len(s.spare) == 0 {
		s.spare = append(s.spare, new(Buffer))
	}
	b := pop(&s.spare)
	*b = Buffer{memoryOf(s.slabs, piece, s.size)[:0], s, piece}
	s.unused = min(s.unused, len(s.warm))
	s.out++
	return b
}

func pop[E any](list *[]E) E {
	last := len(*list) - 1
	e := (*list)[last]
	*list = (*list)[:last]
	return e
}

// giveBack frees b, which is of s.
func (s *store) giveBack(b *Buffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out--
	s.warm = append(s.warm, b.piece)
	*b = Buffer{}
	s.spare = append(s.spare, b)
	if time.Since(s.look) > coolTime {
		s.lookAgain()
	}
}

func memoryOf(slabs [][]byte, piece uint32, size int) []byte {
	each := heldSlab / size
	at := int(piece) % each * size
	return slabs[int(piece)/each][at : at+size : at+size]
}

// enlarge asks the system for more. What it gives is no memory before it is written to, and stays the store's.
func (s *store) enlarge() bool {
	slab, err := syscall.Mmap(-1, 0, heldSlab, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return false
	}
	_ = syscall.Madvise(slab, syscall.MADV_NOHUGEPAGE) // a huge page is memory as a whole once a byte of it is; kernels without them refuse the word
	each := heldSlab / s.size
	for i := range each {
		s.cold = append(s.cold, uint32(len(s.slabs)*each+i))
	}
	s.slabs = append(s.slabs, slab)
	return true
}

func (s *store) lookAgain() {
	s.look = time.Now().Add(coolTime)
	time.AfterFunc(coolTime, s.cool)
}

// cool gives back the memory that nobody has needed for coolTime.
func (s *store) cool() {
	s.mu.Lock()
	unused, slabs := slices.Clone(s.warm[:s.unused]), s.slabs
	s.warm = slices.Delete(s.warm, 0, s.unused)
	if s.unused = len(s.warm); s.unused > 0 {
		s.lookAgain()
	} else {
		s.warm, s.spare, s.look = nil, nil, time.Time{}
	}
	s.mu.Unlock()
	for _, piece := range unused {
		_ = syscall.Madvise(memoryOf(slabs, piece, s.size), syscall.MADV_DONTNEED) // fails where memory is locked, and then it stays
	}
	s.mu.Lock()
	s.cold = append(s.cold, unused...)
	s.mu.Unlock()
}
