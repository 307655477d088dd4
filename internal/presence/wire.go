package presence

import (
	"encoding/binary"
	"errors"
)

// Bounds of what travels.
const (
	// MaxInfo is how many bytes the info of one member may have.
	MaxInfo = 1 << 10
	// maxMessage is how many bytes a message has at most.
	maxMessage = 64 << 10
	// maxNode is how many bytes the name of a node may have.
	maxNode = 64
	// maxAsked is how many nodes one message asks.
	maxAsked = 256
)

// kind of a message.
type kind byte

const (
	hello    kind = 1 + iota // a page of a snapshot whose sender asks all others for theirs
	snapshot                 // a page of all members on a node
	delta                    // members that came and went since the node's message before
	bye                      // no member is left on a node
	ask                      // please send a snapshot
)

// version is the first byte of every message.
const version = 1

// message is what one node tells the others about one room.
type message struct {
	kind kind
	node string // that sends it
	// counter grows by one with each message of the node about the room. An ask has none, so that also a node without members may ask.
	counter uint64
	first   bool // page of a hello or snapshot
	last    bool // page of it
	joined  []entry
	left    []uint64
	nodes   []string // that are asked; none: all
}

// entry is a member without its node.
type entry struct {
	n    uint64
	info []byte
}

// size is how many bytes e takes in a message at most.
func (e entry) size() int { return 2*binary.MaxVarintLen64 + len(e.info) }

// headSize is how many bytes a message takes at most besides its members and nodes.
const headSize = 2 + 1 + maxNode + 5*binary.MaxVarintLen64

// append encodes m behind b.
func (m *message) append(b []byte) []byte {
	b = append(b, version, byte(m.kind))
	b = appendString(b, m.node)
	if m.kind == ask {
		b = binary.AppendUvarint(b, uint64(len(m.nodes)))
		for _, node := range m.nodes {
			b = appendString(b, node)
		}
		return b
	}
	b = binary.AppendUvarint(b, m.counter)
	if m.kind == bye {
		return b
	}
	if m.kind != delta {
		b = append(b, boolByte(m.first), boolByte(m.last))
	}
	b = binary.AppendUvarint(b, uint64(len(m.joined)))
	for _, e := range m.joined {
		b = binary.AppendUvarint(b, e.n)
		b = binary.AppendUvarint(b, uint64(len(e.info)))
		b = append(b, e.info...)
	}
	if m.kind == delta {
		b = binary.AppendUvarint(b, uint64(len(m.left)))
		for _, n := range m.left {
			b = binary.AppendUvarint(b, n)
		}
	}
	return b
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

var errMalformed = errors.New("presence: malformed message")

// decode reads a message. Its infos are parts of data.
func decode(data []byte) (m message, err error) {
	if len(data) > maxMessage || len(data) < 2 || data[0] != version {
		return m, errMalformed
	}
	r := reader{rest: data[2:]}
	m.kind = kind(data[1])
	m.node = r.node()
	switch m.kind {
	case ask:
		for range r.count(maxAsked) {
			m.nodes = append(m.nodes, r.node())
		}
	case bye:
		m.counter = r.uint()
	case hello, snapshot:
		m.counter = r.uint()
		m.first = r.bool()
		m.last = r.bool()
		m.joined = r.entries()
	case delta:
		m.counter = r.uint()
		m.joined = r.entries()
		for range r.count(maxMessage) {
			m.left = append(m.left, r.uint())
		}
	default:
		r.failed = true
	}
	if r.failed || len(r.rest) > 0 || m.kind != ask && m.counter == 0 {
		return message{}, errMalformed
	}
	return m, nil
}

// reader takes a message apart. When failed, what it returned means nothing.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed = true
		r.rest = nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many things follow, each of which takes a byte at least.
func (r *reader) count(most int) int {
	v := r.uint()
	if v > uint64(min(len(r.rest), most)) {
		r.failed = true
		return 0
	}
	return int(v)
}

func (r *reader) bytes(most int) []byte {
	n := r.count(most)
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) bool() bool {
	if len(r.rest) == 0 || r.rest[0] > 1 {
		r.failed = true
		return false
	}
	v := r.rest[0] == 1
	r.rest = r.rest[1:]
	return v
}

func (r *reader) entries() []entry {
	var all []entry
	for range r.count(maxMessage) {
		all = append(all, entry{r.uint(), r.bytes(MaxInfo)})
	}
	return all
}

// node reads the name of a node, which clients get to see as a part of ids.
func (r *reader) node() string {
	b := r.bytes(maxNode)
	r.failed = r.failed || !validNode(string(b))
	return string(b)
}

// validNode reports whether s is a name of a node: letters, digits and underscores.
func validNode(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '_':
		default:
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxNode
}
