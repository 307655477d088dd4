package apidoc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

// The whole of the documents, as people see it.
func TestAsyncAPI(t *testing.T) {
	doc, _ := full()
	golden.File(t, "testdata/full.asyncapi.json", doc.AsyncAPI())
	golden.File(t, "testdata/full.asyncapi.yaml", doc.AsyncAPIYAML())
	small := apidoc.New("Chat", "1.0.0")
	small.Add("/ws", endpoint(chat()))
	golden.File(t, "testdata/chat.asyncapi.json", small.AsyncAPI())
	golden.File(t, "testdata/chat.asyncapi.yaml", small.AsyncAPIYAML())
	lively, _ := realDoc(t)
	golden.File(t, "testdata/real.asyncapi.json", lively.AsyncAPI())
	golden.File(t, "testdata/real.asyncapi.yaml", lively.AsyncAPIYAML())
	for _, d := range []*apidoc.Doc{doc, small, lively} {
		var fromYAML any
		if err := yaml.Unmarshal(d.AsyncAPIYAML(), &fromYAML); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decode(t, d.AsyncAPI()), decode(t, again)) {
			t.Error("YAML says something else than JSON")
		}
	}
}

// asyncOf documents one endpoint.
func asyncOf(t *testing.T, path string, spec wsrouter.Spec) any {
	t.Helper()
	doc := apidoc.New("T", "1")
	doc.Add(path, endpoint(spec))
	return decode(t, doc.AsyncAPI())
}

// Both documents name the same schemas, and say the same of them; OpenAPI alone has what a refused handshake answers.
func TestOneSchemaForBoth(t *testing.T) {
	for name, doc := range map[string]func() *apidoc.Doc{
		"full": func() *apidoc.Doc { d, _ := full(); return d },
		"real": func() *apidoc.Doc { d, _ := realDoc(t); return d },
		"feed": func() *apidoc.Doc { d := apidoc.New("T", "1"); d.Add("/feed", endpoint(feed())); return d },
	} {
		d := doc()
		open := at(decode(t, d.OpenAPI()), "components", "schemas").(map[string]any)
		delete(open, "Refusal")
		if async := at(decode(t, d.AsyncAPI()), "components", "schemas"); !reflect.DeepEqual(any(open), async) {
			t.Errorf("%s: the schemas differ:\n%v\n%v", name, open, async)
		}
	}
}

// A program finds the way from OpenAPI to AsyncAPI where Serve puts both side by side.
func TestLinkToAsyncAPI(t *testing.T) {
	doc, mux := full()
	tree, async := decode(t, doc.OpenAPI()), decode(t, doc.AsyncAPI())
	for path, item := range at(tree, "paths").(map[string]any) {
		link := at(item, "get", "x-websocket", "asyncapi")
		if at(item, "get") == nil {
			continue
		}
		file, pointer, _ := strings.Cut(fmt.Sprint(link), "#/channels/")
		if file != "asyncapi.json" || at(async, "channels", pointer, "address") != path {
			t.Errorf("%s: %v leads nowhere", path, link)
		}
		if about, _ := at(item, "get", "description").(string); !strings.Contains(about, "(asyncapi.json)") {
			t.Errorf("%s: no link in %q", path, about)
		}
	}
	if w := request(mux, "GET", "/asyncapi.json?ws=none"); w.Body.String() != string(doc.AsyncAPI()) {
		t.Error("a mode of OpenAPI changed AsyncAPI")
	}
	alone := apidoc.New("T", "1")
	alone.Add("/ws", endpoint(chat()))
	if strings.Contains(string(alone.OpenAPI()), "asyncapi") {
		t.Error("a document that is not served links to one beside it")
	}
}

func TestAsyncAPIModes(t *testing.T) {
	var first string
	for _, mode := range []apidoc.Mode{apidoc.Pseudo, apidoc.UpgradeOnly, apidoc.None} {
		doc := apidoc.New("T", "1")
		doc.Mode = mode
		doc.Add("/ws", endpoint(chat()))
		if first == "" {
			first = string(doc.AsyncAPI())
		}
		if string(doc.AsyncAPI()) != first {
			t.Errorf("mode %d changes it", mode)
		}
	}
}

func TestAsyncAPIOfNothing(t *testing.T) {
	doc := apidoc.New("T", "1")
	want := `{"asyncapi":"3.0.0","info":{"title":"T","version":"1"},"defaultContentType":"application/json","channels":{},"operations":{}}`
	if got := compact(t, doc.AsyncAPI()); got != want {
		t.Error(got)
	}
}

func compact(t *testing.T, data []byte) string {
	t.Helper()
	var v json.RawMessage = data
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Of a merged document only title and version are in AsyncAPI, but the names of schemas are those of OpenAPI.
func TestAsyncAPIOfMerged(t *testing.T) {
	base, err := os.ReadFile("testdata/base30.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc := apidoc.New("ignored", "ignored")
	doc.Description = "Of the messages."
	if err := doc.Merge(base); err != nil {
		t.Fatal(err)
	}
	doc.Add("/ws", endpoint(chat()))
	doc.Add("/ws/{room_id}", endpoint(rooms()))
	doc.Add("/feed", endpoint(feed()))
	open, async := decode(t, doc.OpenAPI()), decode(t, doc.AsyncAPI())
	for _, name := range []string{"title", "version"} {
		if got, want := at(async, "info", name), at(open, "info", name); got != want || got == "ignored" {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := at(async, "info", "description"); got != "Of the messages." {
		t.Errorf("description %v", got)
	}
	if at(async, "servers") != nil || len(at(async, "channels").(map[string]any)) != 3 {
		t.Error("more than the endpoints is in it")
	}
	plain := apidoc.New("", "")
	plain.Add("/ws", endpoint(chat()))
	plain.Add("/ws/{room_id}", endpoint(rooms()))
	plain.Add("/feed", endpoint(feed()))
	mine := at(decode(t, plain.AsyncAPI()), "components", "schemas").(map[string]any)
	schemas := at(async, "components", "schemas").(map[string]any)
	if len(schemas) != len(mine) {
		t.Errorf("%d schemas, want %d", len(schemas), len(mine))
	}
	for name, schema := range schemas {
		if at(open, "components", "schemas", name) == nil {
			t.Errorf("%s has another name in OpenAPI", name)
		}
		if strings.Contains(fmt.Sprint(schema), "nullable") {
			t.Errorf("%s is in the dialect of OpenAPI 3.0: %v", name, schema)
		}
	}
}

func TestAsyncAPIServers(t *testing.T) {
	for _, c := range []struct {
		servers []string
		want    string
	}{
		{nil, "null"},
		{[]string{"/b", ".", "ftp://a.example", "https:///x", "https://{region}.example", ":"}, "null"},
		{[]string{"https://api.example:8443/v1/", "/b", "ws://localhost", "http://api.example:8443"},
			`{"api_example_8443":{"host":"api.example:8443","pathname":"/v1","protocol":"wss","protocolVersion":"13"},` +
				`"api_example_8443_2":{"host":"api.example:8443","protocol":"ws","protocolVersion":"13"},` +
				`"localhost":{"host":"localhost","protocol":"ws","protocolVersion":"13"}}`},
		{[]string{"wss://me:secret@a.example/?q#f"}, `{"a_example":{"host":"a.example","protocol":"wss","protocolVersion":"13"}}`},
	} {
		doc := apidoc.New("T", "1")
		doc.Servers = c.servers
		doc.Serve(http.NewServeMux(), "/docs")
		got, _ := json.Marshal(at(decode(t, doc.AsyncAPI()), "servers"))
		if string(got) != c.want {
			t.Errorf("%v: %s", c.servers, got)
		}
	}
}

func param(in, name, description string, required bool, schema string) wsrouter.Param {
	return wsrouter.Param{In: in, Name: name, Description: description, Required: required, Schema: json.RawMessage(schema)}
}

func TestAsyncAPIParameters(t *testing.T) {
	spec := chat()
	old := param("query", "since", "", false, `{"type":"integer"}`)
	old.Deprecated = true
	spec.Params = []wsrouter.Param{
		param("path", "n", "Its number.", true, `{"type":"integer","enum":[1,2.50],"default":1,"minimum":0}`),
		param("path", "level", "", true, `{"$ref":"#/$defs/x~1y.Level","$defs":{"x/y.Level":{"type":"string","enum":["low","high"]}}}`),
		param("query", "q", "What to look for.", true, `{"$ref":"#/$defs/x~1y.Q","$defs":{"x/y.Q":{"type":"string","minLength":1}}}`),
		old,
		param("header", "X-Trace", "Of the caller.", true, `{"type":"string"}`),
		param("cookie", "theme", "", true, `{"type":"string","enum":["dark"]}`),
		param("cookie", "lang", "", false, `{"type":"string"}`),
	}
	tree := asyncOf(t, "/ws/{n}/{level}/{rest...}", spec)
	channel := at(tree, "channels", "ws_n_level_rest")
	for pointer, want := range map[string]string{
		"parameters": `{"level":{"enum":["low","high"]},` +
			`"n":{"default":"1","description":"Its number.","enum":["1","2.50"],"x-schema":{"default":1,"enum":[1,2.50],"minimum":0,"type":"integer"}},"rest":{}}`,
		"bindings": `{"ws":{"bindingVersion":"0.1.0","headers":{"properties":{"Cookie":{"description":"Carries ` + "`theme`, `lang`" + `.","type":"string"},` +
			`"X-Trace":{"description":"Of the caller.","type":"string"}},"required":["X-Trace","Cookie"],"type":"object"},"method":"GET",` +
			`"query":{"properties":{"q":{"allOf":[{"$ref":"#/components/schemas/Q"}],"description":"What to look for."},` +
			`"since":{"deprecated":true,"type":"integer"}},"required":["q"],"type":"object"},` +
			`"x-cookies":{"properties":{"lang":{"type":"string"},"theme":{"enum":["dark"],"type":"string"}},"required":["theme"],"type":"object"}}}`,
	} {
		got, _ := json.Marshal(at(channel, pointer))
		if string(got) != strings.ReplaceAll(want, "2.50]", "2.5]") {
			t.Errorf("%s:\n%s, want\n%s", pointer, got, want)
		}
	}
	if at(tree, "components", "schemas", "Q", "minLength") == nil {
		t.Error("the schema of a parameter is missing")
	}
}

// A session that reads the header of subprotocols itself describes it itself.
func TestAsyncAPIOwnHeader(t *testing.T) {
	spec := chat()
	spec.Subprotocols = []string{"a"}
	spec.Params = []wsrouter.Param{param("header", "sec-websocket-protocol", "Mine.", true, `{"type":"string"}`)}
	headers := at(asyncOf(t, "/ws", spec), "channels", "ws", "bindings", "ws", "headers", "properties").(map[string]any)
	if len(headers) != 1 || at(headers, "sec-websocket-protocol", "description") != "Mine." {
		t.Errorf("%v", headers)
	}
}

func TestCredentials(t *testing.T) {
	for _, c := range []struct{ in, name, about, want string }{
		{"query", "token", "", `"token":{"in":"query","name":"token","type":"httpApiKey"}`},
		{"query", "access_token", "Who.", `"access_token":{"description":"Who.","in":"query","name":"access_token","type":"httpApiKey"}`},
		{"query", "apiKey", "", `"apiKey":{"in":"query","name":"apiKey","type":"httpApiKey"}`},
		{"header", "X-API-Key", "", `"X_API_Key":{"in":"header","name":"X-API-Key","type":"httpApiKey"}`},
		{"header", "authorization", "", `"authorization":{"scheme":"bearer","type":"http"}`},
		{"header", "Authorization", "Basic, name and password.", `"Authorization":{"description":"Basic, name and password.","scheme":"basic","type":"http"}`},
		{"cookie", "__Host-session", "", `"Host_session":{"in":"cookie","name":"__Host-session","type":"httpApiKey"}`},
		{"cookie", "sid", "", `"sid":{"in":"cookie","name":"sid","type":"httpApiKey"}`},
		{"cookie", "jwt", "", `"jwt":{"in":"cookie","name":"jwt","type":"httpApiKey"}`},
		{"subprotocol", "bearer.", "", `"bearer":{"description":"As a subprotocol that begins with ` + "`bearer.`" +
			`, the only header that a browser lets a page set.","in":"header","name":"Sec-WebSocket-Protocol","type":"httpApiKey"}`},
		{"path", "token", "", ""},
		{"query", "session", "", ""},
		{"query", "key", "", ""},
		{"query", "page_token", "", ""},
		{"header", "X-CSRF-Token", "", ""},
		{"cookie", "theme", "", ""},
		{"subprotocol", "chat.", "", ""},
	} {
		spec := chat()
		spec.Params = []wsrouter.Param{param(c.in, c.name, c.about, false, `{"type":"string"}`)}
		path := "/ws"
		if c.in == "path" {
			path = "/ws/{token}"
		}
		tree := asyncOf(t, path, spec)
		got, _ := json.Marshal(at(tree, "components", "securitySchemes"))
		want := "null"
		if c.want != "" {
			want = "{" + c.want + "}"
		}
		if string(got) != want {
			t.Errorf("%s %s: %s, want %s", c.in, c.name, got, want)
		}
		for name, op := range at(tree, "operations").(map[string]any) {
			if security, _ := at(op, "security").([]any); (len(security) == 1) != (c.want != "") {
				t.Errorf("%s %s: %s has the security %v", c.in, c.name, name, security)
			}
		}
	}
}

// One credential of several endpoints is one scheme; what differs has another key.
func TestCredentialsOfSeveralEndpoints(t *testing.T) {
	doc := apidoc.New("T", "1")
	for i, p := range []wsrouter.Param{
		param("query", "token", "A", false, `{}`), param("query", "token", "A", true, `{"type":"string"}`), param("cookie", "token", "A", false, `{}`),
		param("query", "token", "B", false, `{}`), param("query", "token", "C", false, `{}`), param("query", "token", "B", false, `{}`), param("query", "token", "C", false, `{}`),
	} {
		doc.Add(fmt.Sprint("/", i), endpoint(wsrouter.Spec{Params: []wsrouter.Param{p}, Error: errorMsg()}))
	}
	tree := decode(t, doc.AsyncAPI())
	var got []string
	for i := range 7 {
		got = append(got, strings.TrimPrefix(at(tree, "operations", fmt.Sprintf("%d_send", i), "security", 0, "$ref").(string), "#/components/securitySchemes/"))
	}
	if want := "token token token_cookie token_query token_query_2 token_query token_query_2"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}

func TestAsyncAPIDeprecated(t *testing.T) {
	spec := chat()
	spec.Receives[1].Message.Deprecated = true
	is := func(tree any, path ...any) bool { return at(tree, append(path, "x-deprecated")...) == true }
	tree := asyncOf(t, "/ws", spec)
	if is(tree, "channels", "ws") || is(tree, "operations", "ws_onChatMessage") || is(tree, "operations", "ws_send") || !is(tree, "operations", "ws_onChatActivity") {
		t.Error("the wrong things are deprecated")
	}
	spec.Deprecated = true
	tree = asyncOf(t, "/ws", spec)
	if !is(tree, "channels", "ws") || !is(tree, "operations", "ws_onChatMessage") || !is(tree, "operations", "ws_send") {
		t.Error("the endpoint is not deprecated")
	}
}

func TestAsyncAPINames(t *testing.T) {
	several := msg("a", "x/p.A", "", "", "", "", "")
	several.Names = []string{`"a"`, `7`}
	long := msg("b", "x/p.B", strings.Repeat("Long. ", 40), "", "", "", "")
	raw := wsrouter.Message{Name: "command", Frame: "text", GoType: "string"}
	spec := wsrouter.Spec{Discriminator: "action", Sends: []wsrouter.Message{several, long, raw, {Frame: "text", GoType: "string", Name: "string"}, raw}}
	tree := asyncOf(t, "/ws", spec)
	messages := at(tree, "components", "messages")
	got, _ := json.Marshal(at(messages, "A", "x-discriminator"))
	if string(got) != `{"propertyName":"action","values":["a",7]}` {
		t.Errorf("%s", got)
	}
	if at(messages, "B", "summary") != nil || at(messages, "B", "description") == nil {
		t.Error("a long text is no summary")
	}
	if at(messages, "command", "contentType") != "text/plain" || at(messages, "text", "contentType") != "text/plain" {
		t.Errorf("raw frames: %v", messages)
	}
	if sent := at(tree, "operations", "ws_send", "messages").([]any); len(sent) != 4 {
		t.Errorf("%d messages are sent, want each once", len(sent))
	}
	// Two endpoints, one of which is called like an operation of the other.
	doc := apidoc.New("T", "1")
	a, b := chat(), chat()
	a.Name, b.Name = "chat", "chat_x"
	a.Receives[0].Handler = "x_send"
	doc.Add("/a", endpoint(a))
	doc.Add("/b", endpoint(b))
	operations := at(decode(t, doc.AsyncAPI()), "operations").(map[string]any)
	if len(operations) != 6 || operations["chat_x_send_2"] == nil {
		t.Errorf("operations %v", reflect.ValueOf(operations).MapKeys())
	}
}

// One type means another message where the correlation id is called otherwise.
func TestAsyncAPICorrelation(t *testing.T) {
	doc := apidoc.New("T", "1")
	for path, id := range map[string]string{"/a": "id", "/b": "a/b~c", "/c": ""} {
		spec := chat()
		spec.ID = id
		spec.Receives[0].Responds = true
		doc.Add(path, endpoint(spec))
	}
	tree := decode(t, doc.AsyncAPI())
	for key, want := range map[string]any{"a": "$message.payload#/id", "b": "$message.payload#/a~1b~0c", "c": nil} {
		ref := at(tree, "operations", key+"_onChatMessage", "messages", 0, "$ref").(string)
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		if got := at(tree, "components", "messages", name, "correlationId", "location"); got != want {
			t.Errorf("%s: %s has %v, want %v", key, name, got, want)
		}
		if at(tree, "components", "messages", name, "name") != name {
			t.Errorf("%s is not called so", name)
		}
	}
	if got := at(tree, "operations", "a_onChatMessage", "x-responds"); got != true {
		t.Error("nothing says that it responds")
	}
}

// What draft-07 does not know is said in its words, or left out.
func TestDraft7(t *testing.T) {
	for from, want := range map[string]string{
		`{"type":["string","integer"]}`: `{"anyOf":[{"type":"string"},{"type":"integer"}]}`,
		`{"type":["string","null"]}`:    `{"type":["string","null"]}`,
		`{"prefixItems":[{"type":"string"},true],"items":false,"unevaluatedItems":false}`: `{"additionalItems":false,"items":[{"type":"string"},true]}`,
		`{"prefixItems":[{}]}`: `{"items":[{}]}`,
		`{"contains":{"const":1},"minContains":0,"maxContains":3}`:                                                                `{}`,
		`{"contains":{"const":1},"minContains":2}`:                                                                                `{"contains":{"const":1}}`,
		`{"dependentRequired":{"a":["b"],"c":["d"]},"dependentSchemas":{"c":{"minProperties":1}},"unevaluatedProperties":{}}`:     `{"dependencies":{"a":["b"],"c":{"allOf":[{"minProperties":1},{"required":["d"]}]}}}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","exclusiveMinimum":1,"const":null,"examples":[{"$schema":1}]}`: `{"const":null,"examples":[{"$schema":1}],"exclusiveMinimum":1}`,
		`{"discriminator":{"propertyName":"kind"}}`:                                                                               `{"discriminator":"kind"}`,
		`{"discriminator":{}}`: `{}`,
		`{"properties":{"a":{"$ref":"#/$defs/T","description":"A","allOf":[{"minLength":1}]}},"$defs":{"T":{"type":"string"}}}`: `{"properties":{"a":{"allOf":[{"$ref":"#/components/schemas/M_T"},{"minLength":1}],"description":"A"}}}`,
	} {
		spec := wsrouter.Spec{Sends: []wsrouter.Message{{GoType: "x/y.M", Schema: json.RawMessage(strings.ReplaceAll(from, `"T"`, `"M_T"`))}}}
		spec.Sends[0].Schema = json.RawMessage(strings.ReplaceAll(string(spec.Sends[0].Schema), "#/$defs/T", "#/$defs/M_T"))
		got, _ := json.Marshal(at(asyncOf(t, "/ws", spec), "components", "schemas", "M"))
		if string(got) != want {
			t.Errorf("%s became\n%s, want\n%s", from, got, want)
		}
	}
}

// The codes that the document explains are those that the library documents itself.
func TestErrorCodesAreThoseOfTheLibrary(t *testing.T) {
	r := wsrouter.New[struct{}](nil)
	doc := apidoc.New("T", "1")
	doc.Add("/ws", r)
	tree := decode(t, doc.AsyncAPI())
	about := at(tree, "components", "schemas", "Error", "properties", "code", "description").(string)
	codes := at(tree, "channels", "ws", "x-websocket", "errorCodes").(map[string]any)
	if len(codes) != 4 {
		t.Errorf("%d codes", len(codes))
	}
	for code := range codes {
		if !strings.Contains(about, code) {
			t.Errorf("%s is not in %q", code, about)
		}
	}
	if codes["rate_limited"] != nil || codes["unavailable"] != nil {
		t.Error("rate_limited is told where no rate is limited, or unavailable without a broker")
	}
	for _, tt := range []struct {
		o    wsrouter.Options
		code string
		want bool
	}{
		{wsrouter.Options{MessagesPerSecond: 5}, "rate_limited", true},
		{wsrouter.Options{BytesPerSecond: 5}, "rate_limited", true},
		{wsrouter.Options{BytesPerSecond: 5, RateClose: true}, "rate_limited", false},
		{wsrouter.Options{Broker: broker.New(nil)}, "unavailable", true},
	} {
		doc := apidoc.New("T", "1")
		doc.Add("/ws", wsrouter.New[struct{}](&tt.o))
		x := at(decode(t, doc.AsyncAPI()), "channels", "ws", "x-websocket")
		if got := at(x, "errorCodes", tt.code) != nil; got != tt.want {
			t.Errorf("%+v: %s is told: %v", tt.o, tt.code, got)
		}
		if at(x, "closeCodes", "4401") == nil || at(x, "compression") != nil {
			t.Errorf("%v", x)
		}
	}
	own := chat()
	own.Error.GoType = "example.com/app.Problem"
	if at(asyncOf(t, "/ws", own), "channels", "ws", "x-websocket", "errorCodes") != nil {
		t.Error("a message of the application's own is said to have the library's codes")
	}
	endless := chat()
	endless.Limits = map[string]int64{"maxMessage": -1}
	if at(asyncOf(t, "/ws", endless), "channels", "ws", "x-websocket", "closeCodes", "1009") != nil {
		t.Error("a message can be too large where there is no limit")
	}
}
