package schema

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/comment"
)

// An object under construction: members in the order they are put.
type jsonObject struct{ b []byte }

func (o *jsonObject) put(name string, raw ...string) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.b = append(appendString(o.b, name), ':')
	for _, r := range raw {
		o.b = append(o.b, r...)
	}
}

func (o *jsonObject) text(name, text string) {
	if text != "" {
		o.put(name, string(appendString(nil, text)))
	}
}

func (o *jsonObject) String() string {
	if len(o.b) == 0 {
		return "{}"
	}
	return string(o.b) + "}"
}

func jsonList(raw []string) string { return "[" + strings.Join(raw, ",") + "]" }

// A printer writes a plan as JSON Schema, in the words that draft-07 and 2020-12 share, and $defs.
type printer struct {
	defs  map[*shape]string // keys
	taken map[string]bool
	queue []*shape
}

// print writes the schema of n as the root of a document. f, if there is one, is the field it is of.
func (n *node) print(f *field, example json.RawMessage) json.RawMessage {
	p := &printer{defs: map[*shape]string{}, taken: map[string]bool{}}
	var o jsonObject
	p.write(&o, n, true)
	if f != nil {
		f.notes(&o)
	}
	if example != nil {
		o.put("examples", "[", string(example), "]")
	}
	if len(p.queue) > 0 {
		var defs jsonObject
		for i := 0; i < len(p.queue); i++ { // defs add defs
			var d jsonObject
			p.body(&d, newNode(p.queue[i]))
			defs.put(p.defs[p.queue[i]], d.String())
		}
		o.put("$defs", defs.String())
	}
	return json.RawMessage(o.String())
}

// value is the schema of n at a place where it is used; f, if there is one, is the field it is of.
func (p *printer) value(n *node, f *field) string {
	var o jsonObject
	p.write(&o, n, false)
	if f == nil {
		return o.String()
	}
	var notes jsonObject
	f.notes(&notes)
	if len(notes.b) == 0 {
		return o.String()
	}
	if n.printed != nil && !n.nullable || strings.HasPrefix(string(o.b), `{"$ref"`) {
		return `{"allOf":[` + o.String() + `],` + notes.String()[1:] // draft-07 reads nothing beside a $ref
	}
	if len(o.b) == 0 {
		return notes.String()
	}
	return string(o.b) + "," + notes.String()[1:]
}

// notes writes what a field says beside its rules.
func (f *field) notes(o *jsonObject) {
	o.text("description", cmp.Or(f.doc, comment.Field(f.owner, f.ownName)))
	if f.def != nil {
		o.put("default", string(f.def))
	}
	if f.deprecated {
		o.put("deprecated", "true")
	}
	if f.example != nil {
		o.put("examples", "[", string(f.example), "]")
	}
}

// write puts the schema of n: a reference where the shape has a definition of its own.
func (p *printer) write(o *jsonObject, n *node, root bool) {
	switch {
	case n.printed != nil && n.typ != nil && n.shape.custom == nil && !n.shape.envelope:
		p.own(o, n)
	case !root && n.defined():
		p.reference(o, n)
	default:
		p.body(o, n)
	}
}

// reference puts a $ref. Draft-07 reads nothing beside one, so rules of the place stand beside allOf or anyOf.
func (p *printer) reference(o *jsonObject, n *node) {
	ref := `{"$ref":"` + p.ref(n.shape) + `"}`
	switch {
	case n.nullable:
		o.put("anyOf", "[", ref, `,{"type":"null"}]`)
	case n.minLen > 0 || n.maxLen >= 0 || n.unique:
		o.put("allOf", "[", ref, "]")
	default:
		o.b = []byte(ref[:len(ref)-1])
	}
	p.lengths(o, n)
}

// own puts what the type prints of itself.
func (p *printer) own(o *jsonObject, n *node) {
	raw := string(n.printed)
	switch {
	case n.nullable:
		o.put("anyOf", "[", raw, `,{"type":"null"}]`)
	case raw == "false":
		o.put("not", "{}")
	case raw != "true" && raw != "{}":
		o.b = []byte(raw[:len(raw)-1])
	}
}

// defined reports whether the shape is printed under $defs where it is nested: named structs, and what contains
// itself.
func (n *node) defined() bool {
	if n.kind == kindObject && n.typ != nil && n.typ.Name() != "" && n.elem == nil || n.recursive {
		return true
	}
	return n.kind == kindObject && len(n.fields) > 0 && n.typ != nil && n.typ.Name() != ""
}

// ref returns the reference to the definition of s, whose key is the full name of its Go type.
func (p *printer) ref(s *shape) string {
	key, ok := p.defs[s]
	if !ok {
		key = goType(s)
		for i := 2; p.taken[key]; i++ { // types local to two functions may have one name
			key = goType(s) + "_" + strconv.Itoa(i)
		}
		p.defs[s], p.taken[key] = key, true
		p.queue = append(p.queue, s)
	}
	key = strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
	return "#/$defs/" + url.PathEscape(key)
}

func goType(s *shape) string {
	if s.typ.PkgPath() == "" {
		return s.typ.Name()
	}
	return s.typ.PkgPath() + "." + s.typ.Name()
}

// body puts the schema itself.
func (p *printer) body(o *jsonObject, n *node) {
	switch n.kind {
	case kindAny, kindRaw, kindCustom:
	case kindName:
		p.discriminator(o, n)
	case kindID:
		o.put("type", `["string","integer"]`)
		o.put("maxLength", strconv.Itoa(maxID))
	case kindArray:
		p.array(o, n)
	case kindObject:
		p.object(o, n)
	default:
		o.put("type", n.printedType())
		p.scalar(o, n)
	}
}

func (n *node) printedType() string {
	if n.nullable {
		return `["` + n.wireType() + `","null"]`
	}
	return `"` + n.wireType() + `"`
}

func (p *printer) discriminator(o *jsonObject, n *node) {
	o.put("type", n.printedType())
	if len(n.names) == 1 {
		o.put("const", n.names[0])
		return
	}
	o.put("enum", jsonList(n.names))
}

func (p *printer) array(o *jsonObject, n *node) {
	o.put("type", n.printedType())
	o.put("items", p.value(n.elem, nil))
	if n.length >= 0 {
		o.put("minItems", strconv.Itoa(n.length))
		o.put("maxItems", strconv.Itoa(n.length))
	}
	p.lengths(o, n)
}

// lengths puts how many there may be, and whether twice.
func (p *printer) lengths(o *jsonObject, n *node) {
	low, high, _ := n.lengthKeys()
	if n.minLen > 0 {
		o.put(low, strconv.Itoa(n.minLen))
	}
	if n.maxLen >= 0 {
		o.put(high, strconv.Itoa(n.maxLen))
	}
	if n.unique {
		o.put("uniqueItems", "true")
	}
}

func (p *printer) object(o *jsonObject, n *node) {
	o.put("type", n.printedType())
	o.text("title", n.title)
	o.text("description", cmp.Or(n.doc, comment.Type(n.commented)))
	if n.printed != nil { // the envelope's members stand beside what the type prints of itself
		o.put("allOf", "[", string(n.printed), "]")
	}
	if len(n.fields) > 0 {
		var props jsonObject
		var required []string
		for _, f := range n.fields {
			if f.hidden && !n.refusesID() || n.printed != nil && f.role == roleField {
				continue
			}
			props.put(f.name, p.value(f.node, f))
			if f.required {
				required = append(required, string(appendString(nil, f.name)))
			}
		}
		o.put("properties", props.String())
		if len(required) > 0 {
			o.put("required", jsonList(required))
		}
	}
	p.members(o, n)
	p.lengths(o, n)
	if n.deprecated {
		o.put("deprecated", "true")
	}
	if n.example != nil && !n.envelope {
		o.put("examples", "[", string(n.example), "]")
	}
}

// refusesID reports whether a printed schema without the correlation id would refuse it.
func (n *node) refusesID() bool {
	return n.closed || n.elem != nil && n.elem.kind != kindAny && n.elem.kind != kindRaw
}

// members puts what holds for members that are no field.
func (p *printer) members(o *jsonObject, n *node) {
	switch {
	case n.closed:
		o.put("additionalProperties", "false")
	case n.elem == nil || n.shape.custom != nil || n.printed != nil:
	default:
		if elem := p.value(n.elem, nil); elem != "{}" {
			o.put("additionalProperties", elem)
		}
	}
	if n.key != nil && n.key.kind == kindInt {
		o.put("propertyNames", `{"pattern":"`+n.key.keyPattern()+`"}`)
	}
}

func (n *node) keyPattern() string {
	if n.min.whole.neg {
		return `^(0|-?[1-9][0-9]*)$`
	}
	return `^(0|[1-9][0-9]*)$`
}

// scalar puts the rules of a string, a number or a boolean.
func (p *printer) scalar(o *jsonObject, n *node) {
	switch n.kind {
	case kindTime:
		o.put("format", `"date-time"`)
	case kindBytes:
		o.put("contentEncoding", `"base64"`)
		if n.length >= 0 {
			size := strconv.Itoa((n.length + 2) / 3 * 4)
			o.put("minLength", size)
			o.put("maxLength", size)
			if n.length > 0 {
				o.text("pattern", [...]string{"[^=]$", "==$", "[^=]=$"}[n.length%3])
			}
		}
	case kindInt, kindFloat:
		p.number(o, n)
	}
	if n.format != nil {
		o.text("format", n.format.name)
	}
	p.enum(o, n)
	if n.kind == kindString || n.kind == kindText || n.kind == kindBytes {
		p.lengths(o, n)
	}
	if n.pattern != nil {
		o.text("pattern", n.pattern.text)
	}
}

func (p *printer) enum(o *jsonObject, n *node) {
	switch {
	case len(n.enum) == 0:
	case n.isConst && !n.nullable:
		o.put("const", n.enum[0].raw)
	default:
		list := make([]string, len(n.enum), len(n.enum)+1)
		for i := range n.enum {
			list[i] = n.enum[i].raw
		}
		if n.nullable {
			list = append(list, "null")
		}
		o.put("enum", jsonList(list))
	}
}

func (p *printer) number(o *jsonObject, n *node) {
	if n.quoted {
		p.quoted(o, n)
		return
	}
	if n.format == nil {
		o.text("format", n.numberFormat())
	}
	for _, k := range []struct {
		name string
		b    *bound
	}{{"minimum", n.min}, {"exclusiveMinimum", n.exMin}, {"maximum", n.max}, {"exclusiveMaximum", n.exMax}, {"multipleOf", n.multiple}} {
		if k.b == nil || k.b.implied && (n.bits == 64 && k.b.whole.abs != 0 || n.exMin != nil && k.b == n.min || n.exMax != nil && k.b == n.max) {
			continue // a reader's numbers may not reach as far as these bounds
		}
		o.put(k.name, k.b.raw)
	}
}

func (n *node) numberFormat() string {
	switch {
	case n.kind == kindFloat && n.bits == 32:
		return "float"
	case n.kind == kindFloat:
		return "double"
	case n.lo.whole.neg && n.bits == 32:
		return "int32"
	case n.lo.whole.neg && n.bits == 64:
		return "int64"
	}
	return ""
}

func (p *printer) quoted(o *jsonObject, n *node) {
	switch {
	case n.kind == kindFloat:
		o.text("pattern", `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	case n.min.whole.neg:
		o.text("pattern", `^-?(0|[1-9][0-9]*)$`)
	default:
		o.text("pattern", `^(0|[1-9][0-9]*)$`)
	}
}
