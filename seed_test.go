package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/scanner"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// The features of fastapi-ws-router, one test for each row of the README's table: on a live connection, and in the OpenAPI document.

// TestSeed01: a message is a Go struct; the handler gets it decoded and validated, and nothing else.
func TestSeed01(t *testing.T) {
	type line struct {
		SKU string `json:"sku" minLength:"1"`
		Qty int    `json:"qty" minimum:"1"`
	}
	type order struct {
		_     none      `ws:"order"`
		Lines []line    `json:"lines"`
		Due   time.Time `json:"due"`
		Note  *string   `json:"note,omitempty"`
	}
	type taken struct {
		_ none `ws:"taken"`
	}
	var got []order
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m order) error {
		got = append(got, m)
		return c.Send(ctx, taken{})
	}, wsrouter.Sends(taken{}))
	mux, doc := mountAt(t, "/ws", r)

	c := wstest.Dial(t, mux, "/ws")
	c.SendRaw(`{"type":"order","lines":[{"sku":"a1","qty":0}],"due":"2026-03-01T12:00:00Z"}`)
	if e := wstest.Expect[wsrouter.Error](c); e.Code != "validation_failed" {
		t.Errorf("the invalid order is answered %+v", e)
	}
	c.SendRaw(`{"type":"order","lines":[{"sku":"a1","qty":2},{"sku":"b2","qty":3}],"due":"2026-03-01T12:00:00Z"}`)
	wstest.Expect[taken](c)
	expect(t, "handled", got, []order{{Lines: []line{{"a1", 2}, {"b2", 3}}, Due: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}})

	body := doc.body(t, "/ws/(order)")
	s := doc.schema(t, body)
	expect(t, "required members", s.Required, []string{"type", "lines", "due"})
	item := doc.schema(t, *s.Properties["lines"].Items)
	expect(t, "minimum of qty", item.Properties["qty"].Minimum, 1)
}

// TestSeed02: the discriminator picks the model; an unknown name and none are distinct errors, and a near miss is told.
func TestSeed02(t *testing.T) {
	type said struct {
		_    none   `ws:"message"`
		Text string `json:"text"`
	}
	type typing struct {
		_    none `ws:"typing"`
		Busy bool `json:"busy"`
	}
	r := wsrouter.New[none](&wsrouter.Options{Discriminator: "action"})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m said) error { return c.Send(ctx, m) }, wsrouter.Sends(said{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m typing) error { return c.Send(ctx, m) }, wsrouter.Sends(typing{}))
	mux, doc := mountAt(t, "/ws", r)

	c := wstest.Dial(t, mux, "/ws")
	for _, m := range []string{`{"action":"message","text":"hi"}`, `{"action":"typing","busy":true}`} {
		c.SendRaw(m)
		expect(t, "echo", string(c.Next().Data), m)
	}
	tests := []struct{ sent, code, path, issue, suggestion string }{
		{`{"action":"mesage","text":"hi"}`, "unknown_type", "/action", "unknown_type", "message"},
		{`{"action":"weather"}`, "unknown_type", "/action", "unknown_type", ""},
		{`{"text":"hi"}`, "validation_failed", "/action", "required", ""},
		{`{"action":7}`, "validation_failed", "/action", "type", ""},
		{`[]`, "validation_failed", "", "type", ""},
		{`hello`, "not_json", "", "syntax", ""},
	}
	for _, tt := range tests {
		c.SendRaw(tt.sent)
		e := wstest.Expect[wsrouter.Error](c)
		if e.Code != tt.code || len(e.Issues) != 1 || e.Issues[0].Path != tt.path || e.Issues[0].Code != tt.issue {
			t.Errorf("%s is answered %+v", tt.sent, e)
			continue
		}
		if got, _ := e.Issues[0].Params["did_you_mean"].(string); got != tt.suggestion {
			t.Errorf("%s: did you mean %q, want %q", tt.sent, got, tt.suggestion)
		}
	}
	expect(t, "property of the body", doc.schema(t, doc.body(t, "/ws/(message)")).Properties["action"].Const, any("message"))
}

// TestSeed03: without a discriminator the first type that accepts a message takes it, a const member that all types share decides at once, and what
// fits none is answered with the few faults of the nearest.
func TestSeed03(t *testing.T) {
	type byName struct {
		Name string `json:"name" minLength:"1"`
		Age  int    `json:"age"`
	}
	type byID struct {
		ID   int    `json:"id"`
		Name string `json:"name,omitempty"`
	}
	r := wsrouter.New[none](&wsrouter.Options{Discriminator: "-"})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m byName) error { return c.Send(ctx, m) }, wsrouter.Sends(byName{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m byID) error { return c.Send(ctx, m) }, wsrouter.Sends(byID{}))
	mux, doc := mountAt(t, "/ws", r)
	c := wstest.Dial(t, mux, "/ws")
	c.SendRaw(`{"id":7}`)
	expect(t, "fits the second", string(c.Next().Data), `{"id":7}`)
	c.SendRaw(`{"name":"Ada","age":36,"id":7}`)
	expect(t, "fits both, the first takes it", string(c.Next().Data), `{"name":"Ada","age":36}`)
	c.SendRaw(`{"name":""}`) // byName finds two faults, byID one
	if e := wstest.Expect[wsrouter.Error](c); len(e.Issues) != 1 || e.Issues[0].Path != "/id" {
		t.Errorf("fits none: %+v", e)
	}
	if _, ok := doc.schema(t, doc.body(t, "/ws/(by_name)")).Properties["type"]; ok {
		t.Error("a discriminator is documented")
	}

	type circle struct {
		Shape  string `json:"shape" const:"circle"`
		Radius int    `json:"radius" minimum:"1"`
	}
	type square struct {
		Shape string `json:"shape" const:"square"`
		Side  int    `json:"side" minimum:"1"`
	}
	r = wsrouter.New[none](&wsrouter.Options{Discriminator: "-"})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m circle) error { return c.Send(ctx, m) }, wsrouter.Sends(circle{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m square) error { return c.Send(ctx, m) }, wsrouter.Sends(square{}))
	c = wstest.Dial(t, r, "/")
	c.SendRaw(`{"side":2,"shape":"square"}`)
	expect(t, "square", wstest.Expect[square](c).Side, 2)
	c.SendRaw(`{"shape":"square","radius":1}`) // nearer to a circle, but for its const
	if e := wstest.Expect[wsrouter.Error](c); len(e.Issues) != 1 || e.Issues[0].Path != "/side" {
		t.Errorf("a square without its side: %+v", e)
	}
	c.SendRaw(`{"shape":"sqare","side":2}`)
	if e := wstest.Expect[wsrouter.Error](c); e.Code != "unknown_type" || e.Issues[0].Params["did_you_mean"] != "square" {
		t.Errorf("an unknown const: %+v", e)
	}
}

// TestSeed04: one router, several handlers, each for its model.
func TestSeed04(t *testing.T) {
	type reset struct {
		_ none `ws:"reset"`
	}
	type add struct {
		_ none `ws:"add"`
		N int  `json:"n"`
	}
	type total struct {
		_ none `ws:"total"`
		N int  `json:"n"`
	}
	sum := 0
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m reset) error { sum = 0; return nil })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m add) error { sum += m.N; return nil })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m total) error { return c.Send(ctx, total{N: sum}) }, wsrouter.Sends(total{}))
	mux, doc := mountAt(t, "/ws", r)

	c := wstest.Dial(t, mux, "/ws")
	for _, m := range []any{add{N: 40}, reset{}, add{N: 2}, add{N: 3}, total{}} {
		c.Send(m)
	}
	expect(t, "total", wstest.Expect[total](c).N, 5)
	for _, name := range []string{"reset", "add", "total"} {
		doc.body(t, "/ws/("+name+")")
	}
}

// TestSeed05: what a handler may answer is the response of its operation. It need not answer.
func TestSeed05(t *testing.T) {
	type ask struct {
		_     none `ws:"ask"`
		Times int  `json:"times"`
	}
	type yes struct {
		_ none `ws:"yes"`
	}
	type no struct {
		_   none   `ws:"no"`
		Why string `json:"why"`
	}
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
		for range m.Times {
			if err := c.Send(ctx, no{Why: "because"}); err != nil {
				return err
			}
		}
		return nil
	}, wsrouter.Sends(yes{}, no{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m yes) error { return c.Send(ctx, m) }, wsrouter.Sends(yes{}))
	mux, doc := mountAt(t, "/ws", r)

	c := wstest.Dial(t, mux, "/ws")
	c.Send(ask{Times: 0})
	c.Send(ask{Times: 2})
	c.Send(yes{})
	wstest.Expect[no](c)
	wstest.Expect[no](c)
	wstest.Expect[yes](c)

	answers := doc.op(t, "post", "/ws/(ask)").Responses["200"].json()
	expect(t, "answers to ask", answers.refs(), []string{"yes", "no"})
	expect(t, "mapping of the answers", answers.mapping(), map[string]string{"yes": "yes", "no": "no"})
	expect(t, "answers to yes", doc.op(t, "post", "/ws/(yes)").Responses["200"].json().refs(), []string{"yes"})
}

// TestSeed06: what the router declares stands at the entrypoint, and any handler may send it.
func TestSeed06(t *testing.T) {
	type tick struct {
		_ none `ws:"tick"`
	}
	type clock struct {
		_  none `ws:"clock"`
		At int  `json:"at"`
	}
	r := wsrouter.New[none](nil)
	r.Sends(clock{})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m tick) error { return c.Send(ctx, clock{At: 5}) })
	mux, doc := mountAt(t, "/ws", r)

	c := wstest.Dial(t, mux, "/ws")
	c.Send(tick{})
	expect(t, "clock", wstest.Expect[clock](c).At, 5)
	expect(t, "entrypoint", doc.op(t, "get", "/ws").Responses["101"].json().refs(), []string{"clock", "Error"})
}

// TestSeed07: an event that no message triggers has its place at the entrypoint, and in none of the handlers.
func TestSeed07(t *testing.T) {
	type hello struct {
		_ none `ws:"hello"`
	}
	type alarm struct {
		_     none   `ws:"alarm"`
		Where string `json:"where"`
	}
	r := wsrouter.New[none](nil)
	r.Sends(alarm{})
	r.OnConnect(func(ctx context.Context, c *conn) error { return r.Room("all").Join(c) })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m hello) error { return c.Send(ctx, m) }, wsrouter.Sends(hello{}))
	mux, doc := mountAt(t, "/ws", r)

	a, b := wstest.Dial(t, mux, "/ws"), wstest.Dial(t, mux, "/ws")
	for _, c := range []*wstest.Client{a, b} { // both have joined
		c.Send(hello{})
		wstest.Expect[hello](c)
	}
	if err := r.Room("all").Broadcast(t.Context(), alarm{Where: "kitchen"}); err != nil {
		t.Fatal(err)
	}
	expect(t, "alarm of a", wstest.Expect[alarm](a).Where, "kitchen")
	expect(t, "alarm of b", wstest.Expect[alarm](b).Where, "kitchen")

	get := doc.op(t, "get", "/ws")
	expect(t, "x-websocket.send", refNames(get.WebSocket.Send), []string{"alarm", "Error"})
	expect(t, "101", get.Responses["101"].json().mapping(), map[string]string{"alarm": "alarm", "error": "Error"})
	expect(t, "answers to hello", doc.op(t, "post", "/ws/(hello)").Responses["200"].json().refs(), []string{"hello"})
}

// TestSeed08: a handler without Sends has a 200 without content.
func TestSeed08(t *testing.T) {
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, onGreeting)
	_, doc := mountAt(t, "/ws", r)
	ok, found := doc.op(t, "post", "/ws/(onGreeting)").Responses["200"]
	if !found || ok.Content != nil {
		t.Errorf("the 200 is %+v, there: %v", ok, found)
	}
}

// seedApp has handlers that are methods.
type seedApp struct{ greeted []string }

func (a *seedApp) greet(ctx context.Context, c *conn, m greeting) error {
	a.greeted = append(a.greeted, m.Name)
	return c.Send(ctx, m)
}

// TestSeed09: handlers are POST operations at a path of their own with their name; the entrypoint is the GET that it is.
func TestSeed09(t *testing.T) {
	type closure struct {
		_ none `ws:"by_closure"`
	}
	app := &seedApp{}
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, app.greet, wsrouter.Sends(greeting{}))
	wsrouter.Receive(r, nothing[otherGreeting], wsrouter.As("other"), wsrouter.Hidden())
	wsrouter.Receive(r, func(context.Context, *conn, closure) error { return nil })
	mux, doc := mountAt(t, "/api/ws", r)

	expect(t, "operations", doc.operations(), []string{
		"GET /api/ws api_ws_connect",
		"POST /api/ws/(by_closure) api_ws_by_closure",
		"POST /api/ws/(greet) api_ws_greet",
	})
	expect(t, "body", doc.body(t, "/api/ws/(greet)").refs(), []string{"greeting"})
	if _, ok := doc.op(t, "get", "/api/ws").Responses["101"]; !ok {
		t.Error("the entrypoint has no 101")
	}
	c := wstest.Dial(t, mux, "/api/ws")
	c.Send(greeting{Name: "Ada"})
	wstest.Expect[greeting](c)
	expect(t, "greeted", app.greeted, []string{"Ada"})
}

// TestSeed10: Path is appended as it is.
func TestSeed10(t *testing.T) {
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, onGreeting, wsrouter.Path(": WS Chat message"))
	wsrouter.Receive(r, nothing[kinded], wsrouter.Path("/kinds"))
	_, doc := mountAt(t, "/ws", r)
	expect(t, "operations", doc.operations(), []string{
		"GET /ws ws_connect",
		"POST /ws/kinds ws_kinded",
		"POST /ws: WS Chat message ws_onGreeting",
	})
}

// TestSeed11: Path("") puts handlers on the endpoint's own path, where they share one POST; the entrypoint stays, and all of them work.
func TestSeed11(t *testing.T) {
	type ping struct {
		_ none `ws:"ping"`
	}
	type pong struct {
		_ none `ws:"pong"`
	}
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m ping) error { return c.Send(ctx, pong{}) }, wsrouter.Path(""), wsrouter.Sends(pong{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m pong) error { return c.Send(ctx, ping{}) }, wsrouter.Path(""), wsrouter.Sends(ping{}))
	wsrouter.Receive(r, onGreeting)
	mux, doc := mountAt(t, "/ws", r)

	expect(t, "operations", doc.operations(), []string{"GET /ws ws_connect", "POST /ws ws_ping", "POST /ws/(onGreeting) ws_onGreeting"})
	body := doc.body(t, "/ws")
	expect(t, "bodies", body.refs(), []string{"ping", "pong"})
	expect(t, "mapping", body.mapping(), map[string]string{"ping": "ping", "pong": "pong"})
	expect(t, "answers", doc.op(t, "post", "/ws").Responses["200"].json().refs(), []string{"pong", "ping"})
	if _, ok := doc.op(t, "get", "/ws").Responses["101"]; !ok {
		t.Error("the entrypoint has no 101")
	}

	c := wstest.Dial(t, mux, "/ws")
	c.Send(ping{})
	wstest.Expect[pong](c)
	c.Send(pong{})
	wstest.Expect[ping](c)
}

// TestSeed12: pseudo operations are not routed; a plain GET of the entrypoint is told what it is.
func TestSeed12(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: (&recorder{}).logger()})
	wsrouter.Receive(r, onGreeting)
	wsrouter.Receive(r, nothing[kinded], wsrouter.Path(": WS kinds"))
	mux, doc := mountAt(t, "/ws", r)
	for _, p := range []string{"/ws/(onGreeting)", "/ws: WS kinds"} {
		doc.body(t, p)
		for _, method := range []string{"POST", "GET"} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(method, strings.ReplaceAll(p, " ", "%20"), strings.NewReader(`{"type":"hello","name":"Ada"}`)))
			expect(t, method+" "+p, w.Code, http.StatusNotFound)
		}
	}

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "http://chat.example/ws", nil))
	expect(t, "status of a plain GET", w.Code, http.StatusUpgradeRequired)
	expect(t, "Upgrade header", w.Header().Get("Upgrade"), "websocket")
	expect(t, "content type", w.Header().Get("Content-Type"), "application/json")
	body := refusalIn(t, w.Result())
	if body.Code != "upgrade_required" || !strings.Contains(body.Detail, `new WebSocket("ws://chat.example/ws")`) {
		t.Errorf("a plain GET is told %+v", body)
	}
	if _, ok := doc.op(t, "get", "/ws").Responses["426"]; !ok {
		t.Error("the 426 is not documented")
	}
}

// TestSeed13: the compiler refuses a function that is no handler, and says what is wrong with it.
func TestSeed13(t *testing.T) {
	source, err := os.ReadFile("testdata/wrongsignature/wrong.go")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-e", "-o", os.DevNull, "./testdata/wrongsignature").CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); !failed {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	errorAt := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)wrong\.go:(\d+):\d+: (.*(?:\n\t.*)*)`).FindAllStringSubmatch(string(out), -1) {
		errorAt[m[1]] += m[2]
	}
	wanted := regexp.MustCompile(`// want "(.*)"$`)
	for i, line := range strings.Split(string(source), "\n") {
		number := fmt.Sprint(i + 1)
		m := wanted.FindStringSubmatch(line)
		switch got := errorAt[number]; {
		case m == nil && got != "":
			t.Errorf("line %s should compile: %s", number, got)
		case m != nil && !strings.Contains(got, m[1]):
			t.Errorf("line %s: the compiler says %q, want %q in it", number, got, m[1])
		}
	}
}

// seedSession has a parameter of every kind, and a dependency.
type seedSession struct {
	Room  string `path:"room" doc:"Where to."`
	Level int    `query:"level" minimum:"1" maximum:"3"`
	Lang  string `header:"X-Lang" enum:"de,en" required:"false"`
	Theme string `cookie:"theme" default:"light" enum:"light,dark"`

	user string
}

func (s *seedSession) Resolve(ctx context.Context, r *http.Request) error {
	switch s.Room {
	case "secret":
		return wsrouter.Reject(http.StatusForbidden, "the room is secret")
	case "broken":
		return errors.New("the database has a password")
	}
	s.user = "user of " + s.Room
	return nil
}

type seedView struct {
	_     none   `ws:"view"`
	Room  string `json:"room"`
	Level int    `json:"level"`
	Lang  string `json:"lang"`
	Theme string `json:"theme"`
	User  string `json:"user"`
}

// newSeedRouter answers a view by what the session holds.
func newSeedRouter(o *wsrouter.Options) *wsrouter.Router[seedSession] {
	r := wsrouter.New[seedSession](o)
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[seedSession], _ seedView) error {
		s := &c.Session
		return c.Send(ctx, seedView{Room: s.Room, Level: s.Level, Lang: s.Lang, Theme: s.Theme, User: s.user})
	}, wsrouter.Sends(seedView{}))
	return r
}

const seedViewBlank = `{"type":"view","room":"","level":0,"lang":"","theme":"","user":""}`

// TestSeed14: path, query, header and cookie parameters and a dependency; they are decoded, documented, and answered when they are wrong.
func TestSeed14(t *testing.T) {
	mux, doc := mountAt(t, "/ws/{room}", newSeedRouter(&wsrouter.Options{Logger: (&recorder{}).logger()}))

	c := wstest.Dial(t, mux, "/ws/lobby?level=2", wstest.Header("X-Lang", "de"), wstest.Header("Cookie", "theme=dark"))
	c.SendRaw(seedViewBlank)
	expect(t, "session", wstest.Expect[seedView](c), seedView{Room: "lobby", Level: 2, Lang: "de", Theme: "dark", User: "user of lobby"})
	c = wstest.Dial(t, mux, "/ws/attic?level=3")
	c.SendRaw(seedViewBlank)
	expect(t, "session", wstest.Expect[seedView](c), seedView{Room: "attic", Level: 3, Theme: "light", User: "user of attic"})

	refused := []struct {
		target string
		header wstest.DialOption
		issues string
	}{
		{"/ws/lobby?level=9", nil, "/query/level maximum"},
		{"/ws/lobby?level=two", nil, "/query/level type"},
		{"/ws/lobby", nil, "/query/level required"},
		{"/ws/lobby?level=1&level=2", nil, "/query/level duplicate"},
		{"/ws/lobby?level=1", wstest.Header("X-Lang", "fr"), "/header/X-Lang enum"},
		{"/ws/lobby?level=0", wstest.Header("Cookie", "theme=pink"), "/query/level minimum, /cookie/theme enum"},
	}
	for _, tt := range refused {
		var opts []wstest.DialOption
		if tt.header != nil {
			opts = append(opts, tt.header)
		}
		resp := wstest.Refused(t, mux, tt.target, opts...)
		body := refusalIn(t, resp)
		var issues []string
		for _, i := range body.Issues {
			issues = append(issues, i.Path+" "+i.Code)
			if i.Message == "" {
				t.Errorf("%s: %s has no text", tt.target, i.Path)
			}
		}
		if resp.StatusCode != 400 || body.Code != "validation_failed" || strings.Join(issues, ", ") != tt.issues {
			t.Errorf("%s: %d %+v, want %s", tt.target, resp.StatusCode, body, tt.issues)
		}
	}

	var params []string
	for _, p := range doc.op(t, "get", "/ws/{room}").Parameters {
		params = append(params, fmt.Sprintf("%s %s %v %v", p.In, p.Name, p.Required, p.Schema.Type))
	}
	expect(t, "documented parameters", params, []string{"path room true string", "query level true integer", "header X-Lang false string", "cookie theme false string"})
}

// TestSeed15: what the request and OnConnect put into the session is there, typed, in every handler of that connection alone.
func TestSeed15(t *testing.T) {
	type session struct {
		Name  string `query:"name"`
		count int
	}
	type step struct {
		_ none `ws:"step"`
	}
	type counted struct {
		_    none   `ws:"counted"`
		Name string `json:"name"`
		N    int    `json:"n"`
	}
	r := wsrouter.New[session](nil)
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[session]) error { c.Session.count = 10; return nil })
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[session], _ step) error {
		c.Session.count++
		return c.Send(ctx, counted{Name: c.Session.Name, N: c.Session.count})
	}, wsrouter.Sends(counted{}))

	a, b := wstest.Dial(t, r, "/?name=a"), wstest.Dial(t, r, "/?name=b")
	a.Send(step{})
	expect(t, "a", wstest.Expect[counted](a), counted{Name: "a", N: 11})
	a.Send(step{})
	expect(t, "a again", wstest.Expect[counted](a), counted{Name: "a", N: 12})
	b.Send(step{})
	expect(t, "b", wstest.Expect[counted](b), counted{Name: "b", N: 11})
}

// TestSeed16: a prefix with path parameters, which every operation of the router repeats.
func TestSeed16(t *testing.T) {
	type session struct {
		Item int `path:"item" minimum:"1"`
	}
	type look struct {
		_ none `ws:"look"`
	}
	type seen struct {
		_    none `ws:"seen"`
		Item int  `json:"item"`
	}
	r := wsrouter.New[session](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[session], _ look) error {
		return c.Send(ctx, seen{Item: c.Session.Item})
	}, wsrouter.Sends(seen{}))
	wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[session], seen) error { return nil }, wsrouter.Path(": WS seen"))
	mux, doc := mountAt(t, "/shop/{shop}/ws/{item}", r)

	c := wstest.Dial(t, mux, "/shop/x/ws/42")
	c.Send(look{})
	expect(t, "item", wstest.Expect[seen](c).Item, 42)
	expect(t, "operations", doc.operations(), []string{
		"GET /shop/{shop}/ws/{item} shop_shop_ws_item_connect",
		"POST /shop/{shop}/ws/{item}/(look) shop_shop_ws_item_look",
		"POST /shop/{shop}/ws/{item}: WS seen shop_shop_ws_item_seen",
	})
	for p, item := range doc.Paths {
		for method, op := range item {
			var params []string
			for _, q := range op.Parameters {
				params = append(params, fmt.Sprintf("%s %s %v %v", q.In, q.Name, q.Required, q.Schema.Type))
			}
			expect(t, method+" "+p, params, []string{"path shop true string", "path item true integer"})
		}
	}
}

// TestSeed17: several routers in one application; the schemas of types that share a name are kept apart.
func TestSeed17(t *testing.T) {
	type place struct {
		_    none   `ws:"place"`
		Name string `json:"name"`
	}
	first := wsrouter.New[none](nil)
	wsrouter.Receive(first, nothing[token.Position], wsrouter.As("position"))
	wsrouter.Receive(first, func(ctx context.Context, c *conn, m place) error { return c.Send(ctx, place{Name: "first"}) }, wsrouter.Sends(place{}))
	second := wsrouter.New[none](nil)
	wsrouter.Receive(second, nothing[scanner.Position], wsrouter.As("position"))
	wsrouter.Receive(second, func(ctx context.Context, c *conn, m place) error { return c.Send(ctx, place{Name: "second"}) }, wsrouter.Sends(place{}))

	third := wsrouter.New[none](&wsrouter.Options{Discriminator: "action"}) // the same type travels otherwise here
	wsrouter.Receive(third, nothing[place])
	mux := http.NewServeMux()
	d := apidoc.New("All", "1")
	d.Mount(mux, "/first", first)
	d.Mount(mux, "/second", second)
	d.Mount(mux, "/third", third)
	doc := parseOpenAPI(t, d.OpenAPI())
	for _, name := range []string{"first", "second"} {
		c := wstest.Dial(t, mux, "/"+name)
		c.Send(place{})
		expect(t, "router", wstest.Expect[place](c).Name, name)
		expect(t, "shared type", doc.body(t, "/"+name+"/(place)").refs(), []string{"place"})
	}
	expect(t, "first", doc.body(t, "/first/(position)").refs(), []string{"token_Position"})
	expect(t, "second", doc.body(t, "/second/(position)").refs(), []string{"scanner_Position"})
	for _, name := range []string{"token_Position", "scanner_Position"} {
		if len(doc.Components.Schemas[name].Properties) != 5 {
			t.Errorf("the schema %s is %+v", name, doc.Components.Schemas[name])
		}
	}
	for path, member := range map[string]string{"/second/(place)": "type", "/third/(place)": "action"} {
		s := doc.schema(t, doc.body(t, path))
		expect(t, path+": "+member, s.Properties[member].Const, any("place"))
		expect(t, path+": required", s.Required, []string{member, "name"})
	}
}

// TestSeed18: tags on all operations of a router, its name on the entrypoint.
func TestSeed18(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Name: "Chat", Tags: []string{"chat", "live"}})
	wsrouter.Receive(r, onGreeting)
	wsrouter.Receive(r, nothing[kinded], wsrouter.Tags("kinds"))
	_, doc := mountAt(t, "/ws", r)
	get := doc.op(t, "get", "/ws")
	expect(t, "summary of the entrypoint", get.Summary, "Chat")
	expect(t, "its id", get.OperationID, "Chat_connect")
	expect(t, "its tags", get.Tags, []string{"chat", "live"})
	expect(t, "tags of a handler", doc.op(t, "post", "/ws/(onGreeting)").Tags, []string{"chat", "live"})
	expect(t, "tags of a handler with its own", doc.op(t, "post", "/ws/(kinded)").Tags, []string{"chat", "live", "kinds"})
}

// TestSeed19: deprecated and hidden, for a router and for a handler; both only concern documents.
func TestSeed19(t *testing.T) {
	type secretWord struct {
		_ none `ws:"secret_word"`
	}
	type word struct {
		_ none `ws:"word"`
	}
	declare := func(o wsrouter.Options) *wsrouter.Router[none] {
		r := wsrouter.New[none](&o)
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m word) error { return c.Send(ctx, m) }, wsrouter.Deprecated(), wsrouter.Sends(word{}))
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m secretWord) error { return c.Send(ctx, word{}) }, wsrouter.Hidden(), wsrouter.Sends(word{}))
		wsrouter.Receive(r, onGreeting)
		return r
	}
	mux := http.NewServeMux()
	d := apidoc.New("All", "1")
	d.Mount(mux, "/plain", declare(wsrouter.Options{}))
	d.Mount(mux, "/old", declare(wsrouter.Options{Deprecated: true}))
	d.Mount(mux, "/hidden", declare(wsrouter.Options{Hidden: true}))
	doc := parseOpenAPI(t, d.OpenAPI())

	deprecated := map[string]bool{}
	for p, item := range doc.Paths {
		for method, op := range item {
			deprecated[method+" "+p] = op.Deprecated
		}
	}
	expect(t, "deprecated", deprecated, map[string]bool{
		"get /plain": false, "post /plain/(word)": true, "post /plain/(onGreeting)": false,
		"get /old": true, "post /old/(word)": true, "post /old/(onGreeting)": true,
	})
	if all := string(d.OpenAPI()); strings.Contains(strings.ToLower(all), "secret") {
		t.Error("the hidden message stands in the document")
	}
	for _, target := range []string{"/plain", "/old", "/hidden"} {
		c := wstest.Dial(t, mux, target)
		c.Send(word{})
		wstest.Expect[word](c)
		c.Send(secretWord{})
		wstest.Expect[word](c)
		c.SendRaw(`{"type":"secret_wort"}`)
		c.Send(word{})
		if answer := string(c.Next().Data); strings.Contains(answer, "secret_word") {
			t.Errorf("%s: a near miss is told the hidden name: %s", target, answer)
		}
		wstest.Expect[word](c)
	}
}

// TestSeed20: a connection is accepted unless somebody says otherwise: Resolve before the 101, by a plain answer, OnConnect after it, by a close code.
func TestSeed20(t *testing.T) {
	rec := &recorder{}
	mux, doc := mountAt(t, "/ws/{room}", newSeedRouter(&wsrouter.Options{Logger: rec.logger()}))
	resp := wstest.Refused(t, mux, "/ws/secret?level=1")
	body := refusalIn(t, resp)
	if resp.StatusCode != http.StatusForbidden || body.Code != "forbidden" || body.Detail != "the room is secret" {
		t.Errorf("Reject: %d %+v", resp.StatusCode, body)
	}
	resp = wstest.Refused(t, mux, "/ws/broken?level=1")
	body = refusalIn(t, resp)
	if resp.StatusCode != http.StatusInternalServerError || body.Code != "internal" || strings.Contains(body.Detail, "password") {
		t.Errorf("any other error: %d %+v", resp.StatusCode, body)
	}
	if logs := strings.Join(rec.logs, "\n"); !strings.Contains(logs, "the database has a password") {
		t.Errorf("the cause is not logged:\n%s", logs)
	}
	for _, status := range []string{"101", "400", "403", "426", "default"} {
		if _, ok := doc.op(t, "get", "/ws/{room}").Responses[status]; !ok {
			t.Errorf("the answer %s is not documented", status)
		}
	}

	r := wsrouter.New[none](nil) // nothing is declared, and nothing is forgotten
	wstest.Dial(t, r, "/").Close()

	type session struct {
		Banned bool `query:"banned" default:"false"`
	}
	gate := wsrouter.New[session](nil)
	gate.Sends(greeting{})
	gate.OnConnect(func(ctx context.Context, c *wsrouter.Conn[session]) error {
		if c.Session.Banned {
			return wsrouter.Close(4003, "banned until noon")
		}
		return c.Send(ctx, greeting{Name: "welcome"})
	})
	expect(t, "first message", wstest.Expect[greeting](wstest.Dial(t, gate, "/")).Name, "welcome")
	expect(t, "reason", wstest.Dial(t, gate, "/?banned=true").ExpectClose(4003), "banned until noon")
}

// TestSeed21: OnDisconnect runs exactly once and at once, however the connection ends.
func TestSeed21(t *testing.T) {
	type seedDo struct {
		_    none   `ws:"do"`
		What string `json:"what"`
	}
	ends := []struct {
		name string
		end  func(p *peer, r *wsrouter.Router[none], c *conn)
		code int
		by   string // who began it
	}{
		{"client closes", func(p *peer, _ *wsrouter.Router[none], _ *conn) { go p.ws.Close(4321, "enough") }, 4321, "client"},
		{"client vanishes", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.conn.Close() }, 1006, "nobody"},
		{"client vanishes during a send", func(p *peer, _ *wsrouter.Router[none], c *conn) {
			p.send(`{"type":"do","what":"flood"}`)
			p.conn.Close()
		}, 1006, "nobody"},
		{"client vanishes while a handler waits", func(p *peer, _ *wsrouter.Router[none], _ *conn) {
			p.send(`{"type":"do","what":"wait"}`)
			synctest.Wait()
			p.conn.Close()
		}, 1006, "nobody"},
		{"handler returns Close", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.send(`{"type":"do","what":"leave"}`) }, 4000, "server"},
		{"handler panics", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.send(`{"type":"do","what":"panic"}`) }, 1011, "server"},
		{"server closes", func(_ *peer, _ *wsrouter.Router[none], c *conn) { c.Close(4001, "that is all") }, 4001, "server"},
		{"server shuts down", func(_ *peer, r *wsrouter.Router[none], _ *conn) { go r.Shutdown(context.Background()) }, 1001, "server"},
		{"message too big", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.send(strings.Repeat("x", 300)) }, 1009, "server"},
		{"text that is not UTF-8", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.send("\xff") }, 1007, "server"},
		{"frame that breaks the protocol", func(p *peer, _ *wsrouter.Router[none], _ *conn) { p.conn.Write([]byte{0x83, 0x80, 0, 0, 0, 0}) }, 1002, "server"},
		{"binary where messages are text", func(p *peer, _ *wsrouter.Router[none], _ *conn) {
			p.ws.Write(context.Background(), websocket.MessageBinary, []byte("{}"))
		}, 1003, "server"},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var open *conn
				var infos []wsrouter.CloseInfo
				r := wsrouter.New[none](&wsrouter.Options{MaxMessage: 256, Logger: (&recorder{}).logger()})
				r.OnConnect(func(_ context.Context, c *conn) error { open = c; return nil })
				r.OnDisconnect(func(_ context.Context, c *conn, info wsrouter.CloseInfo) {
					if c != open {
						t.Error("OnDisconnect got another connection")
					}
					infos = append(infos, info)
				})
				wsrouter.Receive(r, func(ctx context.Context, c *conn, m seedDo) error {
					switch m.What {
					case "leave":
						return wsrouter.Close(4000, "goodbye")
					case "panic":
						panic("at the disco")
					case "wait":
						<-ctx.Done()
						return ctx.Err()
					}
					for range 100 {
						if err := c.Send(ctx, m); err != nil {
							return err
						}
					}
					return nil
				}, wsrouter.Sends(seedDo{}))

				p := connect(t, r, "/", nil)
				synctest.Wait()
				tt.end(p, r, open)
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				if len(infos) != 1 || infos[0].Code != tt.code || infos[0].Remote != (tt.by == "client") {
					t.Fatalf("OnDisconnect got %+v at once, want one %d by the %s", infos, tt.code, tt.by)
				}
				p.conn.Close()
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(infos) != 1 {
					t.Errorf("OnDisconnect got %+v in the end", infos)
				}
			})
		})
	}
}

// TestSeed22: the fallback gets what no handler takes, with the frame and the error; without one it is answered, and that is documented.
func TestSeed22(t *testing.T) {
	var got []string
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return c.Send(ctx, m) }, wsrouter.Sends(greeting{}))
	r.OnFallback(func(ctx context.Context, c *conn, f wsrouter.Frame, err error) error {
		var invalid *wsrouter.ValidationError
		var protocol *wsrouter.ProtocolError
		switch {
		case errors.As(err, &invalid):
			got = append(got, invalid.Code+" "+string(f.Data))
		case errors.As(err, &protocol):
			got = append(got, fmt.Sprint(protocol.Code, " ", f.Binary, " ", string(f.Data)))
		}
		return nil
	})
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, r, "/", nil)
		p.send(`{"type":"helo","name":"Ada"}`)
		p.send(`{"type":"hello","name":7}`)
		p.send(`hello`)
		if err := p.ws.Write(t.Context(), websocket.MessageBinary, []byte("\x01\x02")); err != nil {
			t.Error(err)
		}
		p.send(`{"type":"hello","name":"Ada"}`) // the connection stands
		synctest.Wait()
		expect(t, "fallback", got, []string{`unknown_type {"type":"helo","name":"Ada"}`, `validation_failed {"type":"hello","name":7}`, `not_json hello`, "1003 true \x01\x02"})
		expect(t, "answers", p.got(), []string{`{"type":"hello","name":"Ada"}`})
		p.close()
	})

	r = wsrouter.New[none](nil)
	wsrouter.Receive(r, onGreeting)
	mux, doc := mountAt(t, "/ws", r)
	c := wstest.Dial(t, mux, "/ws")
	c.SendRaw(`{"type":"helo"}`)
	expect(t, "default answer", wstest.Expect[wsrouter.Error](c).Code, "unknown_type")
	expect(t, "error of a handler", doc.op(t, "post", "/ws/(onGreeting)").Responses["400"].json().refs(), []string{"Error"})
	expect(t, "events", doc.op(t, "get", "/ws").Responses["101"].json().refs(), []string{"Error"})
	expect(t, "name of the error", doc.Components.Schemas["Error"].Properties["type"].Const, any("error"))
}

// TestSeed23: the error of an invalid message lists every fault with its place, code, text and input, for the fallback as for the peer.
func TestSeed23(t *testing.T) {
	type item struct {
		Qty int `json:"qty" minimum:"1"`
	}
	type basket struct {
		_     none   `ws:"basket"`
		Items []item `json:"items"`
		Size  string `json:"size" enum:"s,m,l"`
	}
	var seen *wsrouter.ValidationError
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, nothing[basket])
	r.OnFallback(func(ctx context.Context, c *conn, f wsrouter.Frame, err error) error {
		errors.As(err, &seen)
		return err
	})
	c := wstest.Dial(t, r, "/")
	c.SendRaw(`{"type":"basket","items":[{"qty":1},{"qty":0},{}],"size":"xl","id":"b7"}`)
	answer := c.Next()
	var e struct {
		Type, Code, Detail, ID string
		Issues                 []struct {
			Path, Code, Message string
			Params              map[string]any
			Input               any
		}
	}
	if err := json.Unmarshal(answer.Data, &e); err != nil {
		t.Fatalf("%s: %v", answer.Data, err)
	}
	expect(t, "reply", []string{e.Type, e.Code, e.Detail, e.ID}, []string{"error", "validation_failed", "3 issues", "b7"})
	var issues []string
	for _, i := range e.Issues {
		issues = append(issues, fmt.Sprintf("%s %s %v %v", i.Path, i.Code, i.Params, i.Input))
		if i.Message == "" {
			t.Errorf("%s has no text", i.Path)
		}
	}
	expect(t, "issues", issues, []string{
		"/items/1/qty minimum map[minimum:1] 0",
		"/items/2/qty required map[] <nil>",
		"/size enum map[enum:[s m l]] xl",
	})
	if seen == nil || seen.Code != "validation_failed" || len(seen.Issues) != 3 || seen.Issues[2].Path != "/size" || string(seen.Issues[2].Input) != `"xl"` {
		t.Errorf("the fallback got %+v", seen)
	}
}

// TestSeed24: a dispatcher chooses the handler itself: by name, by value, or as the router would. What only it can reach is documented too.
func TestSeed24(t *testing.T) {
	type list struct {
		_     none     `ws:"list"`
		Names []string `json:"names"`
	}
	type celsius float64
	r := wsrouter.New[none](nil)
	r.Sends(list{}, "")
	r.Dispatch(func(ctx context.Context, c *conn, routes *wsrouter.Routes[none], f wsrouter.Frame) error {
		word, rest, _ := strings.Cut(string(f.Data), " ")
		switch {
		case f.Binary:
			return routes.Call(ctx, c, f.Data)
		case word == "names":
			return c.Send(ctx, list{Names: routes.Names()})
		case word == "call":
			return routes.Call(ctx, c, celsius(37.5))
		case word == "numb":
			return routes.Call(ctx, c, 3+4i)
		case strings.HasPrefix(word, "{"):
			return routes.Default(ctx, c, f)
		case strings.HasPrefix(word, "/"):
			return routes.Handle(ctx, c, word[1:], []byte(rest))
		}
		return routes.Call(ctx, c, string(f.Data))
	})
	say := func(ctx context.Context, c *conn, format string, args ...any) error {
		return c.SendText(ctx, fmt.Sprintf(format, args...))
	}
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return say(ctx, c, "hello %s", m.Name) })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, s string) error { return say(ctx, c, "line %q", s) })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, b []byte) error { return say(ctx, c, "bytes %x", b) })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, v celsius) error { return say(ctx, c, "%.1f degrees", v) }, wsrouter.As("celsius"))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, ns []int) error { return say(ctx, c, "%d numbers", len(ns)) }, wsrouter.As("numbers"), wsrouter.Summary("Count"))
	mux, doc := mountAt(t, "/ws", r)

	synctest.Test(t, func(t *testing.T) {
		p := connect(t, mux, "/ws", nil)
		talk := []struct{ sent, answer string }{
			{`anything at all`, `line "anything at all"`},
			{`/hello {"name":"Ada"}`, `hello Ada`},
			{`/hello {"type":"hello","name":"Bob"}`, `hello Bob`},
			{`{"type":"hello","name":"Eve"}`, `hello Eve`},
			{`/numbers [1,2,3]`, `3 numbers`},
			{`call`, `37.5 degrees`},
			{`names`, `{"type":"list","names":["hello","text","binary","celsius","numbers"]}`},
			{`/hello {"name":1}`, `"code":"validation_failed"`},
			{`/helo {"name":"Ada"}`, `"did_you_mean":"hello"`},
			{`{"type":"helo","name":"Eve"}`, `"did_you_mean":"hello"`},
		}
		for i, m := range talk {
			p.send(m.sent)
			synctest.Wait()
			if got := p.got(); len(got) != i+1 || !strings.Contains(got[i], m.answer) {
				t.Fatalf("%s is answered %q, want %s", m.sent, got[min(i, len(got)):], m.answer)
			}
		}
		if err := p.ws.Write(t.Context(), websocket.MessageBinary, []byte{1, 255}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		expect(t, "binary frame", p.got()[len(talk)], "bytes 01ff")
		p.close()
	})

	types := map[string]string{}
	for p, item := range doc.Paths {
		if op, ok := item["post"]; ok {
			for media, m := range op.RequestBody.Content {
				types[path.Base(p)] = fmt.Sprintf("%s %v", media, doc.schema(t, m.Schema).Type)
			}
		}
	}
	expect(t, "bodies", types, map[string]string{
		"(hello)":   "application/json object",
		"(text)":    "text/plain string",
		"(binary)":  "application/octet-stream <nil>",
		"(celsius)": "application/json number",
		"(numbers)": "application/json array",
	})
	expect(t, "summary", doc.op(t, "post", "/ws/(numbers)").Summary, "Count")
}

// TestSeed25: messages in binary frames, both ways and documented; a text frame is for the fallback then, and closes without one.
func TestSeed25(t *testing.T) {
	declare := func(o *wsrouter.Options) *wsrouter.Router[none] {
		r := wsrouter.New[none](o)
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return c.Send(ctx, m) }, wsrouter.Sends(greeting{}))
		return r
	}
	r := declare(&wsrouter.Options{Binary: true})
	mux, doc := mountAt(t, "/ws", r)
	c := wstest.Dial(t, mux, "/ws")
	c.SendRaw(`{"type":"hello","name":"Ada"}`)
	if f := c.Next(); !f.Binary || string(f.Data) != `{"type":"hello","name":"Ada"}` {
		t.Errorf("the answer is %s, binary %v", f.Data, f.Binary)
	}
	get := doc.op(t, "get", "/ws")
	expect(t, "x-websocket.messageType", get.WebSocket.MessageType, "binary")
	if !strings.Contains(get.Description, "binary frames") {
		t.Errorf("the entrypoint says %q", get.Description)
	}
	if about := doc.op(t, "post", "/ws/(hello)").Description; !strings.Contains(about, "one binary frame") {
		t.Errorf("the handler says %q", about)
	}

	synctest.Test(t, func(t *testing.T) {
		p := connect(t, r, "/", nil)
		p.send(`{"type":"hello","name":"Ada"}`)
		synctest.Wait()
		expect(t, "text where messages are binary", p.got(), []string{"close 1003 messages are binary frames here, this one is text"})

		p = connect(t, declare(nil), "/", nil)
		_ = p.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"hello","name":"Ada"}`))
		synctest.Wait()
		expect(t, "binary where messages are text", p.got(), []string{"close 1003 messages are text frames here, this one is binary"})

		var protocol *wsrouter.ProtocolError
		r := declare(&wsrouter.Options{Binary: true})
		r.OnFallback(func(ctx context.Context, c *conn, f wsrouter.Frame, err error) error {
			errors.As(err, &protocol)
			return nil
		})
		p = connect(t, r, "/", nil)
		p.send(`text`)
		_ = p.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"hello","name":"Ada"}`))
		synctest.Wait()
		if protocol == nil || protocol.Code != 1003 {
			t.Errorf("the fallback got %v", protocol)
		}
		expect(t, "after a fallback that returns nil", p.got(), []string{fmt.Sprintf("binary %x", `{"type":"hello","name":"Ada"}`)})
		p.close()
	})
}

// TestSeed26: what is written about models, fields, handlers and the router is in the document.
func TestSeed26(t *testing.T) {
	type note struct {
		_    none   `ws:"note" doc:"A note for later."`
		Text string `json:"text" doc:"What it says."`
	}
	type memo struct {
		_ none `ws:"memo" doc:"A memo."`
	}
	type session struct {
		Room string `query:"room" doc:"Where it hangs."`
	}
	r := wsrouter.New[session](&wsrouter.Options{Description: "A board of *notes*."})
	wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[session], note) error { return nil })
	wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[session], memo) error { return nil },
		wsrouter.Summary("Hang up a memo"), wsrouter.Description("It stays until *noon*."))
	_, doc := mountAt(t, "/ws", r)

	get := doc.op(t, "get", "/ws")
	if !strings.HasPrefix(get.Description, "A board of *notes*.") {
		t.Errorf("the entrypoint is described as %q", get.Description)
	}
	expect(t, "parameter", get.Parameters[0].Description, "Where it hangs.")
	op := doc.op(t, "post", "/ws/(note)")
	expect(t, "default summary", op.Summary, "Send note")
	if !strings.HasPrefix(op.Description, "A note for later.") {
		t.Errorf("the handler of note is described as %q", op.Description)
	}
	s := doc.schema(t, doc.body(t, "/ws/(note)"))
	expect(t, "model", s.Description, "A note for later.")
	expect(t, "field", s.Properties["text"].Description, "What it says.")
	op = doc.op(t, "post", "/ws/(memo)")
	expect(t, "summary", op.Summary, "Hang up a memo")
	if !strings.HasPrefix(op.Description, "It stays until *noon*.") {
		t.Errorf("the handler of memo is described as %q", op.Description)
	}
}

// TestSeed27: the server's first choice among the subprotocols that a client offers is agreed on and known to the handlers.
func TestSeed27(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Subprotocols: []string{"chat.v2", "chat.v1"}})
	r.Sends(greeting{})
	r.OnConnect(func(ctx context.Context, c *conn) error { return c.Send(ctx, greeting{Name: c.Subprotocol()}) })
	mux, doc := mountAt(t, "/ws", r)
	for _, tt := range []struct {
		offered []string
		chosen  string
	}{
		{[]string{"chat.v1", "chat.v2"}, "chat.v2"},
		{[]string{"soap", "chat.v1"}, "chat.v1"},
		{[]string{"soap"}, ""},
		{nil, ""},
	} {
		var opts []wstest.DialOption
		if tt.offered != nil {
			opts = append(opts, wstest.Subprotocols(tt.offered...))
		}
		c := wstest.Dial(t, mux, "/ws", opts...)
		expect(t, fmt.Sprint("for handlers, of ", tt.offered), wstest.Expect[greeting](c).Name, tt.chosen)
	}
	req := upgradeRequest("/ws")
	req.Header.Set("Sec-WebSocket-Protocol", "chat.v1, chat.v2")
	resp, err := (&memory{handler: mux}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	expect(t, "for the client", resp.Header.Values("Sec-WebSocket-Protocol"), []string{"chat.v2"})

	get := doc.op(t, "get", "/ws")
	expect(t, "x-websocket.subprotocols", get.WebSocket.Subprotocols, []string{"chat.v2", "chat.v1"})
	expect(t, "header of the 101", get.Responses["101"].Headers["Sec-WebSocket-Protocol"].Schema.Enum, []any{"chat.v2", "chat.v1"})
}

// TestSeed28: the messages of one connection are handled one after the other, in order; those of another do not wait for them.
func TestSeed28(t *testing.T) {
	type seedStep struct {
		_ none `ws:"step"`
		N int  `json:"n"`
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, handled := map[*conn]int{}, []int{}
		r := wsrouter.New[none](nil)
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m seedStep) error {
			mu.Lock()
			running[c]++
			if running[c] > 1 {
				t.Errorf("step %d begins beside another", m.N)
			}
			mu.Unlock()
			time.Sleep(time.Duration(10-m.N%10) * time.Millisecond) // later steps are faster
			mu.Lock()
			defer mu.Unlock()
			running[c]--
			handled = append(handled, m.N)
			return c.Send(ctx, m)
		}, wsrouter.Sends(seedStep{}))
		a, b := wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")
		for n := range 10 {
			a.Send(seedStep{N: n})
		}
		b.Send(seedStep{N: 19})
		for n := range 10 {
			expect(t, "answer", wstest.Expect[seedStep](a).N, n)
		}
		wstest.Expect[seedStep](b)
		expect(t, "order", handled, []int{19, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	})
}

// The messages of the seed's example, under its wire names.
type (
	seedUser struct {
		UserName string `json:"user_name" minLength:"1"`
	}
	seedJoin struct {
		_ none `ws:"client_user_join"`
		seedUser
	}
	seedSay struct {
		_       none   `ws:"client_user_message"`
		Message string `json:"message" minLength:"1"`
	}
	seedUsers struct {
		_     none       `ws:"server_users_list"`
		Users []seedUser `json:"users"`
	}
	seedSaid struct {
		_       none     `ws:"server_user_message"`
		User    seedUser `json:"user"`
		Message string   `json:"message"`
	}
	seedLeft struct {
		_    none     `ws:"server_user_leave"`
		User seedUser `json:"user"`
	}
	seedPending struct {
		_        none       `ws:"server_pending_messages"`
		Messages []seedSaid `json:"messages"`
	}
	seedMember struct {
		RoomID string `path:"room_id"`
		user   seedUser
	}
)

func (s *seedMember) Resolve(ctx context.Context, r *http.Request) error {
	if s.RoomID != "1" {
		return wsrouter.Reject(http.StatusNotFound, "no such room")
	}
	return nil
}

// newSeedChat is the seed's example: one room with its users and what they said.
func newSeedChat() *wsrouter.Router[seedMember] {
	type member = wsrouter.Conn[seedMember]
	var (
		mu    sync.Mutex
		users []seedUser
		past  = []seedSaid{}
	)
	r := wsrouter.New[seedMember](&wsrouter.Options{Discriminator: "action", Logger: (&recorder{}).logger()})
	room := r.Room("1")
	r.Sends(seedUsers{}, seedLeft{}, seedSaid{})
	wsrouter.Receive(r, func(ctx context.Context, c *member, m seedJoin) error {
		mu.Lock()
		defer mu.Unlock()
		c.Session.user = m.seedUser
		users = append(users, m.seedUser)
		if err := c.Send(ctx, seedPending{Messages: past}); err != nil {
			return err
		}
		if err := room.Join(c); err != nil {
			return err
		}
		return room.Broadcast(ctx, seedUsers{Users: users})
	}, wsrouter.Sends(seedPending{}))
	wsrouter.Receive(r, func(ctx context.Context, c *member, m seedSay) error {
		mu.Lock()
		defer mu.Unlock()
		said := seedSaid{User: c.Session.user, Message: m.Message}
		past = append(past, said)
		return room.Broadcast(ctx, said, wsrouter.Except(c))
	})
	r.OnDisconnect(func(ctx context.Context, c *member, _ wsrouter.CloseInfo) {
		mu.Lock()
		defer mu.Unlock()
		users = slices.DeleteFunc(users, func(u seedUser) bool { return u == c.Session.user })
		_ = room.Broadcast(ctx, seedLeft{User: c.Session.user})
	})
	return r
}

// TestSeed29: the seed's example, which never ran there: join, the list of users, messages to the others and to those who come later, leave.
func TestSeed29(t *testing.T) { synctest.Test(t, testSeedChat) }

func testSeedChat(t *testing.T) {
	chat := newSeedChat()
	mux, doc := mountAt(t, "/ws/{room_id}", chat)

	resp := wstest.Refused(t, mux, "/ws/2")
	if body := refusalIn(t, resp); resp.StatusCode != http.StatusNotFound || body.Detail != "no such room" {
		t.Errorf("a wrong room: %d %+v", resp.StatusCode, body)
	}
	ada := wstest.Dial(t, mux, "/ws/1")
	ada.SendRaw(`{"action":"client_user_join","user_name":"Ada"}`)
	expect(t, "past of an empty room", string(ada.Next().Data), `{"action":"server_pending_messages","messages":[]}`)
	expect(t, "users", string(ada.Next().Data), `{"action":"server_users_list","users":[{"user_name":"Ada"}]}`)
	ada.Send(seedSay{Message: "anybody here?"})
	synctest.Wait() // nobody answers it

	bob := wstest.Dial(t, mux, "/ws/1")
	bob.Send(seedJoin{seedUser: seedUser{"Bob"}})
	pending := wstest.Expect[seedPending](bob)
	expect(t, "pending messages", pending.Messages, []seedSaid{{User: seedUser{"Ada"}, Message: "anybody here?"}})
	for _, c := range []*wstest.Client{ada, bob} {
		expect(t, "users", wstest.Expect[seedUsers](c).Users, []seedUser{{"Ada"}, {"Bob"}})
	}
	bob.Send(seedSay{Message: "I am"})
	expect(t, "message to the others", wstest.Expect[seedSaid](ada), seedSaid{User: seedUser{"Bob"}, Message: "I am"})
	ada.Send(seedSay{Message: "good"})
	expect(t, "message to the others", wstest.Expect[seedSaid](bob), seedSaid{User: seedUser{"Ada"}, Message: "good"})
	bob.Close()
	expect(t, "leave", wstest.Expect[seedLeft](ada).User.UserName, "Bob")
	expect(t, "members that are left", len(slices.Collect(chat.Room("1").Members())), 1)

	expect(t, "events", doc.op(t, "get", "/ws/{room_id}").Responses["101"].json().mapping(), map[string]string{
		"server_users_list": "seedUsers", "server_user_leave": "seedLeft", "server_user_message": "seedSaid", "error": "Error",
	})
}

// mountAt puts e into an application and its document, as an application does.
func mountAt(t *testing.T, pattern string, e apidoc.Endpoint) (*http.ServeMux, openAPI) {
	t.Helper()
	mux := http.NewServeMux()
	d := apidoc.New("Seed", "1.0.0")
	d.Mount(mux, pattern, e)
	return mux, parseOpenAPI(t, d.OpenAPI())
}

// openAPI is as much of a document as these tests read.
type openAPI struct {
	Paths      map[string]map[string]openAPIOperation
	Components struct{ Schemas map[string]jsonSchema }
}

type openAPIOperation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Deprecated                        bool
	Parameters                        []struct {
		Name, In, Description string
		Required              bool
		Schema                jsonSchema
	}
	RequestBody struct{ Content openAPIContent }
	Responses   map[string]openAPIResponse
	WebSocket   struct {
		MessageType  string
		Subprotocols []string
		Send         []jsonSchema
		Limits       map[string]int
	} `json:"x-websocket"`
	Message *struct{ Direction, Path, Handler, Name string } `json:"x-websocket-message"`
}

type openAPIResponse struct {
	Headers map[string]struct{ Schema jsonSchema }
	Content openAPIContent
}

func (r openAPIResponse) json() jsonSchema { return r.Content["application/json"].Schema }

type openAPIContent map[string]struct{ Schema jsonSchema }

type jsonSchema struct {
	Ref           string `json:"$ref"`
	Type          any
	Description   string
	Const         any
	Enum          []any
	Minimum       int
	Required      []string
	Properties    map[string]jsonSchema
	Items         *jsonSchema
	OneOf, AnyOf  []jsonSchema
	Discriminator struct {
		PropertyName string
		Mapping      map[string]string
	}
}

func parseOpenAPI(t *testing.T, data []byte) (d openAPI) {
	t.Helper()
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return d
}

// op returns an operation, which must be there.
func (d openAPI) op(t *testing.T, method, path string) openAPIOperation {
	t.Helper()
	op, ok := d.Paths[path][method]
	if !ok {
		t.Fatalf("there is no %s %q in %q", method, path, d.operations())
	}
	return op
}

// operations lists method, path and id of all, sorted.
func (d openAPI) operations() []string {
	var list []string
	for p, item := range d.Paths {
		for method, op := range item {
			list = append(list, strings.ToUpper(method)+" "+p+" "+op.OperationID)
		}
	}
	slices.Sort(list)
	return list
}

// body returns the schema of the messages that stand as a POST at path.
func (d openAPI) body(t *testing.T, path string) jsonSchema {
	t.Helper()
	return d.op(t, "post", path).RequestBody.Content["application/json"].Schema
}

// schema follows the reference of s, if it is one.
func (d openAPI) schema(t *testing.T, s jsonSchema) jsonSchema {
	t.Helper()
	if s.Ref == "" {
		return s
	}
	component, ok := d.Components.Schemas[path.Base(s.Ref)]
	if !ok {
		t.Fatalf("%s leads nowhere", s.Ref)
	}
	return component
}

// refs names the components that s is one of.
func (s jsonSchema) refs() []string {
	switch {
	case s.Ref != "":
		return refNames([]jsonSchema{s})
	case s.OneOf != nil:
		return refNames(s.OneOf)
	}
	return refNames(s.AnyOf)
}

func refNames(list []jsonSchema) []string {
	var names []string
	for _, s := range list {
		names = append(names, path.Base(s.Ref))
	}
	return names
}

// mapping is the discriminator's, with the names of components.
func (s jsonSchema) mapping() map[string]string {
	names := map[string]string{}
	for value, ref := range s.Discriminator.Mapping {
		names[value] = path.Base(ref)
	}
	return names
}

// refusal is the body of a refused upgrade.
type refusal struct {
	Code, Detail string
	Issues       []struct{ Path, Code, Message string }
}

func refusalIn(t *testing.T, resp *http.Response) (r refusal) {
	t.Helper()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatalf("the body of the %d is no JSON: %v", resp.StatusCode, err)
	}
	return r
}

// expect compares what is named.
func expect[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}
