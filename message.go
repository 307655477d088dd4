package wsrouter

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// message is one Go type as it travels on the connections of one router.
type message struct {
	typ      reflect.Type
	plan     *schema.Plan
	wire     []string // values of the discriminator that mean it, as JSON
	frame    string   // "" is JSON; "text" or "binary" is a frame without any
	plain    bool     // has no discriminator because it is no object: only a dispatcher can call its handler
	declared bool     // by some Sends

	positioned bool // a room's position stands in it

	drop   bool     // when its peer reads too slowly
	latest []string // path of the member whose value tells which queued message it replaces; nil: none
}

// name is m's first name on the wire, or the name of its type.
func (m *message) name() string {
	if m.frame != "" {
		return m.frame
	}
	if m.plan != nil && m.plan.Name() != "" {
		return m.plan.Name()
	}
	return m.typ.String()
}

// messages compiles the types of one router, each once.
type messages struct {
	opts    *Options
	names   map[reflect.Type]string // Options.Names, then As
	printID map[reflect.Type]bool   // questions and answers of Respond
	placed  map[reflect.Type]bool   // sent, so that a room's position may stand in it
	handled map[reflect.Type]*message
	several map[reflect.Type]bool // handled under several names, for a dispatcher

	sent    map[reflect.Type]*message // settled by freeze
	failure *message                  // the error reply, settled by freeze
	strays  sync.Map                  // reflect.Type → *message or error: types that no Sends names
}

func newMessages(o *Options) *messages {
	m := &messages{
		opts:    o,
		names:   map[reflect.Type]string{},
		printID: map[reflect.Type]bool{},
		placed:  map[reflect.Type]bool{},
		handled: map[reflect.Type]*message{},
		several: map[reflect.Type]bool{},
		sent:    map[reflect.Type]*message{},
	}
	for name, v := range o.Names {
		if v == nil || name == "" {
			panic(fmt.Sprintf("wsrouter: New: Names: %q names %v, want a value of a message type", name, v))
		}
		t := messageType(reflect.TypeOf(v))
		if other, ok := m.names[t]; ok {
			panic(fmt.Sprintf("wsrouter: New: Names: %v is both %q and %q", t, min(name, other), max(name, other)))
		}
		m.names[t] = name
	}
	return m
}

// messageType is t without its pointer.
func messageType(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// rawFrame names the frame that stands for t outside of JSON.
func (m *messages) rawFrame(t reflect.Type, as string) string {
	switch {
	case as != "" && m.opts.Payload != "":
		return ""
	case t == reflect.TypeFor[string]():
		return "text"
	case t == reflect.TypeFor[[]byte]():
		return "binary"
	}
	return ""
}

// check compiles t without a name, for mistakes that no name mends.
func (m *messages) check(t reflect.Type) error {
	if m.rawFrame(t, m.names[t]) != "" {
		return nil
	}
	_, err := schema.Compile(t, nil)
	return err
}

// received compiles the message of a handler. It panics if t cannot be one.
func (m *messages) received(call string, t reflect.Type, as string, question bool) *message {
	if t.Kind() == reflect.Pointer {
		panic(fmt.Sprintf("wsrouter: %s: take the message as %v, not by pointer", call, t.Elem()))
	}
	if as == "" {
		as = m.names[t]
	}
	m.printID[t] = m.printID[t] || question
	msg, err := m.compile(t, as, m.opts.RejectUnknownMembers)
	if err != nil {
		panic(fmt.Sprintf("wsrouter: %s: %v", call, err))
	}
	if as != "" {
		m.names[t] = as
	}
	if other := m.handled[t]; other != nil && other.name() != msg.name() {
		m.several[t] = true
	}
	m.handled[t] = msg
	return msg
}

// compile makes a message of t. An empty name means that of the type.
func (m *messages) compile(t reflect.Type, name string, reject bool) (*message, error) {
	msg := &message{typ: t, frame: m.rawFrame(t, name)}
	if msg.frame != "" {
		msg.plain = true
		return msg, nil
	}
	env := schema.Envelope{Discriminator: m.opts.Discriminator, Name: name, Payload: m.opts.Payload, ID: m.opts.IDMember, PrintID: m.printID[t]}
	if env.Discriminator != "" && env.Payload == "" && !isObject(t) {
		msg.plain = true
		env = schema.Envelope{Name: name}
	}
	var err error
	if msg.plan, err = schema.Compile(t, &schema.Options{RejectUnknownMembers: reject, Envelope: &env}); err != nil {
		return nil, err
	}
	if m.placed[t] && !msg.plain && !strings.HasPrefix(msg.plan.Delivery(), "latest=") {
		msg.positioned, env.Beside, env.BesideType = true, m.opts.Resume.Member, reflect.TypeFor[RoomPosition]()
		if msg.plan, err = schema.Compile(t, &schema.Options{RejectUnknownMembers: reject, Envelope: &env}); err != nil {
			return nil, fmt.Errorf("%w (Resume.Member)", err)
		}
	}
	if !msg.plain {
		msg.wire = msg.plan.Names()
	}
	member, isLatest := strings.CutPrefix(msg.plan.Delivery(), "latest=")
	switch msg.drop = msg.plan.Delivery() == "drop"; {
	case isLatest && env.Payload != "":
		msg.latest = []string{env.Payload, member}
	case isLatest:
		msg.latest = []string{member}
	}
	return msg, nil
}

// isObject reports whether values of t have members, beside which a discriminator can stand.
func isObject(t reflect.Type) bool { return t.Kind() == reflect.Struct || t.Kind() == reflect.Map }

// settle gives every declared type its message. A received type that is also sent shares its message, and so its schema.
func (m *messages) settle(decls []declaration) {
	for _, d := range decls {
		if m.sent[d.typ] != nil {
			continue
		}
		if m.several[d.typ] {
			panic(fmt.Sprintf("wsrouter: %s: %v is handled under several names, so that nobody knows under which to send it", d.call, d.typ))
		}
		msg := m.handled[d.typ]
		if msg == nil {
			var err error
			if msg, err = m.compile(d.typ, m.names[d.typ], false); err != nil {
				panic(fmt.Sprintf("wsrouter: %s: %v", d.call, err))
			}
		}
		msg.declared = true
		m.sent[d.typ] = msg
		m.refuseNameTwins(d, msg)
	}
}

// refuseNameTwins panics if another sent type has a name of msg's.
func (m *messages) refuseNameTwins(d declaration, msg *message) {
	for _, other := range m.sent {
		if other == msg {
			continue
		}
		for _, literal := range msg.wire {
			for _, taken := range other.wire {
				if literal == taken {
					panic(fmt.Sprintf("wsrouter: %s: message %s is both %v and %v", d.call, literal, other.typ, msg.typ))
				}
			}
		}
	}
}

// settleError compiles the error reply as the last of the sent messages.
func (m *messages) settleError() {
	t := reflect.TypeFor[Error]()
	name, call := m.opts.ErrorName, "New: ErrorName"
	if m.opts.ErrorMessage != nil {
		call = "New: ErrorMessage"
		v := m.opts.ErrorMessage(&Error{Code: codeInvalid, Detail: "1 issue"})
		if v == nil {
			panic("wsrouter: New: ErrorMessage returned nil, want a message")
		}
		t = messageType(reflect.TypeOf(v))
		if named := m.names[t]; named != "" {
			name = named
		} else if ownName(t, m.opts.Discriminator) {
			name = ""
		}
	}
	for _, responds := range m.printID { // an answer to a question may be an error
		m.printID[t] = m.printID[t] || responds
	}
	msg, err := m.compile(t, name, false)
	if err == nil && msg.plain {
		err = fmt.Errorf("%v is no JSON object", t)
	}
	if err != nil {
		panic(fmt.Sprintf("wsrouter: %s: %v", call, err))
	}
	msg.declared = true
	m.sent[t], m.failure = msg, msg
	m.refuseNameTwins(declaration{t, call}, msg)
}

// ownName reports whether t says its wire name itself.
func ownName(t reflect.Type, discriminator string) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.Name == "_" && len(f.Index) == 1 && f.Tag.Get("ws") != "" {
			return true
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); discriminator != "" && name == discriminator {
			return true
		}
	}
	return false
}

// of returns the message of a value to be sent. Any type that can be a message has one.
func (m *messages) of(t reflect.Type) (*message, error) {
	if msg := m.sent[t]; msg != nil && msg.frame == "" {
		return msg, nil
	}
	if v, ok := m.strays.Load(t); ok {
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(*message), nil
	}
	msg, err := m.handled[t], error(nil)
	if msg == nil {
		msg, err = m.compile(t, m.names[t], false)
	}
	if err == nil && msg.frame != "" {
		err = errors.New("a " + t.String() + " is no message: use SendText or SendBytes")
	}
	if err != nil {
		m.strays.Store(t, err)
		return nil, err
	}
	m.strays.Store(t, msg)
	return msg, nil
}

// encode returns msg as it travels, with its message type. id is the correlation id as JSON, nil for none.
func (r *router) encode(msg any, id []byte) (*message, *wsconn.Buffer, error) {
	if msg == nil {
		return nil, nil, errors.New("wsrouter: the message is nil")
	}
	if p, ok := msg.(Past); ok {
		return p.encode(r)
	}
	t := messageType(reflect.TypeOf(msg))
	m, err := r.messages.of(t)
	if err != nil {
		return nil, nil, fmt.Errorf("wsrouter: %w", err)
	}
	b := wsconn.NewBuffer()
	data, err := m.plan.Append(b.B, msg, id)
	if err != nil {
		b.Free()
		return nil, nil, fmt.Errorf("wsrouter: encode %s: %w", m.name(), err)
	}
	b.B = data
	return m, b, nil
}

// declaredName is the name under which m stands in data, the first of several if that cannot be told; "" if nothing declares m.
func (m *message) declaredName(data []byte, discriminator string) string {
	if !m.declared {
		return ""
	}
	return m.nameIn(data, discriminator)
}

// nameIn is declaredName for what is known to be declared.
func (m *message) nameIn(data []byte, discriminator string) string {
	if names := m.wire; len(names) > 1 {
		if v, ok := schema.Member(data, discriminator); ok && slices.Contains(names, string(canonical(v))) {
			return text(v)
		}
	}
	return m.name()
}

// delivery says what may become of the message in b, of type m, if its peer reads too slowly.
func (r *router) delivery(m *message, b *wsconn.Buffer) wsconn.Delivery {
	d := m.delivery(b)
	if r.opts.observesDrops() {
		d.Name = m.declaredName(b.B[wsconn.HeaderRoom:], r.opts.Discriminator)
	}
	return d
}

// delivery is that for who does not want to know of it.
func (m *message) delivery(b *wsconn.Buffer) wsconn.Delivery {
	switch {
	case m.drop:
		return wsconn.Delivery{Drop: true}
	case m.latest == nil:
		return wsconn.Delivery{}
	}
	key := b.B[wsconn.HeaderRoom:]
	for _, member := range m.latest {
		key, _ = schema.Member(key, member)
	}
	return wsconn.Delivery{Latest: m.name() + "\x00" + string(key)}
}

// correlationID returns the id that a message carried as JSON: a string of at most 128 bytes or an integer. nil: none that
// can be echoed.
func (r *router) correlationID(data []byte) []byte {
	if r.opts.IDMember == "" {
		return nil
	}
	v, ok := schema.Member(data, r.opts.IDMember)
	if !ok || len(v) == 0 {
		return nil
	}
	if v[0] == '"' {
		if s, err := unquote(v); err != nil || len(s) > maxID {
			return nil
		}
		return v
	}
	if digits := bytes.TrimPrefix(v, []byte("-")); len(v) > maxID || len(bytes.Trim(digits, "0123456789")) > 0 {
		return nil
	}
	return v
}
