package schema

import (
	"errors"
	"reflect"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Validate lists what is wrong with data, at most 100 issues; nil if nothing. It allocates only where something is
// wrong or a type has a decoder of its own.
func (p *Plan) Validate(data []byte) []Issue {
	s := newScanner(data)
	p.scan(s)
	issues := s.faults()
	s.release()
	return issues
}

// scan reports whether it saw all of the message.
func (p *Plan) scan(s *scanner) bool { return s.value(p.root, nowhere) && s.end() }

// Decode validates data and stores it in v, a pointer to the plan's type, in place of what v held. v keeps nothing of data.
// If there are issues, v is not touched, unless they come from a decoder or a Validate method of the type. Decode
// panics if v is anything else, and with whatever a decoder of the type panics. Short strings of a message share memory in pieces of at
// most 256 bytes.
func (p *Plan) Decode(data []byte, v any) []Issue {
	p.pointer(v)
	var issues []Issue
	if dst := reflect.ValueOf(v).Elem(); p.storable && dst.IsZero() {
		issues = p.onePass(data, dst)
	} else {
		issues = p.twoPasses(data, v)
	}
	if issues == nil {
		issues = p.hook(v)
	}
	return issues
}

// twoPasses validates, then has json/v2 decode.
func (p *Plan) twoPasses(data []byte, v any) []Issue {
	s := newScanner(data)
	s.edits.on = true
	p.scan(s)
	issues := s.faults()
	if issues == nil {
		issues = p.store(s, v)
	}
	s.release()
	return issues
}

// Unmarshal is Decode without the rules: it reports only what keeps data from being stored. Defaults are set.
func (p *Plan) Unmarshal(data []byte, v any) []Issue {
	p.pointer(v)
	s := newScanner(data)
	s.edits.on = true
	whole := p.scan(s)
	all := s.faults()
	issues := hard(all)
	if !whole && issues == nil { // what ended the walk came behind the last issue that is recorded
		issues = all
	}
	if issues == nil {
		issues = p.store(s, v)
	}
	s.release()
	return issues
}

// hard keeps the issues that make data unreadable for any decoder.
func hard(all []Issue) (kept []Issue) {
	for _, i := range all {
		switch i.Code {
		case "syntax", "duplicate", "depth":
			kept = append(kept, i)
		}
	}
	return kept
}

// pointer panics if v is not what Decode needs: that is the caller's mistake, not the peer's.
func (p *Plan) pointer(v any) {
	if t := reflect.TypeOf(v); t == nil || t.Kind() != reflect.Pointer || t.Elem() != p.typ || reflect.ValueOf(v).IsNil() {
		panic("schema: Decode into " + typeString(t) + ", want a pointer to " + p.typ.String())
	}
}

func typeString(t reflect.Type) string {
	if t == nil {
		return "nil"
	}
	return t.String()
}

// store decodes what s walked over into v.
func (p *Plan) store(s *scanner, v any) []Issue {
	body, prefix := p.value(s)
	if err := p.unmarshal(body, v); err != nil {
		return []Issue{undecodable(err, prefix)}
	}
	return nil
}

func (p *Plan) unmarshal(body []byte, v any) error {
	reflect.ValueOf(v).Elem().SetZero()
	if body == nil {
		return nil
	}
	return jsonv2.Unmarshal(body, v, p.decoders...)
}

// undecodable is the issue for an error of json/v2 or of a type's own decoder, whose text is not for the peer.
func undecodable(err error, prefix string) Issue {
	issue := Issue{Code: "invalid", Message: "is not valid", Path: prefix}
	var semantic *jsonv2.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		issue.Path += string(semantic.JSONPointer)
		if semantic.Err == nil || errors.Is(semantic.Err, errType) {
			issue.Code, issue.Message = "type", "has the wrong type"
		}
	case errors.As(err, &syntactic):
		issue.Path += string(syntactic.JSONPointer)
		if errors.Is(err, jsontext.ErrDuplicateName) { // two names of one key, as a map's key type reads them
			issue.Code, issue.Message = "duplicate", "is given more than once"
		}
	}
	return issue
}

var errType = errors.New("wrong type")

// value is the JSON of the value in its envelope, and where it is.
func (p *Plan) value(s *scanner) (body []byte, prefix string) {
	e := &s.edits
	if p.env.Payload == "" {
		return e.apply(s.data, 0, len(s.data), e.list), ""
	}
	prefix = "/" + escapePointer(p.env.Payload)
	if e.to == 0 {
		return p.emptyBody, prefix
	}
	return e.apply(s.data, e.from, e.to, e.list[e.first:e.last]), prefix
}

type validator interface{ Validate() error }

// hook calls the Validate method of the message type.
func (p *Plan) hook(v any) []Issue {
	if !p.validates {
		return nil
	}
	if p.typ.Kind() == reflect.Pointer {
		v = reflect.ValueOf(v).Elem().Interface()
	}
	err := v.(validator).Validate()
	if err == nil {
		return nil
	}
	return []Issue{{Code: "invalid", Message: strings.ToValidUTF8(err.Error(), "\uFFFD")}} // else it could not be sent
}

// codec prepares json/v2 for the types of the plan that it does not write by itself: durations, and structs
// without any field.
func (p *Plan) codec(c *compiler) {
	p.encoders = []jsonv2.Options{jsonv2.Deterministic(true)}
	var enc []*jsonv2.Marshalers
	var dec []*jsonv2.Unmarshalers
	if c.iso || c.nanos {
		enc = append(enc, jsonv2.MarshalToFunc(p.durationEncoder(c)))
		dec = append(dec, jsonv2.UnmarshalFromFunc(decodeDuration))
	}
	if c.hollow {
		enc = append(enc, jsonv2.MarshalToFunc(encodeHollow))
		dec = append(dec, jsonv2.UnmarshalFromFunc(decodeHollow))
	}
	if enc != nil {
		p.encoders = append(p.encoders, jsonv2.WithMarshalers(jsonv2.JoinMarshalers(enc...)))
		p.decoders = append(p.decoders, jsonv2.WithUnmarshalers(jsonv2.JoinUnmarshalers(dec...)))
	}
	p.validates = has(p.typ, reflect.TypeFor[validator]())
}

// decodeDuration reads both forms of a duration: the plan has checked that it is the right one.
func decodeDuration(dec *jsontext.Decoder, d *time.Duration) error {
	switch dec.PeekKind() {
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		var ok bool
		if *d, ok = parseDuration([]byte(tok.String())); !ok {
			return errType
		}
		return nil
	case '0':
		var n int64
		err := jsonv2.UnmarshalDecode(dec, &n)
		*d = time.Duration(n)
		return err
	case 'n':
		*d = 0
	}
	return dec.SkipValue()
}

// isHollow reports whether t has blank fields and no other, a message that is only a name: json/v2 refuses to write it.
func isHollow(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() == 0 || ownCodec(t) {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Name != "_" || f.Tag.Get("json") != "" {
			return false
		}
	}
	return true
}

func encodeHollow(enc *jsontext.Encoder, v any) error {
	if t := reflect.TypeOf(v); t == nil || t.Kind() != reflect.Pointer || !isHollow(t.Elem()) {
		return errors.ErrUnsupported
	}
	return enc.WriteValue(jsontext.Value("{}"))
}

func decodeHollow(dec *jsontext.Decoder, v any) error {
	if t := reflect.TypeOf(v); t == nil || t.Kind() != reflect.Pointer || !isHollow(t.Elem()) {
		return errors.ErrUnsupported
	}
	if k := dec.PeekKind(); k != '{' && k != 'n' {
		return errType
	}
	return dec.SkipValue()
}
