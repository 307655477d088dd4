// Package ordered has JSON values as trees of *[Object], []any, string, [Number], bool and nil. Members keep their order and numbers their
// spelling, so that a document comes out as its author wrote it. It reads the documents of strangers, JSON and YAML, within bounds.
//
// Module wsswag imports it too, of whatever version a program is built with: what it uses keeps its meaning.
package ordered

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Number is a JSON number as it was written.
type Number string

// Compare compares by value.
func (n Number) Compare(m Number) int {
	x, _ := new(big.Float).SetString(string(n))
	y, _ := new(big.Float).SetString(string(m))
	if x == nil || y == nil {
		return 0
	}
	return x.Cmp(y)
}

// An Object is a JSON object whose members have an order. Most are small: they are looked through, which is faster than a map of each.
// The zero value is empty.
type Object struct {
	names  []string
	values []any
	index  map[string]int // of large objects
}

const large = 16 // members

// New returns an object of alternating names and values.
func New(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// sized is an empty object with room for n members, so that growing leaves nothing behind.
func sized(n int) *Object {
	o := &Object{names: make([]string, 0, n), values: make([]any, 0, n)}
	if n > large {
		o.index = make(map[string]int, n)
	}
	return o
}

// Names lists the members in their order. The list is the object's own.
func (o *Object) Names() []string { return o.names }

// find returns the position of a member, -1 without.
func (o *Object) find(name string) int {
	if o.index == nil {
		return slices.Index(o.names, name)
	}
	if i, ok := o.index[name]; ok {
		return i
	}
	return -1
}

// Set replaces the member where it stands or appends it, and returns o.
func (o *Object) Set(name string, v any) *Object {
	if i := o.find(name); i >= 0 {
		o.values[i] = v
		return o
	}
	o.names, o.values = append(o.names, name), append(o.values, v)
	switch {
	case o.index != nil:
		o.index[name] = len(o.names) - 1
	case len(o.names) > large:
		o.number()
	}
	return o
}

// number makes the index.
func (o *Object) number() {
	o.index = make(map[string]int, 2*len(o.names))
	for i, n := range o.names {
		o.index[n] = i
	}
}

// SetText is Set for texts that may be missing.
func (o *Object) SetText(name, text string) *Object {
	if text == "" {
		return o
	}
	return o.Set(name, text)
}

// Get returns nil if there is no such member.
func (o *Object) Get(name string) any {
	if i := o.find(name); i >= 0 {
		return o.values[i]
	}
	return nil
}

func (o *Object) Has(name string) bool { return o.find(name) >= 0 }

// Text returns "" for what is no string.
func (o *Object) Text(name string) string {
	s, _ := o.Get(name).(string)
	return s
}

// List returns nil for what is no list.
func (o *Object) List(name string) []any {
	l, _ := o.Get(name).([]any)
	return l
}

// Object returns the member, or an empty object that is not part of o.
func (o *Object) Object(name string) *Object {
	if m, ok := o.Get(name).(*Object); ok {
		return m
	}
	return &Object{}
}

func (o *Object) Remove(name string) {
	i := o.find(name)
	if i < 0 {
		return
	}
	o.names, o.values = slices.Delete(o.names, i, i+1), slices.Delete(o.values, i, i+1)
	if o.index != nil {
		o.number()
	}
}

// Clone copies one level.
func (o *Object) Clone() *Object {
	return &Object{slices.Clone(o.names), slices.Clone(o.values), maps.Clone(o.index)}
}

// Equal compares values as JSON does: the order of members does not count.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || len(a.names) != len(b.names) {
			return false
		}
		for i, n := range a.names {
			if !b.Has(n) || !Equal(a.values[i], b.Get(n)) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	default:
		return a == b
	}
}

// AppendJSON appends v, indented by two spaces a level if indent is not negative. Nothing is escaped for HTML.
func AppendJSON(dst []byte, v any, indent int) []byte {
	w := writer{out: dst}
	w.value(v, indent)
	return w.out
}

// Marshal writes v as JSON that [Parse] takes by its size. What the tree shares is written as often as it stands there.
func Marshal(v any) ([]byte, error) {
	w := writer{bounded: true}
	w.value(v, -1)
	if w.over() {
		return nil, fmt.Errorf("more than %d bytes or %d values are to be written", MaxBytes, maxValues)
	}
	return w.out, nil
}

type writer struct {
	out     []byte
	values  int
	bounded bool
}

func (w *writer) over() bool {
	return w.bounded && (w.values > maxValues || len(w.out) > MaxBytes)
}

func (w *writer) value(v any, indent int) {
	if w.values++; w.over() {
		return
	}
	switch v := v.(type) {
	case *Object:
		w.out = append(w.out, '{')
		for i, name := range v.names {
			w.next(i, indent)
			w.out = append(AppendQuoted(w.out, name), ':')
			if indent >= 0 {
				w.out = append(w.out, ' ')
			}
			w.value(v.values[i], deeper(indent))
		}
		w.end('}', len(v.names), indent)
	case []any:
		w.out = append(w.out, '[')
		for i, e := range v {
			w.next(i, indent)
			w.value(e, deeper(indent))
		}
		w.end(']', len(v), indent)
	case string:
		w.out = AppendQuoted(w.out, v)
	case Number:
		w.out = append(w.out, v...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case nil:
		w.out = append(w.out, "null"...)
	default:
		panic(fmt.Sprintf("ordered: a %T is no JSON value", v))
	}
}

func deeper(indent int) int {
	if indent < 0 {
		return indent
	}
	return indent + 1
}

func (w *writer) next(i, indent int) {
	if i > 0 {
		w.out = append(w.out, ',')
	}
	w.breakLine(deeper(indent))
}

func (w *writer) end(bracket byte, members, indent int) {
	if members > 0 {
		w.breakLine(indent)
	}
	w.out = append(w.out, bracket)
}

func (w *writer) breakLine(indent int) {
	if indent < 0 {
		return
	}
	w.out = append(w.out, '\n')
	for range indent {
		w.out = append(w.out, "  "...)
	}
}

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}
