package schema

import (
	"bytes"
	"hash/maphash"
)

// names finds a second member of one name. The names of a small object are compared one by one; those of a large
// one go into a hash table that all objects of the message share, so the work stays linear in the message whatever it holds. The
// hash is seeded: nobody can prepare names that collide.
type names struct {
	stack   []span  // names of the open objects, innermost last
	text    []byte  // names that had escapes
	table   []entry // open addressing; its length is a power of two
	used    int
	objects uint64 // numbers the objects
}

// A span is a name: data[start:end], or text[start:end] if it had escapes.
type span struct {
	start, end int32
	escaped    bool
}

type entry struct {
	object uint64 // 0: free
	hash   uint64
	span   span
}

// An object is one object whose names are watched.
type object struct {
	id    uint64
	first int // its part of the stack begins here
}

const smallObject = 12

var seed = maphash.MakeSeed()

func (n *names) reset() {
	n.stack, n.text = n.stack[:0], n.text[:0]
	if n.used > 0 {
		clear(n.table)
		n.used = 0
	}
}

func (n *names) shrink() {
	if len(n.table) > 1024 {
		n.table, n.used = nil, 0
	}
	if cap(n.stack) > 1024 {
		n.stack = nil
	}
	if cap(n.text) > maxKept {
		n.text = nil
	}
}

func (n *names) open() object {
	n.objects++
	return object{n.objects, len(n.stack)}
}

func (n *names) close(o object) { n.stack = n.stack[:o.first] }

// add reports false if o has the name already. name is the last that s.member read.
func (n *names) add(s *scanner, o *object, name []byte) bool {
	sp := n.keep(s, name)
	seen := n.stack[o.first:]
	if len(seen) < smallObject {
		for _, old := range seen {
			if int(old.end-old.start) == len(name) && bytes.Equal(n.name(s, old), name) {
				return false
			}
		}
		n.stack = append(n.stack, sp)
		return true
	}
	if len(seen) == smallObject {
		for _, old := range seen {
			n.insert(s, o.id, n.name(s, old), old)
		}
		n.stack = append(n.stack, sp) // one more: they are in the table now
	}
	return n.insert(s, o.id, name, sp)
}

// keep makes name outlive the next string.
func (n *names) keep(s *scanner, name []byte) span {
	st := s.path[s.depth-1]
	if int(st.end-st.start) == len(name) {
		return span{st.start, st.end, false} // an escape is longer than what it means
	}
	start := len(n.text)
	n.text = append(n.text, name...)
	return span{int32(start), int32(len(n.text)), true}
}

func (n *names) name(s *scanner, sp span) []byte {
	if sp.escaped {
		return n.text[sp.start:sp.end]
	}
	return s.data[sp.start:sp.end]
}

func (n *names) insert(s *scanner, object uint64, name []byte, sp span) bool {
	if 2*n.used >= len(n.table) {
		n.grow()
	}
	hash := maphash.Bytes(seed, name) ^ object*0x9E3779B97F4A7C15
	mask := uint64(len(n.table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := &n.table[i]
		if e.object == 0 {
			*e = entry{object, hash, sp}
			n.used++
			return true
		}
		if e.hash == hash && e.object == object && bytes.Equal(n.name(s, e.span), name) {
			return false
		}
	}
}

func (n *names) grow() {
	old := n.table
	n.table = make([]entry, max(64, 2*len(old)))
	mask := uint64(len(n.table) - 1)
	for _, e := range old {
		if e.object == 0 {
			continue
		}
		i := e.hash & mask
		for n.table[i].object != 0 {
			i = (i + 1) & mask
		}
		n.table[i] = e
	}
}
