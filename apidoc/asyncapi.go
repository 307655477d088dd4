package apidoc

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// asyncAPI writes the AsyncAPI document. It shows what the server does: it receives what clients send.
func (m *model) asyncAPI(d *Doc) *ordered.Object {
	w := &asyncWriter{model: m, keys: map[*message]string{}, messages: ordered.New(), schemes: ordered.New()}
	channels, operations := ordered.New(), ordered.New()
	for _, e := range m.endpoints {
		channels.Set(e.key, w.channel(e))
		w.addOperations(operations, e)
	}
	doc := ordered.New("asyncapi", "3.0.0", "info", m.asyncInfo(d), "defaultContentType", "application/json")
	if servers := asyncServers(d.Servers); len(servers.Names()) > 0 {
		doc.Set("servers", servers)
	}
	doc.Set("channels", channels).Set("operations", operations)
	components := ordered.New()
	for _, part := range []struct {
		name string
		list *ordered.Object
	}{{"messages", w.messages}, {"schemas", m.asyncSchemas()}, {"securitySchemes", w.schemes}} {
		if len(part.list.Names()) > 0 {
			components.Set(part.name, part.list)
		}
	}
	if len(components.Names()) > 0 {
		doc.Set("components", components)
	}
	return doc
}

// An asyncWriter collects what channels share.
type asyncWriter struct {
	*model
	keys     map[*message]string // among messages
	messages *ordered.Object
	schemes  *ordered.Object
}

// asyncInfo takes title and version from a merged document, because they are those of the API, and nothing else.
func (m *model) asyncInfo(d *Doc) *ordered.Object {
	title, version := d.Title, d.Version
	if m.base != nil {
		info := m.base.Object("info")
		title, version = cmp.Or(info.Text("title"), title), cmp.Or(info.Text("version"), version)
	}
	info := ordered.New("title", title, "version", version).SetText("description", d.Description)
	tags := ordered.New()
	m.addTags(tags)
	if list := tags.List("tags"); len(list) > 0 {
		info.Set("tags", list)
	}
	return info
}

// asyncServers lists those of urls that name a host, which AsyncAPI demands.
func asyncServers(urls []string) *ordered.Object {
	servers, taken := ordered.New(), map[string]bool{}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			continue
		}
		protocol := map[string]string{"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}[u.Scheme]
		name := identifier(u.Host)
		if protocol == "" || name == "" {
			continue
		}
		server := ordered.New("host", u.Host).SetText("pathname", strings.TrimSuffix(u.EscapedPath(), "/"))
		servers.Set(unique(name, taken), server.Set("protocol", protocol).Set("protocolVersion", "13"))
	}
	return servers
}

// channel is an endpoint.
func (w *asyncWriter) channel(e *endpoint) *ordered.Object {
	c := ordered.New("address", e.path).SetText("title", e.Name).SetText("description", paragraphs(e.Description, e.aboutConnection()))
	messages := ordered.New()
	for _, m := range e.asyncMessages() {
		key := w.message(e, m)
		messages.Set(key, ordered.New("$ref", "#/components/messages/"+key))
	}
	if parameters := asyncParameters(e); len(parameters.Names()) > 0 {
		c.Set("parameters", parameters)
	}
	c.Set("messages", messages).Set("tags", tagsOf(e.tags)).Set("bindings", ordered.New("ws", asyncBinding(e)))
	if e.Deprecated {
		c.Set("x-deprecated", true)
	}
	return c.Set("x-websocket", e.asyncExtension())
}

// asyncMessages lists every message, what clients send first and the error reply last.
func (e *endpoint) asyncMessages() []*message {
	var list []*message
	for _, o := range e.receives {
		list = append(append(list, o.message), o.sends...)
	}
	return append(list, e.atAnyTime()...)
}

// asyncParameters describes those of the path, which are strings to AsyncAPI. Whatever else is known of one is in x-schema.
func asyncParameters(e *endpoint) *ordered.Object {
	list := ordered.New()
	for _, p := range e.parameters {
		if p.In != "path" {
			continue
		}
		schema := p.schema
		if t := p.node.target(schemaOnly(p.node.schema)); t != nil {
			schema = t.inDocument()
		}
		o := ordered.New().SetText("description", p.Description)
		for _, name := range []string{"enum", "examples"} {
			if values, ok := literals(schema.List(name)); ok {
				o.Set(name, values)
			}
		}
		if value, ok := literals([]any{schema.Get("default")}); ok {
			o.Set("default", value[0])
		}
		if p.Deprecated {
			o.Set("x-deprecated", true)
		}
		if saysMore(schema) {
			o.Set("x-schema", draft7(schema))
		}
		list.Set(p.Name, o)
	}
	return list
}

// schemaOnly is what a schema refers to if it does nothing else: a $ref, or one wrapped because something stands beside it.
func schemaOnly(s *ordered.Object) *ordered.Object {
	if list := s.List("allOf"); len(list) == 1 {
		if branch, ok := list[0].(*ordered.Object); ok {
			return branch
		}
	}
	return s
}

// saysMore reports whether an AsyncAPI parameter cannot say all of schema.
func saysMore(schema *ordered.Object) bool {
	return schema.Text("type") != "string" || slices.ContainsFunc(schema.Names(), func(name string) bool {
		return !slices.Contains([]string{"type", "title", "description", "enum", "examples", "default", "deprecated"}, name)
	})
}

// literals writes scalars as they stand in a path. ok is false for none, and for anything else.
func literals(values []any) (list []any, ok bool) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case ordered.Number:
			list = append(list, string(v))
		case bool:
			list = append(list, strconv.FormatBool(v))
		default:
			return nil, false
		}
	}
	return list, len(list) > 0
}

// asyncBinding is the handshake. The binding has no place for cookies, which therefore stand in x-cookies, and by name in
// the header that carries them.
func asyncBinding(e *endpoint) *ordered.Object {
	ws := ordered.New("method", "GET")
	query, headers, cookies := e.asyncParams("query"), e.asyncParams("header"), e.asyncParams("cookie")
	if query != nil {
		ws.Set("query", query)
	}
	if cookies != nil {
		headers = withHeader(headers, "Cookie", ordered.New("type", "string", "description",
			"Carries `"+strings.Join(cookies.Object("properties").Names(), "`, `")+"`."))
		if cookies.Has("required") {
			headers.Set("required", append(headers.List("required"), "Cookie"))
		}
	}
	if protocol := e.offered(); protocol != nil {
		headers = withHeader(headers, "Sec-WebSocket-Protocol", protocol)
	}
	if headers != nil {
		ws.Set("headers", headers)
	}
	if cookies != nil {
		ws.Set("x-cookies", cookies)
	}
	return ws.Set("bindingVersion", "0.1.0")
}

// withHeader adds a header that the session does not read itself.
func withHeader(headers *ordered.Object, name string, schema *ordered.Object) *ordered.Object {
	if headers == nil {
		headers = ordered.New("type", "object", "properties", ordered.New())
	}
	properties := headers.Object("properties")
	if !slices.ContainsFunc(properties.Names(), func(n string) bool { return strings.EqualFold(n, name) }) {
		properties.Set(name, schema)
	}
	return headers
}

// asyncParams is the schema of all parameters from one place, nil without any.
func (e *endpoint) asyncParams(in string) *ordered.Object {
	properties := ordered.New()
	var required []any
	for _, p := range e.parameters {
		if p.In != in {
			continue
		}
		schema, _ := draft7(p.schema).(*ordered.Object)
		if schema.Has("$ref") && (p.Description != "" || p.Deprecated) {
			schema = ordered.New("allOf", []any{schema})
		}
		schema = schema.Clone().SetText("description", p.Description)
		if p.Deprecated {
			schema.Set("deprecated", true)
		}
		properties.Set(p.Name, schema)
		if p.Required {
			required = append(required, p.Name)
		}
	}
	if len(properties.Names()) == 0 {
		return nil
	}
	schema := ordered.New("type", "object", "properties", properties)
	if len(required) > 0 {
		schema.Set("required", required)
	}
	return schema
}

// offered describes the header in which a client offers subprotocols, nil if the server knows none.
func (e *endpoint) offered() *ordered.Object {
	text := ""
	if len(e.Subprotocols) > 0 {
		text = "The subprotocols that the client speaks, separated by commas. The server takes the first of `" + strings.Join(e.Subprotocols, "`, `") + "` that is offered."
	}
	valued := e.aboutValuedSubprotocols()
	if text == "" && valued == "" {
		return nil
	}
	o := ordered.New("type", "string", "description", strings.TrimSpace(text+valued))
	if len(e.Subprotocols) > 0 {
		o.Set("examples", texts(e.Subprotocols))
	}
	return o
}

// asyncExtension is the x-websocket of a channel.
func (e *endpoint) asyncExtension() *ordered.Object {
	x := e.wireFacts()
	if limits := e.wireLimits(); len(limits.Names()) > 0 {
		x.Set("limits", limits)
	}
	x.Set("closeCodes", e.closeCodes())
	if e.failure != nil && e.failure.GoType == "github.com/wsrouter-go/wsrouter.Error" {
		x.Set("errorCodes", e.errorCodes())
	}
	return x
}

// addOperations adds one for each handler, and one for what the server may send at any time.
func (w *asyncWriter) addOperations(operations *ordered.Object, e *endpoint) {
	security := w.security(e)
	channel := ordered.New("$ref", "#/channels/"+e.key)
	operation := func(action, title string) *ordered.Object {
		return ordered.New("action", action, "channel", channel, "title", title)
	}
	finish := func(op *ordered.Object, tags []string, deprecated bool, list []*message) *ordered.Object {
		op.Set("tags", tagsOf(tags)).Set("messages", w.channelRefs(e, list))
		if len(security) > 0 {
			op.Set("security", security)
		}
		if deprecated {
			op.Set("x-deprecated", true)
		}
		return op
	}
	for _, o := range e.receives {
		op := operation("receive", o.Handler).SetText("summary", o.Summary).SetText("description", o.about())
		finish(op, append(slices.Clone(e.tags), o.Tags...), o.deprecated(e), []*message{o.message})
		if len(o.sends) > 0 {
			op.Set("reply", ordered.New("channel", channel, "messages", w.channelRefs(e, o.sends)))
		}
		if o.Responds {
			op.Set("x-responds", true)
		}
		operations.Set(o.id, op)
	}
	if list := e.atAnyTime(); len(list) > 0 {
		op := operation("send", "send").Set("summary", "What the server may send at any time.")
		operations.Set(e.sendID, finish(op, e.tags, e.Deprecated, list))
	}
}

// channelRefs refers to messages through the channel, as operations must, each once.
func (w *asyncWriter) channelRefs(e *endpoint, list []*message) []any {
	refs, seen := []any{}, map[string]bool{}
	for _, m := range list {
		if key := w.message(e, m); !seen[key] {
			seen[key] = true
			refs = append(refs, ordered.New("$ref", "#/channels/"+e.key+"/messages/"+key))
		}
	}
	return refs
}

// message adds m to the components, unless an equal one is there, and returns its key.
func (w *asyncWriter) message(e *endpoint, m *message) string {
	if key, ok := w.keys[m]; ok {
		return key
	}
	name := identifier(m.title())
	if m.component != nil {
		name = m.component.name
	}
	o := asyncMessage(e, m)
	key := name
	for i := 2; ; i++ {
		o.Set("name", key)
		if !w.messages.Has(key) || ordered.Equal(w.messages.Get(key), o) {
			break
		}
		key = name + "_" + strconv.Itoa(i)
	}
	w.messages.Set(key, o)
	w.keys[m] = key
	return key
}

// asyncMessage describes m as it travels on e.
func asyncMessage(e *endpoint, m *message) *ordered.Object {
	o := ordered.New("name", "", "title", m.title())
	if short := len(m.Description) <= 120 && !strings.Contains(m.Description, "\n"); short {
		o.SetText("summary", m.Description)
	} else {
		o.SetText("description", m.Description)
	}
	switch {
	case m.Frame == "binary":
		return o.Set("contentType", "application/octet-stream").Set("payload", ordered.New("type", "string", "format", "binary"))
	case m.Frame == "text":
		return o.Set("contentType", "text/plain").Set("payload", ordered.New("type", "string"))
	}
	o.Set("contentType", "application/json")
	if e.correlated(m) {
		o.Set("correlationId", ordered.New("description", "Of the question, its answer and the error reply to it.",
			"location", "$message.payload#/"+escapePointer(e.ID)))
	}
	o.Set("payload", ordered.New("$ref", componentRef(m.component.name)))
	var examples []any
	for _, example := range m.component.schema.List("examples") {
		examples = append(examples, ordered.New("payload", example))
	}
	if len(examples) > 0 {
		o.Set("examples", examples)
	}
	if m.Deprecated {
		o.Set("x-deprecated", true)
	}
	if x := asyncDiscriminator(e.Discriminator, m.Names); x != nil {
		o.Set("x-discriminator", x)
	}
	return o.SetText("x-delivery", m.Delivery)
}

// correlated reports whether m carries the correlation id of e by contract: both sides of a Respond and the error
// reply, which echoes any.
func (e *endpoint) correlated(m *message) bool {
	if e.ID == "" {
		return false
	}
	if e.failure != nil && e.failure.component == m.component {
		return true
	}
	return slices.ContainsFunc(e.receives, func(o *operation) bool {
		return o.Responds && (o.message.component == m.component || len(o.sends) > 0 && o.sends[0].component == m.component)
	})
}

// asyncDiscriminator says what names a message, nil if nothing does.
func asyncDiscriminator(discriminator string, names []string) *ordered.Object {
	var values []any
	for _, literal := range names {
		if v, err := ordered.ParseJSON([]byte(literal)); err == nil {
			values = append(values, v)
		}
	}
	switch {
	case discriminator == "" || len(values) == 0:
		return nil
	case len(values) == 1:
		return ordered.New("propertyName", discriminator, "value", values[0])
	default:
		return ordered.New("propertyName", discriminator, "values", values)
	}
}

// asyncSchemas lists what messages and parameters refer to, under the names of OpenAPI. A merged document may have some of
// them already; here they are all written.
func (m *model) asyncSchemas() *ordered.Object {
	used := map[*component]bool{}
	var use func(n *schemaNode)
	use = func(n *schemaNode) {
		for _, t := range n.targets() {
			if t.comp != nil && !used[t.comp] {
				used[t.comp] = true
				use(t.comp.node)
			}
		}
	}
	for _, e := range m.endpoints {
		for _, msg := range e.messages() {
			if msg.component != nil {
				used[msg.component] = true
				use(msg.component.node)
			}
		}
		for _, p := range e.parameters {
			use(p.node)
		}
	}
	schemas := ordered.New()
	for _, c := range m.registry.components {
		if used[c] {
			schemas.Set(c.name, draft7(c.schema))
		}
	}
	return schemas
}

// tagsOf refers to tags, each once.
func tagsOf(names []string) []any {
	list := []any{}
	for _, name := range distinct(names) {
		list = append(list, ordered.New("name", name))
	}
	return list
}
