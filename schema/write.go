package schema

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var typeZeroer = reflect.TypeFor[interface{ IsZero() bool }]()

// isWritable reports whether a value of n can be written without json/v2, if what is below it can.
func (n *node) isWritable() bool {
	for _, f := range n.fields {
		if f.omitZero && f.node.kind != kindTime && has(f.node.typ, typeZeroer) {
			return false
		}
	}
	switch n.kind {
	case kindAny:
		return false // anything may be in it
	case kindObject:
		return n.elem == nil || n.typ.Kind() == reflect.Map && n.key == nil
	case kindText, kindCustom: // one that writes to json/v2's encoder may ask it where it is
		return n.typ.Kind() != reflect.Interface && !has(n.typ, typeMarshalerTo)
	}
	return true
}

// write encodes v, or a pointer to it, in its envelope behind dst. If it gives up, json/v2 knows what to do or what is wrong.
func (p *Plan) write(dst []byte, v reflect.Value, id []byte) (out []byte, ok bool) {
	if v.Kind() == reflect.Pointer && v.Type() != p.typ {
		v = v.Elem()
	}
	if p.env.ID == "" {
		id = nil
	}
	if p.env.Discriminator == "" && id == nil {
		return p.body.write(dst, v, 0)
	}
	dst = p.open(dst, id)
	if p.env.Payload != "" {
		dst = append(appendString(append(dst, ','), p.env.Payload), ':')
		if dst, ok = p.body.write(dst, v, 1); !ok {
			return nil, false
		}
		return append(dst, '}'), true
	}
	if p.body.kind != kindObject {
		return nil, false
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() { // a nil pointer is neither
	case reflect.Struct:
		for _, f := range p.body.fields {
			start := len(dst)
			if dst, ok = f.write(dst, v, 1); !ok {
				return nil, false
			}
			if p.isEnvelope(f.name, id != nil) {
				dst = dst[:start] // it was to be writable all the same
			}
		}
	case reflect.Map:
		if dst, ok = p.body.writeEntries(dst, v, 1, func(name string) bool { return p.isEnvelope(name, id != nil) }); !ok {
			return nil, false
		}
	default:
		return nil, false
	}
	return append(dst, '}'), true
}

// open begins the envelope.
func (p *Plan) open(dst, id []byte) []byte {
	name := ""
	if len(p.names) > 0 {
		name = p.names[0]
	}
	if id != nil {
		return p.head(dst, name, id)
	}
	return append(dst, p.opening...)
}

// write appends v. It gives up where json/v2 fails.
func (n *node) write(dst []byte, v reflect.Value, depth int) (out []byte, ok bool) {
	if depth > maxDepth {
		return nil, false // perhaps without end
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(dst, "null"...), true
		}
		v = v.Elem()
	}
	switch n.kind {
	case kindString:
		return writeString(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool()), true
	case kindInt, kindFloat:
		if n.quoted {
			if dst, ok = writeNumber(append(dst, '"'), v); !ok {
				return nil, false
			}
			return append(dst, '"'), true
		}
		return writeNumber(dst, v)
	case kindBytes:
		return writeBytes(dst, v), true
	case kindTime:
		if dst, err := timeOf(v).AppendText(append(dst, '"')); err == nil {
			return append(dst, '"'), true
		}
	case kindDuration:
		if v.Int() >= 0 {
			return append(appendDuration(append(dst, '"'), time.Duration(v.Int())), '"'), true
		}
	case kindArray:
		return n.writeItems(dst, v, depth)
	case kindObject:
		return n.writeObject(dst, v, depth)
	case kindRaw, kindText, kindCustom:
		if raw, err := jsonv2.Marshal(v.Interface()); err == nil {
			return append(dst, raw...), true
		}
	}
	return nil, false
}

func (n *node) writeItems(dst []byte, v reflect.Value, depth int) (out []byte, ok bool) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, ok = n.elem.write(dst, v.Index(i), depth+1); !ok {
			return nil, false
		}
	}
	return append(dst, ']'), true
}

func (n *node) writeObject(dst []byte, v reflect.Value, depth int) (out []byte, ok bool) {
	dst = append(dst, '{')
	if v.Kind() == reflect.Map {
		if dst, ok = n.writeEntries(dst, v, depth+1, nil); !ok {
			return nil, false
		}
		return append(dst, '}'), true
	}
	for _, f := range n.fields {
		if dst, ok = f.write(dst, v, depth+1); !ok {
			return nil, false
		}
	}
	return append(dst, '}'), true
}

// write appends the member that f is of the struct v, unless it is left out.
func (f *field) write(dst []byte, v reflect.Value, depth int) (out []byte, ok bool) {
	v = v.Field(f.index[0])
	for _, i := range f.index[1:] {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return dst, true
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	if f.omitZero && isZero(v) {
		return dst, true
	}
	start := len(dst)
	dst = append(comma(dst), f.quoted...)
	value := len(dst)
	if dst, ok = f.node.write(dst, v, depth); !ok {
		return nil, false
	}
	if f.omitEmpty {
		switch string(dst[value:]) {
		case "null", `""`, "[]", "{}":
			dst = dst[:start]
		}
	}
	return dst, true
}

// isZero is what omitzero means, of a time its own IsZero.
func isZero(v reflect.Value) bool {
	switch {
	case v.Type() == typeTime:
		return timeOf(v).IsZero()
	case v.Kind() == reflect.Pointer && v.Type().Elem() == typeTime:
		return v.IsNil() || timeOf(v.Elem()).IsZero()
	}
	return v.IsZero()
}

// comma appends one, unless the object has only begun.
func comma(dst []byte) []byte {
	if dst[len(dst)-1] == '{' {
		return dst
	}
	return append(dst, ',')
}

// writeEntries appends the entries of the map v, sorted by name, but for those to skip.
func (n *node) writeEntries(dst []byte, v reflect.Value, depth int, skip func(name string) bool) (out []byte, ok bool) {
	type entry struct {
		name  string
		value reflect.Value
	}
	list := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		list = append(list, entry{it.Key().String(), it.Value()})
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range list {
		start := len(dst)
		if dst, ok = writeString(comma(dst), e.name); !ok {
			return nil, false
		}
		if dst, ok = n.elem.write(append(dst, ':'), e.value, depth); !ok {
			return nil, false
		}
		if skip != nil && skip(e.name) {
			dst = dst[:start]
		}
	}
	return dst, true
}

// writeString gives up on what is not UTF-8.
func writeString(dst []byte, text string) (out []byte, ok bool) {
	start := len(dst) + 1
	out = append(append(dst, '"'), text...)
	if special(out, start) == len(out) {
		return append(out, '"'), true
	}
	out, err := jsontext.AppendQuote(dst, text)
	return out, err == nil
}

// writeNumber gives up on what no number of JSON is.
func writeNumber(dst []byte, v reflect.Value) (out []byte, ok bool) {
	switch {
	case v.CanInt():
		return strconv.AppendInt(dst, v.Int(), 10), true
	case v.CanUint():
		return strconv.AppendUint(dst, v.Uint(), 10), true
	}
	f := v.Float()
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, false
	}
	return appendFloat(dst, f, v.Type().Bits()), true
}

// appendFloat writes f as ECMAScript does: with an exponent where it is very large or small.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	small, large := 1e-6, 1e21
	if bits == 32 {
		small, large = float64(float32(1e-6)), float64(float32(1e21))
	}
	if abs == 0 || abs >= small && abs < large {
		return strconv.AppendFloat(dst, f, 'f', -1, bits)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is e-9
		dst = dst[:n-1]
	}
	return dst
}

// writeBytes writes base64.
func writeBytes(dst []byte, v reflect.Value) []byte {
	var data []byte
	if v.Kind() == reflect.Slice || v.CanAddr() {
		data = v.Bytes()
	} else {
		data = make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(data), v)
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), data), '"')
}
