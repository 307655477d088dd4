package schema

import (
	"math/bits"
	"reflect"
	"strconv"
)

// array checks the array at pos, and stores it.
func (s *scanner) array(n *node, dst reflect.Value) bool {
	start := s.pos
	if !s.enter() {
		return false
	}
	before := len(s.issues)
	count := 0
	var items items
	if dst.Kind() == reflect.Slice {
		dst.Set(reflect.MakeSlice(dst.Type(), 0, 0))
	}
	if s.peek() == ']' {
		s.leave()
	} else {
		for {
			s.path[s.depth-1] = step{int32(count), -1}
			s.peek()
			at := s.pos
			if !s.value(n.elem, s.item(n, dst, count)) {
				return false
			}
			if n.unique {
				items.add(s.data[at:s.pos])
			}
			count++
			if more, ok := s.next(']'); !more {
				if !ok {
					return false
				}
				break
			}
		}
	}
	raw := s.data[start:s.pos]
	if len(s.issues) > before {
		raw = nil
	}
	if n.length >= 0 && count != n.length {
		s.fixed(n, count, raw)
	} else {
		s.length(n, count, "minItems", "maxItems", "item", raw)
	}
	if n.unique && len(s.issues) == before {
		s.unique(&items, raw)
	}
	return true
}

// fixed reports an array of another length than its Go type's.
func (s *scanner) fixed(n *node, count int, raw []byte) {
	code := "minItems"
	if count > n.length {
		code = "maxItems"
	}
	s.fail(code, "must have exactly "+plural(n.length, "item"), map[string]any{code: n.length}, raw)
}

func (s *scanner) unique(it *items, raw []byte) {
	i, j, found := it.repeated()
	if found {
		s.fail("uniqueItems", "must not repeat an item, "+strconv.Itoa(i)+" and "+strconv.Itoa(j)+" are equal",
			map[string]any{"uniqueItems": []int{i, j}}, raw)
	}
}

// A bitset remembers which fields were seen. Structs of up to 256 fields do not allocate.
type bitset struct {
	small [4]uint64
	large []uint64
}

func (b *bitset) words(n int) []uint64 {
	if n <= 256 {
		return b.small[:(n+63)/64]
	}
	b.large = make([]uint64, (n+63)/64)
	return b.large
}

// object checks the object at pos, and stores it.
func (s *scanner) object(n *node, dst reflect.Value) bool {
	start, before := s.pos, len(s.issues)
	if !s.enter() {
		return false
	}
	if n.shape.custom != nil {
		s.edits.on = true // its decoder is not shown the envelope
	}
	var set bitset
	seen := set.words(len(n.fields))
	names := s.names.open()
	cut := s.edits.object(s.pos)
	count, next := 0, 0
	var entries entries
	if dst.Kind() == reflect.Map {
		entries.into(dst)
	}
	if s.peek() != '}' {
		for {
			name, ok := s.member()
			if !ok {
				return false
			}
			i := n.find(name, next)
			if i < 0 {
				ok = s.unknown(n, &names, name, &entries)
			} else if next = i + 1; seen[i/64]&(1<<(i%64)) != 0 {
				s.duplicate()
				ok = s.skip(false)
			} else {
				seen[i/64] |= 1 << (i % 64)
				ok = s.field(n.fields[i], dst)
			}
			if !ok {
				return false
			}
			count++
			if i >= 0 && n.elem != nil && n.fields[i].added() {
				s.edits.cut(&cut, s)
				count--
			} else {
				cut.kept(s.pos)
			}
			if c := s.peek(); c == '}' {
				break
			} else if c != ',' {
				return s.unexpected("',' or '}'")
			}
			s.pos++
		}
	}
	s.names.close(names)
	s.leave()
	s.missing(n, seen, cut.any, dst)
	if n.minLen > 0 || n.maxLen >= 0 || n.shape.custom != nil {
		s.whole(n, start, count, before)
	}
	return true
}

// whole checks the rules of an object that began at start, with so many members, before which there were so many issues. It is apart so that
// what few objects need is not on the stack of all.
func (s *scanner) whole(n *node, start, count, before int) {
	if n.minLen > 0 || n.maxLen >= 0 {
		raw := s.data[start:s.pos]
		if len(s.issues) > before {
			raw = nil
		}
		s.length(n, count, "minProperties", "maxProperties", "member", raw)
	}
	if n.shape.custom != nil && len(s.issues) == before {
		s.tryCustom(n.shape.custom, s.edits.apply(s.data, start, s.pos, s.edits.list), nowhere)
	}
}

// find returns the field of that name, -1 for none. next is the likely one: members mostly come in order.
func (o *shape) find(name []byte, next int) int {
	if next < len(o.fields) && o.fields[next].name == string(name) {
		return next
	}
	if i, ok := o.byName[string(name)]; ok {
		return i
	}
	return -1
}

// added reports whether the member is the library's own and no part of the value.
func (f *field) added() bool {
	return (f.role == roleName || f.role == roleID || f.role == roleBeside) && !f.adopted
}

// field checks the value of a known member of dst, and stores it.
func (s *scanner) field(f *field, dst reflect.Value) bool {
	if f.role != rolePayload {
		return s.value(f.node, f.of(dst))
	}
	s.peek()
	s.edits.from = s.pos
	s.edits.first = len(s.edits.list)
	ok := s.value(f.node, dst)
	s.edits.to, s.edits.last = s.pos, len(s.edits.list)
	return ok
}

// unknown checks a member that is no field, and stores it if it is the entry of a map.
func (s *scanner) unknown(n *node, names *object, name []byte, into *entries) bool {
	if !s.names.add(s, names, name) {
		s.duplicate()
		return s.skip(false)
	}
	if n.elem != nil {
		if n.key != nil {
			s.memberName(n.key, name)
		}
		if !into.m.IsValid() {
			return s.value(n.elem, nowhere)
		}
		key := s.keep(name)
		ok := s.value(n.elem, into.next())
		into.put(key)
		return ok
	}
	if n.closed && !s.full() {
		s.refuse(n, string(name))
	}
	return s.skip(false)
}

// refuse reports a member that the type does not have.
func (s *scanner) refuse(n *node, name string) {
	var params map[string]any
	near := s.suggest(name, len(n.fields), func(i int) string { return n.fields[i].name })
	if near != "" {
		params = map[string]any{"did_you_mean": near}
	}
	s.fail("additionalProperties", "is not a known member", params, nil)
}

// missing looks at the fields that were not there: required ones are issues, defaults are set.
func (s *scanner) missing(n *node, seen []uint64, any bool, dst reflect.Value) {
	for w := range seen {
		absent := ^seen[w]
		if rest := len(n.fields) - w*64; rest < 64 {
			absent &= 1<<rest - 1
		}
		for ; absent != 0; absent &= absent - 1 {
			f := n.fields[w*64+bits.TrailingZeros64(absent)]
			switch {
			case f.role == rolePayload && f.required:
				s.noPayload(f)
			case f.required:
				s.failMember(f.name, "required", "is required", nil)
			case f.def != nil && f.role != rolePayload && dst.IsValid():
				f.setDefault(dst)
			case f.def != nil && f.role != rolePayload:
				s.edits.insert(s.pos-1, f, any)
				any = true
			}
		}
	}
}

// noPayload reports an envelope without its value: of a struct, the members that it lacks.
func (s *scanner) noPayload(f *field) {
	if f.node.kind != kindObject || len(f.node.fields) == 0 {
		s.failMember(f.name, "required", "is required", nil)
		return
	}
	base := s.base
	s.base += "/" + escapePointer(f.name)
	for i := range f.node.fields {
		if m := f.node.fields[i]; m.required {
			s.failMember(m.name, "required", "is required", nil)
		}
	}
	s.base = base
}

// memberName checks the name of a map's entry.
func (s *scanner) memberName(key *node, name []byte) {
	switch key.kind {
	case kindInt:
		isWhole, ok := isNumber(name)
		w, over := whole{}, false
		if ok && isWhole && string(name) != "-0" {
			if w, over = parseWhole(name); !over && key.contains(w) {
				return
			}
		}
		s.fail("propertyNames", "must be named by an integer that fits "+key.typ.Kind().String(), nil, nil)
	case kindText:
		if err := decodeText(key.shape, name); err != nil {
			s.fail("propertyNames", "must be named in the right format", nil, nil)
		}
	}
}

// contains reports whether w fits the Go type.
func (n *node) contains(w whole) bool {
	return w.cmp(n.min.whole) >= 0 && w.cmp(n.max.whole) <= 0
}
