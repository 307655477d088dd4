package apidoc

import (
	"slices"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// dialect brings a schema into the dialect of the document.
func (m *model) dialect(schema any) any {
	if m.old {
		return mapSchema(schema, func(s *ordered.Object) any { return oldDialect(s, m.typeOf) })
	}
	return mapSchema(schema, splitTypes)
}

// typeOf returns the type of what a reference names, "" if it has none or several.
func (m *model) typeOf(ref string) string {
	for _, c := range m.registry.components {
		if componentRef(c.name) == ref {
			return c.node.schema.Text("type")
		}
	}
	return ""
}

// splitTypes says "a string or an integer" by anyOf: oapi-codegen, among others, takes no list of types other than
// one type and null.
func splitTypes(s *ordered.Object) any {
	list := s.List("type")
	if len(list) < 2 || len(list) == 2 && slices.Contains(list, any("null")) {
		return s
	}
	var branches []any
	for _, t := range list {
		branches = append(branches, ordered.New("type", t))
	}
	name, v := newAnyOf(s, branches)
	s.Remove("type")
	s.Set(name, v)
	return s
}

// newAnyOf returns the member that makes s one of the branches too, besides what it says already.
func newAnyOf(s *ordered.Object, branches []any) (name string, v any) {
	if s.Has("anyOf") {
		return "allOf", append(slices.Clone(s.List("allOf")), ordered.New("anyOf", branches))
	}
	return "anyOf", branches
}

// oldKeywords are what a Schema Object of OpenAPI 3.0 may hold, besides x-….
var oldKeywords = []string{
	"title", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
	"pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required", "enum", "type",
	"not", "allOf", "oneOf", "anyOf", "items", "properties", "additionalProperties", "description", "format",
	"default", "nullable", "discriminator", "readOnly", "writeOnly", "example", "externalDocs", "deprecated", "xml", "$ref",
}

// oldDialect rewrites one schema object, whose parts are rewritten already, as OpenAPI 3.0 says it. A rule
// that 3.0 cannot say is left out, so that the schema allows more and never less.
func oldDialect(s *ordered.Object, typeOf func(ref string) string) any {
	oldConst(s)
	oldTypes(s)
	oldNullBranch(s, "anyOf", typeOf)
	oldNullBranch(s, "oneOf", typeOf)
	oldBound(s, "minimum", "exclusiveMinimum", 1)
	oldBound(s, "maximum", "exclusiveMaximum", -1)
	oldExample(s)
	oldBooleans(s)
	if s.Has("patternProperties") || s.Has("unevaluatedProperties") {
		s.Set("additionalProperties", true)
	}
	if s.Text("contentEncoding") == "base64" && !s.Has("format") {
		s.Set("format", "byte")
	}
	for _, name := range slices.Clone(s.Names()) {
		if !slices.Contains(oldKeywords, name) && (len(name) < 2 || name[:2] != "x-") {
			s.Remove(name)
		}
	}
	if s.Has("$ref") && len(s.Names()) > 1 {
		ref := ordered.New("$ref", s.Get("$ref"))
		s.Remove("$ref")
		s.Set("allOf", append([]any{ref}, s.List("allOf")...))
	}
	return s
}

func oldConst(s *ordered.Object) {
	if s.Has("const") {
		s.Set("enum", []any{s.Get("const")})
	}
	if slices.Contains(s.List("enum"), nil) {
		s.Set("nullable", true)
	}
}

// oldTypes turns a list of types into one type and nullable, or into a choice.
func oldTypes(s *ordered.Object) {
	list, isList := s.Get("type").([]any)
	if !isList {
		if s.Text("type") != "null" {
			oldItems(s)
			return
		}
		list = []any{"null"}
	}
	var branches []any
	for _, t := range list {
		if t != "null" {
			branch := ordered.New("type", t)
			oldItems(branch)
			branches = append(branches, branch)
		}
	}
	if len(branches) < len(list) {
		s.Set("nullable", true)
	}
	switch len(branches) {
	case 0:
		s.Remove("type")
		s.Set("enum", []any{nil})
	case 1:
		s.Set("type", branches[0].(*ordered.Object).Get("type"))
		oldItems(s)
	default:
		name, v := newAnyOf(s, branches)
		s.Remove("type")
		s.Set(name, v)
	}
}

// oldItems gives an array the items that 3.0 wants.
func oldItems(s *ordered.Object) {
	if s.Text("type") == "array" && !s.Has("items") {
		s.Set("items", ordered.New())
	}
}

// oldNullBranch turns "this or null" into nullable, beside which 3.0.3 wants a type.
func oldNullBranch(s *ordered.Object, list string, typeOf func(ref string) string) {
	branches := s.List(list)
	rest := slices.DeleteFunc(slices.Clone(branches), func(b any) bool {
		o, ok := b.(*ordered.Object)
		return ok && o.Get("nullable") == true && slices.Equal(o.List("enum"), []any{nil})
	})
	if len(rest) == len(branches) {
		return
	}
	s.Set("nullable", true)
	if len(rest) == 1 && !s.Has("allOf") {
		branch, _ := rest[0].(*ordered.Object)
		s.Remove(list)
		s.SetText("type", typeOf(branch.Text("$ref"))).Set("allOf", rest)
		return
	}
	s.Set(list, rest)
}

// oldBound turns an exclusive bound into the flag of 3.0. Where both bounds are given, the tighter one stays.
func oldBound(s *ordered.Object, bound, exclusive string, sign int) {
	ex, ok := s.Get(exclusive).(ordered.Number)
	if !ok {
		return
	}
	if in, ok := s.Get(bound).(ordered.Number); ok && sign*in.Compare(ex) > 0 {
		s.Remove(exclusive)
		return
	}
	s.Set(bound, ex)
	s.Set(exclusive, true)
}

func oldExample(s *ordered.Object) {
	if examples := s.List("examples"); len(examples) > 0 && !s.Has("example") {
		s.Set("example", examples[0])
	}
}

// oldBooleans replaces true and false where 3.0 wants a schema object.
func oldBooleans(s *ordered.Object) {
	for _, name := range []string{"items", "not"} {
		if b, ok := s.Get(name).(bool); ok {
			s.Set(name, oldBoolean(b))
		}
	}
	for _, name := range []string{"allOf", "anyOf", "oneOf"} {
		for i, b := range s.List(name) {
			if b, ok := b.(bool); ok {
				s.List(name)[i] = oldBoolean(b)
			}
		}
	}
	if properties, ok := s.Get("properties").(*ordered.Object); ok {
		for _, p := range properties.Names() {
			if b, ok := properties.Get(p).(bool); ok {
				properties.Set(p, oldBoolean(b))
			}
		}
	}
}

func oldBoolean(b bool) *ordered.Object {
	if b {
		return ordered.New()
	}
	return ordered.New("not", ordered.New())
}
