package wsswag

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	formEncoded = "application/x-www-form-urlencoded"
	multipart   = "multipart/form-data"
)

// A converter turns one document over. The tree shares what does not change with the source.
type converter struct {
	root     *object
	consumes []string
	produces []string
	names    map[string]string  // of sections, each followed by a slash and the Swagger name, to names that OpenAPI allows
	bodies   map[*object]*shape // of body and form parameters, which operations may share
}

// A shape is the converted schema of a body or form parameter.
type shape struct{ schema any }

// sections are where Swagger keeps what may be referred to, with their place in the components.
var sections = []struct{ swagger, openapi string }{
	{"definitions", "schemas"}, {"parameters", "parameters"}, {"responses", "responses"}, {"securityDefinitions", "securitySchemes"},
}

var notInKey = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

func newConverter(root *object) *converter {
	c := &converter{root: root, names: map[string]string{}, bodies: map[*object]*shape{}}
	c.consumes, c.produces = texts(root.list("consumes")), texts(root.list("produces"))
	for _, s := range sections[:3] {
		taken := map[string]bool{}
		names := root.object(s.swagger).names
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
func (c *converter) document() (*object, error) {
	doc := newObject("openapi", "3.0.3")
	components := newObject()
	for _, name := range c.root.names {
		v := c.root.get(name)
		switch name {
		case "swagger", "consumes", "produces":
		case "host", "basePath", "schemes":
			if servers := c.servers(texts(c.root.list("schemes"))); len(servers) > 0 {
				doc.set("servers", servers)
			}
		case "paths":
			paths, err := each(c.root, name, c.pathItem)
			if err != nil {
				return nil, err
			}
			doc.set(name, paths)
		case "definitions", "parameters", "responses", "securityDefinitions":
			if err := c.section(components, name); err != nil {
				return nil, err
			}
			if len(components.names) > 0 {
				doc.set("components", components)
			}
		default: // info, tags, security, externalDocs, extensions
			doc.set(name, v)
		}
	}
	return doc, nil
}

// each converts the members of an object, which must be objects. Extensions stay as they are.
func each(parent *object, name string, convert func(name string, o *object) (any, error)) (*object, error) {
	members, ok := parent.get(name).(*object)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", name)
	}
	out := newObject()
	for _, key := range members.names {
		if strings.HasPrefix(key, "x-") && name != "definitions" {
			out.set(key, members.get(key))
			continue
		}
		member, ok := members.get(key).(*object)
		if !ok {
			return nil, fmt.Errorf("%s, %.100s is not an object", name, key)
		}
		converted, err := convert(key, member)
		if err != nil {
			return nil, fmt.Errorf("%.100s: %w", key, err)
		}
		if converted != nil {
			out.set(key, converted)
		}
	}
	return out, nil
}

// servers are the URLs of host and basePath under schemes. Without a scheme it is that of the page.
func (c *converter) servers(schemes []string) (list []any) {
	host, base := c.root.text("host"), c.root.text("basePath")
	if host == "" {
		if base == "" || base == "/" {
			return nil
		}
		return []any{newObject("url", base)}
	}
	if base == "/" {
		base = ""
	}
	if len(schemes) == 0 {
		return []any{newObject("url", "//"+host+base)}
	}
	for _, s := range schemes {
		list = append(list, newObject("url", s+"://"+host+base))
	}
	return list
}

// section converts what may be referred to.
func (c *converter) section(components *object, name string) error {
	convert := map[string]func(string, *object) (any, error){
		"definitions":         func(_ string, o *object) (any, error) { return c.schema(o), nil },
		"parameters":          c.sharedParameter,
		"responses":           func(_ string, o *object) (any, error) { return c.response(o, c.produces) },
		"securityDefinitions": func(_ string, o *object) (any, error) { return securityScheme(o), nil },
	}[name]
	members, err := each(c.root, name, convert)
	if err != nil {
		return err
	}
	for _, s := range sections {
		if s.swagger != name || len(members.names) == 0 {
			continue
		}
		renamed := newObject()
		for _, key := range members.names {
			to := key
			if other, ok := c.names[name+"/"+key]; ok {
				to = other
			}
			renamed.set(to, members.get(key))
		}
		components.set(s.openapi, renamed)
	}
	return nil
}

// sharedParameter leaves out bodies and forms, which are written into the operations.
func (c *converter) sharedParameter(_ string, p *object) (any, error) {
	resolved, err := c.resolve("parameters", p)
	if err != nil {
		return nil, err
	}
	if in := resolved.text("in"); in == "body" || in == "formData" {
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
func (c *converter) resolve(section string, o *object) (*object, error) {
	members := c.root.object(section)
	for range len(members.names) + 1 {
		s, name, ok := reference(o.text("$ref"))
		next, found := members.get(name).(*object)
		if !ok || s != section || !found {
			return o, nil
		}
		o = next
	}
	return nil, fmt.Errorf("the reference %.100s leads to itself", o.text("$ref"))
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch"}

func (c *converter) pathItem(_ string, item *object) (any, error) {
	out := newObject()
	shared, err := c.parameters(item)
	if err != nil {
		return nil, err
	}
	for _, name := range item.names {
		switch {
		case slices.Contains(methods, name):
			op, ok := item.get(name).(*object)
			if !ok {
				return nil, fmt.Errorf("%s is not an object", name)
			}
			converted, err := c.operation(op, shared)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out.set(name, converted)
		case name == "parameters":
			if list := c.plain(shared); len(list) > 0 {
				out.set(name, list)
			}
		default:
			out.set(name, item.get(name))
		}
	}
	return out, nil
}

// A param is a parameter as it stands there, and what it refers to.
type param struct{ written, resolved *object }

func (p param) isBody() bool { return p.resolved.text("in") == "body" }
func (p param) isForm() bool { return p.resolved.text("in") == "formData" }

// parameters reads those of a path item or an operation.
func (c *converter) parameters(of *object) (list []param, err error) {
	if _, ok := of.get("parameters").([]any); of.has("parameters") && !ok {
		return nil, fmt.Errorf("parameters is not a list")
	}
	for i, v := range of.list("parameters") {
		p, ok := v.(*object)
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
func (c *converter) operation(op *object, shared []param) (*object, error) {
	own, err := c.parameters(op)
	if err != nil {
		return nil, err
	}
	body, err := c.requestBody(op, bodyParams(own, shared))
	if err != nil {
		return nil, err
	}
	out := newObject()
	for _, name := range op.names {
		switch name {
		case "consumes", "produces":
		case "schemes":
			if servers := c.servers(texts(op.list(name))); c.root.text("host") != "" && len(servers) > 0 {
				out.set("servers", servers)
			}
		case "parameters":
			if list := c.plain(own); len(list) > 0 {
				out.set(name, list)
			}
			if body != nil {
				out.set("requestBody", body)
			}
		case "responses":
			responses, err := each(op, name, func(_ string, r *object) (any, error) { return c.answer(op, r) })
			if err != nil {
				return nil, err
			}
			out.set(name, responses)
		default:
			out.set(name, op.get(name))
		}
	}
	if body != nil {
		out.set("requestBody", body)
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
			return p.isBody() && o.isBody() || p.isForm() && o.isForm() && o.resolved.text("name") == p.resolved.text("name")
		}) {
			list = append(list, p)
		}
	}
	return list
}

func (c *converter) requestBody(op *object, params []param) (*object, error) {
	if len(params) == 0 {
		return nil, nil
	}
	consumes := texts(op.list("consumes"))
	if !op.has("consumes") {
		consumes = c.consumes
	}
	if params[0].isForm() != params[len(params)-1].isForm() {
		return nil, fmt.Errorf("it has both a body and a form")
	}
	if params[0].isForm() {
		return c.form(params, consumes), nil
	}
	p := params[0].resolved
	body := newObject()
	if p.text("name") != "" {
		body.set("x-originalParamName", p.get("name"))
	}
	for _, name := range p.names {
		if name == "description" || name == "required" || strings.HasPrefix(name, "x-") {
			body.set(name, p.get(name))
		}
	}
	media := newObject()
	if p.has("schema") {
		media.set("schema", c.body(p, func() any { return c.schema(p.get("schema")) }))
	}
	return body.set("content", content(consumes, media)), nil
}

// body is what make returns, made once for each parameter.
func (c *converter) body(p *object, make func() any) any {
	if c.bodies[p] == nil {
		c.bodies[p] = &shape{make()}
	}
	return c.bodies[p].schema
}

// content gives every media type the same description.
func content(mimes []string, media *object) *object {
	if len(mimes) == 0 {
		mimes = []string{"application/json"}
	}
	out := newObject()
	for _, mime := range mimes {
		out.set(mime, media)
	}
	return out
}

// form is the body of form parameters.
func (c *converter) form(params []param, consumes []string) *object {
	properties, encoding, required, file := newObject(), newObject(), []any{}, false
	for _, q := range params {
		p := q.resolved
		name := p.text("name")
		properties.set(name, c.body(p, func() any {
			property := c.schemaOf(p)
			for _, member := range p.names {
				if member == "description" || strings.HasPrefix(member, "x-") && member != "x-nullable" {
					property.set(member, p.get(member))
				}
			}
			return property
		}))
		if p.get("required") == true {
			required = append(required, name)
		}
		file = file || p.text("type") == "file"
		if style := newObject(); c.style(p, style) {
			encoding.set(name, style)
		}
	}
	schema := newObject("type", "object", "properties", properties)
	body := newObject()
	if len(required) > 0 {
		schema.set("required", required)
		body.set("required", true)
	}
	mimes := slices.DeleteFunc(slices.Clone(consumes), func(mime string) bool { return mime != formEncoded && mime != multipart })
	switch {
	case len(mimes) > 0:
	case file:
		mimes = []string{multipart}
	default:
		mimes = []string{formEncoded}
	}
	media := newObject("schema", schema)
	if len(encoding.names) > 0 {
		media.set("encoding", encoding)
	}
	return body.set("content", content(mimes, media))
}

// ofSchema are the members of a parameter, a header or an item that say what its value is.
var ofSchema = map[string]bool{
	"type": true, "format": true, "items": true, "default": true, "maximum": true, "exclusiveMaximum": true, "minimum": true,
	"exclusiveMinimum": true, "maxLength": true, "minLength": true, "pattern": true, "maxItems": true, "minItems": true,
	"uniqueItems": true, "enum": true, "multipleOf": true, "x-nullable": true,
}

// schemaOf is the schema of a parameter, a header or an item.
func (c *converter) schemaOf(p *object) *object {
	schema := newObject()
	for _, name := range p.names {
		if ofSchema[name] {
			schema.set(name, p.get(name))
		}
	}
	return c.schema(schema).(*object)
}

// parameter converts one that is neither body nor form.
func (c *converter) parameter(p *object) *object {
	if p.has("$ref") {
		return newObject("$ref", c.ref(p.text("$ref")))
	}
	out := c.described(p)
	if p.text("in") == "path" {
		out.set("required", true)
	}
	return out
}

// described converts a parameter or a header: what its value is goes into a schema.
func (c *converter) described(p *object) *object {
	out := newObject()
	for _, name := range p.names {
		if !ofSchema[name] && name != "collectionFormat" {
			out.set(name, p.get(name))
		}
	}
	c.style(p, out)
	return out.set("schema", c.schemaOf(p))
}

// style says how the items of an array are separated. It reports whether there was anything to say.
func (c *converter) style(p, out *object) bool {
	format := p.text("collectionFormat")
	if p.text("type") != "array" {
		return false
	}
	if format == "" {
		format = "csv"
	}
	in := p.text("in")
	simple := in == "path" || in == "header" || in == ""
	switch {
	case simple && format == "csv": // the default there
		return false
	case simple || format == "tsv":
		out.set("x-collectionFormat", format)
	case format == "csv":
		out.set("style", "form").set("explode", false)
	case format == "ssv":
		out.set("style", "spaceDelimited").set("explode", false)
	case format == "pipes":
		out.set("style", "pipeDelimited").set("explode", false)
	case format == "multi":
		out.set("style", "form").set("explode", true)
	}
	return true
}

// answer converts a response of an operation. A shared one is written out where the operation has media types of its own.
func (c *converter) answer(op, r *object) (any, error) {
	if !op.has("produces") {
		return c.response(r, c.produces)
	}
	resolved, err := c.resolve("responses", r)
	if err != nil {
		return nil, err
	}
	return c.response(resolved, texts(op.list("produces")))
}

func (c *converter) response(r *object, produces []string) (any, error) {
	if r.has("$ref") {
		if _, err := c.resolve("responses", r); err != nil {
			return nil, err
		}
		return newObject("$ref", c.ref(r.text("$ref"))), nil
	}
	out := newObject("description", r.text("description"))
	body := newObject()
	for _, name := range r.names {
		switch name {
		case "description":
		case "schema":
			media := newObject("schema", c.schema(r.get(name)))
			body = content(produces, media)
			out.set("content", body)
		case "headers":
			headers, err := each(r, name, func(_ string, h *object) (any, error) { return c.described(h), nil })
			if err != nil {
				return nil, err
			}
			out.set(name, headers)
		case "examples":
		default:
			out.set(name, r.get(name))
		}
	}
	for _, mime := range r.object("examples").names {
		media := newObject()
		for _, name := range body.object(mime).names {
			media.set(name, body.object(mime).get(name))
		}
		body.set(mime, media.set("example", r.object("examples").get(mime)))
		out.set("content", body)
	}
	return out, nil
}

// schema converts a schema. What is data in it stays as it is.
func (c *converter) schema(v any) any {
	s, ok := v.(*object)
	if !ok {
		return v
	}
	if ref, ok := s.get("$ref").(string); ok {
		return newObject("$ref", c.ref(ref))
	}
	out := newObject()
	for _, name := range s.names {
		v := s.get(name)
		switch name {
		case "items", "additionalProperties", "not":
			v = c.schema(v)
		case "allOf", "anyOf", "oneOf":
			list := slices.Clone(s.list(name))
			for i := range list {
				list[i] = c.schema(list[i])
			}
			v = list
		case "properties":
			members := s.object(name)
			properties := newObject()
			for _, key := range members.names {
				properties.set(key, c.schema(members.get(key)))
			}
			v = properties
		case "discriminator":
			if text, ok := v.(string); ok {
				v = newObject("propertyName", text)
			}
		case "x-nullable":
			name = "nullable"
		case "collectionFormat":
			name = "x-collectionFormat"
		}
		out.set(name, v)
	}
	if s.text("type") == "file" {
		out.set("type", "string").set("format", "binary")
	}
	return out
}

// flows are the names that OAuth flows have in OpenAPI.
var flows = map[string]string{"implicit": "implicit", "password": "password", "application": "clientCredentials", "accessCode": "authorizationCode"}

func securityScheme(s *object) *object {
	out := newObject()
	flow := newObject()
	for _, name := range s.names {
		switch v := s.get(name); {
		case name == "type" && v == "basic":
			out.set("type", "http").set("scheme", "basic")
		case s.text("type") == "oauth2" && name == "flow":
		case s.text("type") == "oauth2" && (name == "authorizationUrl" || name == "tokenUrl" || name == "scopes"):
			flow.set(name, v)
		default:
			out.set(name, v)
		}
	}
	if s.text("type") == "oauth2" {
		if !flow.has("scopes") {
			flow.set("scopes", newObject())
		}
		name := flows[s.text("flow")]
		if name == "" {
			name = "implicit"
		}
		out.set("flows", newObject(name, flow))
	}
	return out
}
