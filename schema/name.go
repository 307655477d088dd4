package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// blank reads the tags of the struct's blank fields, which are about the type itself.
func (c *compiler) blank(s *shape, t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name != "_" {
			continue
		}
		tags, err := parseTags(f.Tag)
		if err == nil {
			err = c.blankTags(s, tags)
		}
		if err != nil {
			return at(label(t)+"._", err)
		}
	}
	return nil
}

func (c *compiler) blankTags(s *shape, t *tags) (err error) {
	for _, key := range t.keys {
		text := t.values[key]
		switch key {
		case "doc":
			s.doc = text
		case "deprecated":
			s.deprecated, err = parseBool(key, text)
		case "nullable":
			s.nullable, err = parseBool(key, text)
		case "additionalProperties":
			var open bool
			open, err = parseBool(key, text)
			s.closed, s.explicit = !open, true
		case "example":
			if s.example, err = compact([]byte(text)); err != nil {
				err = fmt.Errorf("example %q is no JSON: %w", text, err)
			}
		case "ws":
			err = s.wsTag(text)
		case "json":
		default:
			for _, k := range keywords {
				if k == key {
					err = fmt.Errorf("%s is for fields, a blank field takes ws, doc, deprecated, nullable, additionalProperties and example", key)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wsTag reads ws:"name", ws:"name,drop" and ws:"name,latest=member".
func (s *shape) wsTag(text string) error {
	name, delivery, _ := strings.Cut(text, ",")
	switch key, ok := strings.CutPrefix(delivery, "latest="); {
	case delivery == "", delivery == "drop", ok && key != "" && !strings.Contains(key, ","):
	default:
		return fmt.Errorf("ws %q: behind the name stands drop or latest=member", text)
	}
	if strings.TrimSpace(name) != name {
		return fmt.Errorf("ws %q: the name has spaces around it", text)
	}
	s.wsName, s.delivery = name, delivery
	return nil
}

// latest checks the member that ws:"name,latest=member" conflates by.
func (s *shape) latest() error {
	key, ok := strings.CutPrefix(s.delivery, "latest=")
	if !ok {
		return nil
	}
	if _, ok := s.byName[key]; !ok {
		return at(label(s.typ)+"._", fmt.Errorf("ws: %s has no member %q to keep the latest of", label(s.typ), key))
	}
	return nil
}

// naming finds the wire names of a message, as values of the discriminator; adopted is the type's own field of that
// name, if it has one.
func (p *Plan) naming(e *Envelope, s *shape, adopted *field) ([]value, error) {
	given, from := e.Name, "the name"
	if given == "" && s.wsName != "" {
		given, from = s.wsName, "the ws tag"
	}
	if adopted != nil {
		return adoptedNames(given, from, adopted, s)
	}
	if given == "" {
		given = typeName(s.typ)
	}
	if given == "" && e.Discriminator == "" {
		return nil, nil
	}
	if given == "" {
		return nil, errors.New("must be named: add a ws tag to a blank field, or As at its registration")
	}
	return []value{{raw: string(appendString(nil, given)), text: given}}, nil
}

// adoptedNames are the const or the enum of an adopted field. A name given elsewhere must be one of them, and is the
// only one then.
func adoptedNames(given, from string, f *field, s *shape) ([]value, error) {
	n := f.node
	switch {
	case n.kind == kindText && len(n.enum) > 0:
	case n.kind != kindString && n.kind != kindInt || n.quoted || n.shape.elem != nil:
		return nil, at(f.goName, fmt.Errorf("is the discriminator and must be a string or an integer, not %s", n.typ))
	case n.nullable:
		return nil, at(f.goName, errors.New("is the discriminator and cannot be null"))
	}
	names := n.enum
	if given == "" && len(names) == 0 && n.kind != kindInt {
		given, from = typeName(s.typ), "the type's name"
	}
	if given == "" && len(names) == 0 {
		return nil, fmt.Errorf("must be named: add a const tag to %s", f.goName)
	}
	if given == "" {
		return names, nil
	}
	raw, err := literal(n, given)
	if err == nil {
		if issues := n.check(raw); len(names) == 0 && issues != nil {
			err = errors.New(issues[0].Message)
		}
	}
	if err != nil {
		return nil, at(f.goName, fmt.Errorf("%s %q cannot be its value: %w", from, given, err))
	}
	for _, v := range names {
		if v.raw == string(raw) {
			return []value{v}, nil
		}
	}
	if len(names) > 0 {
		return nil, at(f.goName, fmt.Errorf("%s %q contradicts its values, %s", from, given, joinRaw(names)))
	}
	v, err := newValue(n.kind, raw)
	return []value{v}, err
}

func joinRaw(values []value) string {
	var list []string
	for _, v := range values {
		list = append(list, v.raw)
	}
	return strings.Join(list, ", ")
}

// typeName is the name of a Go type in snake case, "" for one that has none of its own: HTTPServerV2 is
// http_server_v2.
func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() == "" || strings.Contains(t.Name(), "[") {
		return ""
	}
	return snake(t.Name())
}

func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if r == '_' {
			if i > 0 && runes[i-1] != '_' {
				b.WriteByte('_')
			}
			continue
		}
		if unicode.IsUpper(r) && i > 0 && runes[i-1] != '_' {
			after := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || after {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
