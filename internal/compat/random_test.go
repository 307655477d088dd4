package compat

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen/other"
	"github.com/wsrouter-go/wsrouter/schema"
)

var (
	routerCases = flag.Int("router.cases", 200, "random documents that other people's validators judge")
	routerKeep  = flag.String("router.keep", "", "directory for the random documents, for tools that are not in Go")
)

// The documents of random routers are good for everybody: AsyncAPI's JSON Schema, libopenapi-validator and kin-openapi take
// them, every example holds, both formats mean the same and both documents name the same schemas.
func TestRandomRouters(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(fmt.Sprint(*routerCases))
		defer func() { _ = f.Value.Set(f.DefValue) }()
	}
	var documents, endpoints, schemas, refused, examples int
	rapid.Check(t, func(t *rapid.T) {
		doc := apidoc.New(drawText(t, "title"), "1.0."+fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "version")))
		doc.Description = drawText(t, "about")
		doc.Mode = rapid.SampledFrom([]apidoc.Mode{apidoc.Pseudo, apidoc.Pseudo, apidoc.UpgradeOnly}).Draw(t, "mode")
		doc.Servers = rapid.SampledFrom([][]string{nil, nil, {"https://api.example.com/v1"}, {"/v2", "ws://localhost:8080"}}).Draw(t, "servers")
		if rapid.Bool().Draw(t, "served") {
			doc.Serve(http.NewServeMux(), rapid.SampledFrom([]string{"/docs", "/api/docs", "/docs/"}).Draw(t, "place"))
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "endpoints") {
			path, e, ok := drawEndpoint(t, i)
			if !ok {
				refused++
				continue
			}
			endpoints++
			doc.Add(path, e)
		}
		open, async := doc.OpenAPI(), doc.AsyncAPI()
		if *routerKeep != "" {
			keep(t, fmt.Sprintf("%03d.openapi.json", documents), open)
			keep(t, fmt.Sprintf("%03d.asyncapi.json", documents), async)
		}
		documents++
		judge := func(what string, err error, data []byte) {
			if err != nil {
				t.Fatalf("%s: %v\n%s", what, err, data)
			}
		}
		judge("AsyncAPI's JSON Schema", byAsyncAPI(async), async)
		judge("libopenapi-validator", byLibopenapi(open), open)
		judge("kin-openapi", byKinOpenAPI(open), open)
		judge("YAML", errors.Join(sameInYAML(open, doc.OpenAPIYAML()), sameInYAML(async, doc.AsyncAPIYAML())), async)
		for draft, data := range map[*jsonschema.Draft][]byte{jsonschema.Draft2020: open, jsonschema.Draft7: async} {
			n, err := examplesHold(data, draft)
			judge(fmt.Sprint("examples by ", draft), err, data)
			examples += n
		}
		n, err := sameSchemas(open, async)
		judge("schemas", err, async)
		schemas += n
	})
	t.Logf("%d documents, %d endpoints, %d schemas, %d examples; %d declarations refused", documents, endpoints, schemas, examples, refused)
	if documents > 50 && (endpoints < documents || refused > endpoints || schemas < 3*documents || examples < 5*documents) {
		t.Error("the generator has lost its aim")
	}
}

func keep(t *rapid.T, name string, data []byte) {
	if err := os.WriteFile(filepath.Join(*routerKeep, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// drawText is prose with what documents and tools trip over.
func drawText(t *rapid.T, what string) string {
	return rapid.SampledFrom([]string{"Chat", "A *text*.", "two\n\nparagraphs: yes", "<b>&\"'</b>", "é 日本 😀", "off", "# no comment", "${x} {{y}} {z}"}).Draw(t, what)
}

func drawSome[T any](t *rapid.T, what string, from ...T) []T {
	return slices.DeleteFunc(slices.Clone(from), func(T) bool { return !rapid.Bool().Draw(t, what) })
}

// drawEndpoint returns a router, or nothing but the description of one, whose types reflect has made. ok is false if the
// declarations contradict each other, which registration is there to find.
func drawEndpoint(t *rapid.T, i int) (path string, e apidoc.Endpoint, ok bool) {
	path = fmt.Sprint("/", rapid.SampledFrom([]string{"ws", "a b", "ws.v1", "é", "x-y"}).Draw(t, "path"), i)
	switch rapid.IntRange(0, 2).Draw(t, "endpoint") {
	case 0:
		e, ok = drawDescription(t, &path)
	case 1:
		e, ok = drawRouter[struct{}](t)
		path += rapid.SampledFrom([]string{"", "/", "/{id}", "/{a}/b/{rest...}", "/{$}"}).Draw(t, "rest of the path")
	default:
		e, ok = drawRouter[kitchen.Session](t)
		path += "/{room}/{shelf}"
	}
	return path, e, ok
}

// A handler registers itself.
type handler[S any] func(r *wsrouter.Router[S], opts ...wsrouter.HandlerOption)

func receives[S, M any](opts ...wsrouter.HandlerOption) handler[S] {
	return func(r *wsrouter.Router[S], more ...wsrouter.HandlerOption) {
		wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[S], M) error { return nil }, append(opts, more...)...)
	}
}

func responds[S, Q, A any]() handler[S] {
	return func(r *wsrouter.Router[S], more ...wsrouter.HandlerOption) {
		wsrouter.Respond(r, func(context.Context, *wsrouter.Conn[S], Q) (a A, err error) { return a, nil }, more...)
	}
}

// drawRouter makes a router of real handlers, which sends types that reflect has made besides.
func drawRouter[S any](t *rapid.T) (e apidoc.Endpoint, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			if text := fmt.Sprint(p); !strings.HasPrefix(text, "wsrouter: ") {
				panic(p)
			}
			e, ok = nil, false
		}
	}()
	o := &wsrouter.Options{
		Name:                 rapid.SampledFrom([]string{"", "", "chat", "chat", "My Rooms", "日本"}).Draw(t, "name"),
		Description:          drawText(t, "about"),
		Tags:                 drawSome(t, "tag", "a", "b: c", "on"),
		Deprecated:           rapid.IntRange(0, 5).Draw(t, "deprecated") == 0,
		Hidden:               rapid.IntRange(0, 9).Draw(t, "hidden") == 0,
		Discriminator:        rapid.SampledFrom([]string{"", "", "event", "a/b~c", "$type"}).Draw(t, "discriminator"),
		Payload:              rapid.SampledFrom([]string{"", "", "data"}).Draw(t, "payload"),
		IDMember:             rapid.SampledFrom([]string{"", "", "ref", "-", "x/y"}).Draw(t, "id"),
		ErrorName:            rapid.SampledFrom([]string{"", "failed"}).Draw(t, "error"),
		Binary:               rapid.Bool().Draw(t, "binary"),
		RejectUnknownMembers: rapid.Bool().Draw(t, "reject"),
		Subprotocols:         drawSome(t, "subprotocol", "v2", "v1"),
		Names:                map[string]any{},
	}
	if rapid.IntRange(0, 2).Draw(t, "resume") == 0 {
		o.Resume = &wsrouter.Resume{
			Param:  rapid.SampledFrom([]string{"", "since", "x[y]"}).Draw(t, "resume parameter"),
			Member: rapid.SampledFrom([]string{"", "at", "x~/y"}).Draw(t, "position"),
		}
		if rapid.Bool().Draw(t, "renamed") {
			o.Names["entered"], o.Names["missed"] = wsrouter.Joined{}, wsrouter.Resync{}
		}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "sent types") {
		o.Names[fmt.Sprint("sent", i)] = reflect.Zero(drawType(t)).Interface()
	}
	r := wsrouter.New[S](o)
	if rapid.IntRange(0, 3).Draw(t, "presence") == 0 {
		wsrouter.Presence(r, func(*wsrouter.Conn[S], string) (p kitchen.Place) { return p })
	}
	r.Sends(drawSome[any](t, "sent", kitchen.Note{}, kitchen.Cursor{}, kitchen.Tick{}, "", []byte(nil))...)
	for _, v := range o.Names {
		r.Sends(v)
	}
	for i, register := range drawSome(t, "handler",
		receives[S, kitchen.Strings](wsrouter.Sends(kitchen.Strings{})),
		receives[S, kitchen.Formats](),
		receives[S, kitchen.Numbers](wsrouter.Sends(kitchen.Numbers{}, kitchen.Note{})),
		receives[S, kitchen.Shapes](wsrouter.Sends(kitchen.Empty{})),
		receives[S, kitchen.Note](wsrouter.Sends(kitchen.Order{})),
		receives[S, kitchen.Order](),
		receives[S, kitchen.Ping](),
		receives[S, kitchen.Empty](wsrouter.Sends("")),
		receives[S, kitchen.Checked](),
		responds[S, kitchen.Ask, kitchen.Answer](),
		receives[S, kitchen.Foreign](wsrouter.As("foreign")),
		receives[S, kitchen.Page[kitchen.Place]](wsrouter.As("page"), wsrouter.Sends(kitchen.Answer{})),
		receives[S, other.Note](wsrouter.As("other note")),
	) {
		register(r, drawHandlerOptions(t, i)...)
	}
	r.Describe()
	return r, true
}

func drawHandlerOptions(t *rapid.T, i int) (opts []wsrouter.HandlerOption) {
	switch rapid.IntRange(0, 9).Draw(t, "handler option") {
	case 0:
		opts = append(opts, wsrouter.Path(""))
	case 1:
		opts = append(opts, wsrouter.Path(fmt.Sprint(": WS ", i)))
	case 2:
		opts = append(opts, wsrouter.Hidden())
	case 3:
		opts = append(opts, wsrouter.Deprecated(), wsrouter.Tags("b: c", "own"))
	case 4:
		opts = append(opts, wsrouter.Summary(drawText(t, "summary")), wsrouter.Description(drawText(t, "description")))
	}
	return opts
}

// A described endpoint is nothing but a description.
type described struct{ spec wsrouter.Spec }

func (d described) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
func (d described) Params() []wsrouter.Param                         { return d.spec.Params }
func (d described) Describe() wsrouter.Spec                          { return d.spec }

// drawDescription makes a description all of whose types reflect has made, those that are received too.
func drawDescription(t *rapid.T, path *string) (apidoc.Endpoint, bool) {
	s := wsrouter.Spec{
		Name:          rapid.SampledFrom([]string{"", "chat", "a/b"}).Draw(t, "name"),
		Description:   drawText(t, "about"),
		Tags:          drawSome(t, "tag", "a", "a", "é"),
		Discriminator: rapid.SampledFrom([]string{"", "type", "event"}).Draw(t, "discriminator"),
		ID:            rapid.SampledFrom([]string{"", "id"}).Draw(t, "id"),
		Limits:        map[string]int64{"maxMessage": rapid.Int64Range(-1, 1<<20).Draw(t, "limit")},
		Subprotocols:  drawSome(t, "subprotocol", "v2", "v1"),
		Resolves:      rapid.Bool().Draw(t, "resolves"),
	}
	if s.Discriminator != "" {
		s.Payload = rapid.SampledFrom([]string{"", "data"}).Draw(t, "payload")
	}
	n := 0
	message := func(id bool) wsrouter.Message {
		n++
		return drawMessage(t, &s, fmt.Sprint("m", n), id)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "receives") {
		op := wsrouter.Operation{Handler: fmt.Sprint("on", i), Message: message(true), Responds: s.ID != "" && rapid.Bool().Draw(t, "responds")}
		for range rapid.IntRange(0, 2).Draw(t, "replies") {
			op.Sends = append(op.Sends, message(op.Responds))
		}
		op.Responds = op.Responds && len(op.Sends) > 0
		op.Hidden = rapid.IntRange(0, 7).Draw(t, "hidden") == 0
		s.Receives = append(s.Receives, op)
	}
	for range rapid.IntRange(0, 3).Draw(t, "sends") {
		s.Sends = append(s.Sends, message(false))
	}
	if rapid.Bool().Draw(t, "answers errors") {
		s.Error = message(false)
		s.Error.GoType = "github.com/wsrouter-go/wsrouter.Error"
	}
	s.Params = drawParams(t, path)
	return described{s}, true
}

// drawMessage compiles types until one is consistent.
func drawMessage(t *rapid.T, s *wsrouter.Spec, name string, id bool) wsrouter.Message {
	o := &schema.Options{Envelope: &schema.Envelope{Discriminator: s.Discriminator, Payload: s.Payload, ID: s.ID, PrintID: id && s.ID != ""}}
	if s.Discriminator != "" {
		o.Envelope.Name = name
	}
	typ := drawType(t)
	plan, err := schema.Compile(typ, o)
	if err != nil {
		if !declarationFault(err) {
			t.Fatalf("%v does not compile: %v", typ, err)
		}
		typ = reflect.TypeFor[closed]()
		if plan, err = schema.Compile(typ, o); err != nil {
			t.Fatal(err)
		}
	}
	m := wsrouter.Message{Name: name, Names: plan.Names(), Description: drawText(t, "doc"), Schema: plan.Schema()}
	m.GoType = rapid.SampledFrom([]string{"", "example.com/a.T", "example.com/b.T", "example.com/b.Page[example.com/a.T]", "[]string"}).Draw(t, "go type")
	m.Deprecated = rapid.IntRange(0, 5).Draw(t, "deprecated") == 0
	m.Delivery = rapid.SampledFrom([]string{"", "", "drop", "latest=user"}).Draw(t, "delivery")
	return m
}

// drawParams adds those of the path to path.
func drawParams(t *rapid.T, path *string) []wsrouter.Param {
	var list []wsrouter.Param
	seen := map[string]bool{}
	for range rapid.IntRange(0, 5).Draw(t, "params") {
		p := wsrouter.Param{
			In:          rapid.SampledFrom([]string{"path", "query", "header", "cookie", "subprotocol"}).Draw(t, "in"),
			Name:        rapid.SampledFrom([]string{"token", "Authorization", "X-API-Key", "level", "sid", "n"}).Draw(t, "param"),
			Description: drawText(t, "doc"),
			Required:    rapid.Bool().Draw(t, "required"),
			Deprecated:  rapid.Bool().Draw(t, "deprecated"),
		}
		if p.In == "header" && strings.EqualFold(p.Name, "Authorization") && rapid.Bool().Draw(t, "basic") {
			p.Description = "Basic name and password."
		}
		if seen[p.In+p.Name] {
			continue
		}
		seen[p.In+p.Name] = true
		if p.In == "path" {
			*path += "/{" + p.Name + "}"
			p.Required = true
		}
		p.Schema = json.RawMessage(rapid.SampledFrom([]string{
			`{"type":"string"}`, `{"type":"string","minLength":1,"examples":["x"]}`, `{"type":"integer","minimum":1,"maximum":9,"default":3}`,
			`{"type":"string","enum":["low","high"],"default":"low"}`, `{"type":"integer","enum":[1,2]}`, `{"type":"boolean"}`, `{"type":"number","exclusiveMinimum":0}`,
			`{"$ref":"#/$defs/example.com~1a.Level","$defs":{"example.com/a.Level":{"type":"string","enum":["low","high"]}}}`,
		}).Draw(t, "schema"))
		list = append(list, p)
	}
	return list
}

// sameSchemas counts the schemas that both documents have, and fails if they differ.
func sameSchemas(open, async []byte) (int, error) {
	var a, b struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := errors.Join(json.Unmarshal(open, &a), json.Unmarshal(async, &b)); err != nil {
		return 0, err
	}
	delete(a.Components.Schemas, "Refusal") // of the HTTP answer
	if len(a.Components.Schemas) != len(b.Components.Schemas) {
		return 0, fmt.Errorf("%d schemas in OpenAPI, %d in AsyncAPI", len(a.Components.Schemas), len(b.Components.Schemas))
	}
	for name, schema := range a.Components.Schemas {
		if string(schema) != string(b.Components.Schemas[name]) {
			return 0, fmt.Errorf("%s differs:\n%s\n%s", name, schema, b.Components.Schemas[name])
		}
	}
	return len(a.Components.Schemas), nil
}
