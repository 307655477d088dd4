package wsswag_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/wsswag"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func convert(t testing.TB, swagger string) any {
	t.Helper()
	data, err := wsswag.Convert([]byte(swagger))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data)
}

func parse(t testing.TB, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// at walks into parsed JSON, by names and positions.
func at(v any, path ...string) any {
	for _, name := range path {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[name]
		case []any:
			if len(parent) <= int(name[0]-'0') {
				return nil
			}
			v = parent[name[0]-'0']
		default:
			return nil
		}
	}
	return v
}

func TestGin(t *testing.T) {
	fromJSON, err := wsswag.Convert(read(t, "testdata/gin/docs/swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := wsswag.Convert(read(t, "testdata/gin/docs/swagger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parse(t, fromJSON), parse(t, fromYAML)) {
		t.Error("YAML and JSON give different documents")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, fromJSON, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	golden.File(t, "testdata/gin/openapi.json", pretty.Bytes())
}

type session struct {
	ID int `path:"id" minimum:"1" doc:"Account ID"`
}

type Problem struct { // main.Problem is the base's
	_    struct{} `ws:"problem"`
	Text string   `json:"text" example:"no"`
}

// TestMerge gives the converted document to Merge: the operations of the base stay as they are, with ours beside them under a path of
// gin's parameters.
func TestMerge(t *testing.T) {
	base, err := wsswag.Convert(read(t, "testdata/gin/docs/swagger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	router := wsrouter.New[session](&wsrouter.Options{Name: "live"})
	wsrouter.Receive(router, func(ctx context.Context, c *wsrouter.Conn[session], m Problem) error { return nil })
	doc := apidoc.New("", "")
	doc.Add("/accounts/{id}/live", router)
	if err := doc.Merge(base); err != nil {
		t.Fatal(err)
	}
	merged, before := parse(t, doc.OpenAPI()).(map[string]any), parse(t, base).(map[string]any)
	if at(merged, "paths", "/accounts/{id}/live", "get", "x-websocket") == nil || at(merged, "paths", "/accounts/{id}/live/(problem)", "post") == nil {
		t.Error("the endpoint is missing")
	}
	for name, value := range before {
		if name != "paths" && name != "components" && name != "tags" && !reflect.DeepEqual(value, merged[name]) {
			t.Errorf("%s changed: %v", name, merged[name])
		}
	}
	for path, item := range before["paths"].(map[string]any) {
		if !reflect.DeepEqual(item, at(merged, "paths", path)) {
			t.Errorf("%s changed", path)
		}
	}
	for section, members := range before["components"].(map[string]any) {
		for name, value := range members.(map[string]any) {
			if !reflect.DeepEqual(value, at(merged, "components", section, name)) {
				t.Errorf("%s %s changed", section, name)
			}
		}
	}
}

// head is a document of one operation.
func head(operation, rest string) string {
	if !strings.Contains(operation, `"responses"`) {
		operation += `,"responses":{"200":{"description":"ok","schema":{"type":"object"}}}`
	}
	return `{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{"/a":{"post":{` + operation + `}}}` + rest + `}`
}

// TestMeaning holds what is easily lost.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		name, swagger string
		path          string // in the operation, or from the root with a slash in front
		want          any
	}{
		{"media types of the document", head(`"summary":"s"`, `,"produces":["application/xml"]`), "responses 200 content application/xml schema type", "object"},
		{"its own before those", head(`"produces":["text/csv"]`, `,"produces":["application/xml"]`), "responses 200 content text/csv schema type", "object"},
		{"arrays are separated by commas", head(`"parameters":[{"in":"query","name":"q","type":"array","items":{"type":"string"}}]`, ""), "parameters 0 explode", false},
		{"unless they are repeated", head(`"parameters":[{"in":"query","name":"q","type":"array","items":{"type":"string"},"collectionFormat":"multi"}]`, ""), "parameters 0 explode", true},
		{"a form", head(`"parameters":[{"in":"formData","name":"f","type":"string"}]`, `,"consumes":["application/json"]`), "requestBody content application/x-www-form-urlencoded schema properties f type", "string"},
		{"a form with a file", head(`"parameters":[{"$ref":"#/parameters/F"}]`, `,"parameters":{"F":{"in":"formData","name":"f","type":"file"}}`), "requestBody content multipart/form-data schema type", "object"},
		{"members of members", head(`"summary":"s"`, `,"definitions":{"A":{"type":"object","additionalProperties":{"type":"object","properties":{"b":{"$ref":"#/definitions/A"},"c":{"type":"string","x-nullable":true}}}}}`),
			"/components schemas A additionalProperties properties b $ref", "#/components/schemas/A"},
		{"nullable members of members", head(`"summary":"s"`, `,"definitions":{"A":{"type":"object","additionalProperties":{"type":"object","properties":{"c":{"type":"string","x-nullable":true}}}}}`),
			"/components schemas A additionalProperties properties c nullable", true},
		{"hosts without a scheme", head(`"summary":"s"`, `,"basePath":"/","host":"a.example"`), "/servers 0 url", "//a.example"},
		{"every scheme", head(`"summary":"s"`, `,"basePath":"/v1","host":"a.example","schemes":["http","wss"]`), "/servers 1 url", "wss://a.example/v1"},
		{"its own schemes", head(`"schemes":["https"]`, `,"host":"a.example","schemes":["http"]`), "servers 0 url", "https://a.example"},
		{"a shared parameter", head(`"parameters":[{"$ref":"#/parameters/P"}]`, `,"parameters":{"P":{"in":"header","name":"p","type":"array","items":{"type":"integer"},"collectionFormat":"tsv"}}`), "/components parameters P x-collectionFormat", "tsv"},
		{"and its reference", head(`"parameters":[{"$ref":"#/parameters/P"}]`, `,"parameters":{"P":{"in":"header","name":"p","type":"string"}}`), "parameters 0 $ref", "#/components/parameters/P"},
		{"a shared body", head(`"consumes":["text/xml"],"parameters":[{"$ref":"#/parameters/P"}]`, `,"parameters":{"P":{"in":"body","name":"p","schema":{"type":"string"}}}`), "requestBody content text/xml schema type", "string"},
		{"a shared answer with own media types", head(`"produces":["text/xml"],"responses":{"400":{"$ref":"#/responses/R"}}`, `,"responses":{"R":{"description":"r","schema":{"type":"string"}}}`), "responses 400 content text/xml schema type", "string"},
		{"a shared answer", head(`"summary":"s","responses":{"400":{"$ref":"#/responses/R"}}`, `,"responses":{"R":{"description":"r","schema":{"type":"string"}}}`), "responses 400 $ref", "#/components/responses/R"},
		{"a header", head(`"responses":{"200":{"description":"d","headers":{"x-next":{"type":"string"}}}}`, ""), "responses 200 headers x-next schema type", "string"},
		{"an example", head(`"responses":{"200":{"description":"d","examples":{"text/plain":"hi"}}}`, ""), "responses 200 content text/plain example", "hi"},
		{"a discriminator", head(`"summary":"s"`, `,"definitions":{"A":{"type":"object","discriminator":"kind","required":["kind"],"properties":{"kind":{"type":"string"}}}}`), "/components schemas A discriminator propertyName", "kind"},
		{"data stays", head(`"summary":"s"`, `,"definitions":{"A":{"type":"object","example":{"$ref":"#/definitions/A"}}}`), "/components schemas A example $ref", "#/definitions/A"},
		{"a flow", head(`"summary":"s"`, `,"securityDefinitions":{"o":{"type":"oauth2","flow":"accessCode","authorizationUrl":"https://a","tokenUrl":"https://t","x-a":1}}`), "/components securitySchemes o flows authorizationCode tokenUrl", "https://t"},
		{"forms of a path", `{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{"/a":{"parameters":[{"in":"formData","name":"f","type":"string","required":true},{"in":"query","name":"q","type":"string"}],"post":{"responses":{}}}}}`,
			"requestBody content application/x-www-form-urlencoded schema required 0", "f"},
		{"basePath without a host", head(`"summary":"s"`, `,"basePath":"/v1"`), "/servers 0 url", "/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := convert(t, c.swagger)
			from, path := at(doc, "paths", "/a", "post"), c.path
			if rest, ok := strings.CutPrefix(path, "/"); ok {
				from, path = doc, rest
			}
			if got := at(from, strings.Split(path, " ")...); got != c.want {
				text, _ := json.Marshal(from)
				t.Errorf("%s: %v, want %v, in %s", c.path, got, c.want, text)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 250) + "1" + strings.Repeat("}", 250)
	bomb := "swagger: \"2.0\"\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i, i, i)
	}
	for name, c := range map[string]struct{ swagger, want string }{
		"nothing":                 {"", "empty"},
		"no document":             {"---\n", "not an object"},
		"OpenAPI 3":               {`{"openapi":"3.0.3","info":{},"paths":{}}`, "give it to Merge"},
		"a number":                {`{"swagger":2.0}`, `string "2.0"`},
		"a list":                  {`- a`, "not an object"},
		"no JSON":                 {`{"swagger":"2.0",}`, "invalid character"},
		"two documents":           {`{"swagger":"2.0"}{}`, "more behind"},
		"a member twice":          {`{"swagger":"2.0","swagger":"2.0"}`, "duplicate"},
		"twice in YAML":           {"swagger: '2.0'\nswagger: '2.0'\n", "swagger"},
		"deep":                    {deep, "deeper than 200"},
		"deep YAML":               {strings.Repeat("[", 300) + strings.Repeat("]", 300), "depth"},
		"large":                   {`{"swagger":"2.0","x-a":"` + strings.Repeat("a", 50<<20) + `"}`, "more than"},
		"many":                    {`{"swagger":"2.0","x-a":[` + strings.Repeat("1,", 4<<20) + `1]}`, "more than"},
		"alias bomb":              {bomb, "more than"},
		"alias in itself":         {"swagger: '2.0'\na: &a [*a]\n", ""},
		"<< in itself":            {"swagger: '2.0'\na: &a\n  <<: *a\n", ""},
		"parameter cycle":         {head(`"parameters":[{"$ref":"#/parameters/A"}]`, `,"parameters":{"A":{"$ref":"#/parameters/B"},"B":{"$ref":"#/parameters/A"}}`), "leads to itself"},
		"response cycle":          {head(`"summary":"s"`, `,"responses":{"A":{"$ref":"#/responses/A"}}`), "leads to itself"},
		"null path":               {`{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{"/a":null}}`, ""},
		"a body and a form":       {head(`"parameters":[{"in":"body","name":"a","schema":{}},{"in":"formData","name":"b","type":"string"}]`, ""), "body"},
		"a bomb of shared bodies": {bodyBomb(), "more than"},
		"types":                   {`{"swagger":"2.0","paths":{"/a":[]}}`, ""},
		"not UTF-8":               {"{\"swagger\":\"2.0\",\"x-a\":\"\xff\"}", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			out, err := wsswag.Convert([]byte(c.swagger))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%v, %d KiB: %v", took, (after.TotalAlloc-before.TotalAlloc)>>10, err)
			if err == nil || out != nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 600 {
				t.Errorf("%.200s\nwant %s", fmt.Sprint(err), c.want)
			}
			if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 192 {
				t.Errorf("%d MiB allocated", grown)
			}
		})
	}
}

// bodyBomb is a document of a few megabytes that would be many gigabytes with its shared body written into each operation.
func bodyBomb() string {
	var b strings.Builder
	b.WriteString(`{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{`)
	for i := range 5000 {
		fmt.Fprintf(&b, `"/a%d":{"post":{"parameters":[{"$ref":"#/parameters/B"}],"responses":{}}},`, i)
	}
	fmt.Fprintf(&b, `"/":{}},"parameters":{"B":{"in":"body","name":"b","schema":{"description":%q}}}}`, strings.Repeat("a", 4<<20))
	return b.String()
}

// TestElsewhere keeps references that it does not follow.
func TestElsewhere(t *testing.T) {
	for ref, want := range map[string]string{
		"http://127.0.0.1:1/a.json":     "http://127.0.0.1:1/a.json",
		"../go.mod":                     "../go.mod",
		"#/definitions/None":            "#/components/schemas/None",
		"#/definitions/A/properties/b":  "#/components/schemas/A/properties/b",
		"#/definitions/Page%5BA%5D":     "#/components/schemas/Page_A_",
		"#/definitions/Page[A]":         "#/components/schemas/Page_A_",
		"#/definitions/a~1b":            "#/components/schemas/a_b_2",
		"#/definitions/main.T-array__a": "#/components/schemas/main.T-array__a",
	} {
		doc := convert(t, head(fmt.Sprintf(`"parameters":[{"in":"body","name":"b","schema":{"$ref":%q}}]`, ref),
			`,"definitions":{"Page[A]":{"type":"object"},"a/b":{"type":"object"},"a_b":{"type":"string"},"main.T-array__a":{},"A":{"$ref":"#/definitions/B"},"B":{"$ref":"#/definitions/A"}}`))
		if got := at(doc, "paths", "/a", "post", "requestBody", "content", "application/json", "schema", "$ref"); got != want {
			t.Errorf("%s: %v, want %s", ref, got, want)
		}
		if at(doc, "components", "schemas", "a_b_2", "type") != "object" || at(doc, "components", "schemas", "a_b", "type") != "string" {
			t.Error(at(doc, "components"))
		}
	}
}

// large is a document of n operations, each with a parameter, a body and two answers.
func large(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"/items%d/{id}":{"post":{"summary":"Change item %d","tags":["t%d"],"consumes":["application/json"],"produces":["application/json"],"parameters":[`+
			`{"type":"integer","name":"id","in":"path","required":true},{"name":"body","in":"body","required":true,"schema":{"$ref":"#/definitions/main.T%d"}}],`+
			`"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/main.T%d"}},"400":{"description":"Bad Request","schema":{"type":"string"}}}}}`, i, i, i%50, i%500, i%500)
	}
	b.WriteString(`},"definitions":{`)
	for i := range min(n, 500) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"main.T%d":{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"b":{"type":"array","items":{"$ref":"#/definitions/main.T%d"}}}}`, i, (i+1)%500%n)
	}
	b.WriteString("}}")
	return b.Bytes()
}

// BenchmarkConvert converts 5,000 operations: at most 300 ms are wanted.
func BenchmarkConvert(b *testing.B) {
	swagger := large(5000)
	b.SetBytes(int64(len(swagger)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wsswag.Convert(swagger); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMerge merges them as well.
func BenchmarkMerge(b *testing.B) {
	swagger := large(5000)
	router := wsrouter.New[struct{}](nil)
	wsrouter.Receive(router, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Problem) error { return nil })
	for b.Loop() {
		base, err := wsswag.Convert(swagger)
		if err != nil {
			b.Fatal(err)
		}
		doc := apidoc.New("", "")
		doc.Add("/ws", router)
		if err := doc.Merge(base); err != nil {
			b.Fatal(err)
		}
		doc.OpenAPI()
	}
}

func ExampleConvert() {
	base, err := wsswag.Convert([]byte(`
swagger: "2.0"
info: {title: Shop, version: "1"}
basePath: /api
paths:
  /items/{id}:
    get:
      parameters: [{in: path, name: id, type: integer, required: true}]
      responses: {"200": {description: OK}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	router := wsrouter.New[struct{}](nil)
	doc := apidoc.New("", "")
	doc.Add("/live", router)
	fmt.Println(doc.Merge(base))
	text := string(doc.OpenAPI())
	fmt.Println(strings.Contains(text, `"/items/{id}"`), strings.Contains(text, `"/live"`))
	// Output:
	// <nil>
	// true true
}
