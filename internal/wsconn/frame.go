package wsconn

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"unicode/utf8"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	fin        = 0x80
	rsv1       = 0x40 // a compressed message begins (RFC 7692, section 6)
	rsv2And3   = 0x30
	opcode     = 0x0f
	control    = 0x08 // bit of an opcode
	masked     = 0x80
	maxControl = 125
	keySize    = 4
	maxMasked  = 2 + 8 + keySize // longest header of a client
)

// limits of one message. Negative: none.
type limits struct {
	message int // bytes; more is refused with 1009 as soon as a header says so
	frames  int // frames; more is refused with 1008
}

// compressed is the limit for the bytes of a compressed message. What does not compress becomes longer, by an eighth
// where the sender uses nothing but fixed codes; what it inflates to is held to limits.message by who inflates.
func (l *limits) compressed() int { return l.message + min(l.message/4+64, math.MaxInt-l.message) }

type eventKind uint8

const (
	eventNone eventKind = iota // more bytes are needed
	eventText
	eventBinary
	eventPing
	eventPong
	eventClosing
)

// An event is what a parser has found.
type event struct {
	kind       eventKind
	compressed bool // data has to be inflated, and if it is text to be checked afterwards

	// data is the payload of all but eventClosing, unmasked. It lies in what the parser was given, or in buf,
	// which belongs to who takes the event.
	data []byte
	buf  *Buffer

	code   int // of eventClosing; 1005: none was given
	reason string
}

// A protocolError is a broken rule or limit, and the code to close with.
type protocolError struct {
	code int
	text string
}

func (e *protocolError) Error() string { return e.text }

var (
	errReserved     = &protocolError{statusProtocol, "a reserved bit (rsv) is set"}
	errOpcode       = &protocolError{statusProtocol, "unknown opcode"}
	errUnmasked     = &protocolError{statusProtocol, "unmasked frame"}
	errLength       = &protocolError{statusProtocol, "payload length is not minimal or has its top bit set"}
	errFragmented   = &protocolError{statusProtocol, "fragmented control frame"}
	errControlSize  = &protocolError{statusProtocol, "control frame over 125 bytes"}
	errContinuation = &protocolError{statusProtocol, "continuation without a message to continue"}
	errUnfinished   = &protocolError{statusProtocol, "new message without finishing the one before"}
	errCloseSize    = &protocolError{statusProtocol, "close payload of one byte"}
	errCloseReason  = &protocolError{statusNotUTF8, "close reason is not valid UTF-8"}
	errNotUTF8      = &protocolError{statusNotUTF8, "text message is not valid UTF-8"}
)

// A parser takes a client's bytes apart (RFC 6455, section 5; RFC 7692, section 6). Of what it was given it keeps only
// what is unfinished, in part. The zero value is at the beginning of a connection. It has one caller at a time.
type parser struct {
	part    *part        // nil between messages
	deflate *Compression // nil: none was agreed on. To inflate belongs to the reading role
}

// A part is what has come of a frame and of the message around it.
type part struct {
	head [maxMasked]byte // of a frame whose header is unfinished
	kept int             // bytes in head

	first   byte    // first byte of the frame whose payload is unfinished
	rest    int     // bytes of payload to come; 0: between frames
	key     uint32  // for the next of them
	control *Buffer // what came of it, if it is a control frame

	message byte      // opcode of the unfinished message, 0: none
	deflate bool      // it is compressed
	frames  int       // of it
	data    *Buffer   // the end of what came of it; nil: nothing
	before  []*Buffer // what came before data
	size    int       // bytes in before
	text    utf8Checker
}

var parts = sync.Pool{New: func() any { return new(part) }}

// next handles what in begins with, up to the first event, and returns how many bytes it took: all, if there is none.
// It unmasks in place. After an error the parser is of no more use.
func (p *parser) next(in []byte, l *limits) (ev event, n int, err *protocolError) {
	for n < len(in) && ev.kind == eventNone {
		took, err := p.step(in[n:], l, &ev)
		n += took
		if err != nil {
			p.release()
			return event{}, n, err
		}
	}
	return ev, n, nil
}

// release gives back what is unfinished.
func (p *parser) release() {
	t := p.part
	if t == nil {
		return
	}
	t.control.free()
	t.data.free()
	for _, b := range t.before {
		b.free()
	}
	*t = part{}
	testhook.Freed(t.head[:])
	p.part = nil
	parts.Put(t)
}

// whole reports whether in, which begins where next has stopped, begins with a whole frame.
func (p *parser) whole(in []byte) bool {
	if len(in) < 2+keySize {
		return false
	}
	n := int(in[1] &^ masked)
	switch n {
	case 126:
		n = 2 + int(binary.BigEndian.Uint16(in[2:]))
	case 127:
		if len(in) < maxMasked {
			return false
		}
		if size := binary.BigEndian.Uint64(in[2:]); size <= uint64(len(in)) {
			n = 8 + int(size)
		} else {
			return false
		}
	}
	return len(in) >= 2+keySize+n
}

// step is next for one frame at most. It sets ev if there is one.
func (p *parser) step(in []byte, l *limits, ev *event) (n int, err *protocolError) {
	if p.part != nil && p.part.rest > 0 {
		return p.payload(in, ev)
	}
	head, kept := in, 0
	if p.part != nil && p.part.kept > 0 {
		kept = p.part.kept
		head = p.part.head[:kept+copy(p.part.head[kept:], in)]
	}
	h, err := p.header(head, l)
	if err != nil {
		return 0, err
	}
	if h.size == 0 {
		t := p.begin()
		t.kept = copy(t.head[:], head)
		return t.kept - kept, nil
	}
	n = h.size - kept
	if len(in)-n >= h.n && (h.first&control != 0 || h.first&fin != 0 && h.first&opcode != opContinuation) {
		data := in[n : n+h.n : n+h.n]
		p.finish(kept)
		return n + h.n, ev.single(h, data)
	}
	p.enter(h)
	if h.n == 0 {
		return n, p.endFrame(ev)
	}
	took, err := p.payload(in[n:], ev)
	return n + took, err
}

// begin returns the part, which may be new.
func (p *parser) begin() *part {
	if p.part == nil {
		p.part = parts.Get().(*part)
	}
	return p.part
}

// finish forgets a header of which kept bytes came earlier: its frame has been taken whole.
func (p *parser) finish(kept int) {
	if kept == 0 {
		return
	}
	p.part.kept = 0
	if p.part.message == 0 {
		p.release()
	}
}

// A header of a frame. size 0: it is not all there.
type header struct {
	first byte
	size  int
	n     int // bytes of payload
	key   uint32
}

// header reads and checks a header, each byte as soon as it is there.
func (p *parser) header(b []byte, l *limits) (h header, err *protocolError) {
	if len(b) == 0 {
		return h, nil
	}
	h.first = b[0]
	if err := p.checkFirst(h.first); err != nil {
		return h, err
	}
	if len(b) == 1 {
		return h, nil
	}
	if b[1]&masked == 0 {
		return h, errUnmasked
	}
	h.n = int(b[1] &^ masked)
	size := 2
	if h.n > maxControl {
		if h.first&control != 0 {
			return h, errControlSize
		}
		var length, least uint64
		if h.n == 126 {
			if size = 2 + 2; len(b) < size {
				return h, nil
			}
			length, least = uint64(binary.BigEndian.Uint16(b[2:])), 126
		} else {
			if size = 2 + 8; len(b) < size {
				return h, nil
			}
			length, least = binary.BigEndian.Uint64(b[2:]), 1<<16
		}
		if length < least || length > math.MaxInt64 {
			return h, errLength
		}
		h.n = int(min(length, math.MaxInt))
	}
	if h.first&control == 0 {
		if err := p.checkLimits(h, l); err != nil {
			return h, err
		}
	}
	if len(b) < size+keySize {
		return h, nil
	}
	h.size = size + keySize
	h.key = binary.LittleEndian.Uint32(b[size:])
	return h, nil
}

// checkFirst refuses what a frame's first byte must not be.
func (p *parser) checkFirst(first byte) *protocolError {
	op := first & opcode
	if first&rsv2And3 != 0 || first&rsv1 != 0 && (p.deflate == nil || op != opText && op != opBinary) {
		return errReserved
	}
	unfinished := p.part != nil && p.part.message != 0
	switch op {
	case opText, opBinary:
		if unfinished {
			return errUnfinished
		}
	case opContinuation:
		if !unfinished {
			return errContinuation
		}
	case opClose, opPing, opPong:
		if first&fin == 0 {
			return errFragmented
		}
	default:
		return errOpcode
	}
	return nil
}

// checkLimits refuses the frame of a message that would pass a limit.
func (p *parser) checkLimits(h header, l *limits) *protocolError {
	compressed, frames, size := h.first&rsv1 != 0, 1, 0
	if t := p.part; t != nil && t.message != 0 {
		compressed, frames = t.deflate, t.frames+1
		size = t.len()
	}
	most := l.message
	switch {
	case most < 0:
		most = math.MaxInt
	case compressed:
		most = l.compressed()
	}
	if h.n > most-size {
		return &protocolError{statusTooBig, fmt.Sprintf("message over %d bytes: %d", l.message, uint64(size)+uint64(h.n))}
	}
	if l.frames >= 0 && frames > l.frames {
		return &protocolError{statusPolicy, fmt.Sprintf("message in more than %d frames", l.frames)}
	}
	return nil
}

// enter begins a frame that has passed all checks.
func (p *parser) enter(h header) {
	t := p.begin()
	t.kept, t.first, t.rest, t.key = 0, h.first, h.n, h.key
	op := h.first & opcode
	if op&control != 0 {
		return
	}
	if op != opContinuation {
		t.message, t.deflate = op, h.first&rsv1 != 0
	}
	t.frames++
}

// payload takes bytes of the frame that is unfinished.
func (p *parser) payload(in []byte, ev *event) (n int, err *protocolError) {
	t := p.part
	in = in[:min(t.rest, len(in))]
	ascii := unmask(in, t.key)
	t.key = bits.RotateLeft32(t.key, -8*(len(in)%keySize))
	if t.first&control != 0 {
		if t.control == nil {
			t.control = getBuffer(maxControl)
		}
		t.control.B = append(t.control.B, in...)
	} else {
		if t.message == opText && !t.deflate && !(ascii && t.text.complete()) && !t.text.add(in) {
			return len(in), errNotUTF8
		}
		t.gather(in)
	}
	t.rest -= len(in)
	if t.rest == 0 {
		err = p.endFrame(ev)
	}
	return len(in), err
}

// pieceSize is how large a part's buffers become. More bytes go to another buffer: one that doubles leaves as much garbage as it is long, and the
// peers of a server may all send their largest messages at once.
const pieceSize = 64 << 10

// gather appends in to what came of the message. Buffers grow with what has come, not by what the frame promises, but need not be larger.
func (t *part) gather(in []byte) {
	b := t.data
	switch {
	case b == nil:
		b = getHeld(len(in))
	case cap(b.B)-len(b.B) >= len(in):
	case len(b.B)+len(in) <= pieceSize:
		b = b.grow(max(len(in), min(t.rest, len(b.B), pieceSize-len(b.B))), getHeld)
	default:
		t.before, t.size = append(t.before, b), t.size+len(b.B)
		b = getHeld(max(len(in), min(t.rest, pieceSize)))
	}
	b.B = append(b.B, in...)
	t.data = b
}

// len is how many bytes of the message have come.
func (t *part) len() int {
	if t.data == nil {
		return 0
	}
	return t.size + len(t.data.B)
}

// join takes what came of the message, in one buffer. Nil: nothing.
func (t *part) join() *Buffer {
	b := t.data
	if len(t.before) > 0 {
		b = getHeld(t.len())
		for _, piece := range append(t.before, t.data) {
			b.B = append(b.B, piece.B...)
			piece.free()
		}
	}
	t.data, t.before = nil, nil
	return b
}

// endFrame sets ev if the frame has completed one.
func (p *parser) endFrame(ev *event) *protocolError {
	t := p.part
	switch {
	case t.first&control != 0:
		op, buf := t.first&opcode, t.control
		t.control = nil
		if t.message == 0 {
			p.release()
		}
		return ev.control(op, bytesOf(buf), buf)
	case t.first&fin == 0:
		return nil
	case !t.text.complete():
		return errNotUTF8
	}
	buf := t.join()
	*ev = event{kind: messageKind(t.message), compressed: t.deflate, data: bytesOf(buf), buf: buf}
	p.release()
	return nil
}

func bytesOf(b *Buffer) []byte {
	if b == nil {
		return nil
	}
	return b.B
}

func messageKind(op byte) eventKind {
	if op == opText {
		return eventText
	}
	return eventBinary
}

// single makes ev the control frame, or message of one frame, whose payload is data.
func (ev *event) single(h header, data []byte) *protocolError {
	ascii := unmask(data, h.key)
	op := h.first & opcode
	if op&control != 0 {
		return ev.control(op, data, nil)
	}
	ev.kind, ev.compressed, ev.data = messageKind(op), h.first&rsv1 != 0, data
	if op == opText && !ascii && !ev.compressed && !utf8.Valid(data) {
		return errNotUTF8
	}
	return nil
}

// control makes ev the control frame whose payload is data, which lies in buf unless that is nil.
func (ev *event) control(op byte, data []byte, buf *Buffer) *protocolError {
	switch op {
	case opPing:
		ev.kind, ev.data, ev.buf = eventPing, data, buf
		return nil
	case opPong:
		ev.kind, ev.data, ev.buf = eventPong, data, buf
		return nil
	}
	defer buf.free()
	ev.kind, ev.code = eventClosing, statusNone
	if len(data) == 0 {
		return nil
	}
	if len(data) == 1 {
		return errCloseSize
	}
	ev.code = int(binary.BigEndian.Uint16(data))
	if !mayBeSent(ev.code) {
		return &protocolError{statusProtocol, fmt.Sprintf("close frame with status code %d", ev.code)}
	}
	ev.reason = string(data[2:])
	if !utf8.ValidString(ev.reason) {
		return errCloseReason
	}
	return nil
}

// mayBeSent reports whether a close frame may carry code (RFC 6455, section 7.4, and IANA's registry, of which it reserves
// the rest).
func mayBeSent(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// unmask applies key, whose lowest byte is for b's first, and reports whether the result is ASCII.
func unmask(b []byte, key uint32) (ascii bool) {
	const high = 0x8080808080808080
	key8 := uint64(key)<<32 | uint64(key)
	var seen uint64
	for len(b) >= 32 {
		v0 := binary.LittleEndian.Uint64(b) ^ key8
		v1 := binary.LittleEndian.Uint64(b[8:]) ^ key8
		v2 := binary.LittleEndian.Uint64(b[16:]) ^ key8
		v3 := binary.LittleEndian.Uint64(b[24:]) ^ key8
		binary.LittleEndian.PutUint64(b, v0)
		binary.LittleEndian.PutUint64(b[8:], v1)
		binary.LittleEndian.PutUint64(b[16:], v2)
		binary.LittleEndian.PutUint64(b[24:], v3)
		seen |= v0 | v1 | v2 | v3
		b = b[32:]
	}
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b) ^ key8
		binary.LittleEndian.PutUint64(b, v)
		seen |= v
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key8 >> (8 * i))
		seen |= uint64(b[i])
	}
	return seen&high == 0
}

// appendHeader appends the header of a server's frame with n bytes of payload. first is its opcode with FIN and, if the
// payload is compressed, rsv1.
func appendHeader(dst []byte, first byte, n int) []byte {
	switch {
	case n <= maxControl:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(n))
	}
}

// kept is how many bytes of an unfinished message there are.
func (p *parser) kept() int {
	if p.part == nil {
		return 0
	}
	return p.part.len()
}
