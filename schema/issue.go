package schema

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth  = 64
	maxIssues = 100
	maxPaths  = 16 << 10 // bytes of all paths; the issue that goes beyond is the last
	maxInput  = 200      // bytes of an echoed value
	maxListed = 10       // values named in a message, suggestions made
)

// An Issue is one fault in a message. It is meant for whoever sent the message.
type Issue struct {
	Path    string          `json:"path" example:"/message"`                          // JSON Pointer from the message's root
	Code    string          `json:"code" example:"minLength"`                         // the JSON Schema keyword that is broken, or one of this package's
	Message string          `json:"message" example:"must have at least 1 character"` // plain English, to be read behind the path
	Params  map[string]any  `json:"params,omitempty" example:"{\"minLength\":1}"`     // the bound that was broken, under the keyword's name
	Input   json.RawMessage `json:"input,omitzero" example:"\"\""`                    // what was there instead: valid JSON of at most 200 bytes, or nothing
}

// fail records an issue of the value at the current path. raw is the value, nil for none.
func (s *scanner) fail(code, message string, params map[string]any, raw []byte) {
	if s.full() {
		return
	}
	path := s.pointer("")
	s.paths += len(path)
	s.issues = append(s.issues, Issue{Path: path, Code: code, Message: message, Params: params, Input: echo(raw)})
}

// failMember records an issue of a member of the object at the current path.
func (s *scanner) failMember(name, code, message string, params map[string]any) {
	if s.full() {
		return
	}
	path := s.pointer("/" + escapePointer(name))
	s.paths += len(path)
	s.issues = append(s.issues, Issue{Path: path, Code: code, Message: message, Params: params})
}

// full reports whether no more issues are recorded. Paths hold names of the peer's: one long name with a hundred faults below it
// would make an answer a hundred times as long as the message.
func (s *scanner) full() bool { return len(s.issues) >= maxIssues || s.paths >= maxPaths }

// pointer is the JSON Pointer of the current value with tail behind it. It is built only when something is
// wrong: good messages never pay for it.
func (s *scanner) pointer(tail string) string {
	b := make([]byte, 0, 64)
	b = append(b, s.base...)
	for _, st := range s.path[:s.depth] {
		b = append(b, '/')
		if st.end < 0 {
			b = strconv.AppendInt(b, int64(st.start), 10)
			continue
		}
		b = appendToken(b, s.data[st.start:st.end])
	}
	return string(append(b, tail...))
}

// appendToken appends a member name, still escaped as JSON, as a token of a JSON Pointer.
func appendToken(b, raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 && bytes.IndexByte(raw, '~') < 0 && bytes.IndexByte(raw, '/') < 0 {
		return append(b, raw...)
	}
	return append(b, escapePointer(unescapeName(raw))...)
}

func escapePointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// echo copies raw, a valid JSON value, for an issue: whole if short, a long string cut, anything else long left out.
func echo(raw []byte) json.RawMessage {
	switch {
	case len(raw) == 0:
		return nil
	case len(raw) <= maxInput:
		return append(json.RawMessage(nil), raw...)
	case raw[0] != '"':
		return nil
	}
	return append(append(json.RawMessage(nil), raw[:cutString(raw, maxInput-1)]...), '"')
}

// cutString returns where the JSON string raw can end at or before limit without splitting an escape, a pair of
// surrogate escapes or a rune.
func cutString(raw []byte, limit int) int {
	end := 1
	for {
		n := 1
		switch {
		case raw[end] != '\\':
			_, n = utf8.DecodeRune(raw[end:])
		case raw[end+1] != 'u':
			n = 2
		default:
			n = 6
			if r := hex4(raw[end+2:]); r >= 0xD800 && r < 0xDC00 {
				n = 12
			}
		}
		if end+n > limit {
			return end
		}
		end += n
	}
}
