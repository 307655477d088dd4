package apidoc

import "slices"

// dialect brings a schema into the dialect of the document.
func (m *model) dialect(schema any) any {
	if m.old {
		return mapSchema(schema, func(s *object) any { return oldDialect(s, m.typeOf) })
	}
	return mapSchema(schema, splitTypes)
}

// typeOf returns the type of what a reference names, "" if it has none or several.
func (m *model) typeOf(ref string) string {
	for _, c := range m.registry.components {
		if componentRef(c.name) == ref {
			return c.node.schema.text("type")
		}
	}
	return ""
}

// splitTypes says "a string or an integer" by anyOf: oapi-codegen, among others, takes no list of types other than
// one type and null.
func splitTypes(s *object) any {
	list := s.list("type")
	if len(list) < 2 || len(list) == 2 && slices.Contains(list, any("null")) {
		return s
	}
	var branches []any
	for _, t := range list {
		branches = append(branches, newObject("type", t))
	}
	name, v := newAnyOf(s, branches)
	s.remove("type")
	s.set(name, v)
	return s
}

// newAnyOf returns the member that makes s one of the branches too, besides what it says already.
func newAnyOf(s *object, branches []any) (name string, v any) {
	if s.has("anyOf") {
		return "allOf", append(slices.Clone(s.list("allOf")), newObject("anyOf", branches))
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
func oldDialect(s *object, typeOf func(ref string) string) any {
	oldConst(s)
	oldTypes(s)
	oldNullBranch(s, "anyOf", typeOf)
	oldNullBranch(s, "oneOf", typeOf)
	oldBound(s, "minimum", "exclusiveMinimum", 1)
	oldBound(s, "maximum", "exclusiveMaximum", -1)
	oldExample(s)
	oldBooleans(s)
	if s.has("patternProperties") || s.has("unevaluatedProperties") {
		s.set("additionalProperties", true)
	}
	if s.text("contentEncoding") == "base64" && !s.has("format") {
		s.set("format", "byte")
	}
	for _, name := range slices.Clone(s.names) {
		if !slices.Contains(oldKeywords, name) && (len(name) < 2 || name[:2] != "x-") {
			s.remove(name)
		}
	}
	if s.has("$ref") && len(s.names) > 1 {
		ref := newObject("$ref", s.get("$ref"))
		s.remove("$ref")
		s.set("allOf", append([]any{ref}, s.list("allOf")...))
	}
	return s
}

func oldConst(s *object) {
	if s.has("const") {
		s.set("enum", []any{s.get("const")})
	}
	if slices.Contains(s.list("enum"), nil) {
		s.set("nullable", true)
	}
}

// oldTypes turns a list of types into one type and nullable, or into a choice.
func oldTypes(s *object) {
	list, isList := s.get("type").([]any)
	if !isList {
		if s.text("type") != "null" {
			oldItems(s)
			return
		}
		list = []any{"null"}
	}
	var branches []any
	for _, t := range list {
		if t != "null" {
			branch := newObject("type", t)
			oldItems(branch)
			branches = append(branches, branch)
		}
	}
	if len(branches) < len(list) {
		s.set("nullable", true)
	}
	switch len(branches) {
	case 0:
		s.remove("type")
		s.set("enum", []any{nil})
	case 1:
		s.set("type", branches[0].(*object).get("type"))
		oldItems(s)
	default:
		name, v := newAnyOf(s, branches)
		s.remove("type")
		s.set(name, v)
	}
}

// oldItems gives an array the items that 3.0 wants.
func oldItems(s *object) {
	if s.text("type") == "array" && !s.has("items") {
		s.set("items", newObject())
	}
}

// oldNullBranch turns "this or null" into nullable, beside which 3.0.3 wants a type.
func oldNullBranch(s *object, list string, typeOf func(ref string) string) {
	branches := s.list(list)
	rest := slices.DeleteFunc(slices.Clone(branches), func(b any) bool {
		o, ok := b.(*object)
		return ok && o.get("nullable") == true && slices.Equal(o.list("enum"), []any{nil})
	})
	if len(rest) == len(branches) {
		return
	}
	s.set("nullable", true)
	if len(rest) == 1 && !s.has("allOf") {
		branch, _ := rest[0].(*object)
		s.remove(list)
		s.setText("type", typeOf(branch.text("$ref"))).set("allOf", rest)
		return
	}
	s.set(list, rest)
}

// oldBound turns an exclusive bound into the flag of 3.0. Where both bounds are given, the tighter one stays.
func oldBound(s *object, bound, exclusive string, sign int) {
	ex, ok := s.get(exclusive).(number)
	if !ok {
		return
	}
	if in, ok := s.get(bound).(number); ok && sign*compareNumbers(in, ex) > 0 {
		s.remove(exclusive)
		return
	}
	s.set(bound, ex)
	s.set(exclusive, true)
}

func oldExample(s *object) {
	if examples := s.list("examples"); len(examples) > 0 && !s.has("example") {
		s.set("example", examples[0])
	}
}

// oldBooleans replaces true and false where 3.0 wants a schema object.
func oldBooleans(s *object) {
	for _, name := range []string{"items", "not"} {
		if b, ok := s.get(name).(bool); ok {
			s.set(name, oldBoolean(b))
		}
	}
	for _, name := range []string{"allOf", "anyOf", "oneOf"} {
		for i, b := range s.list(name) {
			if b, ok := b.(bool); ok {
				s.list(name)[i] = oldBoolean(b)
			}
		}
	}
	if properties, ok := s.get("properties").(*object); ok {
		for _, p := range properties.names {
			if b, ok := properties.get(p).(bool); ok {
				properties.set(p, oldBoolean(b))
			}
		}
	}
}

func oldBoolean(b bool) *object {
	if b {
		return newObject()
	}
	return newObject("not", newObject())
}
