package apidoc

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
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
func mapSchema(schema any, f func(*ordered.Object) any) any {
	o, ok := schema.(*ordered.Object)
	if !ok {
		return schema
	}
	o = o.Clone()
	for _, name := range schemaMembers {
		if sub, ok := o.Get(name).(*ordered.Object); ok {
			o.Set(name, mapSchema(sub, f))
		}
	}
	for _, name := range schemaLists {
		if list, ok := o.Get(name).([]any); ok {
			copied := make([]any, len(list))
			for i, sub := range list {
				copied[i] = mapSchema(sub, f)
			}
			o.Set(name, copied)
		}
	}
	for _, name := range schemaMaps {
		if subs, ok := o.Get(name).(*ordered.Object); ok {
			copied := subs.Clone()
			for _, key := range subs.Names() {
				copied.Set(key, mapSchema(subs.Get(key), f))
			}
			o.Set(name, copied)
		}
	}
	return f(o)
}

// parseSchema reads the schema of what, which must be an object or a boolean.
func parseSchema(what string, raw []byte) (*ordered.Object, error) {
	v, err := ordered.ParseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s is not JSON: %w", what, err)
	}
	switch v := v.(type) {
	case *ordered.Object:
		return v, nil
	case bool:
		if v {
			return ordered.New(), nil
		}
		return ordered.New("not", ordered.New()), nil
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
func spell(schema, defs *ordered.Object) (*ordered.Object, *ordered.Object) {
	if !slices.ContainsFunc(defs.Names(), unnamed) {
		return schema, defs
	}
	written, writing := map[any]bool{}, map[string]bool{}
	var write func(s *ordered.Object) any
	write = func(s *ordered.Object) any {
		if list := s.List("allOf"); len(list) == 1 && written[list[0]] {
			branch := list[0].(*ordered.Object)
			s.Remove("allOf")
			return joined(branch, s)
		}
		key, rest, ok := defRef(s.Text("$ref"))
		def, found := defs.Get(key).(*ordered.Object)
		if !ok || !found || rest != "" || !unnamed(key) || writing[key] {
			return s
		}
		writing[key] = true
		s.Remove("$ref")
		out := joined(mapSchema(def, write).(*ordered.Object), s)
		delete(writing, key)
		written[out] = true
		return out
	}
	named := ordered.New()
	for _, key := range defs.Names() {
		if !unnamed(key) {
			named.Set(key, mapSchema(defs.Get(key), write))
		}
	}
	return mapSchema(schema, write).(*ordered.Object), named
}

var noName = regexp.MustCompile(`^(_[0-9]+)?$|^(\[|\*|map\[|struct\b)`)

// unnamed reports keys of $defs that are Go types without a name: those of package schema are "", "_2" and so on.
func unnamed(goType string) bool { return noName.MatchString(goType) }

// joined says both, in one object if they have no member in common.
func joined(a, b *ordered.Object) *ordered.Object {
	for _, name := range b.Names() {
		if a.Has(name) {
			return b.Set("allOf", append([]any{a}, b.List("allOf")...))
		}
	}
	out := a.Clone()
	for _, name := range b.Names() {
		out.Set(name, b.Get(name))
	}
	return out
}

// texts turns a list of strings into a value of the tree.
func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
