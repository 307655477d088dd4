package apidoc

// draft7 brings a schema into the dialect of AsyncAPI, JSON Schema draft-07. What package schema prints means the same
// there; only a type with a Schema method of its own can bring more. A rule that draft-07 cannot say is left out,
// so that the schema allows more and never less.
func draft7(schema any) any {
	return mapSchema(schema, func(s *object) any {
		splitTypes(s) // as in OpenAPI: one schema for both
		draft7Tuple(s)
		draft7Dependencies(s)
		draft7Contains(s)
		if d, ok := s.get("discriminator").(*object); ok { // OpenAPI's; a name in AsyncAPI
			s.remove("discriminator")
			s.setText("discriminator", d.text("propertyName"))
		}
		for _, name := range newKeywords {
			s.remove(name)
		}
		if s.has("$ref") && len(s.names) > 1 { // draft-07 ignores what stands beside a $ref
			ref := newObject("$ref", s.get("$ref"))
			s.remove("$ref")
			s.set("allOf", append([]any{ref}, s.list("allOf")...))
		}
		return s
	})
}

// newKeywords came after draft-07, which has no other words for them.
var newKeywords = []string{
	"$schema", "$vocabulary", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef",
	"unevaluatedItems", "unevaluatedProperties", "contentSchema",
}

func draft7Tuple(s *object) {
	first, ok := s.get("prefixItems").([]any)
	if !ok {
		return
	}
	rest, more := s.get("items"), s.has("items")
	s.remove("prefixItems")
	s.remove("items")
	s.set("items", first)
	if more {
		s.set("additionalItems", rest)
	}
}

func draft7Dependencies(s *object) {
	required, schemas := s.object("dependentRequired"), s.object("dependentSchemas")
	if len(required.names)+len(schemas.names) == 0 {
		return
	}
	s.remove("dependentRequired")
	s.remove("dependentSchemas")
	all := s.object("dependencies").clone()
	for _, name := range schemas.names {
		all.set(name, schemas.get(name))
	}
	for _, name := range required.names {
		if all.has(name) {
			all.set(name, newObject("allOf", []any{all.get(name), newObject("required", required.get(name))}))
		} else {
			all.set(name, required.get(name))
		}
	}
	s.set("dependencies", all)
}

func draft7Contains(s *object) {
	if n, ok := s.get("minContains").(number); ok && compareNumbers(n, "0") == 0 {
		s.remove("contains")
	}
	s.remove("minContains")
	s.remove("maxContains")
}
