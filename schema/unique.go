package schema

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// items are the values of one array in a form that is equal where JSON Schema calls values equal: 1 and 1.0, "a"
// and "\u0061", objects whatever the order of their members.
type items struct {
	text []byte
	ends []int
}

func (it *items) add(raw []byte) {
	s := scanner{data: raw}
	it.text = s.canonical(it.text)
	it.ends = append(it.ends, len(it.text))
}

func (it *items) item(i int) []byte {
	if i == 0 {
		return it.text[:it.ends[0]]
	}
	return it.text[it.ends[i-1]:it.ends[i]]
}

// repeated returns the first two that are equal.
func (it *items) repeated() (i, j int, found bool) {
	seen := make(map[string]int, len(it.ends))
	for j := range it.ends {
		if i, ok := seen[string(it.item(j))]; ok {
			return i, j, true
		}
		seen[string(it.item(j))] = j
	}
	return 0, 0, false
}

// canonical appends the value at pos, which is valid JSON. Strings and containers begin with their length, so no
// two values read the same.
func (s *scanner) canonical(dst []byte) []byte {
	switch s.peek() {
	case '"':
		val, _, _ := s.str()
		dst = append(strconv.AppendInt(append(dst, '"'), int64(len(val)), 10), ':')
		return append(dst, val...)
	case '[':
		return s.canonicalArray(dst)
	case '{':
		return s.canonicalObject(dst)
	case 't', 'f', 'n':
		start := s.pos
		s.skip(false)
		return append(dst, s.data[start])
	}
	raw, _, _ := s.number()
	d := parseDecimal(raw)
	dst = append(dst, '0')
	if d.neg {
		dst = append(dst, '-')
	}
	for i := 0; ; {
		digit := nextDigit(d.digits, &i)
		if digit < 0 {
			break
		}
		dst = append(dst, byte('0'+digit))
	}
	return append(strconv.AppendInt(append(dst, 'e'), int64(d.exp), 10), ';')
}

func (s *scanner) canonicalArray(dst []byte) []byte {
	dst = append(dst, '[')
	s.pos++
	for s.peek() != ']' {
		dst = s.canonical(dst)
		if s.peek() == ',' {
			s.pos++
		}
	}
	s.pos++
	return append(dst, ']')
}

func (s *scanner) canonicalObject(dst []byte) []byte {
	type member struct{ name, value []byte }
	var members []member
	s.pos++
	for s.peek() != '}' {
		name := s.canonical(nil)
		s.peek()
		s.pos++ // the colon
		members = append(members, member{name, s.canonical(nil)})
		if s.peek() == ',' {
			s.pos++
		}
	}
	s.pos++
	slices.SortFunc(members, func(a, b member) int { return cmp.Or(bytes.Compare(a.name, b.name), bytes.Compare(a.value, b.value)) })
	dst = append(dst, '{')
	for _, m := range members {
		dst = append(append(dst, m.name...), m.value...)
	}
	return append(dst, '}')
}
