package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/schema"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// The defects of fastapi-ws-router, one test for each: they are not here.

// TestDefectBogusParameter: operations have the parameters of the session and no others.
func TestDefectBogusParameter(t *testing.T) {
	type session struct {
		Room  string `path:"room"`
		Token string `query:"token" required:"false"`
	}
	r := wsrouter.New[session](nil)
	wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[session], greeting) error { return nil })
	_, doc := mountAt(t, "/ws/{room}", r)
	got := map[string][]string{}
	for p, item := range doc.Paths {
		for method, op := range item {
			for _, q := range op.Parameters {
				got[method+" "+p] = append(got[method+" "+p], q.In+" "+q.Name)
			}
		}
	}
	expect(t, "parameters", got, map[string][]string{
		"get /ws/{room}":          {"path room", "query token"},
		"post /ws/{room}/(hello)": {"path room"},
	})
}

// TestDefectDiscriminator: every schema of a message says its name, and every choice between messages says how to choose.
func TestDefectDiscriminator(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Discriminator: "action"})
	r.Sends(kinded{})
	wsrouter.Receive(r, onGreeting, wsrouter.Path(""), wsrouter.Sends(greeting{}, sameGreeting{}))
	wsrouter.Receive(r, nothing[sameGreeting], wsrouter.Path(""), wsrouter.As("same"))
	_, doc := mountAt(t, "/ws", r)

	for component, name := range map[string]string{"greeting": "hello", "sameGreeting": "same", "kinded": "kinded", "Error": "error"} {
		s := doc.Components.Schemas[component]
		if s.Properties["action"].Const != name || !slices.Contains(s.Required, "action") {
			t.Errorf("the schema of %s has the discriminator %+v, required are %q", component, s.Properties["action"], s.Required)
		}
	}
	choices := map[string]jsonSchema{
		"messages": doc.body(t, "/ws"),
		"answers":  doc.op(t, "post", "/ws").Responses["200"].json(),
		"events":   doc.op(t, "get", "/ws").Responses["101"].json(),
	}
	mappings := map[string]map[string]string{}
	for what, s := range choices {
		expect(t, what+" by", s.Discriminator.PropertyName, "action")
		mappings[what] = s.mapping()
	}
	expect(t, "mappings", mappings, map[string]map[string]string{
		"messages": {"hello": "greeting", "same": "sameGreeting"},
		"answers":  {"hello": "greeting", "same": "sameGreeting"},
		"events":   {"kinded": "kinded", "error": "Error"},
	})
}

// TestDefectHandlerAfterMount: a handler that is declared after the router is mounted works and is documented.
func TestDefectHandlerAfterMount(t *testing.T) {
	r := wsrouter.New[none](nil)
	mux := http.NewServeMux()
	d := apidoc.New("Late", "1")
	d.Mount(mux, "/ws", r)
	d.Serve(mux, "/docs")
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return c.Send(ctx, m) }, wsrouter.Sends(greeting{}))

	c := wstest.Dial(t, mux, "/ws")
	c.Send(greeting{Name: "late"})
	expect(t, "answer", wstest.Expect[greeting](c).Name, "late")
	expect(t, "body", parseOpenAPI(t, d.OpenAPI()).body(t, "/ws/(hello)").refs(), []string{"greeting"})
}

// TestDefectHandlerAfterConnection: a handler that could never be called is refused where it is declared.
func TestDefectHandlerAfterConnection(t *testing.T) {
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return c.Send(ctx, m) }, wsrouter.Sends(greeting{}))
	c := wstest.Dial(t, r, "/")
	for call, declare := range map[string]func(){
		"Receive": func() { wsrouter.Receive(r, nothing[kinded]) },
		"Respond": func() {
			wsrouter.Respond(r, func(context.Context, *conn, kinded) (kinded, error) { return kinded{}, nil })
		},
		"Sends":        func() { r.Sends(kinded{}) },
		"OnConnect":    func() { r.OnConnect(func(context.Context, *conn) error { return nil }) },
		"OnDisconnect": func() { r.OnDisconnect(func(context.Context, *conn, wsrouter.CloseInfo) {}) },
	} {
		if text := panicOf(declare); !strings.Contains(text, call) || !strings.Contains(text, "frozen") {
			t.Errorf("%s panics with %q", call, text)
		}
	}
	c.Send(greeting{Name: "as before"})
	wstest.Expect[greeting](c)
}

// TestDefectMisconfiguredDiscriminator: what cannot tell messages apart stops the program when it is declared, or at the latest with the
// router's description; a router that was described takes connections.
func TestDefectMisconfiguredDiscriminator(t *testing.T) {
	type flag struct {
		Type bool `json:"type"`
	}
	type weight struct {
		Type float64 `json:"type"`
	}
	type nested struct {
		Type struct{ Name string } `json:"type"`
	}
	atOnce := map[string]func(r *wsrouter.Router[none]){
		"name and const differ":     func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[contradicting]) },
		"discriminator is a bool":   func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[flag]) },
		"discriminator is a float":  func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[weight]) },
		"discriminator is a struct": func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[nested]) },
		"type without a name":       func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[page[int]]) },
		"two types of one name": func(r *wsrouter.Router[none]) {
			wsrouter.Receive(r, onGreeting)
			wsrouter.Receive(r, nothing[otherGreeting])
		},
		"const that another type has as a name": func(r *wsrouter.Router[none]) {
			wsrouter.Receive(r, nothing[kinded])
			wsrouter.Receive(r, onGreeting, wsrouter.As("kinded"))
		},
		"payload without discriminator": func(*wsrouter.Router[none]) {
			wsrouter.New[none](&wsrouter.Options{Discriminator: "-", Payload: "data"})
		},
		"payload called like the discriminator": func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Discriminator: "t", Payload: "t"}) },
		"id called like the discriminator":      func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Discriminator: "id"}) },
	}
	for name, declare := range atOnce {
		if panicOf(func() { declare(wsrouter.New[none](nil)) }) == "" {
			t.Errorf("%s: no panic", name)
		}
	}

	atDescribe := map[string]func() *wsrouter.Router[none]{
		"no discriminator and equal types": func() *wsrouter.Router[none] {
			r := wsrouter.New[none](&wsrouter.Options{Discriminator: "-"})
			wsrouter.Receive(r, nothing[sameGreeting])
			wsrouter.Receive(r, onGreeting)
			return r
		},
		"two sent types of one name": func() *wsrouter.Router[none] {
			r := wsrouter.New[none](nil)
			r.Sends(greeting{}, otherGreeting{})
			return r
		},
		"no object": func() *wsrouter.Router[none] {
			r := wsrouter.New[none](nil)
			wsrouter.Receive(r, nothing[[]int], wsrouter.As("numbers"))
			return r
		},
	}
	for name, declare := range atDescribe {
		r := declare()
		if panicOf(func() { r.Describe() }) == "" {
			t.Errorf("%s: Describe does not panic", name)
		}
		if panicOf(func() { r.ServeHTTP(httptest.NewRecorder(), upgradeRequest("/")) }) == "" {
			t.Errorf("%s: a connection is taken", name)
		}
	}
}

// TestDefectTwoHandlers: a second handler for a model is refused, and the first is named.
func TestDefectTwoHandlers(t *testing.T) {
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, onGreeting)
	if text := panicOf(func() { wsrouter.Receive(r, nothing[greeting]) }); !strings.Contains(text, "onGreeting") {
		t.Errorf("the second handler panics with %q", text)
	}
	_, doc := mountAt(t, "/ws", r)
	expect(t, "operations", doc.operations(), []string{"GET /ws ws_connect", "POST /ws/(onGreeting) ws_onGreeting"})
}

// TestDefectHandlerFails: an error is answered and the connection goes on; a panic closes it with 1011. Each is one line in the log, OnDisconnect
// runs once, and no other connection notices.
func TestDefectHandlerFails(t *testing.T) {
	type fail struct {
		_     none `ws:"fail"`
		Panic bool `json:"panic"`
	}
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger()})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m greeting) error { return c.Send(ctx, m) }, wsrouter.Sends(greeting{}))
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m fail) error {
			if m.Panic {
				panic("out of order")
			}
			return errors.New("the password is wrong")
		})
		r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) { rec.hook("disconnect %d", info.Code) })
		c, other := wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")

		c.Send(fail{})
		e := wstest.Expect[wsrouter.Error](c)
		if e.Code != "internal" || strings.Contains(e.Detail, "password") {
			t.Errorf("the error is answered %+v", e)
		}
		c.Send(greeting{Name: "still here"})
		wstest.Expect[greeting](c)
		expect(t, "lines in the log after the error", len(rec.logs), 1)

		c.Send(fail{Panic: true})
		c.ExpectClose(1011)
		synctest.Wait()
		expect(t, "lines in the log after the panic", len(rec.logs), 2)
		for i, text := range []string{"the password is wrong", "out of order"} {
			if !strings.Contains(rec.logs[i], text) {
				t.Errorf("line %d is %s, want %q in it", i, rec.logs[i], text)
			}
		}
		expect(t, "hooks", rec.hooks, []string{"disconnect 1011"})

		other.Send(greeting{Name: "and me"})
		wstest.Expect[greeting](other)
	})
}

// numbers is a message with numbers of both kinds.
type numbers struct {
	_ none    `ws:"numbers"`
	N int     `json:"n" required:"false"`
	B uint8   `json:"b" required:"false"`
	X float64 `json:"x" required:"false"`
}

// refusedNumbers sends each message and expects one issue at its path; a good one at the end shows that none reached the handler.
func refusedNumbers(t *testing.T, tests [][3]string) {
	t.Helper()
	r := wsrouter.New[none](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m numbers) error { return c.Send(ctx, m) }, wsrouter.Sends(numbers{}))
	c := wstest.Dial(t, r, "/")
	for _, tt := range tests {
		c.SendRaw(tt[0])
		var e wsrouter.Error
		if answer := c.Next().Data; !strings.Contains(string(answer), `"type":"error"`) {
			t.Errorf("%s is taken as %s", tt[0], answer)
		} else if e = errorIn(t, answer); len(e.Issues) != 1 || e.Code+" "+e.Issues[0].Path != tt[1] || e.Issues[0].Code != tt[2] {
			t.Errorf("%s is answered %s, want %s %s", tt[0], answer, tt[1], tt[2])
		}
	}
	c.SendRaw(`{"type":"numbers","n":-12,"b":255,"x":1e300}`)
	expect(t, "numbers as they should be", wstest.Expect[numbers](c), numbers{N: -12, B: 255, X: 1e300})
}

// errorIn reads an error reply.
func errorIn(t *testing.T, answer []byte) (e wsrouter.Error) {
	t.Helper()
	if err := json.Unmarshal(answer, &e); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return e
}

// TestDefectLaxNumbers: a string, a fraction and a bool are no integers, and an integer does not wrap.
func TestDefectLaxNumbers(t *testing.T) {
	refusedNumbers(t, [][3]string{
		{`{"type":"numbers","n":"12"}`, "validation_failed /n", "type"},
		{`{"type":"numbers","n":12.0}`, "validation_failed /n", "type"},
		{`{"type":"numbers","n":true}`, "validation_failed /n", "type"},
		{`{"type":"numbers","n":null}`, "validation_failed /n", "type"},
		{`{"type":"numbers","x":"1.5"}`, "validation_failed /x", "type"},
		{`{"type":"numbers","x":false}`, "validation_failed /x", "type"},
		{`{"type":"numbers","b":256}`, "validation_failed /b", "maximum"},
		{`{"type":"numbers","b":-1}`, "validation_failed /b", "minimum"},
		{`{"type":"numbers","n":9223372036854775808}`, "validation_failed /n", "maximum"},
	})
}

// TestDefectNaN: what is no JSON number, and what no float64 can hold, is refused, in a message and in a parameter.
func TestDefectNaN(t *testing.T) {
	refusedNumbers(t, [][3]string{
		{`{"type":"numbers","x":NaN}`, "not_json ", "syntax"},
		{`{"type":"numbers","x":Infinity}`, "not_json ", "syntax"},
		{`{"type":"numbers","x":-Infinity}`, "not_json ", "syntax"},
		{`{"type":"numbers","x":1e400}`, "validation_failed /x", "maximum"},
		{`{"type":"numbers","x":-1e400}`, "validation_failed /x", "minimum"},
	})
	type session struct {
		X float64 `query:"x"`
	}
	r := wsrouter.New[session](&wsrouter.Options{Logger: (&recorder{}).logger()})
	for _, x := range []string{"NaN", "Inf", "1e400", "0x1p-2", "true"} {
		resp := wstest.Refused(t, r, "/?x="+x)
		if body := refusalIn(t, resp); resp.StatusCode != 400 || len(body.Issues) != 1 || body.Issues[0].Path != "/query/x" {
			t.Errorf("?x=%s: %d %+v", x, resp.StatusCode, body)
		}
	}
}

// TestDefectDuplicateKeys: the router and the model cannot read a message differently. A member that comes twice is refused, however it is
// written; one that differs in case is another member.
func TestDefectDuplicateKeys(t *testing.T) {
	type seedSaying struct {
		Action string `json:"action" const:"say"`
		Text   string `json:"text"`
	}
	type shout struct {
		_    none   `ws:"shout"`
		Text string `json:"text"`
	}
	r := wsrouter.New[none](&wsrouter.Options{Discriminator: "action"})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m seedSaying) error {
		return c.SendText(ctx, "said as "+m.Action+": "+m.Text)
	}, wsrouter.Sends(""))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m shout) error { return c.SendText(ctx, "shouted: "+m.Text) }, wsrouter.Sends(""))

	c := wstest.Dial(t, r, "/")
	for _, m := range []string{
		`{"action":"say","action":"shout","text":"a"}`,
		`{"action":"say","text":"a","action":"say"}`,
		`{"action":"say","\u0061ction":"shout","text":"a"}`,
		`{"\u0061ction":"shout","text":"a","action":"say"}`,
		`{"action":"say","text":"a","text":"b"}`,
		`{"action":"say","text":"a","te\u0078t":"b"}`,
		`{"action":"say","text":"a","other":{"x":1,"x":2}}`,
		`{"action":"never","action":"say","text":"a"}`,
	} {
		c.SendRaw(m)
		answer := c.Next().Data
		if !strings.HasPrefix(string(answer), `{"action":"error"`) {
			t.Errorf("%s is handled: %s", m, answer)
		} else if e := errorIn(t, answer); !slices.ContainsFunc(e.Issues, func(i schema.Issue) bool { return i.Code == "duplicate" }) {
			t.Errorf("%s is answered %s", m, answer)
		}
	}
	for m, answer := range map[string]string{
		`{"action":"say","ACTION":"shout","text":"a"}`: "said as say: a",
		`{"ACTION":"shout","action":"say","text":"a"}`: "said as say: a",
		`{"\u0061ction":"say","text":"a"}`:             "said as say: a",
		`{"action":"s\u0061y","text":"a"}`:             "said as say: a",
		`{"action":"shout","text":"a","TEXT":"b"}`:     "shouted: a",
	} {
		c.SendRaw(m)
		expect(t, m, string(c.Next().Data), answer)
	}
	c.SendRaw(`{"ACTION":"say","text":"a"}`)
	if e := wstest.Expect[wsrouter.Error](c); e.Code != "validation_failed" || e.Issues[0].Path != "/action" || e.Issues[0].Code != "required" {
		t.Errorf("a discriminator in capitals is answered %+v", e)
	}
	c.SendRaw(`{"action":"SAY","text":"a"}`)
	expect(t, "a name in capitals", wstest.Expect[wsrouter.Error](c).Code, "unknown_type")
}

// TestDefectOrigin: a page of somebody else cannot connect unless it is allowed.
func TestDefectOrigin(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Origins: []string{"https://app.friend.test"}, Logger: (&recorder{}).logger()})
	for origin, ok := range map[string]bool{
		"":                         true, // no browser
		"http://example.test":      true, // where the request went to
		"https://app.friend.test":  true,
		"https://evil.test":        false,
		"http://app.friend.test":   false, // not by http
		"http://example.test.evil": false,
		"null":                     false,
	} {
		req := upgradeRequest("/")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		if ok {
			connect(t, r, "/", http.Header{"Origin": req.Header["Origin"]})
			continue
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		body := refusalIn(t, w.Result())
		if w.Code != http.StatusForbidden || body.Code != "origin_not_allowed" || !strings.Contains(body.Detail, origin) {
			t.Errorf("origin %s: %d %+v", origin, w.Code, body)
		}
	}
}

// TestDefectLimits: what a peer can make the server hold, wait for or answer is bounded, and the bounds are documented.
func TestDefectLimits(t *testing.T) {
	type list struct {
		_     none     `ws:"list"`
		Items []string `json:"items" maxItems:"100000"`
		Wants int      `json:"wants" required:"false" doc:"Bytes to answer."`
	}
	newRouter := func(rec *recorder) *wsrouter.Router[none] {
		r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger()})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m list) error {
			for ; m.Wants > 0; m.Wants -= 1 << 10 {
				if err := c.Send(ctx, list{Items: []string{strings.Repeat("x", 1<<10)}}); err != nil {
					return err
				}
			}
			return c.Send(ctx, list{Items: []string{}})
		}, wsrouter.Sends(list{}))
		r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) { rec.hook("disconnect %d", info.Code) })
		return r
	}
	const empty = `{"type":"list","items":[]}`

	t.Run("size", func(t *testing.T) {
		c := wstest.Dial(t, newRouter(&recorder{}), "/")
		c.SendRaw(empty + strings.Repeat(" ", 64<<10-len(empty)))
		wstest.Expect[list](c)
		c.SendRaw(empty + strings.Repeat(" ", 64<<10-len(empty)+1))
		c.ExpectClose(1009)
	})
	t.Run("depth", func(t *testing.T) {
		c := wstest.Dial(t, newRouter(&recorder{}), "/")
		c.SendRaw(`{"type":"list","items":[],"other":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`)
		wstest.Expect[list](c)
		for _, levels := range []int{64, 30_000} {
			c.SendRaw(`{"type":"list","items":[],"other":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`)
			if e := wstest.Expect[wsrouter.Error](c); len(e.Issues) != 1 || e.Issues[0].Code != "depth" {
				t.Errorf("%d levels are answered %+v", levels, e)
			}
		}
	})
	t.Run("answer", func(t *testing.T) {
		c := wstest.Dial(t, newRouter(&recorder{}), "/")
		c.SendRaw(`{"type":"list","items":[` + strings.Repeat("0,", 20_000) + `0]}`)
		if e := wstest.Expect[wsrouter.Error](c); len(e.Issues) > 100 {
			t.Errorf("20,001 faults are answered with %d issues", len(e.Issues))
		}
		long := strings.Repeat("x", 60_000)
		for _, m := range []string{`{"type":"` + long + `"}`, `{"type":"list","items":"` + long + `"}`, `{"type":"list","` + long + `":1}`} {
			c.SendRaw(m)
			if answer := c.Next().Data; len(answer) > 2_000 {
				t.Errorf("%.30s… is answered with %d bytes", m, len(answer))
			}
		}
	})
	t.Run("a peer that does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			p := dial(t, newRouter(rec), "/", nil)
			p.send(`{"type":"list","items":[],"wants":1000000}`)
			synctest.Wait()
			expect(t, "hooks", rec.hooks, []string{"disconnect 1013"})
		})
	})
	t.Run("a peer that is silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			begun := time.Now()
			dial(t, newRouter(rec), "/", nil)
			time.Sleep(time.Minute)
			synctest.Wait()
			expect(t, "hooks", rec.hooks, []string{"disconnect 1006"})
			if late := rec.ended.Sub(begun); late > 38*time.Second {
				t.Errorf("noticed after %v", late)
			}
		})
	})
	t.Run("documented", func(t *testing.T) {
		_, doc := mountAt(t, "/ws", newRouter(&recorder{}))
		expect(t, "x-websocket.limits", doc.op(t, "get", "/ws").WebSocket.Limits, map[string]int{
			"maxMessage": 65536, "depth": 64, "outbox": 262144, "pingInterval": 25000, "pongTimeout": 10000, "writeTimeout": 10000,
			"maxFrames": 4096, "messageTimeout": 30000,
		})
	})
}

// served is an application with its docs page.
func served(t *testing.T) (*http.ServeMux, *apidoc.Doc) {
	t.Helper()
	r := wsrouter.New[none](&wsrouter.Options{Description: "Greetings."})
	wsrouter.Receive(r, onGreeting, wsrouter.Sends(greeting{}))
	wsrouter.Receive(r, nothing[kinded], wsrouter.Path(""))
	mux := http.NewServeMux()
	d := apidoc.New("Greetings", "1.0.0")
	d.Mount(mux, "/ws", r)
	d.Serve(mux, "/docs/")
	return mux, d
}

func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w
}

// TestDefectTryItOut: nothing offers a call that must fail. The page has no HTTP calls of messages, the operations of messages say what they are, and
// a document without them is there for tools that would call them.
func TestDefectTryItOut(t *testing.T) {
	mux, d := served(t)
	page := strings.ToLower(get(t, mux, "/docs/").Body.String())
	for _, offer := range []string{"try it out", "swagger", `method="post"`, "method=post"} {
		if strings.Contains(page, offer) {
			t.Errorf("the page has %q", offer)
		}
	}
	for _, content := range []string{"hello", "kinded"} {
		if !strings.Contains(page, content) {
			t.Errorf("the page does not show the message %q", content)
		}
	}

	doc := parseOpenAPI(t, d.OpenAPI())
	for p, item := range doc.Paths {
		if op, ok := item["post"]; ok {
			if !strings.Contains(op.Description, "not an HTTP request") || op.Message == nil || op.Message.Path != "/ws" {
				t.Errorf("POST %s says %q, x-websocket-message is %+v", p, op.Description, op.Message)
			}
		}
	}
	upgrade := parseOpenAPI(t, get(t, mux, "/docs/openapi.json?ws=upgrade").Body.Bytes())
	expect(t, "operations of ?ws=upgrade", upgrade.operations(), []string{"GET /ws ws_connect"})
}

var (
	loads     = regexp.MustCompile(`(?i)(?:src|srcset|href|action|poster|data|cite)\s*=\s*["']?([^"'\s>]+)|url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)|(?:import|fetch)\s*\(?\s*["']([^"']+)`)
	elsewhere = regexp.MustCompile(`^(?i:[a-z][a-z0-9+.-]*:|//)`)
)

// TestDefectPageFromOutside: the page and all that it loads come from where it is served, and the browser is told to keep to that.
func TestDefectPageFromOutside(t *testing.T) {
	mux, _ := served(t)
	todo, seen := []string{"/docs/"}, map[string]bool{"/docs/": true}
	for len(todo) > 0 {
		target := todo[0]
		todo = todo[1:]
		w := get(t, mux, target)
		if target == "/docs/" {
			expectPolicy(t, w.Header().Get("Content-Security-Policy"))
		}
		if kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";"); kind != "text/html" && kind != "text/css" {
			continue // what a script loads, the policy bounds
		}
		for _, m := range loads.FindAllStringSubmatch(w.Body.String(), -1) {
			url, _, _ := strings.Cut(m[1]+m[2]+m[3]+m[4], "#")
			switch {
			case url == "" || strings.HasPrefix(url, "data:"):
			case elsewhere.MatchString(url) || strings.HasPrefix(url, "/"):
				t.Errorf("%s refers to %s, want a relative URL", target, m[0])
			default:
				if next := path.Join(path.Dir(target+"x"), url); !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
}

// expectPolicy fails unless the policy keeps a page from loading anything from other origins.
func expectPolicy(t *testing.T, policy string) {
	t.Helper()
	directives := map[string]string{}
	for d := range strings.SplitSeq(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		directives[name] = value
	}
	if directives["default-src"] != "'none'" || directives["frame-ancestors"] != "'none'" {
		t.Errorf("the policy is %q", policy)
	}
	for name, value := range directives {
		for source := range strings.FieldsSeq(value) {
			switch {
			case source == "'self'", source == "'none'", source == "data:", strings.HasPrefix(source, "'sha256-"), strings.HasPrefix(source, "'nonce-"):
			case name == "connect-src" && (source == "ws:" || source == "wss:"): // Servers may be elsewhere
			case !strings.HasSuffix(name, "-src"):
			default:
				t.Errorf("the policy allows %s %s", name, source)
			}
		}
	}
}
