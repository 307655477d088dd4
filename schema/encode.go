package schema

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Append encodes v, a value of the plan's type or a pointer to one, in its envelope behind dst: the discriminator first,
// then the id, then the value as json/v2 encodes it, with nil slices as [] and nil maps as {}. id is the correlation id
// as JSON, nil for none. Members of the value that the envelope has as well are the envelope's.
// Append fails if v is of another type, or cannot be encoded: then dst is returned as it was.
func (p *Plan) Append(dst []byte, v any, id []byte) ([]byte, error) {
	if err := p.accepts(v); err != nil {
		return dst, err
	}
	if p.writable {
		if out, ok := p.write(dst, reflect.ValueOf(v), id); ok {
			return out, nil
		}
	}
	return p.appendTwice(dst, v, id)
}

// appendTwice has json/v2 encode v, and puts the envelope around that.
func (p *Plan) appendTwice(dst []byte, v any, id []byte) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	body, err := p.encode(buf, v)
	if err == nil {
		dst, err = p.wrap(dst, body, id)
	}
	if buf.Cap() <= maxKept {
		buf.Reset()
		testhook.Freed(buf.AvailableBuffer())
		buffers.Put(buf)
	}
	if err != nil {
		return dst, fmt.Errorf("schema: encode %s: %w", p.typ, err)
	}
	return dst, nil
}

func (p *Plan) accepts(v any) error {
	t := reflect.TypeOf(v)
	if t == p.typ || t != nil && p.typ.Kind() == reflect.Interface && t.Implements(p.typ) {
		return nil
	}
	if t == nil || t.Kind() != reflect.Pointer || t.Elem() != p.typ {
		return fmt.Errorf("schema: encode %s: got %s", p.typ, typeString(t))
	}
	if reflect.ValueOf(v).IsNil() {
		return fmt.Errorf("schema: encode %s: got a nil pointer", p.typ)
	}
	return nil
}

// encode writes the value alone.
func (p *Plan) encode(buf *bytes.Buffer, v any) ([]byte, error) {
	if p.bodiless {
		return append(buf.AvailableBuffer(), "{}"...), nil
	}
	if err := jsonv2.MarshalWrite(buf, v, p.encoders...); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// wrap puts the envelope around body.
func (p *Plan) wrap(dst, body, id []byte) ([]byte, error) {
	if p.env.ID == "" {
		id = nil
	}
	if p.env.Payload != "" {
		dst = p.head(dst, p.names[0], id)
		dst = append(append(appendString(append(dst, ','), p.env.Payload), ':'), body...)
		return append(dst, '}'), nil
	}
	if p.env.Discriminator == "" && id == nil {
		return append(dst, body...), nil
	}
	if len(body) == 0 || body[0] != '{' {
		return dst, errors.New("is not encoded as a JSON object")
	}
	name, err := p.wireName(body)
	if err != nil {
		return dst, err
	}
	dst = p.head(dst, name, id)
	return p.appendMembers(dst, body, id != nil), nil
}

// head opens the envelope.
func (p *Plan) head(dst []byte, name string, id []byte) []byte {
	dst = append(dst, '{')
	if p.env.Discriminator != "" {
		dst = append(append(appendString(dst, p.env.Discriminator), ':'), name...)
	}
	if id == nil {
		return dst
	}
	if p.env.Discriminator != "" {
		dst = append(dst, ',')
	}
	return append(append(appendString(dst, p.env.ID), ':'), id...)
}

// wireName is the message's name: of a type with several, what the value's own field says.
func (p *Plan) wireName(body []byte) (string, error) {
	if len(p.names) == 0 {
		return "", nil
	}
	if len(p.names) == 1 {
		return p.names[0], nil
	}
	got, _ := Member(body, p.env.Discriminator)
	if i := slices.Index(p.names, string(got)); i >= 0 {
		return p.names[i], nil
	}
	return "", fmt.Errorf("%s is %s, want one of %s", p.adopted.goName, orNothing(got), strings.Join(p.names, ", "))
}

func orNothing(raw []byte) string {
	if len(raw) == 0 {
		return "left out"
	}
	return string(raw)
}

// appendMembers appends the members of the object body and the closing brace, without those of the envelope.
func (p *Plan) appendMembers(dst, body []byte, hasID bool) []byte {
	if !p.mixed && !(hasID && p.ownID) {
		if dst[len(dst)-1] != '{' && len(body) > 2 {
			dst = append(dst, ',')
		}
		return append(dst, body[1:]...)
	}
	s := newScanner(body)
	defer s.release()
	s.peek()
	if s.enter(); s.peek() == '}' {
		return append(dst, '}')
	}
	for {
		s.peek()
		start := s.pos
		name, _ := s.member()
		skip := p.isEnvelope(string(name), hasID)
		if !s.pass() {
			break // never: the encoder wrote it
		}
		if !skip {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(dst, body[start:s.pos]...)
		}
		if more, _ := s.next('}'); !more {
			break
		}
	}
	return append(dst, '}')
}

// isEnvelope reports whether the envelope has the member itself.
func (p *Plan) isEnvelope(name string, hasID bool) bool {
	return p.env.Discriminator != "" && name == p.env.Discriminator || hasID && name == p.env.ID
}

// durationEncoder writes durations as their fields ask. Where one plan has both forms, the place decides.
func (p *Plan) durationEncoder(c *compiler) func(*jsontext.Encoder, time.Duration) error {
	return func(enc *jsontext.Encoder, d time.Duration) error {
		iso := c.iso
		if c.iso && c.nanos {
			n := p.body.at(string(enc.StackPointer()))
			for n != nil && n.kind == kindArray { // the pointer does not name the first item until it is written
				n = n.elem
			}
			if n == nil {
				return errors.ErrUnsupported
			}
			iso = n.kind == kindDuration
		}
		if !iso {
			return enc.WriteValue(strconv.AppendInt(enc.AvailableBuffer(), int64(d), 10))
		}
		if d < 0 {
			return fmt.Errorf(`%v cannot be written as an ISO 8601 duration, which has no sign; format:"nanoseconds" has one`, d)
		}
		b := append(enc.AvailableBuffer(), '"')
		return enc.WriteValue(append(appendDuration(b, d), '"'))
	}
}

// at returns the plan of the value that a JSON Pointer leads to, nil if there is none.
func (n *node) at(pointer string) *node {
	for n != nil && pointer != "" {
		var token string
		token, pointer, _ = strings.Cut(pointer[1:], "/")
		if pointer != "" {
			pointer = "/" + pointer
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if f := n.lookup(token); f != nil {
			n = f.node
		} else {
			n = n.elem
		}
	}
	return n
}
