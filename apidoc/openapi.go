package apidoc

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// openAPI writes the document. The tree shares what it does not change with the base and the components.
func (m *model) openAPI(d *Doc, v view) (*ordered.Object, error) {
	w := &writer{model: m, mode: v.mode, async: d.servedAt() != "", paths: ordered.New(), templates: map[string]string{}}
	doc := w.frame(d, v.server)
	for _, path := range w.paths.Names() {
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
		doc.Set("paths", w.paths)
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
	paths     *ordered.Object
	templates map[string]string // a path of each template
	servers   []any             // of every operation, if the base has others
}

// frame returns the document without our operations.
func (w *writer) frame(d *Doc, server string) *ordered.Object {
	servers := []any{ordered.New("url", server)}
	if len(d.Servers) > 0 {
		servers = nil
		for _, url := range d.Servers {
			servers = append(servers, ordered.New("url", url))
		}
	}
	if w.base != nil {
		doc := w.base.Clone()
		w.paths = doc.Object("paths").Clone()
		switch {
		case len(d.Servers) == 0:
		case doc.Has("servers"):
			w.servers = servers
		default:
			doc.Set("servers", servers)
		}
		return doc
	}
	info := ordered.New("title", d.Title, "version", d.Version).SetText("description", d.Description)
	return ordered.New("openapi", "3.1.1", "info", info, "servers", servers, "security", []any{}, "tags", []any{}, "paths", w.paths)
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
func (w *writer) addOperation(path, method string, op *ordered.Object) error {
	if p, ok := w.templates[templateOf(path)]; ok && p != path {
		return fmt.Errorf("%s and %s are one path to OpenAPI, which ignores the names of parameters: give them the same", p, path)
	}
	w.templates[templateOf(path)] = path
	item := w.paths.Object(path).Clone()
	if item.Has("$ref") {
		return fmt.Errorf("the path %s of the merged document is a $ref, to which nothing can be added: write it out", path)
	}
	if item.Has(method) {
		return fmt.Errorf("%s %s is in the document already", strings.ToUpper(method), path)
	}
	if w.servers != nil {
		op.Set("servers", w.servers)
	}
	if w.base != nil && !w.base.Has("security") {
		op.Set("security", []any{}) // none beside the parameters, as at the root of a document of our own
	}
	w.paths.Set(path, item.Set(method, op))
	return nil
}

// connect is the GET that opens the WebSocket.
func (w *writer) connect(e *endpoint) *ordered.Object {
	op := ordered.New("operationId", e.connectID, "summary", e.summary(), "description", w.about(e), "tags", texts(e.tags))
	if e.Deprecated {
		op.Set("deprecated", true)
	}
	if params := w.parameters(e, false); len(params) > 0 {
		op.Set("parameters", params)
	}
	return op.Set("responses", w.handshake(e)).Set("x-websocket", w.extension(e))
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
		o := ordered.New("name", p.Name, "in", p.In).SetText("description", p.Description).Set("required", p.Required)
		if p.Deprecated {
			o.Set("deprecated", true)
		}
		list = append(list, o.Set("schema", w.dialect(p.schema)))
	}
	return list
}

// handshake lists the answers to the GET.
func (w *writer) handshake(e *endpoint) *ordered.Object {
	open := ordered.New("description", "The WebSocket is open. No message follows unless the client sends one.")
	if sends := e.atAnyTime(); len(sends) > 0 {
		open.Set("description", "The WebSocket is open. The server may send these messages at any time.")
	}
	if header := e.protocolHeader(); header != nil {
		open.Set("headers", ordered.New("Sec-WebSocket-Protocol", header))
	}
	if content := w.content(e, e.atAnyTime()); content != nil {
		open.Set("content", content)
	}
	responses := ordered.New("101", open)
	if len(e.Params) > 0 {
		responses.Set("400", w.refused("A parameter is wrong, issues say which and why, or the handshake is malformed."))
	} else {
		responses.Set("400", w.refused("The handshake is malformed."))
	}
	responses.Set("403", w.refused("The Origin of the page is not allowed."))
	if slices.Contains(e.Refuses, http.StatusMisdirectedRequest) {
		responses.Set("421", w.refused("The Host header names another server."))
	}
	responses.Set("426", w.refused("The request is no WebSocket handshake."))
	if slices.Contains(e.Refuses, http.StatusTooManyRequests) {
		responses.Set("429", w.refusedForNow("Whom the request belongs to has as many connections as it may."))
	}
	full := "The server is stopping."
	if _, limited := e.Limits["maxConns"]; limited {
		full = "The server is stopping, or holds as many connections as it may."
	}
	responses.Set("503", w.refusedForNow(full))
	if e.Resolves {
		return responses.Set("default", w.refused("Refused by the application, or the server failed."))
	}
	return responses.Set("default", w.refused("The server failed."))
}

// refusedForNow says also when to try again.
func (w *writer) refusedForNow(description string) *ordered.Object {
	retry := ordered.New("description", "Seconds to wait before the next try.", "schema", ordered.New("type", "integer"))
	return w.refused(description).Set("headers", ordered.New("Retry-After", retry))
}

// protocolHeader describes the header of the 101, nil if there is none. A subprotocol that carries a value may be agreed
// on too, which no list can hold.
func (e *endpoint) protocolHeader() *ordered.Object {
	valued := slices.ContainsFunc(e.parameters, func(p *parameter) bool { return p.In == "subprotocol" })
	if len(e.Subprotocols) == 0 && !valued {
		return nil
	}
	schema := ordered.New("type", "string")
	if !valued {
		schema.Set("enum", texts(e.Subprotocols))
	}
	return ordered.New("description", "The chosen subprotocol, absent if the client offered none of them.", "schema", schema)
}

func (w *writer) refused(description string) *ordered.Object {
	schema := ordered.New("$ref", componentRef(w.refusal.name))
	return ordered.New("description", description, "content", ordered.New("application/json", ordered.New("schema", schema)))
}

// pseudo is the POST of the handlers that share a path.
func (w *writer) pseudo(e *endpoint, path string, ops []*operation) *ordered.Object {
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
	op := ordered.New("operationId", ops[0].id, "summary", summary(ops, names))
	op.Set("description", paragraphs(append(about, e.note(in))...))
	op.Set("tags", texts(distinct(append(slices.Clone(e.tags), tags...))))
	if deprecated {
		op.Set("deprecated", true)
	}
	if params := w.parameters(e, true); len(params) > 0 {
		op.Set("parameters", params)
	}
	op.Set("requestBody", ordered.New("required", true, "content", w.content(e, in)))
	return op.Set("responses", w.replies(e, ops, out)).Set("x-websocket-message", e.handlers(ops))
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

func (w *writer) replies(e *endpoint, ops []*operation, out []*message) *ordered.Object {
	ok := ordered.New("description", "The server need not answer.")
	if content := w.content(e, out); content != nil {
		ok.Set("description", "Messages that the server may send in return.")
		if slices.ContainsFunc(ops, func(o *operation) bool { return o.Responds }) {
			ok.Set("description", "The answer.")
		}
		ok.Set("content", content)
	}
	responses := ordered.New("200", ok)
	if e.failure != nil {
		responses.Set("400", ordered.New("description", "The error reply. The connection stays open.",
			"content", w.content(e, []*message{e.failure})))
	}
	return responses
}

// handlers is the x-websocket-message of a pseudo operation.
func (e *endpoint) handlers(ops []*operation) *ordered.Object {
	x := ordered.New("direction", "client-to-server", "path", e.path)
	if len(ops) == 1 {
		return x.Set("handler", ops[0].Handler).SetText("name", ops[0].message.Name)
	}
	var names []any
	for _, o := range ops {
		names = append(names, o.Handler)
	}
	return x.Set("handlers", names)
}

// extension is the x-websocket of the GET: all of the endpoint, for programs.
func (w *writer) extension(e *endpoint) *ordered.Object {
	x := ordered.New()
	if w.async {
		x.Set("asyncapi", "asyncapi.json#/channels/"+e.key)
	}
	facts := e.wireFacts()
	for _, name := range facts.Names() {
		x.Set(name, facts.Get(name))
	}
	receive := ordered.New()
	for _, o := range e.receives {
		entry := ordered.New().SetText("name", o.message.Name).Set("message", w.ref(o.message)).SetText("delivery", o.message.Delivery)
		entry.Set("replies", w.refs(o.sends))
		if o.Responds {
			entry.Set("responds", true)
		}
		receive.Set(o.Handler, entry)
	}
	x.Set("receive", receive).Set("send", w.refs(e.atAnyTime()))
	if limits := e.wireLimits(); len(limits.Names()) > 0 {
		x.Set("limits", limits)
	}
	return x
}

// wireFacts begin the x-websocket of both documents.
func (e *endpoint) wireFacts() *ordered.Object {
	x := ordered.New()
	if len(e.Subprotocols) > 0 {
		x.Set("subprotocols", texts(e.Subprotocols))
	}
	if e.Binary {
		x.Set("messageType", "binary")
	} else {
		x.Set("messageType", "text")
	}
	if e.Compression {
		x.Set("compression", "permessage-deflate")
	}
	x.SetText("discriminator", e.Discriminator).SetText("payload", e.Payload).SetText("id", e.ID)
	if s := e.Spec.Resume; s != nil {
		x.Set("resume", ordered.New("parameter", s.Param, "member", s.Member, "joined", s.Joined, "resync", s.Resync))
	}
	return x
}

func (e *endpoint) wireLimits() *ordered.Object {
	limits := ordered.New()
	for _, name := range sortedKeys(e.Limits) {
		limits.Set(name, ordered.Number(strconv.FormatInt(e.Limits[name], 10)))
	}
	return limits
}
