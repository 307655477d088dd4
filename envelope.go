package wsrouter

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// What travels over a broker is an envelope: a version byte, a kind byte and the kind's fields. A string is its length, as a uvarint, and its bytes.
//
//	message: name of the type, how many connections are left out, for each of those its node and its number (uvarint), then the JSON to the end
//	bye:     close code (uvarint), then the reason to the end
const (
	envelopeVersion = 1

	kindMessage = 1 // to the members of a room, or to a user's connections
	kindBye     = 2 // closes a user's connections

	nodeLen   = 16        // bytes of a node's id
	maxExcept = 1 << 16   // connections that a broadcast leaves out
	maxFrame  = 256 << 20 // bytes of a message
)

// An envelope is one message between nodes.
type envelope struct {
	kind   byte
	name   string // of the message's type
	except []exception
	data   []byte // JSON of a message, reason of a bye
	code   int    // of a bye
}

// exception is a connection that a message does not go to.
type exception struct {
	node string
	conn uint64
}

// append writes e behind b.
func (e *envelope) append(b []byte) []byte {
	b = append(b, envelopeVersion, e.kind)
	switch e.kind {
	case kindMessage:
		b = binary.AppendUvarint(b, uint64(len(e.name)))
		b = append(b, e.name...)
		b = binary.AppendUvarint(b, uint64(len(e.except)))
		for _, x := range e.except {
			b = append(b, x.node...)
			b = binary.AppendUvarint(b, x.conn)
		}
	case kindBye:
		b = binary.AppendUvarint(b, uint64(e.code))
	}
	return append(b, e.data...)
}

var errEnvelope = errors.New("it is no envelope of this version")

// parse reads an envelope that anybody may have written. It keeps parts of b. Of exceptions it keeps those of one node.
func (e *envelope) parse(b []byte, node string) error {
	if len(b) < 2 || b[0] != envelopeVersion {
		return errEnvelope
	}
	r := fields{rest: b[2:]}
	switch e.kind = b[1]; e.kind {
	case kindMessage:
		e.name = string(r.bytes(int(r.number(maxFrame))))
		for n := r.number(maxExcept); n > 0 && !r.bad; n-- {
			if x := (exception{string(r.bytes(nodeLen)), r.number(1<<64 - 1)}); x.node == node {
				e.except = append(e.except, x)
			}
		}
	case kindBye:
		if e.code = int(r.number(4999)); !sendable(e.code) || len(r.rest) > maxReason || !utf8.Valid(r.rest) {
			return errEnvelope
		}
	default:
		return errEnvelope
	}
	if e.data = r.rest; r.bad {
		return errEnvelope
	}
	return nil
}

// fields reads what an envelope begins with.
type fields struct {
	rest []byte
	bad  bool // what was read is not there, or too much
}

func (r *fields) number(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *fields) bytes(n int) []byte {
	if n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
