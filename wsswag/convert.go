package wsswag

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

const (
	formEncoded = "application/x-www-form-urlencoded"
	multipart   = "multipart/form-data"
)

// A converter turns one document over. The tree shares what does not change with the source.
type converter struct {
	root     *ordered.Object
	consumes []string
	produces []string
	names    map[string]string          // of sections, each followed by a slash and the Swagger name, to names that OpenAPI allows
	bodies   map[*ordered.Object]*shape // of body and form parameters, which operations may share
}

// A shape is the converted schema of a body or form parameter.
type shape struct{ schema any }

// sections are where Swagger keeps what may be referred to, with their place in the components.
var sections = []struct{ swagger, openapi string }{
	{"definitions", "schemas"}, {"parameters", "parameters"}, {"responses", "responses"}, {"securityDefinitions", "securitySchemes"},
}

var notInKey = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

func newConverter(root *ordered.Object) *converter {
	c := &converter{root: root, names: map[string]string{}, bodies: map[*ordered.Object]*shape{}}
	c.consumes, c.produces = texts(root.List("consumes")), texts(root.List("produces"))
	for _, s := range sections[:3] {
		taken := map[string]bool{}
		names := root.Object(s.swagger).Names()
		for _, name := range names {
			taken[name] = true
		}
		for _, name := range names {
			key := notInKey.ReplaceAllString(name, "_")
			for n := 2; key != name && (taken[key] || key == ""); n++ {
				key = notInKey.ReplaceAllString(name, "_") + "_" + strconv.Itoa(n)
			}
			taken[key] = true
			c.names[s.swagger+"/"+name] = key
		}
	}
	return c
}

// texts lists the strings of a list.
func texts(list []any) (out []string) {
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// document converts the root. Its members keep their order.
func (c *converter) document() (*ordered.Object, error) {
	doc := ordered.New("openapi", "3.0.3")
	components := ordered.New()
	for _, name := range c.root.Names() {
		v := c.root.Get(name)
		switch name {
		case "swagger", "consumes", "produces":
		case "host", "basePath", "schemes":
			if servers := c.servers(texts(c.root.List("schemes"))); len(servers) > 0 {
				doc.Set("servers", servers)
			}
		case "paths":
			paths, err := each(c.root, name, c.pathItem)
			if err != nil {
				return nil, err
			}
			doc.Set(name, paths)
		case "definitions", "parameters", "responses", "securityDefinitions":
			if err := c.section(components, name); err != nil {
				return nil, err
			}
			if len(components.Names()) > 0 {
				doc.Set("components", components)
			}
		default: // info, tags, security, externalDocs, extensions
			doc.Set(name, v)
		}
	}
	return doc, nil
}

// each converts the members of an object, which must be objects. Extensions stay as they are, where there are any: a header may be named X-Next.
func each(parent *ordered.Object, name string, convert func(name string, o *ordered.Object) (any, error)) (*ordered.Object, error) {
	members, ok := parent.Get(name).(*ordered.Object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", name)
	}
	extensible := name == "paths" || name == "responses" && !parent.Has("swagger")
	out := ordered.New()
	for _, key := range members.Names() {
		if extensible && strings.HasPrefix(key, "x-") {
			out.Set(key, members.Get(key))
			continue
		}
		member, ok := members.Get(key).(*ordered.Object)
		if !ok {
			return nil, fmt.Errorf("%s, %.100s is not an object", name, key)
		}
		converted, err := convert(key, member)
		if err != nil {
			return nil, fmt.Errorf("%.100s: %w", key, err)
		}
		if converted != nil {
			out.Set(key, converted)
		}
	}
	return out, nil
}

// servers are the URLs of host and basePath under schemes. Without a scheme it is that of the page.
func (c *converter) servers(schemes []string) (list []any) {
	host, base := c.root.Text("host"), c.root.Text("basePath")
	if host == "" {
		if base == "" || base == "/" {
			return nil
		}
		return []any{ordered.New("url", base)}
	}
	if base == "/" {
		base = ""
	}
	if len(schemes) == 0 {
		return []any{ordered.New("url", "//"+host+base)}
	}
	for _, s := range schemes {
		list = append(list, ordered.New("url", s+"://"+host+base))
	}
	return list
}

// section converts what may be referred to.
func (c *converter) section(components *ordered.Object, name string) error {
	convert := map[string]func(string, *ordered.Object) (any, error){
		"definitions":         func(_ string, o *ordered.Object) (any, error) { return c.schema(o), nil },
		"parameters":          c.sharedParameter,
		"responses":           func(_ string, o *ordered.Object) (any, error) { return c.response(o, c.produces) },
		"securityDefinitions": func(_ string, o *ordered.Object) (any, error) { return securityScheme(o), nil },
	}[name]
	members, err := each(c.root, name, convert)
	if err != nil {
		return err
	}
	for _, s := range sections {
		if s.swagger != name || len(members.Names()) == 0 {
			continue
		}
		renamed := ordered.New()
		for _, key := range members.Names() {
			to := key
			if other, ok := c.names[name+"/"+key]; ok {
				to = other
			}
			renamed.Set(to, members.Get(key))
		}
		components.Set(s.openapi, renamed)
	}
	return nil
}

// sharedParameter leaves out bodies and forms, which are written into the operations.
func (c *converter) sharedParameter(_ string, p *ordered.Object) (any, error) {
	resolved, err := c.resolve("parameters", p)
	if err != nil {
		return nil, err
	}
	if in := resolved.Text("in"); in == "body" || in == "formData" {
		return nil, nil
	}
	return c.parameter(p), nil
}

// reference splits a $ref into the section and the name that it means.
func reference(ref string) (section, name string, ok bool) {
	section, name, ok = strings.Cut(strings.TrimPrefix(ref, "#/"), "/")
	if !ok || !strings.HasPrefix(ref, "#/") || strings.Contains(name, "/") {
		return "", "", false
	}
	if u, err := url.PathUnescape(name); err == nil {
		name = u
	}
	return section, strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~"), true
}

// ref translates a $ref. One to something else stays.
func (c *converter) ref(ref string) string {
	section, name, ok := reference(ref)
	if !ok {
		for _, s := range sections[:3] { // into what is defined
			if rest, ok := strings.CutPrefix(ref, "#/"+s.swagger+"/"); ok {
				return "#/components/" + s.openapi + "/" + rest
			}
		}
		return ref
	}
	for _, s := range sections[:3] {
		if s.swagger == section {
			key := c.names[section+"/"+name]
			if key == "" { // dangling
				key = name
			}
			return "#/components/" + s.openapi + "/" + strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
		}
	}
	return ref
}

// resolve follows references inside of a section. What leads elsewhere is returned as it is.
func (c *converter) resolve(section string, o *ordered.Object) (*ordered.Object, error) {
	members := c.root.Object(section)
	for range len(members.Names()) + 1 {
		s, name, ok := reference(o.Text("$ref"))
		next, found := members.Get(name).(*ordered.Object)
		if !ok || s != section || !found {
			return o, nil
		}
		o = next
	}
	return nil, fmt.Errorf("the reference %.100s leads to itself", o.Text("$ref"))
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch"}

func (c *converter) pathItem(_ string, item *ordered.Object) (any, error) {
	out := ordered.New()
	shared, err := c.parameters(item)
	if err != nil {
		return nil, err
	}
	for _, name := range item.Names() {
		switch {
		case slices.Contains(methods, name):
			op, ok := item.Get(name).(*ordered.Object)
			if !ok {
				return nil, fmt.Errorf("%s is not an object", name)
			}
			converted, err := c.operation(op, shared)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out.Set(name, converted)
		case name == "parameters":
			if list := c.plain(shared); len(list) > 0 {
				out.Set(name, list)
			}
		default:
			out.Set(name, item.Get(name))
		}
	}
	return out, nil
}

// A param is a parameter as it stands there, and what it refers to.
type param struct{ written, resolved *ordered.Object }

func (p param) isBody() bool { return p.resolved.Text("in") == "body" }
func (p param) isForm() bool { return p.resolved.Text("in") == "formData" }

// parameters reads those of a path item or an operation.
func (c *converter) parameters(of *ordered.Object) (list []param, err error) {
	if _, ok := of.Get("parameters").([]any); of.Has("parameters") && !ok {
		return nil, fmt.Errorf("parameters is not a list")
	}
	for i, v := range of.List("parameters") {
		p, ok := v.(*ordered.Object)
		if !ok {
			return nil, fmt.Errorf("parameters, %d is not an object", i)
		}
		resolved, err := c.resolve("parameters", p)
		if err != nil {
			return nil, err
		}
		list = append(list, param{p, resolved})
	}
	return list, nil
}

// plain converts the parameters that are neither body nor form.
func (c *converter) plain(params []param) (list []any) {
	for _, p := range params {
		if !p.isBody() && !p.isForm() {
			list = append(list, c.parameter(p.written))
		}
	}
	return list
}

// operation converts an operation of a path item with the parameters shared.
func (c *converter) operation(op *ordered.Object, shared []param) (*ordered.Object, error) {
	own, err := c.parameters(op)
	if err != nil {
		return nil, err
	}
	body, err := c.requestBody(op, bodyParams(own, shared))
	if err != nil {
		return nil, err
	}
	out := ordered.New()
	for _, name := range op.Names() {
		switch name {
		case "consumes", "produces":
		case "schemes":
			if servers := c.servers(texts(op.List(name))); c.root.Text("host") != "" && len(servers) > 0 {
				out.Set("servers", servers)
			}
		case "parameters":
			if list := c.plain(own); len(list) > 0 {
				out.Set(name, list)
			}
			if body != nil {
				out.Set("requestBody", body)
			}
		case "responses":
			responses, err := each(op, name, func(_ string, r *ordered.Object) (any, error) { return c.answer(op, r) })
			if err != nil {
				return nil, err
			}
			out.Set(name, responses)
		default:
			out.Set(name, op.Get(name))
		}
	}
	if body != nil {
		out.Set("requestBody", body)
	}
	return out, nil
}

// bodyParams are the body and form parameters of an operation, its own before those of the path.
func bodyParams(own, shared []param) (list []param) {
	for _, p := range slices.Concat(own, shared) {
		if !p.isBody() && !p.isForm() {
			continue
		}
		if !slices.ContainsFunc(list, func(o param) bool {
			return p.isBody() && o.isBody() || p.isForm() && o.isForm() && o.resolved.Text("name") == p.resolved.Text("name")
		}) {
			list = append(list, p)
		}
	}
	return list
}

func (c *converter) requestBody(op *ordered.Object, params []param) (*ordered.Object, error) {
	if len(params) == 0 {
		return nil, nil
	}
	consumes := texts(op.List("consumes"))
	if !op.Has("consumes") {
		consumes = c.consumes
	}
	if params[0].isForm() != params[len(params)-1].isForm() {
		return nil, fmt.Errorf("it has both a body and a form")
	}
	if params[0].isForm() {
		return c.form(params, consumes), nil
	}
	p := params[0].resolved
	body := ordered.New()
	if p.Text("name") != "" {
		body.Set("x-originalParamName", p.Get("name"))
	}
	for _, name := range p.Names() {
		if name == "description" || name == "required" || strings.HasPrefix(name, "x-") {
			body.Set(name, p.Get(name))
		}
	}
	media := ordered.New()
	if p.Has("schema") {
		media.Set("schema", c.body(p, func() any { return c.schema(p.Get("schema")) }))
	}
	return body.Set("content", content(consumes, media)), nil
}

// body is what make returns, made once for each parameter.
func (c *converter) body(p *ordered.Object, make func() any) any {
	if c.bodies[p] == nil {
		c.bodies[p] = &shape{make()}
	}
	return c.bodies[p].schema
}

// content gives every media type the same description.
func content(mimes []string, media *ordered.Object) *ordered.Object {
	if len(mimes) == 0 {
		mimes = []string{"application/json"}
	}
	out := ordered.New()
	for _, mime := range mimes {
		out.Set(mime, media)
	}
	return out
}

// form is the body of form parameters.
func (c *converter) form(params []param, consumes []string) *ordered.Object {
	properties, encoding, required, file := ordered.New(), ordered.New(), []any{}, false
	for _, q := range params {
		p := q.resolved
		name := p.Text("name")
		properties.Set(name, c.body(p, func() any {
			property := c.schemaOf(p)
			for _, member := range p.Names() {
				if member == "description" || strings.HasPrefix(member, "x-") && member != "x-nullable" {
					property.Set(member, p.Get(member))
				}
			}
			return property
		}))
		if p.Get("required") == true {
			required = append(required, name)
		}
		file = file || p.Text("type") == "file"
		if style := ordered.New(); c.style(p, style) {
			encoding.Set(name, style)
		}
	}
	schema := ordered.New("type", "object", "properties", properties)
	body := ordered.New()
	if len(required) > 0 {
		schema.Set("required", required)
		body.Set("required", true)
	}
	mimes := slices.DeleteFunc(slices.Clone(consumes), func(mime string) bool { return mime != formEncoded && mime != multipart })
	switch {
	case len(mimes) > 0:
	case file:
		mimes = []string{multipart}
	default:
		mimes = []string{formEncoded}
	}
	media := ordered.New("schema", schema)
	if len(encoding.Names()) > 0 {
		media.Set("encoding", encoding)
	}
	return body.Set("content", content(mimes, media))
}

// ofSchema are the members of a parameter, a header or an item that say what its value is.
var ofSchema = map[string]bool{
	"type": true, "format": true, "items": true, "default": true, "maximum": true, "exclusiveMaximum": true, "minimum": true,
	"exclusiveMinimum": true, "maxLength": true, "minLength": true, "pattern": true, "maxItems": true, "minItems": true,
	"uniqueItems": true, "enum": true, "multipleOf": true, "x-nullable": true,
}

// schemaOf is the schema of a parameter, a header or an item.
func (c *converter) schemaOf(p *ordered.Object) *ordered.Object {
	schema := ordered.New()
	for _, name := range p.Names() {
		if ofSchema[name] {
			schema.Set(name, p.Get(name))
		}
	}
	return c.schema(schema).(*ordered.Object)
}

// parameter converts one that is neither body nor form.
func (c *converter) parameter(p *ordered.Object) *ordered.Object {
	if p.Has("$ref") {
		return ordered.New("$ref", c.ref(p.Text("$ref")))
	}
	out := c.described(p)
	if p.Text("in") == "path" {
		out.Set("required", true)
	}
	return out
}

// described converts a parameter or a header: what its value is goes into a schema.
func (c *converter) described(p *ordered.Object) *ordered.Object {
	out := ordered.New()
	for _, name := range p.Names() {
		if !ofSchema[name] && name != "collectionFormat" {
			out.Set(name, p.Get(name))
		}
	}
	c.style(p, out)
	return out.Set("schema", c.schemaOf(p))
}

// style says how the items of an array are separated. It reports whether there was anything to say.
func (c *converter) style(p, out *ordered.Object) bool {
	format := p.Text("collectionFormat")
	if p.Text("type") != "array" {
		return false
	}
	if format == "" {
		format = "csv"
	}
	in := p.Text("in")
	simple := in == "path" || in == "header" || in == ""
	switch {
	case simple && format == "csv": // the default there
		return false
	case simple || format == "tsv":
		out.Set("x-collectionFormat", format)
	case format == "csv":
		out.Set("style", "form").Set("explode", false)
	case format == "ssv":
		out.Set("style", "spaceDelimited").Set("explode", false)
	case format == "pipes":
		out.Set("style", "pipeDelimited").Set("explode", false)
	case format == "multi":
		out.Set("style", "form").Set("explode", true)
	}
	return true
}

// answer converts a response of an operation. A shared one is written out where the operation has media types of its own.
func (c *converter) answer(op, r *ordered.Object) (any, error) {
	if !op.Has("produces") {
		return c.response(r, c.produces)
	}
	resolved, err := c.resolve("responses", r)
	if err != nil {
		return nil, err
	}
	return c.response(resolved, texts(op.List("produces")))
}

func (c *converter) response(r *ordered.Object, produces []string) (any, error) {
	if r.Has("$ref") {
		if _, err := c.resolve("responses", r); err != nil {
			return nil, err
		}
		return ordered.New("$ref", c.ref(r.Text("$ref"))), nil
	}
	out := ordered.New("description", r.Text("description"))
	body := ordered.New()
	for _, name := range r.Names() {
		switch name {
		case "description":
		case "schema":
			media := ordered.New("schema", c.schema(r.Get(name)))
			body = content(produces, media)
			out.Set("content", body)
		case "headers":
			headers, err := each(r, name, func(_ string, h *ordered.Object) (any, error) { return c.described(h), nil })
			if err != nil {
				return nil, err
			}
			out.Set(name, headers)
		case "examples":
		default:
			out.Set(name, r.Get(name))
		}
	}
	for _, mime := range r.Object("examples").Names() {
		media := ordered.New()
		for _, name := range body.Object(mime).Names() {
			media.Set(name, body.Object(mime).Get(name))
		}
		body.Set(mime, media.Set("example", r.Object("examples").Get(mime)))
		out.Set("content", body)
	}
	return out, nil
}

// schema converts a schema. What is data in it stays as it is.
func (c *converter) schema(v any) any {
	s, ok := v.(*ordered.Object)
	if !ok {
		return v
	}
	if ref, ok := s.Get("$ref").(string); ok {
		return ordered.New("$ref", c.ref(ref))
	}
	out := ordered.New()
	for _, name := range s.Names() {
		v := s.Get(name)
		switch name {
		case "items", "additionalProperties", "not":
			v = c.schema(v)
		case "allOf", "anyOf", "oneOf":
			list := slices.Clone(s.List(name))
			for i := range list {
				list[i] = c.schema(list[i])
			}
			v = list
		case "properties":
			members := s.Object(name)
			properties := ordered.New()
			for _, key := range members.Names() {
				properties.Set(key, c.schema(members.Get(key)))
			}
			v = properties
		case "discriminator":
			if text, ok := v.(string); ok {
				v = ordered.New("propertyName", text)
			}
		case "x-nullable":
			name = "nullable"
		case "collectionFormat":
			name = "x-collectionFormat"
		}
		out.Set(name, v)
	}
	if s.Text("type") == "file" {
		out.Set("type", "string").Set("format", "binary")
	}
	return out
}

// flows are the names that OAuth flows have in OpenAPI.
var flows = map[string]string{"implicit": "implicit", "password": "password", "application": "clientCredentials", "accessCode": "authorizationCode"}

func securityScheme(s *ordered.Object) *ordered.Object {
	out := ordered.New()
	flow := ordered.New()
	for _, name := range s.Names() {
		switch v := s.Get(name); {
		case name == "type" && v == "basic":
			out.Set("type", "http").Set("scheme", "basic")
		case s.Text("type") == "oauth2" && name == "flow":
		case s.Text("type") == "oauth2" && (name == "authorizationUrl" || name == "tokenUrl" || name == "scopes"):
			flow.Set(name, v)
		default:
			out.Set(name, v)
		}
	}
	if s.Text("type") == "oauth2" {
		if !flow.Has("scopes") {
			flow.Set("scopes", ordered.New())
		}
		name := flows[s.Text("flow")]
		if name == "" {
			name = "implicit"
		}
		out.Set("flows", ordered.New(name, flow))
	}
	return out
}
