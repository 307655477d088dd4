package apidoc

import "github.com/wsrouter-go/wsrouter/internal/ordered"

// draft7 brings a schema into the dialect of AsyncAPI, JSON Schema draft-07. What package schema prints means the same
// there; only a type with a Schema method of its own can bring more. A rule that draft-07 cannot say is left out,
// so that the schema allows more and never less.
func draft7(schema any) any {
	return mapSchema(schema, func(s *ordered.Object) any {
		splitTypes(s) // as in OpenAPI: one schema for both
		draft7Tuple(s)
		draft7Dependencies(s)
		draft7Contains(s)
		if d, ok := s.Get("discriminator").(*ordered.Object); ok { // OpenAPI's; a name in AsyncAPI
			s.Remove("discriminator")
			s.SetText("discriminator", d.Text("propertyName"))
		}
		for _, name := range newKeywords {
			s.Remove(name)
		}
		if s.Has("$ref") && len(s.Names()) > 1 { // draft-07 ignores what stands beside a $ref
			ref := ordered.New("$ref", s.Get("$ref"))
			s.Remove("$ref")
			s.Set("allOf", append([]any{ref}, s.List("allOf")...))
		}
		return s
	})
}

// newKeywords came after draft-07, which has no other words for them.
var newKeywords = []string{
	"$schema", "$vocabulary", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef",
	"unevaluatedItems", "unevaluatedProperties", "contentSchema",
}

func draft7Tuple(s *ordered.Object) {
	first, ok := s.Get("prefixItems").([]any)
	if !ok {
		return
	}
	rest, more := s.Get("items"), s.Has("items")
	s.Remove("prefixItems")
	s.Remove("items")
	s.Set("items", first)
	if more {
		s.Set("additionalItems", rest)
	}
}

func draft7Dependencies(s *ordered.Object) {
	required, schemas := s.Object("dependentRequired"), s.Object("dependentSchemas")
	if len(required.Names())+len(schemas.Names()) == 0 {
		return
	}
	s.Remove("dependentRequired")
	s.Remove("dependentSchemas")
	all := s.Object("dependencies").Clone()
	for _, name := range schemas.Names() {
		all.Set(name, schemas.Get(name))
	}
	for _, name := range required.Names() {
		if all.Has(name) {
			all.Set(name, ordered.New("allOf", []any{all.Get(name), ordered.New("required", required.Get(name))}))
		} else {
			all.Set(name, required.Get(name))
		}
	}
	s.Set("dependencies", all)
}

func draft7Contains(s *ordered.Object) {
	if n, ok := s.Get("minContains").(ordered.Number); ok && n.Compare("0") == 0 {
		s.Remove("contains")
	}
	s.Remove("minContains")
	s.Remove("maxContains")
}
