package schema

import (
	"reflect"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// Plain values are stored while they are checked, in one pass over the message, and written without json/v2. What json/v2 does
// with them is what holds: everything here is tested against it.

// nowhere is where a value goes that is only checked.
var nowhere reflect.Value

// quicken finds out what of p can do without json/v2.
func (p *Plan) quicken() {
	p.storable = p.root.custom == nil && p.body.each(map[*shape]bool{}, (*node).isStorable)
	p.writable = p.root.custom == nil && len(p.names) <= 1 && p.body.each(map[*shape]bool{}, (*node).isWritable)
	if len(p.names) == 1 {
		p.opening = p.head(nil, p.names[0], nil)
	}
}

// each reports whether all nodes at and below n satisfy is.
func (n *node) each(seen map[*shape]bool, is func(*node) bool) bool {
	if !is(n) {
		return false
	}
	if seen[n.shape] {
		return true
	}
	seen[n.shape] = true
	for _, f := range n.fields {
		if !f.node.each(seen, is) {
			return false
		}
	}
	return n.elem == nil || n.elem.each(seen, is)
}

// isStorable reports whether a value of n can be stored while it is checked, if what is below it can.
func (n *node) isStorable() bool {
	switch n.kind {
	case kindObject:
		return n.elem == nil || n.typ.Kind() == reflect.Map && n.key == nil
	case kindText, kindCustom: // one that reads from json/v2's decoder may ask it where it is
		return n.decode && n.typ.Kind() != reflect.Interface && !has(n.typ, typeUnmarshalerFrom)
	}
	return true
}

// onePass stores data in dst, which is zero, while it validates.
func (p *Plan) onePass(data []byte, dst reflect.Value) []Issue {
	s := newScanner(data)
	_ = s.value(p.root, dst) && s.end()
	issues := s.faults()
	switch {
	case issues != nil:
		dst.SetZero()
	case p.emptyBody != nil && s.edits.to == 0:
		issues = p.store(s, dst.Addr().Interface())
	}
	s.release()
	return issues
}

// pointee is what the pointer dst leads to in the end.
func pointee(dst reflect.Value) reflect.Value {
	for dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	return dst
}

const (
	maxShared = 128 // bytes of a string that shares memory with others
	sharing   = 256 // bytes that they share: who keeps one of them keeps all
)

// keep copies val out of the message. Short strings share an allocation.
func (s *scanner) keep(val []byte) string {
	if len(val) > maxShared {
		return string(val)
	}
	if s.shared.Cap()-s.shared.Len() < len(val) {
		s.shared.Reset()
		s.shared.Grow(min(len(val)+len(s.data)-s.pos, sharing))
	}
	start := s.shared.Len()
	s.shared.Write(val)
	return s.shared.String()[start:]
}

// of is where the member goes in the struct v, nowhere for one that is no part of it.
func (f *field) of(v reflect.Value) reflect.Value {
	if !v.IsValid() || f.added() {
		return nowhere
	}
	v = v.Field(f.index[0])
	for _, i := range f.index[1:] {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

// setDefault stores the default in the struct v.
func (f *field) setDefault(v reflect.Value) {
	s := newScanner(f.def)
	s.value(f.node, f.of(v))
	s.release()
}

// item is where the i-th item of an array goes. When there is an issue, or will be, no memory is taken.
func (s *scanner) item(n *node, dst reflect.Value, i int) reflect.Value {
	switch dst.Kind() {
	case reflect.Array:
		if i < dst.Len() {
			return dst.Index(i)
		}
	case reflect.Slice:
		if len(s.issues) > 0 || n.maxLen >= 0 && i >= n.maxLen {
			return nowhere
		}
		if i == dst.Cap() {
			dst.Grow(1)
		}
		dst.SetLen(i + 1)
		return dst.Index(i)
	}
	return nowhere
}

// entries stores the entries of a map.
type entries struct{ m, key, value reflect.Value }

// into begins the map m. Entries of what is no map have an m that is nowhere.
func (e *entries) into(m reflect.Value) {
	t := m.Type()
	m.Set(reflect.MakeMap(t))
	e.m, e.key, e.value = m, reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
}

// next is where the value of the next entry goes.
func (e *entries) next() reflect.Value {
	e.value.SetZero()
	return e.value
}

// put adds the entry.
func (e *entries) put(name string) {
	e.key.SetString(name)
	e.m.SetMapIndex(e.key, e.value)
}

// free reads a value that may be anything, and stores it as json/v2 does.
func (s *scanner) free(n *node, dst reflect.Value) bool {
	start, before := s.pos, len(s.issues)
	if !s.skip(n.kind == kindAny) {
		return false
	}
	if dst.IsValid() && len(s.issues) == before && jsonv2.Unmarshal(s.data[start:s.pos], dst.Addr().Interface()) != nil {
		s.fail("invalid", "is not valid", nil, nil) // never: it is JSON
	}
	return true
}

// store sets dst, an integer that w fits.
func (w whole) store(dst reflect.Value) {
	switch {
	case dst.CanUint():
		dst.SetUint(w.abs)
	case w.neg:
		dst.SetInt(int64(-w.abs))
	default:
		dst.SetInt(int64(w.abs))
	}
}

// store sets dst, a string or an integer, unless that is nowhere.
func (v *value) store(dst reflect.Value) {
	switch dst = pointee(dst); {
	case !dst.IsValid():
	case dst.Kind() == reflect.String:
		dst.SetString(v.text)
	default:
		v.num.whole.store(dst)
	}
}

// timeOf returns v, which is a time.Time, without copying it if that can be.
func timeOf(v reflect.Value) *time.Time {
	if v.CanAddr() {
		return v.Addr().Interface().(*time.Time)
	}
	t := v.Interface().(time.Time)
	return &t
}
