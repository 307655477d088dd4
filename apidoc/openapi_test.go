package apidoc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

func TestGoldenChat(t *testing.T) {
	doc := apidoc.New("Chat", "1.0.0")
	doc.Mount(http.NewServeMux(), "/ws", endpoint(chat()))
	golden.File(t, "testdata/chat.json", doc.OpenAPI())
	golden.File(t, "testdata/chat.yaml", doc.OpenAPIYAML())
}

func TestGoldenFull(t *testing.T) {
	doc, _ := full()
	golden.File(t, "testdata/full.json", doc.OpenAPI())
	golden.File(t, "testdata/full.yaml", doc.OpenAPIYAML())
}

func TestModes(t *testing.T) {
	for mode, want := range map[apidoc.Mode]string{
		apidoc.Pseudo:      "/ws /ws/(onChatActivity) /ws/(onChatMessage)",
		apidoc.UpgradeOnly: "/ws",
		apidoc.None:        "",
	} {
		doc := apidoc.New("T", "1")
		doc.Mode = mode
		doc.Add("/ws", endpoint(chat()))
		tree := decode(t, doc.OpenAPI())
		var paths []string
		for p := range at(tree, "paths").(map[string]any) {
			paths = append(paths, p)
		}
		if got := strings.Join(sorted(paths), " "); got != want {
			t.Errorf("%d: paths %s", mode, got)
		}
		if _, ok := at(tree, "components", "schemas", "ChatMessage").(map[string]any); ok != (mode != apidoc.None) {
			t.Errorf("%d: the schemas of the messages are there: %v", mode, ok)
		}
	}
}

func TestNothingMounted(t *testing.T) {
	doc := apidoc.New("T", "1")
	if got := at(decode(t, doc.OpenAPI()), "paths"); len(got.(map[string]any)) != 0 {
		t.Errorf("paths %v", got)
	}
	mux := http.NewServeMux()
	doc.Serve(mux, "/docs")
	if w := request(mux, "GET", "/docs"); w.Code != 200 || !strings.Contains(w.Body.String(), "No endpoint yet") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHidden(t *testing.T) {
	secret := rooms()
	secret.Hidden = true
	mux := http.NewServeMux()
	doc := apidoc.New("T", "1")
	doc.Add("/ws/{room_id}", endpoint(secret))
	doc.Add("/visible/{room_id}", endpoint(rooms()))
	doc.Serve(mux, "/docs")
	for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/asyncapi.json", "/asyncapi.yaml"} {
		body := request(mux, "GET", path).Body.String()
		for _, hidden := range []string{"/ws/{room_id}", "debug", "Debug"} {
			if strings.Contains(body, hidden) {
				t.Errorf("%s shows %s", path, hidden)
			}
		}
		if !strings.Contains(body, "/visible/{room_id}") {
			t.Errorf("%s lacks the endpoint that is not hidden", path)
		}
	}
}

func TestDeprecated(t *testing.T) {
	spec := chat()
	spec.Receives[1].Message.Deprecated = true
	tree := deprecations(t, spec)
	if tree != "get:false onChatMessage:false onChatActivity:true" {
		t.Error(tree)
	}
	spec.Deprecated = true
	if tree := deprecations(t, spec); tree != "get:true onChatMessage:true onChatActivity:true" {
		t.Error(tree)
	}
}

func deprecations(t *testing.T, spec wsrouter.Spec) string {
	doc := apidoc.New("T", "1")
	doc.Add("/ws", endpoint(spec))
	paths := at(decode(t, doc.OpenAPI()), "paths")
	is := func(path, method string) bool { return at(paths, path, method, "deprecated") == true }
	return fmt.Sprintf("get:%v onChatMessage:%v onChatActivity:%v",
		is("/ws", "get"), is("/ws/(onChatMessage)", "post"), is("/ws/(onChatActivity)", "post"))
}

// A choice has a discriminator only where every branch can be told by it.
func TestChoice(t *testing.T) {
	a, b := msg("a", "x/p.A", "", "", "", "", ""), msg("b", "x/p.B", "", "", "", "", "")
	number := b
	number.Names = []string{"7"}
	several := b
	several.Names = []string{`"b"`, `"c"`}
	clash := b
	clash.Names = a.Names
	untyped := b
	untyped.Schema = json.RawMessage(`{}`)
	optional := b
	optional.Schema = json.RawMessage(`{"type":"object","properties":{"action":{"const":"b"}}}`)
	for name, c := range map[string]struct {
		discriminator string
		second        wsrouter.Message
		want          string
	}{
		"told apart":       {"action", b, `{"oneOf":2,"mapping":"a b"}`},
		"several names":    {"action", several, `{"oneOf":2,"mapping":"a b c"}`},
		"numbers":          {"action", number, `{"anyOf":2}`},
		"one name for two": {"action", clash, `{"anyOf":2}`},
		"no schema":        {"action", untyped, `{"anyOf":2}`},
		"not required":     {"action", optional, `{"anyOf":2}`},
		"no discriminator": {"", b, `{"anyOf":2}`},
		"one message":      {"action", a, `{"$ref":"#/components/schemas/A"}`},
	} {
		doc := apidoc.New("T", "1")
		doc.Add("/ws", endpoint(wsrouter.Spec{Discriminator: c.discriminator, Sends: []wsrouter.Message{a, c.second}}))
		schema := at(decode(t, doc.OpenAPI()), "paths", "/ws", "get", "responses", "101", "content", "application/json", "schema").(map[string]any)
		got := `{`
		for _, key := range []string{"oneOf", "anyOf"} {
			if list, ok := schema[key].([]any); ok {
				got += fmt.Sprintf("%q:%d", key, len(list))
			}
		}
		if mapping, ok := at(schema, "discriminator", "mapping").(map[string]any); ok {
			var names []string
			for n := range mapping {
				names = append(names, n)
			}
			got += fmt.Sprintf(`,"mapping":%q`, strings.Join(sorted(names), " "))
		}
		if ref, ok := schema["$ref"]; ok {
			got += fmt.Sprintf(`"$ref":%q`, ref)
		}
		if got += "}"; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPathOfHandlers(t *testing.T) {
	spec := chat()
	spec.Receives[0].Path = ptr("/{nope}")
	doc := apidoc.New("T", "1")
	doc.Add("/ws", endpoint(spec))
	wantPanic(t, `apidoc: OpenAPI: Add("/ws"): the Path("/{nope}") of onChatMessage holds {nope}, which is no parameter`, func() { doc.OpenAPI() })

	spec = chat()
	spec.Receives = spec.Receives[:1]
	spec.Receives[0].Path = ptr("/x")
	twice := apidoc.New("T", "1")
	twice.Add("/ws", endpoint(spec))
	spec.Receives = []wsrouter.Operation{spec.Receives[0]}
	spec.Receives[0].Path = ptr("x")
	twice.Add("/ws/", endpoint(spec))
	wantPanic(t, "POST /ws/x is in the document already", func() { twice.OpenAPI() })

	root := apidoc.New("T", "1")
	root.Add("/", endpoint(chat()))
	if at(decode(t, root.OpenAPI()), "paths", "/(onChatMessage)", "post") == nil {
		t.Error("the endpoint at / has no /(onChatMessage)")
	}
}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		servers []string
		serve   string
		want    string
	}{
		{nil, "", `[{"url":"/"}]`},
		{nil, "/docs", `[{"url":"."}]`},
		{nil, "/api/docs", `[{"url":".."}]`},
		{[]string{"https://a.example", "/b"}, "/api/docs", `[{"url":"https://a.example"},{"url":"/b"}]`},
	} {
		doc := apidoc.New("T", "1")
		doc.Servers = c.servers
		if c.serve != "" {
			doc.Serve(http.NewServeMux(), c.serve)
		}
		got, _ := json.Marshal(at(decode(t, doc.OpenAPI()), "servers"))
		if string(got) != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestParametersGivenTwiceAreWrittenOnce(t *testing.T) {
	s := json.RawMessage(`{"type":"string"}`)
	doc := apidoc.New("T", "1")
	doc.Add("/ws", endpoint(wsrouter.Spec{Params: []wsrouter.Param{
		{Name: "X-A", In: "header", Schema: s}, {Name: "x-a", In: "header", Schema: s}, {Name: "a", In: "query", Schema: s}, {Name: "A", In: "query", Schema: s},
	}}))
	if got := at(decode(t, doc.OpenAPI()), "paths", "/ws", "get", "parameters").([]any); len(got) != 3 {
		t.Errorf("%d parameters: %v", len(got), got)
	}
}

func TestMalformedDescriptions(t *testing.T) {
	for schema, text := range map[string]string{
		`{`:                               "is not JSON",
		``:                                "is not JSON",
		`[]`:                              "neither an object nor a boolean",
		`"a"`:                             "neither an object nor a boolean",
		`{"a":1,"a":2}`:                   "duplicate",
		`{"items":{"$ref":"#/$defs/no"}}`: `refers to "no"`,
		`{"$ref":"#/$defs/","$defs":{"":{"items":{"$ref":"#/$defs/"}}}}`: `refers to ""`,
		strings.Repeat(`{"items":`, 300):                                 "nested deeper",
	} {
		doc := apidoc.New("T", "1")
		doc.Add("/ws", endpoint(wsrouter.Spec{Sends: []wsrouter.Message{{GoType: "x/a.T", Schema: json.RawMessage(schema)}}}))
		wantPanic(t, text, func() { doc.OpenAPI() })
	}
}
