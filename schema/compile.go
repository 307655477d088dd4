package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

var (
	typeTime     = reflect.TypeFor[time.Time]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeRaw      = reflect.TypeFor[json.RawMessage]()
	typeNumber   = reflect.TypeFor[json.Number]()
)

// A compiler turns the types of one plan into shapes, each once.
type compiler struct {
	shapes map[reflect.Type]*shape
	open   map[reflect.Type]bool // being compiled
	order  []*shape              // structs, as they were met
	checks []func() error        // what can be checked only when all shapes are complete

	iso, nanos bool // how durations travel
	hollow     bool // a struct without any field is among them, which json/v2 refuses to write
	oneWay     bool // a type that encodes itself but does not decode
}

func newCompiler() *compiler {
	return &compiler{shapes: map[reflect.Type]*shape{}, open: map[reflect.Type]bool{}}
}

// ownCodec reports whether t is encoded or decoded by a method.
func ownCodec(t reflect.Type) bool {
	return has(t, typeUnmarshaler, typeUnmarshalerFrom, typeMarshaler, typeMarshalerTo, typeTextUnmarshaler, typeTextMarshaler, typeTextAppender)
}

// node compiles t where no tag says more.
func (c *compiler) node(t reflect.Type) (*node, error) {
	pointer := false
	for i := 0; t.Kind() == reflect.Pointer; i++ {
		if i == 8 {
			return nil, fmt.Errorf("%s is a pointer to itself", t)
		}
		t, pointer = t.Elem(), true
	}
	s, err := c.shape(t)
	if err != nil {
		return nil, err
	}
	n := newNode(s)
	n.nullable = n.nullable || pointer
	return n, nil
}

func (c *compiler) shape(t reflect.Type) (*shape, error) {
	if s, ok := c.shapes[t]; ok {
		s.recursive = s.recursive || c.open[t] && t.Name() != ""
		return s, nil
	}
	s := &shape{typ: t, length: -1, title: t.Name(), commented: t}
	c.shapes[t] = s
	c.open[t] = true
	defer delete(c.open, t)
	if err := c.fill(s, t); err != nil {
		return nil, err
	}
	if err := s.printer(t); err != nil {
		return nil, err
	}
	return s, s.enumMethod(t)
}

// fill says what t is on the wire.
func (c *compiler) fill(s *shape, t reflect.Type) error {
	switch {
	case t == typeTime:
		s.kind = kindTime
	case t == typeDuration:
		s.kind = kindDuration
	case t == typeRaw || t == typeValue:
		s.kind = kindRaw
	case t == typeNumber:
		return errors.New("json.Number would travel as a string; use a number type or json.RawMessage")
	case has(t, typeUnmarshaler, typeUnmarshalerFrom):
		s.kind, s.decode = kindCustom, true
	case has(t, typeTextUnmarshaler):
		s.kind, s.decode = kindText, true
	case has(t, typeMarshaler, typeMarshalerTo):
		s.kind, c.oneWay = kindCustom, true
	case has(t, typeTextMarshaler, typeTextAppender):
		s.kind, c.oneWay = kindText, true
	default:
		return c.plain(s, t)
	}
	return nil
}

// plain fills the shape of a type without methods of its own.
func (c *compiler) plain(s *shape, t reflect.Type) (err error) {
	switch t.Kind() {
	case reflect.Bool:
		s.kind = kindBool
	case reflect.String:
		s.kind = kindString
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.integer(t.Bits(), true)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.integer(t.Bits(), false)
	case reflect.Float32, reflect.Float64:
		s.kind, s.bits = kindFloat, t.Bits()
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Array {
			s.length = t.Len()
		}
		if t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "" {
			s.kind = kindBytes
			return nil
		}
		s.kind = kindArray
		s.elem, err = c.node(t.Elem())
	case reflect.Map:
		s.kind, s.byName = kindObject, map[string]int{}
		if s.key, err = c.mapKey(t.Key()); err == nil {
			s.elem, err = c.node(t.Elem())
		}
	case reflect.Struct:
		return c.structure(s, t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s is an interface with methods, nothing can be decoded into it; use a concrete type or any", t)
		}
		s.kind = kindAny
	default:
		return fmt.Errorf("%s has no form in JSON", t)
	}
	return err
}

// integer sets the kind and the bounds of an integer type.
func (s *shape) integer(bits int, signed bool) {
	s.kind, s.bits = kindInt, bits
	lo, hi := whole{}, whole{abs: math.MaxUint64 >> (64 - bits)}
	if signed {
		lo, hi = whole{true, 1 << (bits - 1)}, whole{abs: 1<<(bits-1) - 1}
	}
	s.lo, s.hi = lo.bound(), hi.bound()
}

// mapKey compiles the type of a map's keys: nil where any name will do.
func (c *compiler) mapKey(t reflect.Type) (*node, error) {
	if t == typeTime || t == typeDuration {
		return nil, fmt.Errorf("%s cannot be the key of a map here", t)
	}
	s, err := c.shape(t)
	switch {
	case err != nil:
		return nil, err
	case s.kind == kindText, s.kind == kindInt:
		return newNode(s), nil
	case s.kind == kindString:
		return nil, nil
	}
	return nil, fmt.Errorf("%s cannot be the key of a map: member names are strings, integers or text types", t)
}

// printer takes over the schema that the type prints of itself.
func (s *shape) printer(t reflect.Type) error {
	if !has(t, typePrinter) || t.Kind() == reflect.Interface {
		return nil
	}
	p := reflect.New(t).Interface().(Printer).Schema()
	raw, err := compact(p)
	if err != nil || raw[0] != '{' && raw[0] != 't' && raw[0] != 'f' {
		return at(t.String(), errors.New("its method Schema does not return a JSON object"))
	}
	s.printed = raw
	return nil
}

// compact returns raw without white space, or says what is wrong with it.
func compact(raw []byte) (json.RawMessage, error) {
	if issues := Check(raw); issues != nil {
		return nil, errors.New(issues[0].Message)
	}
	var v json.RawMessage
	if err := jsonv2.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return jsonv2.Marshal(v)
}

// enumMethod takes the values of a type with a method Enum() []T.
func (s *shape) enumMethod(t reflect.Type) error {
	m := reflect.New(t).MethodByName("Enum")
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 || m.Type().Out(0) != reflect.SliceOf(t) {
		return nil
	}
	switch s.kind {
	case kindString, kindText, kindInt, kindFloat:
	default:
		return at(t.String(), errors.New("has a method Enum but is neither string nor number"))
	}
	list := m.Call(nil)[0]
	for i := range list.Len() {
		raw, err := jsonv2.Marshal(list.Index(i).Interface())
		if err != nil {
			return at(t.String(), fmt.Errorf("value %d of its method Enum: %w", i, err))
		}
		v, err := newValue(s.kind, raw)
		if err != nil {
			return at(t.String(), fmt.Errorf("value %d of its method Enum: %w", i, err))
		}
		s.values = append(s.values, v)
	}
	if len(s.values) == 0 {
		return at(t.String(), errors.New("its method Enum returns nothing"))
	}
	return nil
}

// newValue reads a value that a tag or a method names, of JSON form raw.
func newValue(k kind, raw []byte) (v value, err error) {
	v.raw = string(raw)
	switch {
	case raw[0] == '"':
		err = jsonv2.Unmarshal(raw, &v.text)
	case k == kindInt || k == kindFloat:
		var b *bound
		if b, err = newBound(k, string(raw)); err == nil {
			v.num, v.isn, v.text = *b, true, v.raw
		}
	}
	return v, err
}

// newBound reads a number from a tag.
func newBound(k kind, text string) (*bound, error) {
	isWhole, ok := isNumber([]byte(text))
	if !ok {
		return nil, fmt.Errorf("%q is not a number", text)
	}
	b := &bound{raw: text, dec: parseDecimal([]byte(text))}
	b.float, _ = strconv.ParseFloat(text, 64)
	if k == kindFloat {
		if math.IsInf(b.float, 0) || b.dec.count() > 18 {
			return nil, fmt.Errorf("%q is too long or too large a number", text)
		}
		return b, nil
	}
	var over bool
	if b.whole, over = parseWhole([]byte(text)); !isWhole || over {
		return nil, fmt.Errorf("%q is not a whole number", text)
	}
	return b, nil
}

// structure fills the shape of a struct.
func (c *compiler) structure(s *shape, t reflect.Type) error {
	s.kind, s.byName = kindObject, map[string]int{}
	c.order = append(c.order, s)
	if err := c.blank(s, t); err != nil {
		return err
	}
	list, fallback, err := members(t)
	if err != nil {
		return err
	}
	c.hollow = c.hollow || isHollow(t)
	for i := range list {
		f, err := c.field(&list[i])
		if err != nil {
			return at(list[i].where(), err)
		}
		s.byName[f.name] = len(s.fields)
		s.fields = append(s.fields, f)
	}
	if err := s.latest(); err != nil || fallback == nil {
		return err
	}
	if s.closed {
		return at(fallback.where(), fmt.Errorf("keeps unknown members, which additionalProperties:\"false\" refuses"))
	}
	if s.elem, err = c.fallback(fallback); err != nil {
		return at(fallback.where(), err)
	}
	return nil
}

// fallback compiles what the members may be that a struct keeps in an embedded map.
func (c *compiler) fallback(m *member) (*node, error) {
	if m.Type == typeValue {
		return c.node(typeRaw)
	}
	f, err := c.field(m)
	if err != nil {
		return nil, err
	}
	if f.def != nil || f.example != nil || f.node.nullable || f.node.minLen > 0 || f.node.maxLen >= 0 {
		return nil, errors.New("of the keywords only those about values have an effect on an embedded map")
	}
	return f.node.elem, nil
}

// field compiles one field with its tags.
func (c *compiler) field(m *member) (*field, error) {
	t, err := parseTags(m.Tag)
	if err != nil {
		return nil, err
	}
	f := &field{name: m.name, quoted: string(appendString(nil, m.name)) + ":", goName: m.where(), owner: m.owner, ownName: m.Name, index: m.path, omitEmpty: m.omitEmpty, omitZero: m.omitZero}
	if f.node, err = c.node(m.Type); err != nil {
		return nil, err
	}
	if m.quoted {
		if err := quote(&f.node); err != nil {
			return nil, err
		}
	}
	if err := c.tagged(f, t); err != nil {
		return nil, err
	}
	f.required = !m.omitEmpty && !m.omitZero && !m.viaPointer && f.def == nil
	if text, ok := t.get("required"); ok {
		if f.required, err = parseBool("required", text); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// quote makes n a number inside a string.
func quote(n **node) error {
	if (*n).kind != kindInt && (*n).kind != kindFloat {
		return errors.New("the json option string is for numbers only")
	}
	q := **n
	q.quoted = true
	*n = &q
	return nil
}

// CompileField compiles the type and tags of f.
func CompileField(f reflect.StructField) (*Field, error) {
	c := newCompiler()
	m := member{StructField: f, name: f.Name, path: f.Index}
	compiled, err := c.field(&m)
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return nil, at(f.Name, err)
	}
	p := &Plan{typ: f.Type, root: compiled.node, body: compiled.node, doc: compiled.doc, deprecated: compiled.deprecated}
	p.codec(c)
	p.quicken()
	compiled.doc = ""
	if err := p.document(c, compiled); err != nil {
		return nil, at(f.Name, err)
	}
	return &Field{Plan: p, Required: compiled.required, Default: compiled.def, Doc: p.doc}, nil
}

// finish runs the checks that had to wait.
func (c *compiler) finish() error {
	for _, check := range c.checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}
