package wsconn

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestMain fails if a buffer of the system's memory is not given back when everything has ended: nobody else collects it.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	for patience := time.Now().Add(30 * time.Second); code == 0 && HeldOut() > 0; {
		if time.Now().After(patience) {
			os.Stderr.WriteString("buffers that nobody has given back: see held_linux.go\n")
			code = 1
		}
		<-time.After(10 * time.Millisecond)
	}
	os.Exit(code)
}

// HeldOut is how many buffers of the system's memory have an owner.
func HeldOut() (n int) {
	for i := range stores {
		s := &stores[i]
		s.mu.Lock()
		n += s.out
		s.mu.Unlock()
	}
	return n
}

// What was not needed for a while has no memory any more, and reads as zeros; what was needed meanwhile keeps it.
func TestHeldCools(t *testing.T) {
	s := &store{size: 64 << 10, look: time.Now().Add(time.Hour)} // nobody else looks
	const n = 20
	var all []*Buffer
	for i := range n { // more than a slab
		b := s.get()
		if b == nil || len(b.B) != 0 || cap(b.B) != s.size {
			t.Fatalf("no buffer of %d: %v", s.size, b)
		}
		b.B = append(b.B, bytes.Repeat([]byte{byte(i) + 1}, s.size)...)
		all = append(all, b)
	}
	for _, b := range all {
		b.free()
	}
	s.cool() // from now on they are watched
	b := s.get()
	kept, last := b.piece, b.B[:1][0]
	if last != n {
		t.Errorf("what was freed last begins with %d, want %d", last, n)
	}
	b.free()
	s.cool()
	for range n {
		b, want := s.get(), byte(0)
		if b.piece == kept {
			want = last
		}
		if got := bytes.Count(b.B[:s.size], []byte{want}); got != s.size {
			t.Errorf("piece %d: %d bytes are %d, want all", b.piece, got, want)
		}
	}
	if s.out != n || len(s.warm) != 0 || len(s.slabs)*heldSlab/s.size != n+len(s.cold) {
		t.Errorf("%d out, %d warm, %d cold, %d slabs", s.out, len(s.warm), len(s.cold), len(s.slabs))
	}
}

// Pieces are nobody else's: many owners write and read at once, while memory is given back under them.
func TestHeldBelongsToOne(t *testing.T) {
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				b := getHeld(heldLeast << (i % 3))
				b.B = append(b.B, bytes.Repeat([]byte{byte(w)}, cap(b.B))...)
				runtime.Gosched()
				if n := bytes.Count(b.B, []byte{byte(w)}); n != cap(b.B) {
					t.Errorf("%d of %d bytes are still there", n, cap(b.B))
				}
				b.free()
			}
		})
	}
	go func() {
		defer close(stop)
		all.Wait()
	}()
	for cooling := true; cooling; {
		select {
		case <-stop:
			cooling = false
		default:
			for i := range stores[:3] {
				stores[i].cool()
			}
		}
	}
}
