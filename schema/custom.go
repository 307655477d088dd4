package schema

import (
	"encoding"
	"encoding/json"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
)

var (
	typeTextUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	typeTextMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	typeTextAppender    = reflect.TypeFor[encoding.TextAppender]()
	typeUnmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	typeUnmarshalerFrom = reflect.TypeFor[jsonv2.UnmarshalerFrom]()
	typeMarshaler       = reflect.TypeFor[json.Marshaler]()
	typeMarshalerTo     = reflect.TypeFor[jsonv2.MarshalerTo]()
	typePrinter         = reflect.TypeFor[Printer]()
)

// has reports whether t or *t has the methods of any of the interfaces.
func has(t reflect.Type, ifaces ...reflect.Type) bool {
	for _, i := range ifaces {
		if t.Implements(i) || t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// custom hands a value to its type's own decoder, which alone knows what is right. The decoder's error is not
// shown: its text was not written for the peer.
func (s *scanner) custom(n *node, dst reflect.Value) bool {
	start, before := s.pos, len(s.issues)
	if !s.skip(false) {
		return false
	}
	if len(s.issues) == before {
		s.tryCustom(n.shape, s.data[start:s.pos], dst)
	}
	return true
}

func (s *scanner) tryCustom(sh *shape, raw []byte, dst reflect.Value) {
	if sh.decode && jsonv2.Unmarshal(raw, sh.trial(dst)) != nil {
		s.fail("invalid", "is not valid", nil, raw)
	}
}

// textValue hands a string to UnmarshalText.
func (s *scanner) textValue(n *node, raw []byte, dst reflect.Value) {
	if !n.decode {
		return
	}
	if jsonv2.Unmarshal(raw, n.trial(dst)) != nil {
		s.fail("format", "is not in the right format", nil, raw)
	}
}

// trial is a pointer to dst, or to a value that nobody keeps.
func (sh *shape) trial(dst reflect.Value) any {
	if !dst.IsValid() {
		return reflect.New(sh.typ).Interface()
	}
	return dst.Addr().Interface()
}

// decodeText tries the name of a map's entry.
func decodeText(sh *shape, name []byte) error {
	if !sh.decode {
		return nil
	}
	u, ok := reflect.New(sh.typ).Interface().(encoding.TextUnmarshaler)
	if !ok {
		return nil
	}
	return u.UnmarshalText(append([]byte(nil), name...))
}
