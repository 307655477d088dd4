package apidoc

import (
	"maps"
	"slices"
)

// content maps media types to the schema of messages; nil without messages.
func (w *writer) content(e *endpoint, list []*message) *object {
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
	content := newObject()
	if len(json) > 0 {
		content.set("application/json", newObject("schema", w.choice(e, json)))
	}
	if text {
		content.set("text/plain", newObject("schema", newObject("type", "string")))
	}
	if binary {
		content.set("application/octet-stream", w.bytes())
	}
	if len(content.names) == 0 {
		return nil
	}
	return content
}

// bytes is a media type without structure, which 3.0 and 3.1 say differently.
func (w *writer) bytes() *object {
	if w.old {
		return newObject("schema", newObject("type", "string", "format", "binary"))
	}
	return newObject()
}

// choice is the schema of one of several messages: oneOf where the discriminator tells them apart, else anyOf,
// because one value may then be several of them.
func (w *writer) choice(e *endpoint, list []*message) *object {
	list = distinctMessages(list)
	refs := w.refs(list)
	if len(refs) == 1 {
		return refs[0].(*object)
	}
	mapping, ok := mappingOf(e.Discriminator, list)
	if !ok {
		return newObject("anyOf", refs)
	}
	return newObject("oneOf", refs, "discriminator", newObject("propertyName", e.Discriminator, "mapping", mapping))
}

// mappingOf maps the values of the discriminator to schemas. It fails unless every message is an object that must
// have it, with string values that no other message has.
func mappingOf(discriminator string, list []*message) (*object, bool) {
	mapping := newObject()
	for _, m := range list {
		schema := m.component.schema
		required := slices.Contains(schema.list("required"), any(discriminator))
		if discriminator == "" || !required || !schema.object("properties").has(discriminator) || len(m.Names) == 0 {
			return nil, false
		}
		for _, literal := range m.Names {
			name, err := parseJSON([]byte(literal))
			text, ok := name.(string)
			if err != nil || !ok || mapping.has(text) {
				return nil, false
			}
			mapping.set(text, componentRef(m.component.name))
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
func (w *writer) ref(m *message) *object {
	switch {
	case m.component != nil:
		return newObject("$ref", componentRef(m.component.name))
	case m.Frame == "binary":
		return newObject("type", "string", "format", "binary")
	default:
		return newObject("type", "string")
	}
}

// addComponents adds the schemas of all messages behind those of the base.
func (m *model) addComponents(doc *object) {
	if len(m.registry.components) == 0 {
		return
	}
	components := doc.object("components").clone()
	schemas := components.object("schemas").clone()
	for _, c := range m.registry.components {
		if !c.shared {
			schemas.set(c.name, m.dialect(c.schema))
		}
	}
	doc.set("components", components.set("schemas", schemas))
}

// addTags lists the tags of the operations behind those of the base.
func (m *model) addTags(doc *object) {
	tags := slices.Clone(doc.list("tags"))
	known := map[string]bool{}
	for _, t := range tags {
		if o, ok := t.(*object); ok {
			known[o.text("name")] = true
		}
	}
	add := func(name, description string) {
		if !known[name] {
			known[name] = true
			tags = append(tags, newObject("name", name).setText("description", description))
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
		doc.set("tags", tags)
	} else {
		doc.remove("tags")
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
