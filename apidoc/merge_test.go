package apidoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

func TestMergeOld(t *testing.T) {
	base, err := os.ReadFile("testdata/base30.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc := apidoc.New("ignored", "ignored")
	if err := doc.Merge(base); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	doc.Mount(mux, "/ws", endpoint(chat()))
	doc.Mount(mux, "/ws/{room_id}", endpoint(rooms()))
	doc.Mount(mux, "/feed", endpoint(feed()))
	golden.File(t, "testdata/merged30.json", doc.OpenAPI())
}

func TestMergeKeepsTheBase(t *testing.T) {
	base := `{"openapi":"3.1.0","x-first":[1e3,1.50,-0,12345678901234567890],"paths":{"/b":{},"/a":{"get":{"responses":{"200":{"description":"<&>\u2028"}}}}},` +
		`"info":{"version":"1","title":"T","x-z":null,"x-a":true},"components":{"x-other":{},"schemas":{}},"webhooks":{}}`
	doc := apidoc.New("ignored", "ignored")
	if err := doc.Merge([]byte(base)); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Compact(&got, doc.OpenAPI()); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(base, `\u2028`, "\u2028"); got.String() != want {
		t.Errorf("without endpoints the base must come out as it went in:\n%s\n%s", got.String(), want)
	}
}

func TestMergeServers(t *testing.T) {
	doc := apidoc.New("", "")
	doc.Servers = []string{"wss://ws.example"}
	if err := doc.Merge([]byte(`{"openapi":"3.1.0","info":{"title":"T","version":"1"},"servers":[{"url":"https://api.example"}],"paths":{}}`)); err != nil {
		t.Fatal(err)
	}
	doc.Add("/ws", endpoint(chat()))
	tree := decode(t, doc.OpenAPI())
	if got := at(tree, "servers", 0, "url"); got != "https://api.example" {
		t.Errorf("the base's server became %v", got)
	}
	if got := at(tree, "paths", "/ws", "get", "servers", 0, "url"); got != "wss://ws.example" {
		t.Errorf("the endpoint's server is %v", got)
	}
}

func TestMergeClash(t *testing.T) {
	for name, paths := range map[string]string{
		"GET /ws is in the document already":                  `{"/ws":{"get":{}}}`,
		"POST /ws/(onChatMessage) is in the document already": `{"/ws/(onChatMessage)":{"post":{}}}`,
		"is a $ref": `{"/ws":{"$ref":"#/paths/~1other"}}`,
	} {
		doc := apidoc.New("", "")
		if err := doc.Merge([]byte(`{"openapi":"3.1.0","paths":` + paths + `}`)); err != nil {
			t.Fatal(err)
		}
		doc.Add("/ws", endpoint(chat()))
		wantPanic(t, name, func() { doc.OpenAPI() })
	}
	doc := apidoc.New("", "")
	if err := doc.Merge([]byte(`{"openapi":"3.1.0","paths":{"/ws/{id}":{"put":{}}}}`)); err != nil {
		t.Fatal(err)
	}
	doc.Add("/ws/{room_id}", endpoint(rooms()))
	wantPanic(t, "are one path to OpenAPI", func() { doc.OpenAPI() })
}

func TestMergeSharesEqualSchemas(t *testing.T) {
	same := `{"required":["name"],"type":"object","properties":{"name":{"type":"string"},"next":{"$ref":"#/components/schemas/Node"}}}`
	def := strings.Replace(same, "#/components/schemas/Node", "#/$defs/example.com~1a.Node", 1)
	spec := wsrouter.Spec{Receives: []wsrouter.Operation{{Handler: "h", Message: wsrouter.Message{GoType: "example.com/a.Tree",
		Schema: json.RawMessage(`{"type":"object","properties":{"root":{"$ref":"#/$defs/example.com~1a.Node"}},"$defs":{"example.com/a.Node":` + def + `}}`)}}}}
	for _, c := range []struct{ base, want string }{
		{same, "#/components/schemas/Node"},
		{`{"type":"integer"}`, "#/components/schemas/a_Node"},
	} {
		doc := apidoc.New("", "")
		if err := doc.Merge([]byte(`{"openapi":"3.1.0","components":{"schemas":{"Node":` + c.base + `}}}`)); err != nil {
			t.Fatal(err)
		}
		doc.Add("/ws", endpoint(spec))
		tree := decode(t, doc.OpenAPI())
		if got := at(tree, "components", "schemas", "Tree", "properties", "root", "$ref"); got != c.want {
			t.Errorf("base %s: the reference is %v, want %s", c.base, got, c.want)
		}
	}
}

// A hostile base is an error at once and within little memory.
func TestMergeHostile(t *testing.T) {
	bomb := "openapi: 3.1.0\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 30 {
		ref := "*a" + itoa(i) + ","
		bomb += "a" + itoa(i+1) + ": &a" + itoa(i+1) + " [" + strings.Repeat(ref, 10) + "]\n"
	}
	long := "openapi: 3.1.0\nbig: &big \"" + strings.Repeat("x", 1<<20) + "\"\nlist: [" + strings.Repeat("*big,", 10_000) + "]\n"
	for name, c := range map[string]struct{ doc, want string }{
		"alias bomb":         {bomb, "with aliases followed"},
		"bytes by aliases":   {long, "with aliases followed"},
		"alias cycle":        {"openapi: 3.1.0\na: &a [*a]\n", "inside of what it names"},
		"deep JSON":          {`{"a":` + strings.Repeat("[", 100_000), "nested deeper"},
		"deep YAML flow":     {"a: " + strings.Repeat("[", 100_000), ""},
		"deep YAML block":    {strings.Repeat("- ", 100_000) + "a", ""},
		"deep by aliases":    {deepByAliases(), "nested deeper"},
		"duplicate JSON":     {`{"openapi":"3.1.0","openapi":"3.1.0"}`, "duplicate"},
		"duplicate YAML":     {"openapi: 3.1.0\npaths: {}\npaths: {}\n", ""},
		"two YAML documents": {"openapi: 3.1.0\n---\nopenapi: 3.1.0\n", ""},
		"trailing JSON":      {`{"openapi":"3.1.0"} {}`, "more behind"},
		"too large":          {`{"openapi":"` + strings.Repeat("x", 50<<20) + `"}`, "bytes are more than"},
		"many JSON values":   {`{"a":[` + strings.Repeat("0,", 2<<20) + `0]}`, "values"},
		"many YAML values":   {"a: [" + strings.Repeat("0,", 3<<20) + "0]", "YAML nodes"},
		"not a mapping":      {"[1,2]", "not an object"},
		"a scalar":           {"hello", "not an object"},
		"empty":              {"", "empty"},
		"comment only":       {"# nothing\n", ""},
		"NUL":                {"openapi: 3.1.0\x00", ""},
		"NUL in JSON":        {"{\"openapi\":\"3.1.0\x00\"}", ""},
		"invalid UTF-8":      {"{\"openapi\":\"3.1.0\xff\"}", ""},
		"huge anchor":        {"openapi: &" + strings.Repeat("a", 1<<20) + " 3.1.0", ""},
		"Swagger 2.0":        {`{"swagger":"2.0"}`, "wsswag.Convert"},
		"OpenAPI 4":          {`{"openapi":"4.0.0"}`, `openapi is "4.0.0"`},
		"unquoted version":   {"openapi: 3.1\n", "openapi is 3.1, but must be a string"},
		"no version":         {`{}`, "openapi is missing"},
		"paths is a list":    {`{"openapi":"3.1.0","paths":[]}`, "paths is not an object"},
		"a path is a text":   {`{"openapi":"3.1.0","paths":{"/a":"b"}}`, "paths, /a is not an object"},
		"schemas is a list":  {`{"openapi":"3.1.0","components":{"schemas":[]}}`, "components, schemas is not an object"},
		"tags is a text":     {`{"openapi":"3.1.0","tags":"a"}`, "tags is not a list"},
		"infinite number":    {"openapi: 3.1.0\na: .inf\n", "no number"},
		"inherits a text":    {"openapi: 3.1.0\na: {<<: b}\n", "wants a mapping"},
		"schema of itself":   {`{"openapi":"3.1.0","components":{"schemas":{"A":{"$ref":"#/components/schemas/A","title":"a"}}}}`, `"#/components/schemas/A" leads to itself`},
		"circle of schemas":  {"openapi: 3.0.3\ncomponents:\n  schemas:\n    A: {$ref: '#/components/schemas/B'}\n    B: {$ref: '#/components/schemas/A'}\n", "leads to itself"},
		"circle of paths":    {`{"openapi":"3.1.0","paths":{"/a":{"$ref":"#/paths/~1b"},"/b":{"$ref":"#/paths/%7E1a"}}}`, "leads to itself"},
		"long circle":        {longCircle(100_000), "leads to itself"},
		"object as key":      {"openapi: 3.1.0\n? {a: b}\n: c\n", "name of a member"},
	} {
		t.Run(name, func(t *testing.T) {
			in := []byte(c.doc)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := apidoc.New("", "").Merge(in)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 30*time.Second || mb > 300 {
				t.Errorf("took %v and allocated %d MB", took, mb)
			} else if testing.Verbose() {
				t.Logf("%v, %d MB, %.120s", took, mb, err)
			}
		})
	}
}

// longCircle is a document of n responses, each a reference to the next, and the last to the first.
func longCircle(n int) string {
	var b strings.Builder
	b.WriteString(`{"openapi":"3.1.0","components":{"responses":{`)
	for i := range n {
		b.WriteString(`"a` + itoa(i) + `":{"$ref":"#/components/responses/a` + itoa((i+1)%n) + `"},`)
	}
	b.WriteString(`"z":{"description":"z"}}}}`)
	return b.String()
}

// Types that hold themselves, and references that lead nowhere or elsewhere, are the base's own affair.
func TestMergeReferences(t *testing.T) {
	base := `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/a":{"$ref":"#/paths/~1b"},"/b":{"get":{"responses":{"200":{"$ref":"#/components/responses/gone"}}}}},"components":{"schemas":{
		"Tree":{"type":"object","properties":{"left":{"$ref":"#/components/schemas/Tree"},"any":{"$ref":"#/components/schemas/Tree/properties/left"}}},
		"Other":{"$ref":"other.json#/Other"},"Named":{"$ref":"#Tree"},"Same":{"$ref":"#/components/schemas/Tree"},"Same2":{"$ref":"#/components/schemas/Same"},"Odd":{"$ref":7}}}}`
	doc := apidoc.New("", "")
	if err := doc.Merge([]byte(base)); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(doc.OpenAPI(), &got), json.Unmarshal([]byte(base), &want)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the base became %s", doc.OpenAPI())
	}
}

func deepByAliases() string {
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\na0: &a0 x\n")
	for i := range 300 {
		b.WriteString("a" + itoa(i+1) + ": &a" + itoa(i+1) + " [*a" + itoa(i) + "]\n")
	}
	return b.String()
}

func TestMergeTwiceAndLate(t *testing.T) {
	doc := apidoc.New("", "")
	base := []byte(`{"openapi":"3.1.0"}`)
	if err := doc.Merge([]byte("nonsense")); err == nil {
		t.Error("nonsense merged")
	}
	if err := doc.Merge(base); err != nil {
		t.Error("a failed Merge must change nothing:", err)
	}
	if err := doc.Merge(base); err == nil {
		t.Error("merged twice")
	}
	doc.OpenAPI()
	wantPanic(t, "Merge: the document was used already", func() { doc.Merge(base) })
}

func TestMergeYAMLNumbers(t *testing.T) {
	doc := apidoc.New("", "")
	err := doc.Merge([]byte("openapi: 3.1.0\nx-n: [0x1F, +5, .5, 1.50, 0o17, 1e3]\nx-s: [on, yes, 2026-01-02, ~, 12:30:00]\n" +
		"x-a: &a {k: 1, l: &l 2}\nx-b: &b {l: 3, m: *l}\nx-c: {<<: [*a, *b], k: 0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	json.Compact(&got, doc.OpenAPI())
	want := `{"openapi":"3.1.0","x-n":[31,5,0.5,1.50,15,1e3],"x-s":["on","yes","2026-01-02",null,"12:30:00"],` +
		`"x-a":{"k":1,"l":2},"x-b":{"l":3,"m":2},"x-c":{"k":0,"l":2,"m":2}}`
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}
