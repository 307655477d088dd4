// Package pack writes several messages as one.
//
// The lengths of all come first, as unsigned varints (encoding/binary), then the messages.
package pack

import (
	"encoding/binary"
	"slices"
)

// Append appends to b the messages that stand in bodies, one behind the other, with these sizes.
func Append(b []byte, sizes []int, bodies []byte) []byte {
	b = slices.Grow(b, len(sizes)*binary.MaxVarintLen16+len(bodies))
	for _, n := range sizes {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return append(b, bodies...)
}

// Split returns the n messages of a pack, which share its memory. It reports false if data is none of n.
func Split(data []byte, n int) (messages [][]byte, ok bool) {
	if n < 1 || n > len(data) { // a length has a byte at least
		return nil, false
	}
	bodies := data
	for range n {
		_, used := binary.Uvarint(bodies)
		if used <= 0 {
			return nil, false
		}
		bodies = bodies[used:]
	}
	messages = make([][]byte, n)
	for i := range messages {
		size, used := binary.Uvarint(data)
		if size > uint64(len(bodies)) {
			return nil, false
		}
		data = data[used:]
		messages[i], bodies = bodies[:size:size], bodies[size:]
	}
	return messages, len(bodies) == 0
}
