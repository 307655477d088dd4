package apidoc

import (
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// rows lists the members of an object and of the objects within it.
func (b *pageBuilder) rows(schema *ordered.Object, depth int) []pageRow {
	var list []pageRow
	properties := schema.Object("properties")
	required := map[any]bool{}
	for _, r := range schema.List("required") {
		required[r] = true
	}
	for _, name := range properties.Names() {
		property := properties.Object(name)
		row := b.row(name, property, depth)
		row.Required = required[name]
		list = append(list, row)
		if depth < 6 {
			list = append(list, b.rows(inner(property), depth+1)...)
		}
	}
	if more := schema.Object("additionalProperties"); len(more.Names()) > 0 {
		list = append(list, b.row("(any other)", more, depth))
		if depth < 6 {
			list = append(list, b.rows(inner(more), depth+1)...)
		}
	}
	return list
}

// inner is the object that a value holds: itself, or what an array repeats.
func inner(schema *ordered.Object) *ordered.Object {
	for range 4 {
		items, ok := schema.Get("items").(*ordered.Object)
		if !ok {
			break
		}
		schema = items
	}
	return schema
}

func (b *pageBuilder) row(name string, schema *ordered.Object, depth int) pageRow {
	return pageRow{Name: name, Depth: depth, Description: schema.Text("description"), Type: b.typeOf(schema),
		Rules: rules(schema), Deprecated: schema.Get("deprecated") == true}
}

// typeOf says in words what a schema takes, with links to the types that it names.
func (b *pageBuilder) typeOf(schema *ordered.Object) []pagePart {
	if name, ok := strings.CutPrefix(schema.Text("$ref"), componentRef("")); ok {
		for c, anchor := range b.anchors {
			if c.name == name {
				return []pagePart{{name, anchor}}
			}
		}
		return []pagePart{{Text: name}}
	}
	for _, list := range []string{"oneOf", "anyOf", "allOf"} {
		var parts []pagePart
		for i, branch := range schema.List(list) {
			if i > 0 {
				parts = append(parts, pagePart{Text: map[bool]string{true: " and ", false: " or "}[list == "allOf"]})
			}
			if o, ok := branch.(*ordered.Object); ok {
				parts = append(parts, b.typeOf(o)...)
			}
		}
		if len(parts) > 0 {
			return parts
		}
	}
	switch t := schema.Get("type").(type) {
	case string:
		return b.arrayOf(t, schema)
	case []any:
		var parts []pagePart
		for i, name := range t {
			if i > 0 {
				parts = append(parts, pagePart{Text: " or "})
			}
			if s, ok := name.(string); ok {
				parts = append(parts, b.arrayOf(s, schema)...)
			}
		}
		return parts
	}
	switch {
	case schema.Has("const"):
		return []pagePart{{Text: kindOf(schema.Get("const"))}}
	case len(schema.List("enum")) > 0:
		return []pagePart{{Text: kindOf(schema.List("enum")[0])}}
	case schema.Has("properties"):
		return []pagePart{{Text: "object"}}
	}
	return []pagePart{{Text: "any"}}
}

// arrayOf is the type itself, for arrays with that of their items, for maps with that of their members.
func (b *pageBuilder) arrayOf(t string, schema *ordered.Object) []pagePart {
	if items, ok := schema.Get("items").(*ordered.Object); ok && t == "array" && len(items.Names()) > 0 {
		return append([]pagePart{{Text: "array of "}}, b.typeOf(items)...)
	}
	if format := schema.Text("format"); format != "" && t == "string" {
		return []pagePart{{Text: format + " string"}}
	}
	return []pagePart{{Text: t}}
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case ordered.Number:
		return "number"
	case bool:
		return "boolean"
	case nil:
		return "null"
	}
	return "any"
}

// rules lists the keywords of a schema that bound its values, as short as people say them.
func rules(s *ordered.Object) []string {
	var list []string
	value := func(name string) string { return string(ordered.AppendJSON(nil, s.Get(name), -1)) }
	if s.Has("const") {
		list = append(list, "= "+value("const"))
	}
	if values := s.List("enum"); len(values) > 0 {
		var words []string
		for _, v := range values {
			words = append(words, string(ordered.AppendJSON(nil, v, -1)))
		}
		list = append(list, strings.Join(words, " | "))
	}
	span := func(low, high, unit string) {
		last := value(high)
		if !s.Has(high) {
			last = value(low)
		}
		if last == "1" {
			unit = strings.TrimSuffix(unit, "s")
		}
		switch {
		case s.Has(low) && s.Has(high) && ordered.Equal(s.Get(low), s.Get(high)):
			list = append(list, value(low)+" "+unit)
		case s.Has(low) && s.Has(high):
			list = append(list, value(low)+"–"+value(high)+" "+unit)
		case s.Has(low):
			list = append(list, "at least "+value(low)+" "+unit)
		case s.Has(high):
			list = append(list, "at most "+value(high)+" "+unit)
		}
	}
	span("minLength", "maxLength", "characters")
	span("minItems", "maxItems", "items")
	span("minProperties", "maxProperties", "members")
	for _, r := range [][2]string{{"minimum", "≥ "}, {"exclusiveMinimum", "> "}, {"maximum", "≤ "}, {"exclusiveMaximum", "< "},
		{"multipleOf", "multiple of "}, {"default", "default "}} {
		if s.Has(r[0]) {
			list = append(list, r[1]+value(r[0]))
		}
	}
	if s.Has("pattern") {
		list = append(list, "/"+s.Text("pattern")+"/")
	}
	switch format := s.Text("format"); {
	case s.Text("type") == "string": // arrayOf says it
	case format == "int64", format == "double", format == "float", format == "":
	default:
		list = append(list, format)
	}
	if s.Get("uniqueItems") == true {
		list = append(list, "no repetition")
	}
	if s.Get("additionalProperties") == false {
		list = append(list, "no other members")
	}
	if items, ok := s.Get("items").(*ordered.Object); ok {
		for _, r := range rules(items) {
			list = append(list, "each "+strings.TrimPrefix(r, "each "))
		}
	}
	return list
}
