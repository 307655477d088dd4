package schema

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

// A scanner walks one message in place. Its methods return false when the walk must end: at malformed JSON
// (then bad says why) or beyond the depth limit.
type scanner struct {
	data  []byte
	pos   int
	depth int
	path  [maxDepth]step // how to get to the current value: path[:depth]
	base  string         // pointer of the root, if the walk began inside a message

	bad    string // what is malformed, "" for nothing
	badAt  int
	issues []Issue

	text  []byte // the last string that had escapes
	names names  // members seen, where the plan does not know them
	edits edits  // what Decode changes before it stores

	shared strings.Builder // where short strings of the value are kept together
	paths  int             // bytes of the issues' paths
	nhint  int             // suggestions made
}

// A step leads from a container to one of its values: by the member name data[start:end], still escaped, or, if
// end is negative, by the index start.
type step struct{ start, end int32 }

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// newScanner returns a scanner at the start of data. It is given back by release, but not after a panic in
// somebody's decoder: then nobody knows its state.
func newScanner(data []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.data, s.pos, s.depth, s.base, s.bad, s.issues, s.paths, s.nhint = data, 0, 0, "", "", nil, 0, 0
	s.names.reset()
	s.edits.reset()
	if len(data) > math.MaxInt32 { // steps could not name its bytes
		s.data = nil
		s.syntax(0, "message of more than 2 GiB")
	}
	return s
}

func (s *scanner) release() {
	s.data, s.issues = nil, nil
	s.shared.Reset()
	if cap(s.text) > maxKept {
		s.text = nil
	}
	s.names.shrink()
	s.edits.shrink()
	testhook.Freed(s.text)
	testhook.Freed(s.names.text)
	testhook.Freed(s.edits.text)
	scanners.Put(s)
}

const maxKept = 64 << 10 // bytes of a buffer worth keeping for the next message

// faults ends the walk: malformed JSON is the only issue there is.
func (s *scanner) faults() []Issue {
	if s.bad == "" {
		return s.issues
	}
	return []Issue{{Code: "syntax", Message: s.bad + " at byte " + strconv.Itoa(s.badAt), Params: map[string]any{"offset": s.badAt}}}
}

// syntax ends the walk at byte at.
func (s *scanner) syntax(at int, what string) bool {
	if s.bad == "" {
		s.bad, s.badAt = what, at
	}
	return false
}

// unexpected ends the walk at the current byte.
func (s *scanner) unexpected(want string) bool {
	if s.pos >= len(s.data) {
		return s.syntax(s.pos, "unexpected end, "+want+" is missing")
	}
	r, n := utf8.DecodeRune(s.data[s.pos:])
	if r == utf8.RuneError && n <= 1 {
		return s.syntax(s.pos, "invalid UTF-8")
	}
	return s.syntax(s.pos, "unexpected "+strconv.QuoteRune(r)+", want "+want)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
	return 0
}

// end checks that nothing follows.
func (s *scanner) end() bool {
	if s.peek(); s.pos < len(s.data) {
		return s.unexpected("the end")
	}
	return true
}

// enter goes into the container at pos.
func (s *scanner) enter() bool {
	if s.depth == maxDepth {
		s.fail("depth", "is nested deeper than 64 levels", map[string]any{"depth": maxDepth}, nil)
		return false
	}
	s.depth++
	s.pos++
	return true
}

func (s *scanner) literal(text string) bool {
	if len(s.data)-s.pos >= len(text) && string(s.data[s.pos:s.pos+len(text)]) == text {
		s.pos += len(text)
		return true
	}
	for i := 0; i < len(text) && s.pos < len(s.data) && s.data[s.pos] == text[i]; i++ {
		s.pos++
	}
	return s.unexpected(text)
}

// number reads a number; whole says that it has neither fraction nor exponent.
func (s *scanner) number() (raw []byte, whole, ok bool) {
	b, i := s.data, s.pos
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && b[i] >= '1' && b[i] <= '9':
		i = digits(b, i)
	default:
		s.pos = i
		return nil, false, s.unexpected("a digit")
	}
	whole = true
	if i < len(b) && b[i] == '.' {
		whole = false
		s.pos = i + 1
		if i = digits(b, s.pos); i == s.pos {
			return nil, false, s.unexpected("a digit")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		whole = false
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		s.pos = i
		if i = digits(b, s.pos); i == s.pos {
			return nil, false, s.unexpected("a digit")
		}
	}
	s.pos = i
	return b[start:i], whole, true
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns the index of the first byte at or behind i that a string does not simply hold: a quote, a
// backslash, a control character or anything beyond ASCII; len(b) if there is none.
func special(b []byte, i int) int {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		q, bs := w^(ones*'"'), w^(ones*'\\')
		m := (q-ones)&^q | (bs-ones)&^bs | (w-ones*0x20)&^w | w
		if m &= highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] >= 0x20 && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// str reads the string at pos. val is what it says, in data or, if it has escapes, in s.text, good until the next
// call; ascii says that val has a byte per character.
func (s *scanner) str() (val []byte, ascii, ok bool) {
	b := s.data
	start := s.pos + 1
	i := start
	ascii = true
	for {
		i = special(b, i)
		switch {
		case i >= len(b):
			s.pos = i
			return nil, false, s.unexpected("the end of the string")
		case b[i] == '"':
			s.pos = i + 1
			return b[start:i], ascii, true
		case b[i] == '\\':
			return s.escaped(start, i, ascii)
		case b[i] < 0x20:
			return nil, false, s.syntax(i, "control character "+strconv.QuoteRune(rune(b[i]))+" in a string")
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return nil, false, s.syntax(i, "invalid UTF-8")
		}
		ascii = false
		i += n
	}
}

// escaped goes on with a string that began at start from its first backslash at i.
func (s *scanner) escaped(start, i int, ascii bool) ([]byte, bool, bool) {
	b := s.data
	out := append(s.text[:0], b[start:i]...)
	for {
		from := i
		i = special(b, i)
		out = append(out, b[from:i]...)
		switch {
		case i >= len(b):
			s.pos = i
			return nil, false, s.unexpected("the end of the string")
		case b[i] == '"':
			s.pos, s.text = i+1, out
			return out, ascii, true
		case b[i] == '\\':
			r, n, fault := unescape(b[i:])
			if fault != "" {
				return nil, false, s.syntax(i, fault)
			}
			out = utf8.AppendRune(out, r)
			ascii = ascii && r < utf8.RuneSelf
			i += n
			continue
		case b[i] < 0x20:
			return nil, false, s.syntax(i, "control character "+strconv.QuoteRune(rune(b[i]))+" in a string")
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return nil, false, s.syntax(i, "invalid UTF-8")
		}
		ascii = false
		out = append(out, b[i:i+n]...)
		i += n
	}
}

// unescape reads the escape that b begins with, of n bytes, or says what is wrong with it.
func unescape(b []byte) (r rune, n int, fault string) {
	if len(b) < 2 {
		return 0, 0, "unfinished escape"
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
	default:
		return 0, 0, "unknown escape"
	}
	r = hex4(b[2:])
	switch {
	case r < 0:
		return 0, 0, "bad \\u escape"
	case r < 0xD800 || r > 0xDFFF:
		return r, 6, ""
	case r < 0xDC00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u':
		if low := hex4(b[8:]); low >= 0xDC00 && low <= 0xDFFF {
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, 12, ""
		}
	}
	return 0, 0, "lone surrogate"
}

// hex4 reads four hexadecimal digits, -1 if there are none.
func hex4(b []byte) (r rune) {
	if len(b) < 4 {
		return -1
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescapeName is the text of a member name that was scanned before.
func unescapeName(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		r, n, _ := unescape(raw[i:])
		out = utf8.AppendRune(out, r)
		i += n
	}
	return string(out)
}

// skip reads a value that no rule applies to, but for those of JSON itself. With finite, its numbers must fit
// a float64.
func (s *scanner) skip(finite bool) bool {
	switch c := s.peek(); c {
	case '{':
		return s.skipObject(finite)
	case '[':
		return s.skipArray(finite)
	case '"':
		_, _, ok := s.str()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		raw, _, ok := s.number()
		if ok && finite {
			s.finite(raw, 64, raw)
		}
		return ok
	}
	return s.unexpected("a value")
}

func (s *scanner) skipArray(finite bool) bool {
	if !s.enter() {
		return false
	}
	if s.peek() == ']' {
		return s.leave()
	}
	for i := int32(0); ; i++ {
		s.path[s.depth-1] = step{i, -1}
		if !s.skip(finite) {
			return false
		}
		if more, ok := s.next(']'); !more {
			return ok
		}
	}
}

func (s *scanner) skipObject(finite bool) bool {
	if !s.enter() {
		return false
	}
	if s.peek() == '}' {
		return s.leave()
	}
	obj := s.names.open()
	for {
		name, ok := s.member()
		if !ok {
			return false
		}
		if !s.names.add(s, &obj, name) {
			s.duplicate()
		}
		if !s.skip(finite) {
			return false
		}
		if more, ok := s.next('}'); !more {
			s.names.close(obj)
			return ok
		}
	}
}

// member reads a name and the colon behind it, and takes the step to the value.
func (s *scanner) member() (name []byte, ok bool) {
	if s.peek() != '"' {
		return nil, s.unexpected("a member name")
	}
	start := s.pos + 1
	if name, _, ok = s.str(); !ok {
		return nil, false
	}
	s.path[s.depth-1] = step{int32(start), int32(s.pos - 1)}
	if s.peek() != ':' {
		return nil, s.unexpected("':'")
	}
	s.pos++
	return name, true
}

// next reads what stands behind a value in a container: a comma (more), or the end of it.
func (s *scanner) next(end byte) (more, ok bool) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, true
	case end:
		return false, s.leave()
	}
	return false, s.unexpected("',' or '" + string(end) + "'")
}

// leave ends the container whose last byte is at pos.
func (s *scanner) leave() bool {
	s.depth--
	s.pos++
	return true
}

func (s *scanner) duplicate() {
	s.fail("duplicate", "is given more than once", nil, nil)
}
