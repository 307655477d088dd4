package apidoc

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Where JSON Schema keeps schemas inside a schema. Everything else (examples, const, enum, default, x-…) is data,
// in which a member called $ref means nothing.
var (
	schemaMembers = []string{
		"items", "additionalItems", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else",
		"unevaluatedItems", "unevaluatedProperties", "contentSchema",
	}
	schemaLists = []string{"allOf", "anyOf", "oneOf", "prefixItems", "items"}
	schemaMaps  = []string{"properties", "patternProperties", "dependentSchemas", "definitions", "$defs"}
)

// mapSchema returns a copy of schema in which f replaced every object schema, the innermost first. f owns what it gets.
func mapSchema(schema any, f func(*object) any) any {
	o, ok := schema.(*object)
	if !ok {
		return schema
	}
	o = o.clone()
	for _, name := range schemaMembers {
		if sub, ok := o.get(name).(*object); ok {
			o.set(name, mapSchema(sub, f))
		}
	}
	for _, name := range schemaLists {
		if list, ok := o.get(name).([]any); ok {
			copied := make([]any, len(list))
			for i, sub := range list {
				copied[i] = mapSchema(sub, f)
			}
			o.set(name, copied)
		}
	}
	for _, name := range schemaMaps {
		if subs, ok := o.get(name).(*object); ok {
			copied := subs.clone()
			for _, key := range subs.names {
				copied.set(key, mapSchema(subs.get(key), f))
			}
			o.set(name, copied)
		}
	}
	return f(o)
}

// parseSchema reads the schema of what, which must be an object or a boolean.
func parseSchema(what string, raw []byte) (*object, error) {
	v, err := parseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s is not JSON: %w", what, err)
	}
	switch v := v.(type) {
	case *object:
		return v, nil
	case bool:
		if v {
			return newObject(), nil
		}
		return newObject("not", newObject()), nil
	}
	return nil, fmt.Errorf("the schema of %s is neither an object nor a boolean", what)
}

// defRef splits a $ref into the key of $defs that it names and the pointer behind it. ok is false for a
// reference to anything else. A reference to the root has the key rootKey.
func defRef(ref string) (key, rest string, ok bool) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return "", "", false
	}
	if pointer, ok := strings.CutPrefix(fragment, "/$defs/"); ok {
		escaped, rest, more := strings.Cut(pointer, "/")
		if more {
			rest = "/" + rest
		}
		return unescapePointer(escaped), rest, true
	}
	return rootKey, fragment, true
}

// rootKey stands for the root among the keys of $defs, where it cannot be the name of a Go type.
const rootKey = "#"

func unescapePointer(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		s = u
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}

func componentRef(name string) string { return "#/components/schemas/" + name }

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// spell writes definitions of types without a name, such as []User, where they are used, and returns the rest.
// Whether such a type gets a definition depends on where a message meets it first, so that one Go
// type would look different from message to message. No Go type holds itself but through one with a name; a reference
// from within to itself is left to dangle.
func spell(schema, defs *object) (*object, *object) {
	if !slices.ContainsFunc(defs.names, unnamed) {
		return schema, defs
	}
	written, writing := map[any]bool{}, map[string]bool{}
	var write func(s *object) any
	write = func(s *object) any {
		if list := s.list("allOf"); len(list) == 1 && written[list[0]] {
			branch := list[0].(*object)
			s.remove("allOf")
			return joined(branch, s)
		}
		key, rest, ok := defRef(s.text("$ref"))
		def, found := defs.get(key).(*object)
		if !ok || !found || rest != "" || !unnamed(key) || writing[key] {
			return s
		}
		writing[key] = true
		s.remove("$ref")
		out := joined(mapSchema(def, write).(*object), s)
		delete(writing, key)
		written[out] = true
		return out
	}
	named := newObject()
	for _, key := range defs.names {
		if !unnamed(key) {
			named.set(key, mapSchema(defs.get(key), write))
		}
	}
	return mapSchema(schema, write).(*object), named
}

var noName = regexp.MustCompile(`^(_[0-9]+)?$|^(\[|\*|map\[|struct\b)`)

// unnamed reports keys of $defs that are Go types without a name: those of package schema are "", "_2" and so on.
func unnamed(goType string) bool { return noName.MatchString(goType) }

// joined says both, in one object if they have no member in common.
func joined(a, b *object) *object {
	for _, name := range b.names {
		if a.has(name) {
			return b.set("allOf", append([]any{a}, b.list("allOf")...))
		}
	}
	out := a.clone()
	for _, name := range b.names {
		out.set(name, b.get(name))
	}
	return out
}
