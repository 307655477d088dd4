package apidoc_test

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// fake is an endpoint that is nothing but its description.
type fake struct {
	spec      wsrouter.Spec
	described int
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusUpgradeRequired)
}
func (f *fake) Params() []wsrouter.Param { return f.spec.Params }
func (f *fake) Describe() wsrouter.Spec  { f.described++; return f.spec }

func endpoint(s wsrouter.Spec) *fake { return &fake{spec: s} }

// msg is a JSON message of type goType called name under the discriminator "action", if name is not empty.
// properties and required are those of the body; defs may be "".
func msg(name, goType, doc, properties, required, example, defs string) wsrouter.Message {
	m := wsrouter.Message{Name: name, GoType: goType, Description: doc}
	base, args, generic := strings.Cut(goType, "[")
	title := base[strings.LastIndexByte(base, '.')+1:]
	if generic {
		title += "[" + args[strings.LastIndexByte(args, '.')+1:]
	}
	s := `{"title":` + quote(title) + `,"type":"object"`
	if doc != "" {
		s += `,"description":` + quote(doc)
	}
	if name != "" {
		m.Names = []string{quote(name)}
		properties = strings.TrimSuffix(`"action":{"type":"string","const":`+quote(name)+`},`+properties, ",")
		required = strings.TrimSuffix(`"action",`+required, ",")
	}
	s += `,"properties":{` + properties + `}`
	if required != "" {
		s += `,"required":[` + required + `]`
	}
	if example != "" {
		s += `,"examples":[` + example + `]`
	}
	if defs != "" {
		s += `,"$defs":{` + defs + `}`
	}
	m.Schema = json.RawMessage(s + "}")
	return m
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func ptr[T any](v T) *T { return &v }

const issueDef = `"github.com/wsrouter-go/wsrouter/schema.Issue":{"type":"object","required":["path","code","message"],` +
	`"properties":{"path":{"type":"string"},"code":{"type":"string"},"message":{"type":"string"},` +
	`"params":{"type":"object","additionalProperties":true},"input":{}}}`

func errorMsg() wsrouter.Message {
	m := msg("error", "github.com/wsrouter-go/wsrouter.Error", "A message could not be handled.",
		`"code":{"type":"string"},"detail":{"type":"string"},`+
			`"issues":{"type":"array","items":{"$ref":"#/$defs/github.com~1wsrouter-go~1wsrouter~1schema.Issue"}},"id":{"type":["string","integer"]}`,
		`"code","detail"`, `{"action":"error","code":"validation_failed","detail":"1 issue"}`, issueDef)
	return m
}

const userDef = `"example.com/app.User":{"type":"object","required":["name"],"properties":{` +
	`"name":{"type":"string","minLength":1,"maxLength":40,"description":"As shown to others.","examples":["ada"]},` +
	`"born":{"type":["string","null"],"format":"date"},` +
	`"friends":{"type":"array","maxItems":100,"items":{"$ref":"#/$defs/example.com~1app.User"}}}}`

func said() wsrouter.Message {
	return msg("message", "example.com/app.ChatMessage", "A text said in the chat.",
		`"message":{"type":"string","minLength":1,"maxLength":500,"description":"What is said."}`, `"message"`,
		`{"action":"message","message":"Hello"}`, "")
}

func activity() wsrouter.Message {
	m := msg("activity", "example.com/app.ChatActivity", "",
		`"activity":{"type":"string","enum":["typing","idle"]}`, `"activity"`, `{"action":"activity","activity":"typing"}`, "")
	m.Delivery = "latest=activity"
	return m
}

// chat is the router of the README, without a session.
func chat() wsrouter.Spec {
	return wsrouter.Spec{
		Discriminator: "action", ID: "id",
		Receives: []wsrouter.Operation{
			{Handler: "onChatMessage", Message: said(), Sends: []wsrouter.Message{said(), activity()}},
			{Handler: "onChatActivity", Message: activity(), Sends: []wsrouter.Message{activity()}},
		},
		Error:  errorMsg(),
		Limits: map[string]int64{"maxMessage": 65536, "outbox": 262144, "depth": 64, "pingInterval": 25000, "pongTimeout": 10000, "writeTimeout": 10000},
	}
}

// rooms is a router that uses everything.
func rooms() wsrouter.Spec {
	user := `{"$ref":"#/$defs/example.com~1app.User"}`
	list := msg("user_list", "example.com/app.Page[example.com/app.User]", "Who is in the room.",
		`"users":{"type":"array","items":`+user+`},"owner":{"anyOf":[`+user+`,{"type":"null"}]}`, `"users"`,
		`{"action":"user_list","users":[{"name":"ada"}]}`, userDef)
	join := msg("join", "example.com/app.Join", "Enter the room.", `"user":`+user+`,"retries":{"type":"integer","minimum":0,"exclusiveMaximum":10,"default":3}`,
		`"user"`, `{"action":"join","user":{"name":"ada"}}`, userDef)
	// A message type that also stands inside another one: with and without the discriminator.
	order := msg("order", "example.com/app.Order", "", `"sku":{"type":"string","pattern":"^[A-Z]{3}$","examples":["ABC"]}`, `"sku"`, `{"action":"order","sku":"ABC"}`, "")
	batch := msg("batch", "example.com/app.Batch", "", `"orders":{"type":"array","items":{"$ref":"#/$defs/example.com~1app.Order"}}`, `"orders"`,
		`{"action":"batch","orders":[{"sku":"ABC"}]}`,
		`"example.com/app.Order":{"type":"object","required":["sku"],"properties":{"sku":{"type":"string","pattern":"^[A-Z]{3}$"}}}`)
	left := msg("left", "example.com/app.UserLeft", "Somebody left.", `"name":{"type":"string"}`, `"name"`, `{"action":"left","name":"ada"}`, "")
	left.Deprecated = true
	hidden := msg("debug", "example.com/app.Debug", "", "", "", `{"action":"debug"}`, "")
	return wsrouter.Spec{
		Name: "Rooms", Description: "A chat of *many* rooms.", Tags: []string{"chat"},
		Discriminator: "action", ID: "id", Resolves: true, Subprotocols: []string{"chat.v2", "chat.v1"},
		Params: []wsrouter.Param{
			{Name: "token", In: "query", Description: "Access token.", Schema: json.RawMessage(`{"type":"string","minLength":8}`)},
			{Name: "room_id", In: "path", Description: "ID of the room to join.", Required: true, Schema: json.RawMessage(`{"type":"string","examples":["lobby"]}`)},
			{Name: "X-Trace", In: "header", Deprecated: true, Schema: json.RawMessage(`{"type":"string"}`)},
			{Name: "bearer.", In: "subprotocol", Description: "the access token", Schema: json.RawMessage(`{"type":"string"}`)},
		},
		Receives: []wsrouter.Operation{
			{Handler: "join", Message: join, Sends: []wsrouter.Message{list}, Path: ptr(": WS join")},
			{Handler: "listUsers", Summary: "List the users", Description: "Asks who is there.",
				Message: msg("users", "example.com/app.Users", "", "", "", `{"action":"users"}`, ""), Sends: []wsrouter.Message{list}, Responds: true},
			{Handler: "say", Message: said(), Sends: []wsrouter.Message{said()}, Path: ptr("")},
			{Handler: "act", Message: activity(), Path: ptr(""), Tags: []string{"typing"}},
			{Handler: "order", Message: order, Sends: []wsrouter.Message{batch}, Deprecated: true},
			{Handler: "debug", Message: hidden, Hidden: true},
		},
		Sends: []wsrouter.Message{left, list},
		Error: errorMsg(),
	}
}

// feed sends only, without discriminator, in binary frames and raw ones.
func feed() wsrouter.Spec {
	return wsrouter.Spec{
		Tags: []string{"feed"}, Binary: true,
		Receives: []wsrouter.Operation{
			{Handler: "onText", Message: wsrouter.Message{Name: "text", Frame: "text", Schema: json.RawMessage(`{"type":"string"}`)}},
			{Handler: "onBytes", Message: wsrouter.Message{Frame: "binary", Schema: json.RawMessage(`{"type":"string"}`)},
				Sends: []wsrouter.Message{{Frame: "binary", Schema: json.RawMessage(`{"type":"string"}`)}}},
		},
		Sends: []wsrouter.Message{
			msg("", "example.com/feed.Tick", "One price.", `"price":{"type":"number","exclusiveMinimum":0}`, `"price"`, `{"price":1.50}`, ""),
			msg("", "example.com/feed.Gap", "", `"from":{"type":"string","format":"date-time"},"note":{"const":"gap"}`, `"from"`, `{"from":"2026-01-02T03:04:05Z"}`, ""),
			{Frame: "text", Schema: json.RawMessage(`{"type":"string"}`)},
		},
		Error: wsrouter.Message{Name: "error", GoType: "github.com/wsrouter-go/wsrouter.Error", Schema: json.RawMessage(
			`{"title":"Error","type":"object","required":["code"],"properties":{"code":{"type":"string"}},"examples":[{"code":"internal"}]}`)},
	}
}

// full mounts all fixtures.
func full() (*apidoc.Doc, *http.ServeMux) {
	mux := http.NewServeMux()
	doc := apidoc.New("Chat", "1.0.0")
	doc.Description = "The fixtures:\neverything at once."
	doc.Mount(mux, "/ws/{room_id}", endpoint(rooms()))
	doc.Mount(mux, "GET /feed", endpoint(feed()))
	doc.Mount(mux, "/ws", endpoint(chat()))
	doc.Serve(mux, "/docs")
	return doc, mux
}
