package wsconn

import (
	"testing"
	"unicode/utf8"
)

// edges are the bytes at which the rules of UTF-8 change (Unicode, table 3-7).
var edges = []byte{'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}

// canBecomeValid reports whether some continuation makes s valid: the slow way, by trying.
func canBecomeValid(s string) bool {
	for _, more := range []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\xbf", "\xbf\x80", "\xbf\x80\x80", "\x8f\x80\x80", "\x9f\x80", "\xa0\x80"} {
		if utf8.ValidString(s + more) {
			return true
		}
	}
	return false
}

// Every sequence of up to four edges, in every split, is refused at the first byte that makes it hopeless.
func TestUTF8Checker(t *testing.T) {
	var try func(s []byte)
	try = func(s []byte) {
		valid := len(s) == 0 || canBecomeValid(string(s))
		for splits := range 1 << max(len(s)-1, 0) {
			var c utf8Checker
			ok, from := true, 0
			for i := 1; i <= len(s) && ok; i++ {
				if i == len(s) || splits>>(i-1)&1 == 1 {
					ok = c.add(s[from:i])
					from = i
				}
			}
			if ok != valid || ok && c.complete() != utf8.Valid(s) {
				t.Fatalf("%x split as %b: ok %t, complete %t", s, splits, ok, c.complete())
			}
		}
		if !valid || len(s) == 4 {
			return
		}
		for _, b := range edges {
			try(append(s, b))
		}
	}
	try(make([]byte, 0, 4))
}
