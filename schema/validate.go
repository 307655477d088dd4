package schema

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value checks the value at pos by its plan, stores it in dst, unless that is nowhere, and leaves pos behind it. What stands in
// dst is of use only if there are no issues. dst is zero before, and its plan is storable.
func (s *scanner) value(n *node, dst reflect.Value) bool {
	if s.full() { // what else is wrong is not told: it need not be found
		return s.skip(false)
	}
	c := s.peek()
	if c == 'n' {
		if n.kind != kindRaw && n.kind != kindCustom {
			return s.null(n)
		}
		if dst.Kind() == reflect.Pointer {
			dst = nowhere // it stays nil
		}
	} else if dst.Kind() == reflect.Pointer && n.typ != nil { // an envelope has none, only what is in it
		dst = pointee(dst)
	}
	switch n.kind {
	case kindObject:
		if c == '{' {
			return s.object(n, dst)
		}
	case kindArray:
		if c == '[' {
			return s.array(n, dst)
		}
	case kindString, kindBytes, kindTime, kindDuration, kindText:
		if c == '"' {
			return s.string(n, dst)
		}
	case kindInt, kindFloat:
		if n.quoted {
			if c == '"' {
				return s.quotedNumber(n, dst)
			}
		} else if c == '-' || c >= '0' && c <= '9' {
			return s.plainNumber(n, dst)
		}
	case kindBool:
		if c == 't' || c == 'f' {
			return s.bool(n, dst)
		}
	case kindName:
		return s.name(n, c, dst)
	case kindAny, kindRaw:
		return s.free(n, dst)
	case kindID:
		return s.skip(false)
	case kindCustom:
		return s.custom(n, dst)
	}
	return s.wrongType(n)
}

func (s *scanner) null(n *node) bool {
	start := s.pos
	if !s.literal("null") {
		return false
	}
	if !n.nullable && n.kind != kindAny && n.kind != kindID {
		s.failType(n, s.data[start:s.pos])
	}
	return true
}

// wrongType reads a value of another JSON type than the plan's.
func (s *scanner) wrongType(n *node) bool {
	start, before := s.pos, len(s.issues)
	if !s.skip(false) {
		return false
	}
	raw := s.data[start:s.pos]
	if len(s.issues) > before {
		raw = nil // it has faults of its own and might not be echoed by a strict encoder
	}
	s.failType(n, raw)
	return true
}

func (s *scanner) failType(n *node, raw []byte) {
	t := n.wireType()
	text := "must be " + article(t)
	params := map[string]any{"type": t}
	if n.nullable {
		text += " or null"
		params["type"] = []string{t, "null"}
	}
	s.fail("type", text, params, raw)
}

func article(t string) string {
	if strings.IndexByte("aeio", t[0]) >= 0 {
		return "an " + t
	}
	return "a " + t
}

// wireType is the JSON Schema type of a value.
func (n *node) wireType() string {
	switch n.kind {
	case kindBool:
		return "boolean"
	case kindInt:
		if !n.quoted {
			return "integer"
		}
	case kindFloat:
		if !n.quoted {
			return "number"
		}
	case kindArray:
		return "array"
	case kindObject:
		return "object"
	case kindName:
		if n.names[0][0] != '"' {
			return "integer"
		}
	}
	return "string"
}

func (s *scanner) bool(n *node, dst reflect.Value) bool {
	start := s.pos
	lit := "true"
	if s.data[s.pos] == 'f' {
		lit = "false"
	}
	if !s.literal(lit) {
		return false
	}
	if n.enum != nil && !n.hasRaw(lit) {
		s.failEnum(n, s.data[start:s.pos], nil)
	}
	if dst.IsValid() {
		dst.SetBool(lit == "true")
	}
	return true
}

func (n *node) hasRaw(raw string) bool {
	for i := range n.enum {
		if n.enum[i].raw == raw {
			return true
		}
	}
	return false
}

func (s *scanner) plainNumber(n *node, dst reflect.Value) bool {
	raw, isWhole, ok := s.number()
	if !ok {
		return false
	}
	s.numberRules(n, raw, isWhole, raw, dst)
	return true
}

// numberRules checks num, which stands in the message as raw, and stores it.
func (s *scanner) numberRules(n *node, num []byte, isWhole bool, raw []byte, dst reflect.Value) {
	if n.kind == kindFloat {
		if !s.finite(num, n.bits, raw) {
			return
		}
		if n.enum != nil && !n.hasDecimal(parseDecimal(num)) {
			s.failEnum(n, raw, nil)
			return
		}
		n.floatRules(s, num, raw)
		if dst.IsValid() {
			dst.SetFloat(parseFloat(num, n.bits))
		}
		return
	}
	if !isWhole || !n.lo.whole.neg && string(num) == "-0" {
		s.failType(n, raw) // a decoder of integers takes neither 12.0 nor 1e2, and -0 only where there is a sign
		return
	}
	w, over := parseWhole(num)
	switch {
	case n.enum != nil && (over || !n.hasWhole(w)):
		s.failEnum(n, raw, nil)
	case over:
		n.floatRules(s, num, raw) // it breaks at least the bound of its Go type
	default:
		n.wholeRules(s, w, raw)
		if dst.IsValid() {
			w.store(dst)
		}
	}
}

func (n *node) hasDecimal(d decimal) bool {
	for i := range n.enum {
		if n.enum[i].num.dec.cmp(d) == 0 {
			return true
		}
	}
	return false
}

func (n *node) hasWhole(w whole) bool {
	for i := range n.enum {
		if n.enum[i].num.whole == w {
			return true
		}
	}
	return false
}

// quotedNumber reads a number inside a string, as the json tag's option string has it.
func (s *scanner) quotedNumber(n *node, dst reflect.Value) bool {
	start := s.pos
	val, _, ok := s.str()
	if !ok {
		return false
	}
	raw := s.data[start:s.pos]
	isWhole, ok := isNumber(val)
	if !ok || n.kind == kindInt && !isWhole {
		s.fail("pattern", "must be a number in a string", nil, raw)
		return true
	}
	s.numberRules(n, val, isWhole, raw, dst)
	return true
}

// isNumber reports whether b is a JSON number, and whether a whole one.
func isNumber(b []byte) (isWhole, ok bool) {
	s := scanner{data: b}
	_, isWhole, ok = s.number()
	return isWhole, ok && s.pos == len(b)
}

func (s *scanner) string(n *node, dst reflect.Value) bool {
	start := s.pos
	val, ascii, ok := s.str()
	if !ok {
		return false
	}
	raw := s.data[start:s.pos]
	if n.enum != nil && !n.hasText(val) {
		s.failEnum(n, raw, val)
		return true
	}
	if n.minLen > 0 || n.maxLen >= 0 || n.pattern != nil || n.format != nil {
		s.textRules(n, val, ascii, raw)
	}
	if n.kind != kindString {
		s.textual(n, val, raw, dst)
	} else if dst.IsValid() {
		dst.SetString(s.keep(val))
	}
	return true
}

// textRules is apart, as textual is: what they need would be on the stack of every string.
func (s *scanner) textRules(n *node, val []byte, ascii bool, raw []byte) {
	if n.minLen > 0 || n.maxLen >= 0 {
		count := len(val)
		if !ascii {
			count = utf8.RuneCount(val)
		}
		s.length(n, count, "minLength", "maxLength", "character", raw)
	}
	if n.pattern != nil && !n.pattern.Match(val) {
		s.fail("pattern", "must match "+n.pattern.text, map[string]any{"pattern": n.pattern.text}, raw)
	}
	if f := n.format; f != nil && f.check != nil && n.kind != kindDuration && !f.check(val) {
		s.failFormat(f, raw)
	}
}

// textual checks and stores a string that is written for something else.
func (s *scanner) textual(n *node, val, raw []byte, dst reflect.Value) {
	switch n.kind {
	case kindBytes:
		s.bytes(n, val, raw, dst)
	case kindTime:
		if !isTime(val) || dst.IsValid() && timeOf(dst).UnmarshalText(val) != nil {
			s.failFormat(formats["date-time"], raw)
		}
	case kindDuration:
		d, ok := parseDuration(val)
		if !ok {
			s.failFormat(formats["duration"], raw)
		}
		if dst.IsValid() {
			dst.SetInt(int64(d))
		}
	case kindText:
		s.textValue(n, raw, dst)
	}
}

func (s *scanner) failFormat(f *format, raw []byte) {
	s.fail("format", "must be "+f.text, map[string]any{"format": f.name}, raw)
}

func (n *node) hasText(val []byte) bool {
	for i := range n.enum {
		if n.enum[i].text == string(val) {
			return true
		}
	}
	return false
}

// length checks a count against the node's bounds, in the words of its kind.
func (s *scanner) length(n *node, count int, minCode, maxCode, unit string, raw []byte) {
	if count < n.minLen {
		s.fail(minCode, "must have at least "+plural(n.minLen, unit), map[string]any{minCode: n.minLen}, raw)
	}
	if n.maxLen >= 0 && count > n.maxLen {
		s.fail(maxCode, "must have at most "+plural(n.maxLen, unit), map[string]any{maxCode: n.maxLen}, raw)
	}
}

func plural(count int, unit string) string {
	if count == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(count) + " " + unit + "s"
}

// bytes checks base64 of RFC 4648: padded, without line breaks, of the array's length if it is one.
func (s *scanner) bytes(n *node, val, raw []byte, dst reflect.Value) {
	buf := make([]byte, 0, 128)
	if base64.StdEncoding.DecodedLen(len(val)) > cap(buf) {
		buf = make([]byte, 0, base64.StdEncoding.DecodedLen(len(val)))
	}
	out, err := base64.StdEncoding.AppendDecode(buf, val)
	if err != nil || bytes.ContainsAny(val, "\r\n") {
		s.fail("contentEncoding", "must be base64", map[string]any{"contentEncoding": "base64"}, raw)
		return
	}
	if n.length >= 0 && len(out) != n.length {
		s.fail("contentEncoding", "must be base64 of "+plural(n.length, "byte"), map[string]any{"contentEncoding": "base64"}, raw)
		return
	}
	switch dst.Kind() {
	case reflect.Slice:
		dst.SetBytes(append(make([]byte, 0, len(out)), out...))
	case reflect.Array:
		copy(dst.Bytes(), out)
	}
}

func (s *scanner) failEnum(n *node, raw, text []byte) {
	if len(s.issues) >= maxIssues {
		return
	}
	if n.isConst {
		s.fail("const", "must be "+n.enum[0].show(), map[string]any{"const": n.enum[0].param(n.kind)}, raw)
		return
	}
	params := map[string]any{"enum": listed(n.enum, n.kind)}
	if text != nil {
		if near := s.suggest(string(text), len(n.enum), func(i int) string { return n.enum[i].text }); near != "" {
			params["did_you_mean"] = near
		}
	}
	s.fail("enum", oneOf(n.enum), params, raw)
}

// oneOf says what a value must be; of many values it names the first.
func oneOf(values []value) string {
	b := append(make([]byte, 0, 128), "must be one of "...)
	for i := range values[:min(len(values), maxListed)] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, values[i].show()...)
	}
	if more := len(values) - maxListed; more > 0 {
		b = append(strconv.AppendInt(append(b, " and "...), int64(more), 10), " more"...)
	}
	return string(b)
}

// listed are the values as parameters of an issue, which its owner may change.
func listed(values []value, k kind) []any {
	list := make([]any, min(len(values), maxListed))
	for i := range list {
		list[i] = values[i].param(k)
	}
	return list
}

// show is how a message names the value.
func (v *value) show() string { return v.raw }

func (v *value) param(k kind) any {
	switch {
	case v.isn:
		return v.num.value(k)
	case v.raw == "true":
		return true
	case v.raw == "false":
		return false
	}
	return v.text
}

// name checks the discriminator.
func (s *scanner) name(n *node, c byte, dst reflect.Value) bool {
	start := s.pos
	isString := n.names[0][0] == '"'
	if isString != (c == '"') || !isString && c != '-' && (c < '0' || c > '9') {
		return s.wrongType(n)
	}
	var val []byte
	ok, isWhole := true, true
	if isString {
		val, _, ok = s.str()
	} else {
		val, isWhole, ok = s.number()
	}
	if !ok {
		return false
	}
	raw := s.data[start:s.pos]
	if !isWhole {
		s.failType(n, raw)
		return true
	}
	for i := range n.enum {
		if n.enum[i].text == string(val) {
			n.enum[i].store(dst)
			return true
		}
	}
	if len(n.names) == 1 {
		s.fail("const", "must be "+n.names[0], map[string]any{"const": n.enum[0].param(kindInt)}, raw)
		return true
	}
	s.fail("const", oneOf(n.enum), map[string]any{"enum": listed(n.enum, kindInt)}, raw)
	return true
}
