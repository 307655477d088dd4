package apidoc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// A model is what all readers share, OpenAPI, AsyncAPI and the page: the visible endpoints with every name settled.
type model struct {
	endpoints []*endpoint
	registry  *registry       // of the schemas
	refusal   *component      // body of a refused handshake
	base      *ordered.Object // the merged document, nil without
	old       bool            // the document is OpenAPI 3.0
}

// An endpoint is a router at its path.
type endpoint struct {
	wsrouter.Spec
	path       string
	key        string // what the ids of its operations begin with
	connectID  string
	sendID     string // in AsyncAPI
	tags       []string
	parameters []*parameter
	receives   []*operation
	sends      []*message // without the error reply
	failure    *message   // the error reply, nil without
}

// A parameter is a Param, or a part of the path that the session does not read.
type parameter struct {
	wsrouter.Param
	node   *schemaNode
	schema *ordered.Object
}

// An operation is one handler.
type operation struct {
	wsrouter.Operation
	id      string
	path    string // of its pseudo operation
	message *message
	sends   []*message
}

// A message is one message type. Frames without JSON have no component.
type message struct {
	wsrouter.Message
	node      *schemaNode
	component *component
}

// title is the name of the message for people. A frame without JSON is called after a Go type unless it was given a name.
func (m *message) title() string {
	switch {
	case m.Name != "" && (m.Frame == "" || identifier(m.Name) == m.Name && m.Name != m.GoType):
		return m.Name
	case m.component != nil:
		return m.component.name
	case m.Frame == "binary":
		return "bytes"
	default:
		return "text"
	}
}

// frame is the kind of frame in which m travels.
func (e *endpoint) frame(m *message) string {
	switch {
	case m.Frame != "":
		return m.Frame
	case e.Binary:
		return "binary"
	default:
		return "text"
	}
}

func newModel(mounts []mounted, base *ordered.Object) (*model, error) {
	m := &model{registry: &registry{}, base: base, old: base != nil && strings.HasPrefix(base.Text("openapi"), "3.0")}
	r := m.registry
	for _, mount := range mounts {
		spec := mount.endpoint.Describe()
		if spec.Hidden {
			continue
		}
		e, err := newEndpoint(spec, mount, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mount.call, err)
		}
		m.endpoints = append(m.endpoints, e)
	}
	var refusal *schemaNode
	if len(m.endpoints) > 0 {
		refusal = r.addRefusal()
	}
	baseSchemas := ordered.New()
	if base != nil {
		baseSchemas = base.Object("components").Object("schemas")
	}
	r.resolve(baseSchemas, m.dialect)
	if refusal != nil {
		m.refusal = refusal.comp
	}
	for _, e := range m.endpoints {
		e.settle()
	}
	m.nameOperations()
	return m, nil
}

func newEndpoint(spec wsrouter.Spec, mount mounted, r *registry) (*endpoint, error) {
	e := &endpoint{Spec: spec, path: mount.path, tags: spec.Tags}
	if len(e.tags) == 0 {
		e.tags = []string{spec.Name}
		if spec.Name == "" {
			e.tags = []string{mount.path}
		}
	}
	var err error
	if e.parameters, err = newParameters(spec.Params, mount.segments, r); err != nil {
		return nil, err
	}
	for _, op := range spec.Receives {
		if op.Hidden {
			continue
		}
		o, err := newOperation(op, r)
		if err != nil {
			return nil, err
		}
		if o.path, err = e.pseudoPath(op); err != nil {
			return nil, err
		}
		e.receives = append(e.receives, o)
	}
	if e.sends, err = newMessages(spec.Sends, r); err != nil {
		return nil, err
	}
	if len(spec.Error.Schema) > 0 {
		e.failure, err = newMessage(spec.Error, r)
	}
	return e, err
}

// newParameters puts those of the path first, in its order.
func newParameters(params []wsrouter.Param, segments []segment, r *registry) ([]*parameter, error) {
	var list []*parameter
	seen := map[string]bool{}
	add := func(p wsrouter.Param, pattern string) error {
		if len(p.Schema) == 0 {
			p.Schema = []byte(`{"type":"string"}`)
		}
		node, err := r.add("", "", p.In+" parameter "+p.Name, false, p.Schema)
		if err != nil {
			return err
		}
		if pattern != "" && node.schema.Text("type") == "string" && !node.schema.Has("pattern") {
			node.schema.Set("pattern", pattern)
		}
		key := p.In + " " + p.Name
		if p.In == "header" {
			key = strings.ToLower(key)
		}
		if !seen[key] {
			seen[key] = true
			list = append(list, &parameter{Param: p, node: node})
		}
		return nil
	}
	for _, s := range segments {
		p := wsrouter.Param{Name: s.name, In: "path"}
		if i := slices.IndexFunc(params, func(p wsrouter.Param) bool { return p.In == "path" && p.Name == s.name }); i >= 0 {
			p = params[i]
		}
		p.Required = true
		if err := add(p, s.pattern); err != nil {
			return nil, err
		}
	}
	for _, p := range params {
		if p.In == "path" {
			continue
		}
		if err := add(p, ""); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func newOperation(op wsrouter.Operation, r *registry) (*operation, error) {
	o := &operation{Operation: op}
	var err error
	if o.message, err = newMessage(op.Message, r); err != nil {
		return nil, err
	}
	o.sends, err = newMessages(op.Sends, r)
	return o, err
}

func newMessages(list []wsrouter.Message, r *registry) ([]*message, error) {
	var out []*message
	for _, m := range list {
		msg, err := newMessage(m, r)
		if err != nil {
			return nil, err
		}
		out = append(out, msg)
	}
	return out, nil
}

func newMessage(m wsrouter.Message, r *registry) (*message, error) {
	msg := &message{Message: m}
	if m.Frame != "" {
		return msg, nil
	}
	what := m.GoType
	if what == "" {
		what = m.Name
	}
	var err error
	msg.node, err = r.add(m.GoType, m.Name, "message "+what, true, m.Schema)
	return msg, err
}

// settle takes over what the registry found.
func (e *endpoint) settle() {
	for _, m := range e.messages() {
		if m.node != nil {
			m.component = m.node.comp
		}
	}
	for _, p := range e.parameters {
		p.schema = p.node.inDocument()
	}
}

// messages lists every message, in the order of the document.
func (e *endpoint) messages() []*message {
	list := slices.Clone(e.sends)
	if e.failure != nil {
		list = append(list, e.failure)
	}
	for _, o := range e.receives {
		list = append(append(list, o.message), o.sends...)
	}
	return list
}

// atAnyTime lists what a client may get without having asked, the error reply last.
func (e *endpoint) atAnyTime() []*message {
	if e.failure == nil {
		return e.sends
	}
	return append(slices.Clone(e.sends), e.failure)
}

// pseudoPath is where a handler stands in OpenAPI.
func (e *endpoint) pseudoPath(op wsrouter.Operation) (string, error) {
	if op.Path == nil {
		return strings.TrimSuffix(e.path, "/") + "/(" + op.Handler + ")", nil
	}
	for _, name := range templateName.FindAllString(*op.Path, -1) {
		if !strings.Contains(e.path, name) {
			return "", fmt.Errorf("the Path(%q) of %s holds %s, which is no parameter of the endpoint", *op.Path, op.Handler, name)
		}
	}
	return e.path + *op.Path, nil
}

// nameOperations gives every operation an id that no other has, those of the merged document included.
func (m *model) nameOperations() {
	taken := map[string]bool{}
	if m.base != nil {
		paths := m.base.Object("paths")
		for _, p := range paths.Names() {
			item := paths.Object(p)
			for _, method := range item.Names() {
				taken[item.Object(method).Text("operationId")] = true
			}
		}
	}
	keys := map[string]bool{}
	for _, e := range m.endpoints {
		e.key = identifier(e.Name)
		if e.key == "" {
			e.key = identifier(e.path)
		}
		if e.key == "" {
			e.key = "root"
		}
		e.key = unique(e.key, keys)
		e.connectID = unique(e.key+"_connect", taken)
		e.sendID = unique(e.key+"_send", taken)
		for _, o := range e.receives {
			name := identifier(o.Handler)
			if name == "" {
				name = "message"
			}
			o.id = unique(e.key+"_"+name, taken)
		}
	}
}

var issueType = regexp.MustCompile(`^github\.com/wsrouter-go/wsrouter/.*\bIssue$`)

// addRefusal adds the body of a refused handshake: an error reply without the envelope. The schema of its
// issues is that of the error replies, if there is one.
func (r *registry) addRefusal() *schemaNode {
	issues := `{"type":"object","required":["path","code","message"],"properties":{` +
		`"path":{"type":"string","description":"JSON Pointer to the parameter, such as /query/token."},` +
		`"code":{"type":"string"},"message":{"type":"string"},"params":{"type":"object"},"input":{}}}`
	n, err := r.add("github.com/wsrouter-go/wsrouter.Refusal", "refusal", "Refusal", true, []byte(`{"type":"object","title":"Refusal",`+
		`"description":"Why the handshake was refused.","required":["code","detail"],"properties":{`+
		`"code":{"type":"string","description":"For programs."},`+
		`"detail":{"type":"string","description":"For people."},`+
		`"issues":{"type":"array","description":"What is wrong with the parameters.","items":`+issues+`}},`+
		`"examples":[{"code":"origin_not_allowed","detail":"the origin https://other.example is not allowed"}]}`))
	if err != nil {
		panic(err)
	}
	for _, node := range r.nodes {
		if !node.message && issueType.MatchString(node.goType) {
			n.defs[node.goType] = node
			n.schema.Object("properties").Object("issues").Set("items", ordered.New("$ref", "#/$defs/"+escapePointer(node.goType)))
			break
		}
	}
	return n
}
