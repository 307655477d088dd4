package apidoc

import (
	"maps"
	"slices"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// content maps media types to the schema of messages; nil without messages.
func (w *writer) content(e *endpoint, list []*message) *ordered.Object {
	var json []*message
	text, binary := false, false
	for _, m := range list {
		switch m.Frame {
		case "text":
			text = true
		case "binary":
			binary = true
		default:
			json = append(json, m)
		}
	}
	content := ordered.New()
	if len(json) > 0 {
		content.Set("application/json", ordered.New("schema", w.choice(e, json)))
	}
	if text {
		content.Set("text/plain", ordered.New("schema", ordered.New("type", "string")))
	}
	if binary {
		content.Set("application/octet-stream", w.bytes())
	}
	if len(content.Names()) == 0 {
		return nil
	}
	return content
}

// bytes is a media type without structure, which 3.0 and 3.1 say differently.
func (w *writer) bytes() *ordered.Object {
	if w.old {
		return ordered.New("schema", ordered.New("type", "string", "format", "binary"))
	}
	return ordered.New()
}

// choice is the schema of one of several messages: oneOf where the discriminator tells them apart, else anyOf,
// because one value may then be several of them.
func (w *writer) choice(e *endpoint, list []*message) *ordered.Object {
	list = distinctMessages(list)
	refs := w.refs(list)
	if len(refs) == 1 {
		return refs[0].(*ordered.Object)
	}
	mapping, ok := mappingOf(e.Discriminator, list)
	if !ok {
		return ordered.New("anyOf", refs)
	}
	return ordered.New("oneOf", refs, "discriminator", ordered.New("propertyName", e.Discriminator, "mapping", mapping))
}

// mappingOf maps the values of the discriminator to schemas. It fails unless every message is an object that must
// have it, with string values that no other message has.
func mappingOf(discriminator string, list []*message) (*ordered.Object, bool) {
	mapping := ordered.New()
	for _, m := range list {
		schema := m.component.schema
		required := slices.Contains(schema.List("required"), any(discriminator))
		if discriminator == "" || !required || !schema.Object("properties").Has(discriminator) || len(m.Names) == 0 {
			return nil, false
		}
		for _, literal := range m.Names {
			name, err := ordered.ParseJSON([]byte(literal))
			text, ok := name.(string)
			if err != nil || !ok || mapping.Has(text) {
				return nil, false
			}
			mapping.Set(text, componentRef(m.component.name))
		}
	}
	return mapping, true
}

// distinctMessages leaves out messages of a component that is there already.
func distinctMessages(list []*message) []*message {
	var out []*message
	for _, m := range list {
		if !slices.ContainsFunc(out, func(o *message) bool { return o.component == m.component }) {
			out = append(out, m)
		}
	}
	return out
}

func (w *writer) refs(list []*message) []any {
	refs := []any{}
	for _, m := range list {
		refs = append(refs, w.ref(m))
	}
	return refs
}

// ref refers to the schema of m, or describes a frame that has none.
func (w *writer) ref(m *message) *ordered.Object {
	switch {
	case m.component != nil:
		return ordered.New("$ref", componentRef(m.component.name))
	case m.Frame == "binary":
		return ordered.New("type", "string", "format", "binary")
	default:
		return ordered.New("type", "string")
	}
}

// addComponents adds the schemas of all messages behind those of the base.
func (m *model) addComponents(doc *ordered.Object) {
	if len(m.registry.components) == 0 {
		return
	}
	components := doc.Object("components").Clone()
	schemas := components.Object("schemas").Clone()
	for _, c := range m.registry.components {
		if !c.shared {
			schemas.Set(c.name, m.dialect(c.schema))
		}
	}
	doc.Set("components", components.Set("schemas", schemas))
}

// addTags lists the tags of the operations behind those of the base.
func (m *model) addTags(doc *ordered.Object) {
	tags := slices.Clone(doc.List("tags"))
	known := map[string]bool{}
	for _, t := range tags {
		if o, ok := t.(*ordered.Object); ok {
			known[o.Text("name")] = true
		}
	}
	add := func(name, description string) {
		if !known[name] {
			known[name] = true
			tags = append(tags, ordered.New("name", name).SetText("description", description))
		}
	}
	for _, e := range m.endpoints {
		for _, t := range e.tags {
			add(t, "WebSocket messages of `"+e.path+"`.")
		}
		for _, o := range e.receives {
			for _, t := range o.Tags {
				add(t, "WebSocket messages.")
			}
		}
	}
	if len(tags) > 0 {
		doc.Set("tags", tags)
	} else {
		doc.Remove("tags")
	}
}

func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
