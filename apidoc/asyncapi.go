package apidoc

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// asyncAPI writes the AsyncAPI document. It shows what the server does: it receives what clients send.
func (m *model) asyncAPI(d *Doc) *object {
	w := &asyncWriter{model: m, keys: map[*message]string{}, messages: newObject(), schemes: newObject()}
	channels, operations := newObject(), newObject()
	for _, e := range m.endpoints {
		channels.set(e.key, w.channel(e))
		w.addOperations(operations, e)
	}
	doc := newObject("asyncapi", "3.0.0", "info", m.asyncInfo(d), "defaultContentType", "application/json")
	if servers := asyncServers(d.Servers); len(servers.names) > 0 {
		doc.set("servers", servers)
	}
	doc.set("channels", channels).set("operations", operations)
	components := newObject()
	for _, part := range []struct {
		name string
		list *object
	}{{"messages", w.messages}, {"schemas", m.asyncSchemas()}, {"securitySchemes", w.schemes}} {
		if len(part.list.names) > 0 {
			components.set(part.name, part.list)
		}
	}
	if len(components.names) > 0 {
		doc.set("components", components)
	}
	return doc
}

// An asyncWriter collects what channels share.
type asyncWriter struct {
	*model
	keys     map[*message]string // among messages
	messages *object
	schemes  *object
}

// asyncInfo takes title and version from a merged document, because they are those of the API, and nothing else.
func (m *model) asyncInfo(d *Doc) *object {
	title, version := d.Title, d.Version
	if m.base != nil {
		info := m.base.object("info")
		title, version = cmp.Or(info.text("title"), title), cmp.Or(info.text("version"), version)
	}
	info := newObject("title", title, "version", version).setText("description", d.Description)
	tags := newObject()
	m.addTags(tags)
	if list := tags.list("tags"); len(list) > 0 {
		info.set("tags", list)
	}
	return info
}

// asyncServers lists those of urls that name a host, which AsyncAPI demands.
func asyncServers(urls []string) *object {
	servers, taken := newObject(), map[string]bool{}
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
		server := newObject("host", u.Host).setText("pathname", strings.TrimSuffix(u.EscapedPath(), "/"))
		servers.set(unique(name, taken), server.set("protocol", protocol).set("protocolVersion", "13"))
	}
	return servers
}

// channel is an endpoint.
func (w *asyncWriter) channel(e *endpoint) *object {
	c := newObject("address", e.path).setText("title", e.Name).setText("description", paragraphs(e.Description, e.aboutConnection()))
	messages := newObject()
	for _, m := range e.asyncMessages() {
		key := w.message(e, m)
		messages.set(key, newObject("$ref", "#/components/messages/"+key))
	}
	if parameters := asyncParameters(e); len(parameters.names) > 0 {
		c.set("parameters", parameters)
	}
	c.set("messages", messages).set("tags", tagsOf(e.tags)).set("bindings", newObject("ws", asyncBinding(e)))
	if e.Deprecated {
		c.set("x-deprecated", true)
	}
	return c.set("x-websocket", e.asyncExtension())
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
func asyncParameters(e *endpoint) *object {
	list := newObject()
	for _, p := range e.parameters {
		if p.In != "path" {
			continue
		}
		schema := p.schema
		if t := p.node.target(schemaOnly(p.node.schema)); t != nil {
			schema = t.inDocument()
		}
		o := newObject().setText("description", p.Description)
		for _, name := range []string{"enum", "examples"} {
			if values, ok := literals(schema.list(name)); ok {
				o.set(name, values)
			}
		}
		if value, ok := literals([]any{schema.get("default")}); ok {
			o.set("default", value[0])
		}
		if p.Deprecated {
			o.set("x-deprecated", true)
		}
		if saysMore(schema) {
			o.set("x-schema", draft7(schema))
		}
		list.set(p.Name, o)
	}
	return list
}

// schemaOnly is what a schema refers to if it does nothing else: a $ref, or one wrapped because something stands beside it.
func schemaOnly(s *object) *object {
	if list := s.list("allOf"); len(list) == 1 {
		if branch, ok := list[0].(*object); ok {
			return branch
		}
	}
	return s
}

// saysMore reports whether an AsyncAPI parameter cannot say all of schema.
func saysMore(schema *object) bool {
	return schema.text("type") != "string" || slices.ContainsFunc(schema.names, func(name string) bool {
		return !slices.Contains([]string{"type", "title", "description", "enum", "examples", "default", "deprecated"}, name)
	})
}

// literals writes scalars as they stand in a path. ok is false for none, and for anything else.
func literals(values []any) (list []any, ok bool) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case number:
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
func asyncBinding(e *endpoint) *object {
	ws := newObject("method", "GET")
	query, headers, cookies := e.asyncParams("query"), e.asyncParams("header"), e.asyncParams("cookie")
	if query != nil {
		ws.set("query", query)
	}
	if cookies != nil {
		headers = withHeader(headers, "Cookie", newObject("type", "string", "description",
			"Carries `"+strings.Join(cookies.object("properties").names, "`, `")+"`."))
		if cookies.has("required") {
			headers.set("required", append(headers.list("required"), "Cookie"))
		}
	}
	if protocol := e.offered(); protocol != nil {
		headers = withHeader(headers, "Sec-WebSocket-Protocol", protocol)
	}
	if headers != nil {
		ws.set("headers", headers)
	}
	if cookies != nil {
		ws.set("x-cookies", cookies)
	}
	return ws.set("bindingVersion", "0.1.0")
}

// withHeader adds a header that the session does not read itself.
func withHeader(headers *object, name string, schema *object) *object {
	if headers == nil {
		headers = newObject("type", "object", "properties", newObject())
	}
	properties := headers.object("properties")
	if !slices.ContainsFunc(properties.names, func(n string) bool { return strings.EqualFold(n, name) }) {
		properties.set(name, schema)
	}
	return headers
}

// asyncParams is the schema of all parameters from one place, nil without any.
func (e *endpoint) asyncParams(in string) *object {
	properties := newObject()
	var required []any
	for _, p := range e.parameters {
		if p.In != in {
			continue
		}
		schema, _ := draft7(p.schema).(*object)
		if schema.has("$ref") && (p.Description != "" || p.Deprecated) {
			schema = newObject("allOf", []any{schema})
		}
		schema = schema.clone().setText("description", p.Description)
		if p.Deprecated {
			schema.set("deprecated", true)
		}
		properties.set(p.Name, schema)
		if p.Required {
			required = append(required, p.Name)
		}
	}
	if len(properties.names) == 0 {
		return nil
	}
	schema := newObject("type", "object", "properties", properties)
	if len(required) > 0 {
		schema.set("required", required)
	}
	return schema
}

// offered describes the header in which a client offers subprotocols, nil if the server knows none.
func (e *endpoint) offered() *object {
	text := ""
	if len(e.Subprotocols) > 0 {
		text = "The subprotocols that the client speaks, separated by commas. The server takes the first of `" + strings.Join(e.Subprotocols, "`, `") + "` that is offered."
	}
	valued := e.aboutValuedSubprotocols()
	if text == "" && valued == "" {
		return nil
	}
	o := newObject("type", "string", "description", strings.TrimSpace(text+valued))
	if len(e.Subprotocols) > 0 {
		o.set("examples", texts(e.Subprotocols))
	}
	return o
}

// asyncExtension is the x-websocket of a channel.
func (e *endpoint) asyncExtension() *object {
	x := e.wireFacts()
	if limits := e.wireLimits(); len(limits.names) > 0 {
		x.set("limits", limits)
	}
	x.set("closeCodes", e.closeCodes())
	if e.failure != nil && e.failure.GoType == "github.com/wsrouter-go/wsrouter.Error" {
		x.set("errorCodes", newObject(
			"not_json", "The message is not JSON.",
			"unknown_type", "No handler takes a message of this name.",
			"validation_failed", "The message breaks its schema. The issues say where and why.",
			"internal", "The server failed on this message.",
		))
	}
	return x
}

// closeCodes are those of the server itself. An application may close with others.
func (e *endpoint) closeCodes() *object {
	kind, other := "text", "binary"
	if e.Binary {
		kind, other = other, kind
	}
	codes := newObject(
		"1001", "The server shuts down. Connect again.",
		"1002", "The client broke the WebSocket protocol.",
		"1003", "The client sent a "+other+" frame where messages are "+kind+" frames.",
		"1007", "A text frame was not UTF-8.",
		"1008", "Refused after it was opened. The error reply before it says why.",
	)
	if e.Limits["maxMessage"] >= 0 {
		codes.set("1009", "A message was larger than the limit maxMessage.")
	}
	return codes.
		set("1011", "The server failed.").
		set("1013", "The client read too slowly: more was waiting for it than the limit outbox. Connect again.")
}

// addOperations adds one for each handler, and one for what the server may send at any time.
func (w *asyncWriter) addOperations(operations *object, e *endpoint) {
	security := w.security(e)
	channel := newObject("$ref", "#/channels/"+e.key)
	operation := func(action, title string) *object {
		return newObject("action", action, "channel", channel, "title", title)
	}
	finish := func(op *object, tags []string, deprecated bool, list []*message) *object {
		op.set("tags", tagsOf(tags)).set("messages", w.channelRefs(e, list))
		if len(security) > 0 {
			op.set("security", security)
		}
		if deprecated {
			op.set("x-deprecated", true)
		}
		return op
	}
	for _, o := range e.receives {
		op := operation("receive", o.Handler).setText("summary", o.Summary).setText("description", o.about())
		finish(op, append(slices.Clone(e.tags), o.Tags...), o.deprecated(e), []*message{o.message})
		if len(o.sends) > 0 {
			op.set("reply", newObject("channel", channel, "messages", w.channelRefs(e, o.sends)))
		}
		if o.Responds {
			op.set("x-responds", true)
		}
		operations.set(o.id, op)
	}
	if list := e.atAnyTime(); len(list) > 0 {
		op := operation("send", "send").set("summary", "What the server may send at any time.")
		operations.set(e.sendID, finish(op, e.tags, e.Deprecated, list))
	}
}

// channelRefs refers to messages through the channel, as operations must, each once.
func (w *asyncWriter) channelRefs(e *endpoint, list []*message) []any {
	refs, seen := []any{}, map[string]bool{}
	for _, m := range list {
		if key := w.message(e, m); !seen[key] {
			seen[key] = true
			refs = append(refs, newObject("$ref", "#/channels/"+e.key+"/messages/"+key))
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
		o.set("name", key)
		if !w.messages.has(key) || equal(w.messages.get(key), o) {
			break
		}
		key = name + "_" + strconv.Itoa(i)
	}
	w.messages.set(key, o)
	w.keys[m] = key
	return key
}

// asyncMessage describes m as it travels on e.
func asyncMessage(e *endpoint, m *message) *object {
	o := newObject("name", "", "title", m.title())
	if short := len(m.Description) <= 120 && !strings.Contains(m.Description, "\n"); short {
		o.setText("summary", m.Description)
	} else {
		o.setText("description", m.Description)
	}
	switch {
	case m.Frame == "binary":
		return o.set("contentType", "application/octet-stream").set("payload", newObject("type", "string", "format", "binary"))
	case m.Frame == "text":
		return o.set("contentType", "text/plain").set("payload", newObject("type", "string"))
	}
	o.set("contentType", "application/json")
	if e.correlated(m) {
		o.set("correlationId", newObject("description", "Of the question, its answer and the error reply to it.",
			"location", "$message.payload#/"+escapePointer(e.ID)))
	}
	o.set("payload", newObject("$ref", componentRef(m.component.name)))
	var examples []any
	for _, example := range m.component.schema.list("examples") {
		examples = append(examples, newObject("payload", example))
	}
	if len(examples) > 0 {
		o.set("examples", examples)
	}
	if m.Deprecated {
		o.set("x-deprecated", true)
	}
	if x := asyncDiscriminator(e.Discriminator, m.Names); x != nil {
		o.set("x-discriminator", x)
	}
	return o.setText("x-delivery", m.Delivery)
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
func asyncDiscriminator(discriminator string, names []string) *object {
	var values []any
	for _, literal := range names {
		if v, err := parseJSON([]byte(literal)); err == nil {
			values = append(values, v)
		}
	}
	switch {
	case discriminator == "" || len(values) == 0:
		return nil
	case len(values) == 1:
		return newObject("propertyName", discriminator, "value", values[0])
	default:
		return newObject("propertyName", discriminator, "values", values)
	}
}

// asyncSchemas lists what messages and parameters refer to, under the names of OpenAPI. A merged document may have some of
// them already; here they are all written.
func (m *model) asyncSchemas() *object {
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
	schemas := newObject()
	for _, c := range m.registry.components {
		if used[c] {
			schemas.set(c.name, draft7(c.schema))
		}
	}
	return schemas
}

// tagsOf refers to tags, each once.
func tagsOf(names []string) []any {
	list := []any{}
	for _, name := range distinct(names) {
		list = append(list, newObject("name", name))
	}
	return list
}
