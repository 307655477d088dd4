package schema

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// A whole is an integer of 65 bits: every value of every Go integer type. There is no negative zero.
type whole struct {
	neg bool
	abs uint64
}

// parseWhole reads the digits of a JSON integer; over says that it has more than 64 bits.
func parseWhole(raw []byte) (w whole, over bool) {
	if len(raw) > 0 && raw[0] == '-' {
		w.neg = true
		raw = raw[1:]
	}
	for _, c := range raw {
		hi, lo := bits.Mul64(w.abs, 10)
		sum, carry := bits.Add64(lo, uint64(c-'0'), 0)
		if hi != 0 || carry != 0 {
			return whole{w.neg, math.MaxUint64}, true
		}
		w.abs = sum
	}
	w.neg = w.neg && w.abs != 0
	return w, false
}

func (w whole) cmp(x whole) int {
	switch {
	case w.neg != x.neg && w.neg:
		return -1
	case w.neg != x.neg:
		return 1
	case w.abs == x.abs:
		return 0
	case w.abs < x.abs != w.neg:
		return -1
	}
	return 1
}

func (w whole) value() any {
	switch {
	case !w.neg && w.abs > math.MaxInt64:
		return w.abs
	case w.neg:
		return int64(-w.abs)
	}
	return int64(w.abs)
}

// A bound is a number from a tag.
type bound struct {
	raw     string
	whole   whole   // if the place takes integers
	float   float64 // else
	dec     decimal
	implied bool // by the Go type, not by a tag
}

// bound is w as the limit of a Go type.
func (w whole) bound() *bound {
	raw := fmt.Sprint(w.value())
	return &bound{raw: raw, whole: w, dec: parseDecimal([]byte(raw)), implied: true}
}

func (b *bound) value(k kind) any {
	if k == kindInt {
		return b.whole.value()
	}
	return b.float
}

// A decimal is a JSON number as it is written: digits × 10^exp, the digits without zeros at either end; none is zero.
type decimal struct {
	neg    bool
	digits []byte // may have a '.' inside
	exp    int    // of the last digit
}

// parseDecimal takes raw apart without changing or copying it. Exponents beyond a billion count as that.
func parseDecimal(raw []byte) (d decimal) {
	if raw[0] == '-' {
		d.neg = true
		raw = raw[1:]
	}
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		d.exp = exponent(raw[i+1:])
		raw = raw[:i]
	}
	dot := bytes.IndexByte(raw, '.')
	if dot >= 0 {
		d.exp -= len(raw) - dot - 1
	}
	for len(raw) > 0 && (raw[0] == '0' || raw[0] == '.') {
		raw = raw[1:]
	}
	for len(raw) > 0 {
		switch raw[len(raw)-1] {
		case '0':
			d.exp++
		case '.':
		default:
			d.digits = raw
			return d
		}
		raw = raw[:len(raw)-1]
	}
	return decimal{}
}

func exponent(b []byte) (e int) {
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	for _, c := range b {
		if e = e*10 + int(c-'0'); e > 1e9 {
			e = 1e9
		}
	}
	if neg {
		return -e
	}
	return e
}

func (d decimal) count() int {
	if bytes.IndexByte(d.digits, '.') >= 0 {
		return len(d.digits) - 1
	}
	return len(d.digits)
}

// cmp compares exactly, in time linear in the digits: no big number is ever built.
func (d decimal) cmp(x decimal) int {
	if d.neg != x.neg {
		if d.neg {
			return -1
		}
		return 1
	}
	c := d.cmpAbs(x)
	if d.neg {
		return -c
	}
	return c
}

func (d decimal) cmpAbs(x decimal) int {
	switch {
	case len(d.digits) == 0 && len(x.digits) == 0:
		return 0
	case len(d.digits) == 0:
		return -1
	case len(x.digits) == 0:
		return 1
	}
	if a, b := d.exp+d.count(), x.exp+x.count(); a != b {
		if a < b {
			return -1
		}
		return 1
	}
	i, j := 0, 0
	for {
		a, b := nextDigit(d.digits, &i), nextDigit(x.digits, &j)
		switch {
		case a < 0 && b < 0:
			return 0
		case a < b:
			return -1
		case a > b:
			return 1
		}
	}
}

// nextDigit returns the digit at or behind *i, -1 at the end.
func nextDigit(digits []byte, i *int) int {
	if *i < len(digits) && digits[*i] == '.' {
		*i++
	}
	if *i >= len(digits) {
		return -1
	}
	*i++
	return int(digits[*i-1] - '0')
}

// multipleOf reports whether d is a whole number of times m, whose digits fit a uint64.
func (d decimal) multipleOf(m decimal) bool {
	if len(d.digits) == 0 {
		return true
	}
	shift := d.exp - m.exp
	if shift < 0 {
		return false // d has a digit below the last of m
	}
	mod := m.mantissa()
	var r uint64
	for i := 0; ; {
		digit := nextDigit(d.digits, &i)
		if digit < 0 {
			break
		}
		r = mulMod(r, 10, mod)
		r = (r + uint64(digit)%mod) % mod
	}
	for p := uint64(10) % mod; shift > 0; shift >>= 1 {
		if shift&1 == 1 {
			r = mulMod(r, p, mod)
		}
		p = mulMod(p, p, mod)
	}
	return r == 0
}

func (d decimal) mantissa() (m uint64) {
	for i := 0; ; {
		digit := nextDigit(d.digits, &i)
		if digit < 0 {
			return m
		}
		m = m*10 + uint64(digit)
	}
}

func mulMod(a, b, m uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, r := bits.Div64(hi%m, lo, m)
	return r
}

// parseFloat is what num means as a float of that size, infinite if it does not fit.
func parseFloat(num []byte, bits int) float64 {
	f, _ := strconv.ParseFloat(string(num), bits)
	return f
}

// finite fails a number that a float of that size cannot hold; raw is how it stands in the message.
func (s *scanner) finite(num []byte, bits int, raw []byte) bool {
	if len(num) < 38 && bytes.IndexByte(num, 'e') < 0 && bytes.IndexByte(num, 'E') < 0 {
		return true
	}
	f := parseFloat(num, bits)
	if !math.IsInf(f, 0) {
		return true
	}
	limit := math.MaxFloat64
	if bits == 32 {
		limit = math.MaxFloat32
	}
	if f > 0 {
		s.fail("maximum", "must be at most "+formatFloat(limit), map[string]any{"maximum": limit}, raw)
	} else {
		s.fail("minimum", "must be at least "+formatFloat(-limit), map[string]any{"minimum": -limit}, raw)
	}
	return false
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// wholeRules checks an integer; raw is its JSON, for the echo.
func (n *node) wholeRules(s *scanner, w whole, raw []byte) {
	if b := n.min; b != nil && w.cmp(b.whole) < 0 {
		s.failBound("minimum", "must be at least ", b, n.kind, raw)
	}
	if b := n.exMin; b != nil && w.cmp(b.whole) <= 0 {
		s.failBound("exclusiveMinimum", "must be greater than ", b, n.kind, raw)
	}
	if b := n.max; b != nil && w.cmp(b.whole) > 0 {
		s.failBound("maximum", "must be at most ", b, n.kind, raw)
	}
	if b := n.exMax; b != nil && w.cmp(b.whole) >= 0 {
		s.failBound("exclusiveMaximum", "must be less than ", b, n.kind, raw)
	}
	if b := n.multiple; b != nil && w.abs%b.whole.abs != 0 {
		s.failBound("multipleOf", "must be a multiple of ", b, n.kind, raw)
	}
}

// floatRules checks a number by what is written, not by what is left of it in a float: a bound of 0.1 holds for a
// value with a hundred digits too.
func (n *node) floatRules(s *scanner, num, raw []byte) {
	if n.min == nil && n.max == nil && n.exMin == nil && n.exMax == nil && n.multiple == nil {
		return
	}
	d := parseDecimal(num)
	if b := n.min; b != nil && d.cmp(b.dec) < 0 {
		s.failBound("minimum", "must be at least ", b, n.kind, raw)
	}
	if b := n.exMin; b != nil && d.cmp(b.dec) <= 0 {
		s.failBound("exclusiveMinimum", "must be greater than ", b, n.kind, raw)
	}
	if b := n.max; b != nil && d.cmp(b.dec) > 0 {
		s.failBound("maximum", "must be at most ", b, n.kind, raw)
	}
	if b := n.exMax; b != nil && d.cmp(b.dec) >= 0 {
		s.failBound("exclusiveMaximum", "must be less than ", b, n.kind, raw)
	}
	if b := n.multiple; b != nil && !d.multipleOf(b.dec) {
		s.failBound("multipleOf", "must be a multiple of ", b, n.kind, raw)
	}
}

func (s *scanner) failBound(code, text string, b *bound, k kind, raw []byte) {
	s.fail(code, text+b.raw, map[string]any{code: b.value(k)}, raw)
}
