package apidoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The documents are trees of these: *object, []any, string, number, bool and nil. Members keep their order and
// numbers their spelling, so that a merged document comes out as its author wrote it.

// A number is a JSON number as it was written.
type number string

// An object is a JSON object whose members have an order.
type object struct {
	names  []string
	values map[string]any
}

// newObject returns an object of alternating names and values.
func newObject(pairs ...any) *object {
	o := &object{values: make(map[string]any, len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// set replaces the member where it stands or appends it, and returns o.
func (o *object) set(name string, v any) *object {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
	return o
}

// setText is set for texts that may be missing.
func (o *object) setText(name, text string) *object {
	if text == "" {
		return o
	}
	return o.set(name, text)
}

func (o *object) get(name string) any { return o.values[name] }

func (o *object) has(name string) bool {
	_, ok := o.values[name]
	return ok
}

func (o *object) text(name string) string {
	s, _ := o.values[name].(string)
	return s
}

func (o *object) list(name string) []any {
	l, _ := o.values[name].([]any)
	return l
}

// object returns the member, or an empty object that is not part of o.
func (o *object) object(name string) *object {
	if m, ok := o.values[name].(*object); ok {
		return m
	}
	return newObject()
}

func (o *object) remove(name string) {
	if !o.has(name) {
		return
	}
	delete(o.values, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// clone copies one level.
func (o *object) clone() *object {
	c := &object{names: slices.Clone(o.names), values: make(map[string]any, len(o.values))}
	for n, v := range o.values {
		c.values[n] = v
	}
	return c
}

// texts turns a list of strings into a value of the tree.
func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// What a parsed document may have at most.
const (
	maxDepth  = 200
	maxValues = 1 << 20
)

// parseJSON reads one JSON value with no member named twice, no invalid UTF-8 and nothing behind it.
func parseJSON(data []byte) (any, error) {
	if leastValues(data) > maxValues { // before anything is built of them
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	p := &jsonParser{dec: jsontext.NewDecoder(bytes.NewBuffer(data)), left: maxValues}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the first JSON value")
	}
	return v, nil
}

// leastValues counts what begins a value in JSON: the brackets and commas outside of strings. There are at least as many values.
func leastValues(data []byte) (n int) {
	for i, inString := 0, false; i < len(data); i++ {
		switch data[i] {
		case '"':
			inString = !inString
		case '\\':
			i++ // in strings only, or the parser will say so
		case '[', '{', ',':
			if !inString {
				n++
			}
		}
	}
	return n
}

type jsonParser struct {
	dec  *jsontext.Decoder
	left int
}

func (p *jsonParser) value(depth int) (any, error) {
	if p.left--; p.left < 0 {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		o := newObject()
		for p.dec.PeekKind() != '}' {
			name, err := p.dec.ReadToken()
			if err != nil {
				return nil, err
			}
			n := name.String()
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			o.set(n, v)
		}
		_, err = p.dec.ReadToken()
		return o, err
	case '[':
		list := []any{}
		for p.dec.PeekKind() != ']' {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = p.dec.ReadToken()
		return list, err
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String()), nil
	case 'n':
		return nil, nil
	default:
		return tok.Bool(), nil
	}
}

// appendJSON appends v, indented by two spaces a level if indent is not negative. Nothing is escaped for HTML.
func appendJSON(dst []byte, v any, indent int) []byte {
	switch v := v.(type) {
	case *object:
		if len(v.names) == 0 {
			return append(dst, "{}"...)
		}
		dst = append(dst, '{')
		for i, name := range v.names {
			dst = appendNext(dst, i, indent)
			dst = append(appendQuoted(dst, name), ':')
			if indent >= 0 {
				dst = append(dst, ' ')
			}
			dst = appendJSON(dst, v.values[name], deeper(indent))
		}
		return append(appendBreak(dst, indent), '}')
	case []any:
		if len(v) == 0 {
			return append(dst, "[]"...)
		}
		dst = append(dst, '[')
		for i, e := range v {
			dst = appendNext(dst, i, indent)
			dst = appendJSON(dst, e, deeper(indent))
		}
		return append(appendBreak(dst, indent), ']')
	case string:
		return appendQuoted(dst, v)
	case number:
		return append(dst, v...)
	case bool:
		return strconv.AppendBool(dst, v)
	case nil:
		return append(dst, "null"...)
	}
	panic(fmt.Sprintf("apidoc: a %T is no part of a document", v))
}

func deeper(indent int) int {
	if indent < 0 {
		return indent
	}
	return indent + 1
}

func appendNext(dst []byte, i, indent int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return appendBreak(dst, deeper(indent))
}

func appendBreak(dst []byte, indent int) []byte {
	if indent < 0 {
		return dst
	}
	dst = append(dst, '\n')
	for range indent {
		dst = append(dst, "  "...)
	}
	return dst
}

func appendQuoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}

// equal compares values of the tree as JSON does: the order of members does not count.
func equal(a, b any) bool {
	switch a := a.(type) {
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.names) != len(b.names) {
			return false
		}
		for _, n := range a.names {
			if !b.has(n) || !equal(a.values[n], b.values[n]) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	default:
		return a == b
	}
}

// compareNumbers compares by value.
func compareNumbers(a, b number) int {
	x, _ := new(big.Float).SetString(string(a))
	y, _ := new(big.Float).SetString(string(b))
	if x == nil || y == nil {
		return 0
	}
	return x.Cmp(y)
}
