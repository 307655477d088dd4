package wsconn

import "unicode/utf8"

// A utf8Checker checks text that comes in pieces. The zero value is at the text's beginning.
type utf8Checker struct {
	begun [utf8.UTFMax]byte // of a character whose rest is still to come
	n     uint8
}

// add takes the next piece. It reports false as soon as there is a byte that no continuation could make valid.
func (c *utf8Checker) add(b []byte) bool {
	for c.n > 0 && len(b) > 0 {
		c.begun[c.n] = b[0]
		c.n++
		b = b[1:]
		if char := c.begun[:c.n]; utf8.FullRune(char) { // also of bytes that begin no character
			if !utf8.Valid(char) {
				return false
			}
			c.n = 0
		}
	}
	whole := len(b)
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax+1); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				whole = i
			}
			break
		}
	}
	if !utf8.Valid(b[:whole]) {
		return false
	}
	if whole < len(b) {
		c.n = uint8(copy(c.begun[:], b[whole:]))
	}
	return true
}

// complete reports whether the text may end here.
func (c *utf8Checker) complete() bool { return c.n == 0 }
