package wsswag

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// A number is a JSON number as it was written.
type number string

// An object is a JSON object whose members have an order. Most are small: they are looked through, which is faster than a map of each.
type object struct {
	names  []string
	values []any
	index  map[string]int // of large objects
}

const large = 16 // members

// newObject returns an object of alternating names and values.
func newObject(pairs ...any) *object {
	o := &object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// find returns the position of a member, -1 without.
func (o *object) find(name string) int {
	if o.index == nil {
		return slices.Index(o.names, name)
	}
	if i, ok := o.index[name]; ok {
		return i
	}
	return -1
}

// set replaces the member where it stands or appends it, and returns o.
func (o *object) set(name string, v any) *object {
	if i := o.find(name); i >= 0 {
		o.values[i] = v
		return o
	}
	o.names, o.values = append(o.names, name), append(o.values, v)
	switch {
	case o.index != nil:
		o.index[name] = len(o.names) - 1
	case len(o.names) > large:
		o.index = map[string]int{}
		for i, n := range o.names {
			o.index[n] = i
		}
	}
	return o
}

func (o *object) get(name string) any {
	if i := o.find(name); i >= 0 {
		return o.values[i]
	}
	return nil
}

func (o *object) has(name string) bool { return o.find(name) >= 0 }

func (o *object) text(name string) string {
	s, _ := o.get(name).(string)
	return s
}

func (o *object) list(name string) []any {
	l, _ := o.get(name).([]any)
	return l
}

// object returns the member, or an empty object that is not part of o.
func (o *object) object(name string) *object {
	if m, ok := o.get(name).(*object); ok {
		return m
	}
	return newObject()
}

// A writer writes a tree as JSON, within the bounds. What the tree shares is written as often as it stands there.
type writer struct {
	out    []byte
	values int
}

func (w *writer) value(v any) (err error) {
	if w.values++; w.values > maxValues || len(w.out) > maxDocument {
		return errLarge
	}
	switch v := v.(type) {
	case *object:
		w.out = append(w.out, '{')
		for i, name := range v.names {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			if w.out, err = jsontext.AppendQuote(w.out, name); err != nil {
				return err
			}
			w.out = append(w.out, ':')
			if err := w.value(v.values[i]); err != nil {
				return err
			}
		}
		w.out = append(w.out, '}')
	case []any:
		w.out = append(w.out, '[')
		for i, item := range v {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			if err := w.value(item); err != nil {
				return err
			}
		}
		w.out = append(w.out, ']')
	case string:
		w.out, err = jsontext.AppendQuote(w.out, v)
	case number:
		w.out = append(w.out, v...)
	case bool:
		if v {
			w.out = append(w.out, "true"...)
		} else {
			w.out = append(w.out, "false"...)
		}
	default:
		w.out = append(w.out, "null"...)
	}
	return err
}
