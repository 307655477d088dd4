package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// frame builds the plan of the whole message around that of its value.
func (p *Plan) frame(o *Options, beside *field) error {
	e := o.Envelope
	if e == nil {
		e = &Envelope{}
	}
	p.env = *e
	if e.Payload != "" && e.Discriminator == "" {
		return errors.New("a payload member needs a discriminator")
	}
	if e.Discriminator != "" && (e.Discriminator == e.Payload || e.Discriminator == e.ID) || e.Payload != "" && e.Payload == e.ID {
		return errors.New("discriminator, payload and id must be members of different names")
	}
	var err error
	if e.Payload == "" {
		err = p.flat(o, beside)
	} else {
		err = p.nested(o, beside)
	}
	if err != nil {
		return err
	}
	for _, v := range p.values {
		p.names = append(p.names, v.raw)
	}
	return nil
}

// nested is {"type":"x","data":value,"id":1}.
func (p *Plan) nested(o *Options, beside *field) (err error) {
	if p.values, err = p.naming(&p.env, p.body.shape, nil); err != nil {
		return err
	}
	body := *p.body
	if o.RejectUnknownMembers {
		body.shape = body.shape.reject()
	}
	s := &shape{kind: kindObject, length: -1, envelope: true, closed: o.RejectUnknownMembers, explicit: o.RejectUnknownMembers}
	s.doc, s.commented, s.deprecated, s.title = body.shape.doc, body.shape.commented, body.shape.deprecated, body.title
	s.add(nameField(&p.env, p.values))
	data := &field{name: p.env.Payload, node: &body, role: rolePayload, required: true}
	s.add(data)
	if body.kind == kindObject && body.typ.Kind() == reflect.Struct {
		if empty, err := filled(&body, json.RawMessage("{}")); err == nil {
			p.emptyBody, data.required = empty, false
		}
	}
	if p.env.ID != "" {
		s.add(idField(&p.env))
	}
	if beside != nil {
		s.add(beside)
	}
	p.payload = &body
	p.root = newNode(s)
	return nil
}

// flat is {"type":"x", …members of the value…, "id":1}.
func (p *Plan) flat(o *Options, beside *field) (err error) {
	body := p.body.shape
	e := &p.env
	if e.Discriminator == "" {
		p.values, err = p.naming(e, body, nil)
		if len(p.values) > 0 {
			p.name = p.values[0].text
		}
		p.values = nil
		if err != nil || body.kind != kindObject && body.kind != kindCustom {
			return err
		}
	}
	if !body.isObject() {
		if e.Discriminator == "" {
			return nil
		}
		return fmt.Errorf("must be encoded as a JSON object to have a discriminator; %s is not, so give the router a payload member", body.typ)
	}
	if beside != nil && body.lookup(beside.name) != nil {
		return fmt.Errorf("it has a member %q, which the library adds to messages: name another", beside.name)
	}
	if beside == nil && e.Discriminator == "" && (e.ID == "" || body.kind == kindCustom) && !o.RejectUnknownMembers {
		return nil
	}
	s := *body
	if body.kind == kindCustom {
		s = shape{kind: kindObject, typ: body.typ, length: -1, title: body.title, commented: body.commented, printed: body.printed, custom: body, elem: newNode(&shape{kind: kindRaw, length: -1})}
	}
	s.fields, s.byName = nil, map[string]int{}
	s.envelope = true
	if o.RejectUnknownMembers && !s.explicit && s.elem == nil {
		s.closed = true
	}
	if e.Discriminator != "" {
		adopted := body.lookup(e.Discriminator)
		if p.values, err = p.naming(e, body, adopted); err != nil {
			return err
		}
		f := nameField(e, p.values)
		if adopted != nil {
			p.adopted, f.adopted = adopted, true
			f.doc, f.deprecated, f.index, f.goName = adopted.doc, adopted.deprecated, adopted.index, adopted.goName
			f.owner, f.ownName = adopted.owner, adopted.ownName
		}
		s.add(f)
	}
	for _, f := range body.fields {
		if f.name != e.Discriminator || e.Discriminator == "" {
			s.add(f)
		}
	}
	if e.ID != "" && body.lookup(e.ID) == nil {
		s.add(idField(e))
	}
	if beside != nil {
		s.add(beside)
	}
	n := *p.body
	n.shape = &s
	n.nullable = false
	p.root = &n
	return nil
}

// beside is the member that senders may add.
func (c *compiler) beside(e *Envelope) (*field, error) {
	if e == nil || e.Beside == "" {
		return nil, nil
	}
	n, err := c.node(e.BesideType)
	if err != nil {
		return nil, err
	}
	return &field{name: e.Beside, node: n, role: roleBeside}, nil
}

// isObject reports whether values can stand beside a discriminator. What a type's own encoder makes shows at
// run time.
func (s *shape) isObject() bool { return s.kind == kindObject || s.kind == kindCustom }

func (s *shape) lookup(name string) *field {
	if i, ok := s.byName[name]; ok {
		return s.fields[i]
	}
	return nil
}

func (s *shape) add(f *field) {
	if s.byName == nil {
		s.byName = map[string]int{}
	}
	s.byName[f.name] = len(s.fields)
	s.fields = append(s.fields, f)
}

// reject returns the shape with unknown members refused, unless the type itself says.
func (s *shape) reject() *shape {
	if s.kind != kindObject || s.explicit || s.elem != nil {
		return s
	}
	c := *s
	c.closed = true
	return &c
}

// nameField is the discriminator.
func nameField(e *Envelope, values []value) *field {
	n := newNode(&shape{kind: kindName, length: -1})
	n.enum = values
	for _, v := range values {
		n.names = append(n.names, v.raw)
	}
	return &field{name: e.Discriminator, node: n, role: roleName, required: true}
}

// idField is the correlation id: whatever stands there is no fault of the message, it is only not echoed.
func idField(e *Envelope) *field {
	n := newNode(&shape{kind: kindID, length: -1})
	return &field{name: e.ID, node: n, role: roleID, hidden: !e.PrintID}
}
