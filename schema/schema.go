package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/wsrouter-go/wsrouter/internal/comment"
)

// A Plan is one compiled type, safe for concurrent use. It prints the type's JSON Schema, validates messages,
// decodes and encodes them: one tree for all, so the documentation cannot differ from the checks.
type Plan struct {
	typ  reflect.Type
	root *node // the whole message
	body *node // the value in it

	env       Envelope
	values    []value  // of the discriminator
	names     []string // the same as JSON
	name      string
	payload   *node
	emptyBody []byte // what a missing payload counts as, nil if it may not be missing
	adopted   *field // the type's own field for the discriminator
	bodiless  bool   // the type has no members at all
	mixed     bool   // an encoded value may have members of the envelope
	ownID     bool

	doc        string
	deprecated bool
	schema     func() json.RawMessage // printed when it is first asked for: comments may be registered until then
	example    json.RawMessage

	storable bool   // decoded in one pass
	writable bool   // encoded by the plan
	opening  []byte // of the envelope: {"type":"name"

	encoders, decoders []jsonv2.Options
	validates          bool // the type has a Validate method
}

// Options of Compile; nil is fine.
type Options struct {
	// RejectUnknownMembers refuses members that the type does not have, unless the type
	// says additionalProperties itself. It does not reach nested types.
	RejectUnknownMembers bool

	// Envelope says how values travel as messages. If nil, a plan is of the bare value.
	Envelope *Envelope
}

// An Envelope is what stands around a value when it travels as a message.
type Envelope struct {
	Discriminator string // member that names the message. If empty, none
	Name          string // value of the discriminator. If empty, it is taken from the type
	Payload       string // member that holds the value. If empty, the value's members stand beside the discriminator
	ID            string // member of the correlation id, accepted beside the type's own. If empty, none
	PrintID       bool   // the printed schema shows the ID member

	// Beside names a member that senders may add to the message, which is an object, and BesideType is what it holds. It is optional, no
	// part of the value, and of no type that has a member of that name itself. If empty, there is none.
	Beside     string       `json:",omitzero"`
	BesideType reflect.Type `json:"-"`
}

// maxID is the length of a correlation id.
const maxID = 128

// Compile fails if t has a tag or a field that cannot be honoured. The error names the type, the field and the tag.
func Compile(t reflect.Type, o *Options) (*Plan, error) {
	if t == nil {
		return nil, fmt.Errorf("a nil type cannot be compiled")
	}
	if o == nil {
		o = &Options{}
	}
	p, err := compile(t, o)
	if err != nil {
		return nil, at(label(t), err)
	}
	return p, nil
}

func compile(t reflect.Type, o *Options) (*Plan, error) {
	c := newCompiler()
	p := &Plan{typ: t}
	var err error
	if p.body, err = c.node(t); err != nil {
		return nil, err
	}
	if innermost(t) == typeDuration {
		return nil, fmt.Errorf("time.Duration needs a struct field with a format tag")
	}
	beside, err := c.beside(o.Envelope)
	if err != nil {
		return nil, err
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	p.root = p.body
	p.doc, p.deprecated = p.body.doc, p.body.deprecated
	p.codec(c)
	if err := p.frame(o, beside); err != nil {
		return nil, err
	}
	p.bodiless = isHollow(t)
	s := p.body.shape
	p.mixed = p.env.Payload == "" && (p.adopted != nil || s.elem != nil || s.kind == kindCustom)
	p.ownID = s.lookup(p.env.ID) != nil
	if len(p.values) > 0 {
		p.name = p.values[0].text
	}
	p.quicken()
	return p, p.document(c, nil)
}

// document makes the example, checks it against the plan, and prints the schema.
func (p *Plan) document(c *compiler, f *field) (err error) {
	if p.example, err = p.build(f); err != nil {
		return err
	}
	if issues := p.Validate(p.example); issues != nil {
		return fmt.Errorf("the example %s breaks the rules: %s; add an example tag", p.example, explain(issues[0]))
	}
	if err := p.tryCodec(c); err != nil {
		return fmt.Errorf("the example %s cannot be %w; add an example tag", p.example, err)
	}
	example := p.example
	if f != nil {
		example = nil // a field prints only an example that it was given
	}
	p.schema = sync.OnceValue(func() json.RawMessage { return p.root.print(f, example) })
	return nil
}

// tryCodec decodes and encodes the example: what json/v2 refuses about a type shows at registration.
func (p *Plan) tryCodec(c *compiler) error {
	if c.oneWay {
		return nil
	}
	s := newScanner(p.example)
	defer s.release()
	s.edits.on = true
	p.scan(s)
	body, _ := p.value(s)
	v := reflect.New(p.typ)
	if err := p.unmarshal(body, v.Interface()); err != nil {
		return fmt.Errorf("decoded: %w", err)
	}
	if _, err := p.appendTwice(nil, v.Elem().Interface(), nil); err != nil {
		return fmt.Errorf("encoded: %w", err)
	}
	return nil
}

// build makes the example of the whole message.
func (p *Plan) build(f *field) (json.RawMessage, error) {
	b := &builder{open: map[reflect.Type]bool{}}
	if f != nil {
		return b.field(f, 0)
	}
	body, err := b.value(p.body, 0)
	if err != nil {
		return nil, err
	}
	id := []byte(nil)
	if p.env.PrintID && p.env.ID != "" && !(p.ownID && p.env.Payload == "") {
		id = []byte(`"1"`)
	}
	if len(p.names) == 0 && id == nil {
		return body, nil
	}
	if p.env.Payload == "" && p.body.kind == kindCustom && body[0] != '{' {
		body = json.RawMessage("{}")
	}
	if p.adopted != nil {
		dst := p.head(nil, p.names[0], id)
		return p.appendMembers(dst, body, id != nil), nil
	}
	return p.wrap(nil, body, id)
}

// A Field is the plan of one struct field's value by that field's tags, for values that do not travel
// inside JSON, such as parameters of a URL.
type Field struct {
	Plan     *Plan
	Required bool
	Default  json.RawMessage // nil: none
	Doc      string
}

// Name is the wire name of the message for people, its first if it has several; "" if the type has none.
func (p *Plan) Name() string { return p.name }

// Names lists the values of the discriminator that mean this plan, as JSON literals such as "chat" with
// its quotes, or 7. It is nil without a discriminator.
func (p *Plan) Names() []string { return append([]string(nil), p.names...) }

// Doc is the doc tag of the type's blank field, else the comment of the type that was registered.
func (p *Plan) Doc() string { return cmp.Or(p.doc, comment.Type(p.typ)) }

// Deprecated reports the deprecated tag of the type's blank field.
func (p *Plan) Deprecated() bool { return p.deprecated }

// Delivery is the part of the ws tag behind the name: "", "drop" or "latest=member".
func (p *Plan) Delivery() string { return p.body.delivery }

// Schema prints the JSON Schema.
func (p *Plan) Schema() json.RawMessage { return append(json.RawMessage(nil), p.schema()...) }

// Example is a valid value, with its envelope.
func (p *Plan) Example() json.RawMessage { return append(json.RawMessage(nil), p.example...) }

// A Printer replaces the printed schema of its type; it does not validate. The schema must hold for itself, without
// references. Where the type is a message without a payload member, it stands under allOf beside the discriminator.
type Printer interface{ Schema() json.RawMessage }
