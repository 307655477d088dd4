package apidoc

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// openAPI writes the document. The tree shares what it does not change with the base and the components.
func (m *model) openAPI(d *Doc, v view) (*object, error) {
	w := &writer{model: m, mode: v.mode, async: d.servedAt() != "", paths: newObject(), templates: map[string]string{}}
	doc := w.frame(d, v.server)
	for _, path := range w.paths.names {
		w.templates[templateOf(path)] = path
	}
	if v.mode == None {
		return doc, nil
	}
	for _, e := range m.endpoints {
		if err := w.addEndpoint(e); err != nil {
			return nil, err
		}
	}
	if len(m.endpoints) > 0 {
		doc.set("paths", w.paths)
	}
	m.addTags(doc)
	m.addComponents(doc)
	return doc, nil
}

// A writer adds operations to the paths of a document.
type writer struct {
	*model
	mode      Mode
	async     bool // asyncapi.json stands beside the document, because Serve puts it there
	paths     *object
	templates map[string]string // a path of each template
	servers   []any             // of every operation, if the base has others
}

// frame returns the document without our operations.
func (w *writer) frame(d *Doc, server string) *object {
	servers := []any{newObject("url", server)}
	if len(d.Servers) > 0 {
		servers = nil
		for _, url := range d.Servers {
			servers = append(servers, newObject("url", url))
		}
	}
	if w.base != nil {
		doc := w.base.clone()
		w.paths = doc.object("paths").clone()
		switch {
		case len(d.Servers) == 0:
		case doc.has("servers"):
			w.servers = servers
		default:
			doc.set("servers", servers)
		}
		return doc
	}
	info := newObject("title", d.Title, "version", d.Version).setText("description", d.Description)
	return newObject("openapi", "3.1.1", "info", info, "servers", servers, "security", []any{}, "tags", []any{}, "paths", w.paths)
}

func (w *writer) addEndpoint(e *endpoint) error {
	if err := w.addOperation(e.path, "get", w.connect(e)); err != nil {
		return err
	}
	if w.mode != Pseudo {
		return nil
	}
	var order []string
	byPath := map[string][]*operation{}
	for _, o := range e.receives {
		if byPath[o.path] == nil {
			order = append(order, o.path)
		}
		byPath[o.path] = append(byPath[o.path], o)
	}
	for _, path := range order {
		if err := w.addOperation(path, "post", w.pseudo(e, path, byPath[path])); err != nil {
			return err
		}
	}
	return nil
}

// addOperation refuses what the base or another endpoint has already.
func (w *writer) addOperation(path, method string, op *object) error {
	if p, ok := w.templates[templateOf(path)]; ok && p != path {
		return fmt.Errorf("%s and %s are one path to OpenAPI, which ignores the names of parameters: give them the same", p, path)
	}
	w.templates[templateOf(path)] = path
	item := w.paths.object(path).clone()
	if item.has("$ref") {
		return fmt.Errorf("the path %s of the merged document is a $ref, to which nothing can be added: write it out", path)
	}
	if item.has(method) {
		return fmt.Errorf("%s %s is in the document already", strings.ToUpper(method), path)
	}
	if w.servers != nil {
		op.set("servers", w.servers)
	}
	if w.base != nil && !w.base.has("security") {
		op.set("security", []any{}) // none beside the parameters, as at the root of a document of our own
	}
	w.paths.set(path, item.set(method, op))
	return nil
}

// connect is the GET that opens the WebSocket.
func (w *writer) connect(e *endpoint) *object {
	op := newObject("operationId", e.connectID, "summary", e.summary(), "description", w.about(e), "tags", texts(e.tags))
	if e.Deprecated {
		op.set("deprecated", true)
	}
	if params := w.parameters(e, false); len(params) > 0 {
		op.set("parameters", params)
	}
	return op.set("responses", w.handshake(e)).set("x-websocket", w.extension(e))
}

func (e *endpoint) summary() string {
	if e.Name != "" {
		return e.Name
	}
	return "Open the WebSocket"
}

// about is the description of the GET.
func (w *writer) about(e *endpoint) string {
	text := "This request opens a WebSocket."
	if w.mode == Pseudo && len(e.receives) > 0 {
		text += " The messages that a client may send are the POST operations beside it, which are no HTTP requests."
	}
	if w.async {
		text += " [AsyncAPI](asyncapi.json) has the whole contract."
	}
	return paragraphs(e.Description, strings.TrimSpace(text+" "+e.aboutConnection()))
}

// aboutConnection says what is special about a connection, "" if nothing is.
func (e *endpoint) aboutConnection() string {
	text := ""
	if e.Binary {
		text = "The JSON of both sides travels in binary frames."
	}
	if len(e.Subprotocols) > 0 {
		text += " Subprotocols: `" + strings.Join(e.Subprotocols, "`, `") + "`."
	}
	return strings.TrimSpace(text + e.aboutValuedSubprotocols())
}

// aboutValuedSubprotocols begins with a blank, or is "".
func (e *endpoint) aboutValuedSubprotocols() (text string) {
	for _, p := range e.parameters {
		if p.In == "subprotocol" {
			text += " A subprotocol that begins with `" + p.Name + "` carries a value" + strings.TrimSuffix(": "+p.Description, ": ")
			text = strings.TrimSuffix(text, ".") + "."
		}
	}
	return text
}

// paragraphs joins the texts that are not empty.
func paragraphs(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), "\n\n")
}

// parameters lists those of the handshake, or those of the path alone.
func (w *writer) parameters(e *endpoint, pathOnly bool) []any {
	var list []any
	for _, p := range e.parameters {
		if p.In == "subprotocol" || pathOnly && p.In != "path" {
			continue
		}
		o := newObject("name", p.Name, "in", p.In).setText("description", p.Description).set("required", p.Required)
		if p.Deprecated {
			o.set("deprecated", true)
		}
		list = append(list, o.set("schema", w.dialect(p.schema)))
	}
	return list
}

// handshake lists the answers to the GET.
func (w *writer) handshake(e *endpoint) *object {
	open := newObject("description", "The WebSocket is open. No message follows unless the client sends one.")
	if sends := e.atAnyTime(); len(sends) > 0 {
		open.set("description", "The WebSocket is open. The server may send these messages at any time.")
	}
	if header := e.protocolHeader(); header != nil {
		open.set("headers", newObject("Sec-WebSocket-Protocol", header))
	}
	if content := w.content(e, e.atAnyTime()); content != nil {
		open.set("content", content)
	}
	responses := newObject("101", open)
	if len(e.Params) > 0 {
		responses.set("400", w.refused("A parameter is wrong, issues say which and why, or the handshake is malformed."))
	} else {
		responses.set("400", w.refused("The handshake is malformed."))
	}
	responses.set("403", w.refused("The Origin of the page is not allowed."))
	if slices.Contains(e.Refuses, http.StatusMisdirectedRequest) {
		responses.set("421", w.refused("The Host header names another server."))
	}
	responses.set("426", w.refused("The request is no WebSocket handshake."))
	if slices.Contains(e.Refuses, http.StatusTooManyRequests) {
		responses.set("429", w.refusedForNow("Whom the request belongs to has as many connections as it may."))
	}
	full := "The server is stopping."
	if _, limited := e.Limits["maxConns"]; limited {
		full = "The server is stopping, or holds as many connections as it may."
	}
	responses.set("503", w.refusedForNow(full))
	if e.Resolves {
		return responses.set("default", w.refused("Refused by the application, or the server failed."))
	}
	return responses.set("default", w.refused("The server failed."))
}

// refusedForNow says also when to try again.
func (w *writer) refusedForNow(description string) *object {
	retry := newObject("description", "Seconds to wait before the next try.", "schema", newObject("type", "integer"))
	return w.refused(description).set("headers", newObject("Retry-After", retry))
}

// protocolHeader describes the header of the 101, nil if there is none. A subprotocol that carries a value may be agreed
// on too, which no list can hold.
func (e *endpoint) protocolHeader() *object {
	valued := slices.ContainsFunc(e.parameters, func(p *parameter) bool { return p.In == "subprotocol" })
	if len(e.Subprotocols) == 0 && !valued {
		return nil
	}
	schema := newObject("type", "string")
	if !valued {
		schema.set("enum", texts(e.Subprotocols))
	}
	return newObject("description", "The chosen subprotocol, absent if the client offered none of them.", "schema", schema)
}

func (w *writer) refused(description string) *object {
	schema := newObject("$ref", componentRef(w.refusal.name))
	return newObject("description", description, "content", newObject("application/json", newObject("schema", schema)))
}

// pseudo is the POST of the handlers that share a path.
func (w *writer) pseudo(e *endpoint, path string, ops []*operation) *object {
	var names, about, tags []string
	var in, out []*message
	deprecated := true
	for _, o := range ops {
		names = append(names, o.message.title())
		about = append(about, o.about())
		tags = append(tags, o.Tags...)
		in = append(in, o.message)
		out = append(out, o.sends...)
		deprecated = deprecated && o.deprecated(e)
	}
	op := newObject("operationId", ops[0].id, "summary", summary(ops, names))
	op.set("description", paragraphs(append(about, e.note(in))...))
	op.set("tags", texts(distinct(append(slices.Clone(e.tags), tags...))))
	if deprecated {
		op.set("deprecated", true)
	}
	if params := w.parameters(e, true); len(params) > 0 {
		op.set("parameters", params)
	}
	op.set("requestBody", newObject("required", true, "content", w.content(e, in)))
	return op.set("responses", w.replies(e, ops, out)).set("x-websocket-message", e.handlers(ops))
}

func summary(ops []*operation, names []string) string {
	if len(ops) == 1 && ops[0].Summary != "" {
		return ops[0].Summary
	}
	return "Send " + strings.Join(names, ", ")
}

func (o *operation) deprecated(e *endpoint) bool {
	return o.Deprecated || o.message.Deprecated || e.Deprecated
}

// about is the description of one handler.
func (o *operation) about() string {
	text := o.Description
	if text == "" {
		text = o.message.Description
	}
	if o.Responds {
		text = paragraphs(text, "It is answered by one message that carries the same id, or by the error reply.")
	}
	return text
}

// note says what the pseudo operation really is.
func (e *endpoint) note(in []*message) string {
	kind := e.frame(in[0])
	if slices.ContainsFunc(in, func(m *message) bool { return e.frame(m) != kind }) {
		kind = "text or binary"
	}
	return "A WebSocket message, not an HTTP request: send it as one " + kind + " frame on a connection opened at `" + e.path + "`."
}

func (w *writer) replies(e *endpoint, ops []*operation, out []*message) *object {
	ok := newObject("description", "The server need not answer.")
	if content := w.content(e, out); content != nil {
		ok.set("description", "Messages that the server may send in return.")
		if slices.ContainsFunc(ops, func(o *operation) bool { return o.Responds }) {
			ok.set("description", "The answer.")
		}
		ok.set("content", content)
	}
	responses := newObject("200", ok)
	if e.failure != nil {
		responses.set("400", newObject("description", "The error reply. The connection stays open.",
			"content", w.content(e, []*message{e.failure})))
	}
	return responses
}

// handlers is the x-websocket-message of a pseudo operation.
func (e *endpoint) handlers(ops []*operation) *object {
	x := newObject("direction", "client-to-server", "path", e.path)
	if len(ops) == 1 {
		return x.set("handler", ops[0].Handler).setText("name", ops[0].message.Name)
	}
	var names []any
	for _, o := range ops {
		names = append(names, o.Handler)
	}
	return x.set("handlers", names)
}

// extension is the x-websocket of the GET: all of the endpoint, for programs.
func (w *writer) extension(e *endpoint) *object {
	x := newObject()
	if w.async {
		x.set("asyncapi", "asyncapi.json#/channels/"+e.key)
	}
	facts := e.wireFacts()
	for _, name := range facts.names {
		x.set(name, facts.get(name))
	}
	receive := newObject()
	for _, o := range e.receives {
		entry := newObject().setText("name", o.message.Name).set("message", w.ref(o.message)).setText("delivery", o.message.Delivery)
		entry.set("replies", w.refs(o.sends))
		if o.Responds {
			entry.set("responds", true)
		}
		receive.set(o.Handler, entry)
	}
	x.set("receive", receive).set("send", w.refs(e.atAnyTime()))
	if limits := e.wireLimits(); len(limits.names) > 0 {
		x.set("limits", limits)
	}
	return x
}

// wireFacts begin the x-websocket of both documents.
func (e *endpoint) wireFacts() *object {
	x := newObject()
	if len(e.Subprotocols) > 0 {
		x.set("subprotocols", texts(e.Subprotocols))
	}
	if e.Binary {
		x.set("messageType", "binary")
	} else {
		x.set("messageType", "text")
	}
	return x.setText("discriminator", e.Discriminator).setText("payload", e.Payload).setText("id", e.ID)
}

func (e *endpoint) wireLimits() *object {
	limits := newObject()
	for _, name := range sortedKeys(e.Limits) {
		limits.set(name, number(strconv.FormatInt(e.Limits[name], 10)))
	}
	return limits
}
