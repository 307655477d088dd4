package schema

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A member is a struct field that json/v2 writes.
type member struct {
	reflect.StructField
	owner      reflect.Type // struct that declares it
	name       string
	named      bool // by its json tag
	path       []int
	viaPointer bool // promoted through a pointer, which may be nil
	omitEmpty  bool // if it is null, "", [] or {} in JSON
	omitZero   bool
	quoted     bool // option string
}

// where names a field for errors.
func (m *member) where() string {
	if m.owner == nil {
		return m.Name
	}
	return label(m.owner) + "." + m.Name
}

// label names a type for errors; one without a name can be long.
func label(t reflect.Type) string {
	if t.Kind() == reflect.Struct && t.Name() == "" {
		return "struct"
	}
	return t.String()
}

// A placeError says where in the Go types a declaration cannot be honoured.
type placeError struct {
	where string
	err   error
}

func (e *placeError) Error() string { return e.where + ": " + e.err.Error() }
func (e *placeError) Unwrap() error { return e.err }

// at places err, unless it was placed further in.
func at(where string, err error) error {
	if placed := new(placeError); err == nil || errors.As(err, &placed) {
		return err
	}
	return &placeError{where, err}
}

var typeValue = reflect.TypeFor[jsontext.Value]()

// members lists the fields of t as json/v2 sees them: breadth first, the shallowest of one name wins, then the one
// that is named by a tag, else none. fallback is the map that takes unknown members, if t embeds one.
func members(t reflect.Type) (list []member, fallback *member, err error) {
	type entry struct {
		typ     reflect.Type
		path    []int
		pointer bool
		deeper  bool // visit what it embeds
	}
	queue := []entry{{typ: t, deeper: true}}
	seen := map[reflect.Type]bool{t: true}
	for len(queue) > 0 {
		level := queue[0]
		queue = queue[1:]
		names := map[string]string{}
		empty := level.typ.NumField() > 0
		for i := range level.typ.NumField() {
			sf := level.typ.Field(i)
			if _, tagged := sf.Tag.Lookup("json"); tagged {
				empty = false
			}
			m := member{StructField: sf, owner: level.typ, path: append(slices.Clone(level.path), i), viaPointer: level.pointer}
			embed, ignored, err := m.options()
			if err != nil {
				return nil, nil, at(m.where(), err)
			}
			if ignored {
				continue
			}
			empty = false
			if !embed {
				if old, ok := names[m.name]; ok {
					return nil, nil, at(m.where(), fmt.Errorf("is called %q in JSON, and so is %s", m.name, old))
				}
				names[m.name] = sf.Name
				list = append(list, m)
				continue
			}
			if err := embeddable(sf); err != nil {
				return nil, nil, at(m.where(), err)
			}
			into, pointer := sf.Type, false
			if into.Kind() == reflect.Pointer && into.Name() == "" {
				into, pointer = into.Elem(), true
			}
			switch {
			case into == typeValue || into.Kind() == reflect.Map && into.Key().Kind() == reflect.String:
				if !sf.IsExported() || fallback != nil || pointer || into.Kind() == reflect.Map && ownCodec(into.Key()) {
					return nil, nil, at(m.where(), errors.New("a struct can embed one exported map with plain string keys"))
				}
				fallback = &m
			case into.Kind() != reflect.Struct:
				return nil, nil, at(m.where(), errors.New("is embedded but no struct, give it a json name"))
			case ownCodec(into):
				return nil, nil, at(m.where(), fmt.Errorf("is embedded but %s encodes itself, give it a json name", into))
			case pointer && !sf.IsExported():
				return nil, nil, at(m.where(), errors.New("is an embedded pointer to an unexported struct, which no decoder can set"))
			case level.deeper:
				queue = append(queue, entry{into, m.path, level.pointer || pointer, !seen[into]})
				seen[into] = true
			}
		}
		switch {
		case !empty || level.typ == t && isHollow(t):
		case level.typ == t:
			return nil, nil, at(label(t), errors.New("has no exported field, nothing of it would travel"))
		default:
			return nil, nil, at(label(level.typ), fmt.Errorf("is embedded in %s but has no JSON field; give its blank field the tag json:\"-\"", label(t)))
		}
	}
	return dominant(list), fallback, nil
}

// embeddable refuses keywords that could have no effect: those on an embedded struct.
func embeddable(f reflect.StructField) error {
	t, err := parseTags(f.Tag)
	if err != nil || f.Type.Kind() == reflect.Map {
		return err
	}
	for _, key := range t.keys {
		if key != "json" && key != "doc" && slices.Contains(keywords, key) {
			return fmt.Errorf("%s has no effect on an embedded struct, put it on a field", key)
		}
	}
	return nil
}

// dominant keeps one field of each name, or none, and sorts them as they are written.
func dominant(all []member) (kept []member) {
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(len(a.path), len(b.path)), -compareBool(a.named, b.named))
	})
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		if n == 1 || len(all[0].path) != len(all[1].path) || all[0].named != all[1].named {
			kept = append(kept, all[0])
		}
		all = all[n:]
	}
	slices.SortFunc(kept, func(a, b member) int { return slices.Compare(a.path, b.path) })
	return kept
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// options reads the json tag, as strictly as json/v2 does.
func (m *member) options() (embed, ignored bool, err error) {
	tag, tagged := m.Tag.Lookup("json")
	if tag == "-" {
		return false, true, nil
	}
	if !m.IsExported() && !m.Anonymous {
		if tagged {
			return false, true, fmt.Errorf("is not exported but has the tag json:%q", tag)
		}
		return false, true, nil
	}
	name, rest, _ := strings.Cut(tag, ",")
	if strings.ContainsAny(name, "\\'\"`") {
		return false, false, fmt.Errorf("the name in json:%q must not have quotes or backslashes", tag)
	}
	m.name, m.named = m.Name, name != ""
	if m.named {
		m.name = name
	}
	if strings.HasSuffix(tag, ",") {
		return false, false, fmt.Errorf("json:%q ends in a comma", tag)
	}
	embed = m.Anonymous && !m.named
	for rest != "" {
		var option string
		option, rest, _ = strings.Cut(rest, ",")
		switch {
		case option == "omitempty":
			m.omitEmpty = true
		case option == "omitzero":
			m.omitZero = true
		case option == "string":
			m.quoted = true
		case option == "embed":
			embed = true
		case option == "case:strict":
		case strings.HasPrefix(option, "case:"):
			return false, false, fmt.Errorf("the option %q in json:%q cannot be honoured, names match exactly", option, tag)
		default:
			return false, false, fmt.Errorf("the option %q in json:%q is unknown", option, tag)
		}
	}
	if embed && (m.named || m.omitEmpty || m.omitZero || m.quoted) {
		return false, false, fmt.Errorf("is embedded, so json:%q cannot have a name or another option", tag)
	}
	return embed, false, nil
}
