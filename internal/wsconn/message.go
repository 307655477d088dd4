package wsconn

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

const (
	// HeaderRoom is what a message leaves free at the beginning of its buffer.
	HeaderRoom = 10

	maxReason = maxControl - 2
)

// NewBuffer returns a buffer for a message, which is appended behind HeaderRoom bytes that B already has.
func NewBuffer() *Buffer {
	b := getBuffer(minBuffer)
	b.B = b.B[:HeaderRoom]
	return b
}

// Free gives back a buffer that is not handed on.
func (b *Buffer) Free() { b.free() }

// deflate returns the message in b compressed, or nil if that is not shorter.
func (b *Buffer) deflate() *Buffer {
	d := NewBuffer()
	out, ok := Deflate(d.B, b.B[HeaderRoom:])
	d.B = out
	if !ok {
		d.free()
		return nil
	}
	return d
}

// frame writes the header before the message in b, with first for its first byte, and returns both.
func (b *Buffer) frame(first byte) []byte {
	n := len(b.B) - HeaderRoom
	var head [HeaderRoom]byte
	h := appendHeader(head[:0], first, n)
	at := HeaderRoom - len(h)
	copy(b.B[at:], h)
	return b.B[at:]
}

func first(isBinary bool) byte {
	if isBinary {
		return fin | opBinary
	}
	return fin | opText
}

// Delivery says what may become of a message whose peer reads too slowly.
type Delivery struct {
	// Latest is not empty for a message that replaces the queued one with the same value, in its place.
	Latest string
	// Drop is for a message that is dropped when the outbox is full, whatever the overflow policy.
	Drop bool
	// NoWait is for a message that nobody can wait with: [OverflowWait] then closes as [OverflowClose] does.
	NoWait bool
	// Whole is for a message that is taken though the outbox is full.
	Whole bool
	// Name is what Handler.Dropped is told under Config.EachDrop.
	Name string
}

// A Frame is a message that many sockets send. It is compressed at most once, when the first socket asks for that.
type Frame struct {
	plain    []byte
	data     []byte // payload of plain
	isBinary bool

	once     sync.Once
	deflated []byte // nil: not shorter

	parts []*Frame // of frames that are sent together; nil: it is one
}

// NewFrame returns the message in b, which it takes over.
func NewFrame(b *Buffer, isBinary bool) *Frame {
	plain := append([]byte(nil), b.frame(first(isBinary))...)
	f := &Frame{plain: plain, data: plain[len(plain)-len(b.B)+HeaderRoom:], isBinary: isBinary}
	b.free()
	return f
}

// An Item is a frame for many sockets, how it is delivered, and how many have it.
type Item struct {
	*Frame
	Delivery
	Queued int
}

// Together returns the frames of items, which are not none, as one that is sent by one write where nothing waits.
func Together(items []*Item) *Frame {
	if len(items) == 1 {
		return items[0].Frame
	}
	n := 0
	for _, it := range items {
		n += it.Len()
	}
	all := &Frame{plain: make([]byte, 0, n), parts: make([]*Frame, len(items))}
	for i, it := range items {
		all.plain = append(all.plain, it.plain...)
		all.parts[i] = it.Frame
	}
	return all
}

// of is what a socket sends that has agreed on c, or on nothing.
func (f *Frame) of(c *Compression) []byte {
	if f.parts != nil {
		return f.partsOf(c)
	}
	if !c.Sends(len(f.data)) {
		return f.plain
	}
	f.once.Do(func() {
		b := &Buffer{B: append(make([]byte, HeaderRoom), f.data...)}
		if d := b.deflate(); d != nil {
			f.deflated = append([]byte(nil), d.frame(first(f.isBinary)|rsv1)...)
			d.free()
		}
	})
	if f.deflated == nil {
		return f.plain
	}
	return f.deflated
}

// partsOf is of for frames that are sent together. Whether a connection compresses depends on the length alone, except for one that agreed on
// a small window, which is served apart.
func (f *Frame) partsOf(c *Compression) []byte {
	if c == nil {
		return f.plain
	}
	if c.sendBits != maxWindowBits {
		return f.joined(c)
	}
	f.once.Do(func() { f.deflated = f.joined(c) })
	return f.deflated
}

func (f *Frame) joined(c *Compression) []byte {
	var all []byte
	for _, p := range f.parts {
		all = append(all, p.of(c)...)
	}
	return all
}

// costs is what the messages of a frame count for that of has returned.
func (f *Frame) costs(frame []byte) (n int) {
	if f.parts == nil {
		return cost(len(frame))
	}
	for len(frame) > 0 {
		next := frameLen(frame)
		n += cost(next)
		frame = frame[next:]
	}
	return n
}

// Data is the message, not to be changed.
func (f *Frame) Data() []byte { return f.data }

// Len is the size on the wire.
func (f *Frame) Len() int { return len(f.plain) }

// payload is that of the close frame for e.
func (e *End) payload(b []byte) []byte {
	if e.Code == statusNone || e.Code == statusAbnormal {
		return b
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(e.Code)), cutReason(e.Reason)...)
}

// cutReason shortens s to what fits a close frame, at the beginning of a character.
func cutReason(s string) string {
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
