package apidoc

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string

	pageTemplate = template.Must(template.New("page").Parse(pageHTML))
)

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// page renders the reference: all that the documents say, for people, without a script. With one, the console
// of apidoc/page takes its place. assets is where that lies, relative to the page.
func (m *model) page(d *Doc, assets string) (*rendered, error) {
	p := m.pageData(d)
	p.Script, p.Style = assets+consoleScript.versioned(), assets+consoleStyle.versioned()
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return nil, err
	}
	r := newRendered("text/html; charset=utf-8", out.Bytes())
	r.policy = pagePolicy(d.Servers)
	return r, nil
}

// pageData lays out what page and console say.
func (m *model) pageData(d *Doc) *pageData {
	p := &pageData{Title: d.Title, Version: d.Version, Description: d.Description, CSS: template.CSS(pageCSS),
		Closes: closes(), Errors: errorCodes}
	if m.base != nil {
		info := m.base.Object("info")
		p.Title, p.Version, p.Description = info.Text("title"), info.Text("version"), info.Text("description")
	}
	b := &pageBuilder{anchors: map[*component]string{}, taken: map[string]bool{}}
	for _, e := range m.endpoints {
		b.anchorMessages(e)
	}
	for _, c := range m.registry.components {
		b.anchorType(c)
	}
	for _, e := range m.endpoints {
		p.Endpoints = append(p.Endpoints, b.endpoint(e, d.Servers))
	}
	for _, c := range m.registry.components {
		if strings.HasPrefix(b.anchors[c], "type-") {
			p.Types = append(p.Types, b.pageType(c))
		}
	}
	return p
}

// What the template reads, and in JSON the console.
type (
	pageData struct {
		Title       string          `json:"title"`
		Version     string          `json:"version"`
		Description string          `json:"description,omitempty"`
		Endpoints   []*pageEndpoint `json:"endpoints"`
		Types       []*pageMessage  `json:"types"`
		Closes      []pageFact      `json:"closes"`
		Errors      []pageFact      `json:"errors"`
		CSS         template.CSS    `json:"-"`
		Script      string          `json:"-"` // where they lie, relative to the page
		Style       string          `json:"-"`
	}
	pageEndpoint struct {
		ID            string           `json:"id"`
		Path          string           `json:"path"`
		Name          string           `json:"name,omitempty"`
		Description   string           `json:"description,omitempty"`
		Deprecated    bool             `json:"deprecated,omitempty"`
		Tags          []string         `json:"tags,omitempty"`
		Facts         []pageFact       `json:"facts"`
		Parameters    []pageRow        `json:"parameters"`
		Refusals      []pageFact       `json:"refusals"`
		Connect       string           `json:"-"` // a line of JavaScript
		Send          []*pageMessage   `json:"send"`
		Receive       []*pageMessage   `json:"receive"`
		Limits        []pageFact       `json:"limits"`
		Discriminator string           `json:"discriminator,omitempty"`
		Payload       string           `json:"payload,omitempty"`
		Correlation   string           `json:"correlation,omitempty"`
		Binary        bool             `json:"binary,omitempty"`
		Subprotocols  []string         `json:"subprotocols,omitempty"`
		Bounds        map[string]int64 `json:"bounds"`
	}
	pageFact struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	pageMessage struct {
		ID          string          `json:"id"`
		Name        string          `json:"name"`
		Type        string          `json:"type,omitempty"` // its schema
		Handler     string          `json:"handler,omitempty"`
		Summary     string          `json:"summary,omitempty"`
		Description string          `json:"description,omitempty"`
		Frame       string          `json:"frame,omitempty"`
		Delivery    string          `json:"delivery,omitempty"`
		Deprecated  bool            `json:"deprecated,omitempty"`
		Error       bool            `json:"error,omitempty"`
		Always      bool            `json:"always,omitempty"`
		Rows        []pageRow       `json:"rows,omitempty"`
		Any         []pagePart      `json:"any,omitempty"` // the type, where it is no object
		Rules       []string        `json:"rules,omitempty"`
		Example     []pageToken     `json:"-"`
		Sample      json.RawMessage `json:"sample,omitempty"` // the example
		Links       []pageLink      `json:"links,omitempty"`  // replies, or what it replies to
		Responds    bool            `json:"responds,omitempty"`
		Names       []string        `json:"names,omitempty"`  // values of the discriminator, as JSON
		GoType      string          `json:"goType,omitempty"` // without the import path
	}
	pageRow struct {
		ID          string          `json:"id,omitempty"`
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		In          string          `json:"in,omitempty"` // of parameters
		Depth       int             `json:"depth,omitempty"`
		Type        []pagePart      `json:"type"`
		Rules       []string        `json:"rules,omitempty"`
		Required    bool            `json:"required,omitempty"`
		Deprecated  bool            `json:"deprecated,omitempty"`
		Schema      json.RawMessage `json:"schema,omitempty"` // of parameters
	}
	pagePart struct {
		Text string `json:"text"`
		Link string `json:"link,omitempty"` // an anchor without #, "" for none
	}
	pageLink struct {
		Text string `json:"text"`
		Link string `json:"link"`
	}
	pageToken struct{ Class, Text string }
)

// A pageBuilder knows where on the page everything stands.
type pageBuilder struct {
	anchors map[*component]string
	taken   map[string]bool
}

// anchorMessages gives messages the place where they are described first.
func (b *pageBuilder) anchorMessages(e *endpoint) {
	for _, m := range e.receivable() {
		b.anchor(m.component, e.key+"-receive-"+anchorName(m))
	}
	for _, o := range e.receives {
		b.anchor(o.message.component, e.key+"-send-"+anchorName(o.message))
	}
}

func (b *pageBuilder) anchor(c *component, id string) {
	if c != nil && b.anchors[c] == "" {
		b.anchors[c] = id
	}
}

func (b *pageBuilder) anchorType(c *component) {
	if b.anchors[c] == "" {
		b.anchors[c] = "type-" + c.name
	}
}

func anchorName(m *message) string {
	if name := identifier(m.title()); name != "" {
		return name
	}
	return "message"
}

// receivable lists what a client may get in any case, each message once.
func (e *endpoint) receivable() []*message {
	var list []*message
	seen := map[any]bool{}
	add := func(m *message) {
		var key any = m.component
		if m.component == nil {
			key = "frame " + m.Frame
		}
		if !seen[key] {
			seen[key] = true
			list = append(list, m)
		}
	}
	for _, m := range e.sends {
		add(m)
	}
	for _, o := range e.receives {
		for _, m := range o.sends {
			add(m)
		}
	}
	if e.failure != nil {
		add(e.failure)
	}
	return list
}

func (b *pageBuilder) endpoint(e *endpoint, servers []string) *pageEndpoint {
	p := &pageEndpoint{
		ID: unique(e.key, b.taken), Path: e.path, Name: e.Name, Description: e.Description,
		Deprecated: e.Deprecated, Tags: e.Tags,
		Facts: e.facts(), Refusals: e.refusals(), Connect: e.javaScript(servers), Limits: e.limits(),
		Discriminator: e.Discriminator, Payload: e.Payload, Correlation: e.Spec.ID, Binary: e.Binary, Subprotocols: e.Subprotocols,
		Bounds: e.Spec.Limits,
	}
	for _, param := range e.parameters {
		row := b.row(param.Name, param.schema, 0)
		row.ID = unique(p.ID+"."+param.In+"."+param.Name, b.taken)
		row.In, row.Required, row.Deprecated = param.In, param.Required, param.Deprecated || row.Deprecated
		row.Schema = ordered.AppendJSON(nil, param.schema, -1)
		if param.Description != "" {
			row.Description = param.Description
		}
		p.Parameters = append(p.Parameters, row)
	}
	receives := map[*message]*pageMessage{}
	byComponent := map[*component]*pageMessage{}
	for _, m := range e.receivable() {
		r := b.message(m, e.key+"-receive-"+anchorName(m))
		r.Error = m == e.failure
		receives[m], byComponent[m.component] = r, r
		p.Receive = append(p.Receive, r)
	}
	for _, m := range e.sends {
		if r := receives[m]; r != nil {
			r.Always = true
		}
	}
	for _, o := range e.receives {
		s := b.message(o.message, e.key+"-send-"+anchorName(o.message))
		s.Handler, s.Responds = o.Handler, o.Responds
		s.Deprecated = o.deprecated(e)
		s.Summary = o.Summary
		if o.Description != "" {
			s.Description = o.Description
		}
		for _, m := range distinctMessages(o.sends) {
			r := receives[m]
			if r == nil {
				r = byComponent[m.component]
			}
			s.Links = append(s.Links, pageLink{r.Name, r.ID})
			r.Links = append(r.Links, pageLink{s.Name, s.ID})
		}
		p.Send = append(p.Send, s)
	}
	return p
}

// message describes m at a place of its own.
func (b *pageBuilder) message(m *message, id string) *pageMessage {
	p := &pageMessage{ID: unique(id, b.taken), Name: m.title(), Description: m.Description, Frame: m.Frame,
		Delivery: delivery(m.Delivery), Deprecated: m.Deprecated, Names: m.Names, GoType: shortType(m.GoType)}
	if m.component == nil {
		return p
	}
	p.Type = m.component.name
	b.fill(p, m.component)
	return p
}

func (b *pageBuilder) pageType(c *component) *pageMessage {
	p := &pageMessage{ID: unique(b.anchors[c], b.taken), Name: c.name}
	b.fill(p, c)
	return p
}

// fill adds what the schema says.
func (b *pageBuilder) fill(p *pageMessage, c *component) {
	if p.Description == "" {
		p.Description = c.schema.Text("description")
	}
	p.Deprecated = p.Deprecated || c.schema.Get("deprecated") == true
	p.Rows = b.rows(c.schema, 0)
	b.anchorRows(p)
	if len(p.Rows) == 0 {
		p.Any, p.Rules = b.typeOf(c.schema), rules(c.schema)
	}
	if examples := c.schema.List("examples"); len(examples) > 0 {
		p.Example = tokens(nil, examples[0], 0)
		p.Sample = ordered.AppendJSON(nil, examples[0], -1)
	}
}

// anchorRows gives every field a place that a link can name: that of its message, a dot, and its path.
func (b *pageBuilder) anchorRows(p *pageMessage) {
	var path []string
	for i := range p.Rows {
		row := &p.Rows[i]
		path = append(path[:row.Depth], row.Name)
		row.ID = unique(p.ID+"."+strings.Join(path, "."), b.taken)
	}
}

// shortType is a Go type as code writes it, without the import path.
func shortType(goType string) string {
	if strings.ContainsAny(goType, "[{(*") {
		return goType
	}
	return goType[strings.LastIndexByte(goType, '/')+1:]
}

func delivery(s string) string {
	switch key, member, _ := strings.Cut(s, "="); key {
	case "latest":
		return "A slow client gets only the latest one for each " + member + "."
	case "drop":
		return "A slow client may miss some."
	default:
		return ""
	}
}

// tokens writes v as indented JSON in pieces that can be coloured.
func tokens(list []pageToken, v any, indent int) []pageToken {
	space := "\n" + strings.Repeat("  ", indent)
	add := func(class, text string) { list = append(list, pageToken{class, text}) }
	switch v := v.(type) {
	case *ordered.Object:
		if len(v.Names()) == 0 {
			add("", "{}")
			break
		}
		for i, name := range v.Names() {
			add("", map[bool]string{true: "{", false: ","}[i == 0]+space+"  ")
			add("k", string(ordered.AppendQuoted(nil, name)))
			add("", ": ")
			list = tokens(list, v.Get(name), indent+1)
		}
		add("", space+"}")
	case []any:
		if len(v) == 0 {
			add("", "[]")
			break
		}
		for i, e := range v {
			add("", map[bool]string{true: "[", false: ","}[i == 0]+space+"  ")
			list = tokens(list, e, indent+1)
		}
		add("", space+"]")
	case string:
		add("s", string(ordered.AppendQuoted(nil, v)))
	default:
		add("n", string(ordered.AppendJSON(nil, v, -1)))
	}
	return list
}

// facts says how messages travel.
func (e *endpoint) facts() []pageFact {
	var list []pageFact
	add := func(name, value string) {
		if value != "" {
			list = append(list, pageFact{name, value})
		}
	}
	add("frames", map[bool]string{false: "JSON as text", true: "JSON as binary"}[e.Binary])
	add("discriminator", e.Discriminator)
	add("payload", e.Payload)
	add("correlation id", e.ID)
	add("subprotocols", strings.Join(e.Subprotocols, ", "))
	add("compression", map[bool]string{true: "permessage-deflate"}[e.Compression])
	add("beyond the rate", e.beyondRate())
	return list
}

// beyondRate says what becomes of a message that comes too soon. "" if none does.
func (e *endpoint) beyondRate() string {
	switch {
	case !e.limitsRate():
		return ""
	case e.RateClose:
		return "closed with 1008"
	}
	return "not handled, answered rate_limited"
}

// refusals lists the answers to a handshake that fails.
func (e *endpoint) refusals() []pageFact {
	wrong := "the handshake is malformed"
	if len(e.Params) > 0 {
		wrong = "a parameter is wrong, or the handshake"
	}
	list := []pageFact{{"400", wrong}, {"403", "the Origin is not allowed"}}
	if slices.Contains(e.Refuses, http.StatusMisdirectedRequest) {
		list = append(list, pageFact{"421", "the Host header names another server"})
	}
	list = append(list, pageFact{"426", "no WebSocket handshake"})
	if slices.Contains(e.Refuses, http.StatusTooManyRequests) {
		list = append(list, pageFact{"429", "as many connections of one client as there may be"})
	}
	list = append(list, pageFact{"503", "the server is stopping, or full"})
	if e.Resolves {
		list = append(list, pageFact{"other", "refused by the application"})
	}
	return list
}

// limits puts the names of Spec.Limits into words.
func (e *endpoint) limits() []pageFact {
	var list []pageFact
	add := func(key, name string, format func(int64) string) {
		if v, ok := e.Limits[key]; ok {
			list = append(list, pageFact{name, format(v)})
		}
	}
	add("maxMessage", "largest message", size)
	add("depth", "deepest nesting", func(v int64) string { return count(v) + " levels" })
	add("maxFrames", "frames of a message", count)
	add("messageTimeout", "message complete within", limitTime)
	add("messagesPerSecond", "messages per second", count)
	add("bytesPerSecond", "bytes per second", size)
	add("maxConns", "connections", count)
	add("maxConnsPerKey", "connections of one client", count)
	add("outbox", "waiting for a slow client", size)
	add("pingInterval", "ping every", duration)
	add("pongTimeout", "pong within", duration)
	add("writeTimeout", "write within", duration)
	for _, key := range slices.Sorted(maps.Keys(e.Limits)) {
		if !slices.Contains(knownLimits, key) {
			add(key, limitWords(key), count)
		}
	}
	return list
}

var knownLimits = []string{"maxMessage", "depth", "outbox", "pingInterval", "pongTimeout", "writeTimeout",
	"maxFrames", "messageTimeout", "messagesPerSecond", "bytesPerSecond", "maxConns", "maxConnsPerKey"}

var limitWord = regexp.MustCompile(`[_-]+|([A-Z]+)`)

// limitWords is the name of a limit in words, for those that this package does not know: messages_per_second and messagesPerSecond alike.
func limitWords(key string) string {
	return strings.ToLower(strings.TrimSpace(limitWord.ReplaceAllString(key, " $1")))
}

// count is a number whose unit its name says.
func count(v int64) string {
	if v <= 0 {
		return "no limit"
	}
	return strconv.FormatInt(v, 10)
}

func size(v int64) string {
	if v <= 0 {
		return "no limit"
	}
	if v >= 1024 && v%1024 == 0 {
		return strconv.FormatInt(v/1024, 10) + " KiB"
	}
	return strconv.FormatInt(v, 10) + " bytes"
}

// limitTime is a duration that may be without end.
func limitTime(ms int64) string {
	if ms <= 0 {
		return "no limit"
	}
	return duration(ms)
}

func duration(ms int64) string {
	switch {
	case ms <= 0:
		return "never"
	case ms%1000 == 0:
		return strconv.FormatInt(ms/1000, 10) + " s"
	default:
		return strconv.FormatInt(ms, 10) + " ms"
	}
}

// javaScript is the line that opens the connection.
func (e *endpoint) javaScript(servers []string) string {
	base := "wss://HOST"
	if len(servers) > 0 {
		server := strings.TrimSuffix(servers[0], "/")
		if rest, ok := strings.CutPrefix(server, "http"); ok {
			base = "ws" + rest
		} else if strings.HasPrefix(server, "ws") {
			base = server
		} else if strings.HasPrefix(server, "/") {
			base += server
		}
	}
	path, query := e.path, ""
	for _, p := range e.parameters {
		value := sample(p)
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		case p.In == "query" && p.Required:
			query += map[bool]string{true: "?", false: "&"}[query == ""] + p.Name + "=" + value
		}
	}
	line := "new WebSocket(" + string(ordered.AppendQuoted(nil, base+path+query))
	if len(e.Subprotocols) > 0 {
		line += ", [" + string(ordered.AppendQuoted(nil, e.Subprotocols[0])) + "]"
	}
	return line + ")"
}

func sample(p *parameter) string {
	for _, list := range []string{"examples", "enum"} {
		if values := p.schema.List(list); len(values) > 0 {
			if s, ok := values[0].(string); ok {
				return s
			}
			return string(ordered.AppendJSON(nil, values[0], -1))
		}
	}
	return "{" + p.Name + "}"
}
