package wsrouter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// canonical returns a JSON literal in the one form that tables are keyed by. What a peer usually sends is in it already.
func canonical(literal []byte) []byte {
	if len(literal) == 0 || literal[0] != '"' || bytes.IndexByte(literal, '\\') < 0 {
		return literal
	}
	s, err := unquote(literal)
	if err != nil {
		return literal
	}
	out, err := jsonv2.Marshal(s)
	if err != nil {
		return literal
	}
	return out
}

// unquote decodes a JSON string.
func unquote(literal []byte) (s string, err error) {
	err = jsonv2.Unmarshal(literal, &s)
	return s, err
}

// text is a JSON literal as people write it.
func text(literal []byte) string {
	if s, err := unquote(literal); err == nil {
		return s
	}
	return string(literal)
}

// maxInput is how much of a peer's value an issue echoes.
const maxInput = 200

// input is a peer's value in an issue: a long string is cut, another long value left out.
func input(value []byte) json.RawMessage {
	if len(value) <= maxInput {
		return bytes.Clone(value)
	}
	if value[0] != '"' {
		return nil
	}
	s, err := unquote(value)
	if err != nil {
		return nil
	}
	for n := maxInput / 2; ; n /= 2 {
		out, err := jsonv2.Marshal(strings.ToValidUTF8(s[:min(n, len(s))], "") + "…")
		if err == nil && len(out) <= maxInput {
			return out
		}
	}
}

// quoteShort quotes what a peer wrote, cut to what fits a line.
func quoteShort(s string) string { return strconv.Quote(cut(s, 64)) }

// cut returns at most n bytes of s, and says so if there were more.
func cut(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// pointerEscape escapes one token of a JSON Pointer (RFC 6901, section 3).
func pointerEscape(token string) string { return pointerEscapes.Replace(token) }

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1") // to build it takes 20 KiB

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}
