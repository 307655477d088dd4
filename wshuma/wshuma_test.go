package wshuma_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-chi/chi/v5"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wshuma"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// User is in messages and in bodies, where huma adds members.
type User struct {
	Name string `json:"name" minLength:"1" example:"Ada"`
}

type Session struct {
	Room  string `path:"room" minLength:"2" doc:"Room to speak in." example:"lobby"`
	Token string `query:"token" required:"false"`

	who string
}

type userKey struct{}

func (s *Session) Resolve(ctx context.Context, r *http.Request) error {
	s.who, _ = r.Context().Value(userKey{}).(string)
	return nil
}

type Say struct {
	_  struct{} `ws:"say"`
	To User     `json:"to"`
}

type Said struct {
	_    struct{} `ws:"said"`
	Room string   `json:"room" example:"lobby"`
	By   string   `json:"by" example:"Ada"`
	To   []User   `json:"to"`
}

type Conn = wsrouter.Conn[Session]

func say(ctx context.Context, c *Conn, m Say) error {
	return c.Send(ctx, Said{Room: c.Session.Room, By: c.Session.who, To: []User{m.To}})
}

func newRouter() *wsrouter.Router[Session] {
	r := wsrouter.New[Session](&wsrouter.Options{Name: "chat"})
	wsrouter.Receive(r, say, wsrouter.Sends(Said{}))
	return r
}

type getUser struct {
	ID string `path:"id"`
}
type gotUser struct{ Body User }

func registerHTTP(api huma.API) {
	huma.Get(api, "/users/{id}", func(ctx context.Context, in *getUser) (*gotUser, error) {
		return &gotUser{User{in.ID}}, nil
	})
}

// apis are made by several adapters.
func apis() map[string]func() (huma.API, http.Handler) {
	return map[string]func() (huma.API, http.Handler){
		"humago": func() (huma.API, http.Handler) {
			mux := http.NewServeMux()
			return humago.New(mux, huma.DefaultConfig("Chat", "1.0.0")), mux
		},
		"humachi": func() (huma.API, http.Handler) {
			mux := chi.NewMux()
			return humachi.New(mux, huma.DefaultConfig("Chat", "1.0.0")), mux
		},
	}
}

func get(t *testing.T, h http.Handler, path string) []byte {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	if rec.Code != 200 {
		t.Fatalf("GET %s: %d %s", path, rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

// at walks into parsed JSON, by names and positions.
func at(v any, path ...string) any {
	for _, name := range path {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[name]
		case []any:
			v = parent[name[0]-'0']
		default:
			return nil
		}
	}
	return v
}

func parse(t *testing.T, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func keys(v any) []string {
	var names []string
	for name := range v.(map[string]any) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestRoundTrip(t *testing.T) {
	for name, newAPI := range apis() {
		t.Run(name, func(t *testing.T) {
			api, h := newAPI()
			api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
				next(huma.WithValue(ctx, userKey{}, "Ada"))
			})
			registerHTTP(api)
			wshuma.Mount(api, "/ws/{room}", newRouter())
			c := wstest.Dial(t, h, "/ws/lobby")
			c.Send(Say{To: User{"Bob"}})
			if got := wstest.Expect[Said](c); !reflect.DeepEqual(got, Said{Room: "lobby", By: "Ada", To: []User{{"Bob"}}}) {
				t.Errorf("%+v", got)
			}
			if resp := wstest.Refused(t, h, "/ws/x"); resp.StatusCode != http.StatusBadRequest {
				t.Error(resp.Status)
			}
			if got := get(t, h, "/users/7"); !bytes.Contains(got, []byte(`"name":"7"`)) {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestMiddlewareRefuses(t *testing.T) {
	api, h := apis()["humago"]()
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "who are you")
	})
	wshuma.Mount(api, "/ws/{room}", newRouter())
	if resp := wstest.Refused(t, h, "/ws/lobby"); resp.StatusCode != http.StatusUnauthorized {
		t.Error(resp.Status)
	}
}

// TestDocument registers HTTP operations before and after the router, and declares a handler in the end.
func TestDocument(t *testing.T) {
	for name, newAPI := range apis() {
		t.Run(name, func(t *testing.T) {
			api, h := newAPI()
			router := newRouter()
			wshuma.Mount(api, "/ws/{room}", router)
			registerHTTP(api)
			wsrouter.Receive(router, func(ctx context.Context, c *Conn, m User) error { return nil }, wsrouter.As("user"))
			doc := parse(t, get(t, h, "/openapi.json"))

			if got, want := keys(at(doc, "paths")), []string{"/users/{id}", "/ws/{room}", "/ws/{room}/(say)", "/ws/{room}/(user)"}; !slices.Equal(got, want) {
				t.Errorf("paths: %v", got)
			}
			own := apidoc.New("Chat", "1.0.0")
			own.Add("/ws/{room}", router)
			alone := parse(t, own.OpenAPI())
			for _, op := range [][]string{{"/ws/{room}", "get"}, {"/ws/{room}/(say)", "post"}} {
				got, want := at(doc, "paths", op[0], op[1]).(map[string]any), at(alone, "paths", op[0], op[1]).(map[string]any)
				delete(got, "security")
				for _, x := range []map[string]any{got, want} { // the one of the GET refers to User, which has another name here
					if _, ok := x["x-websocket"]; ok != (op[1] == "get") {
						t.Errorf("%v: x-websocket: %t", op, ok)
					}
					delete(x, "x-websocket")
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%v: %v\nwant %v", op, got, want)
				}
			}
			for _, schema := range []string{"Say", "Said", "Refusal"} {
				if got, want := at(doc, "components", "schemas", schema), at(alone, "components", "schemas", schema); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %v\nwant %v", schema, got, want)
				}
			}
			// huma's User has $schema, ours a discriminator or neither: each keeps its own.
			ref := at(doc, "components", "schemas", "Say", "properties", "to", "$ref").(string)
			if at(doc, "paths", "/users/{id}", "get", "responses", "200", "content", "application/json", "schema", "$ref") != "#/components/schemas/User" {
				t.Error("huma's reference changed")
			}
			if at(doc, "components", "schemas", "User", "properties", "$schema") == nil {
				t.Error("huma's User changed")
			}
			if mine := at(doc, "components", "schemas", strings.TrimPrefix(ref, "#/components/schemas/"), "properties"); at(mine, "name") == nil || at(mine, "$schema") != nil {
				t.Errorf("%s: %v", ref, mine)
			}
			if tags := fmt.Sprint(at(doc, "tags")); !strings.Contains(tags, "name:chat") {
				t.Error(tags)
			}
			if page := get(t, h, "/docs"); !bytes.Contains(page, []byte("/openapi")) {
				t.Errorf("%s", page)
			}
			if yaml := get(t, h, "/openapi.yaml"); !bytes.Contains(yaml, []byte("/ws/{room}/(say)")) {
				t.Errorf("%s", yaml)
			}
			if old := parse(t, get(t, h, "/openapi-3.0.json")); at(old, "paths", "/ws/{room}", "get") == nil {
				t.Error("the document of 3.0 has no endpoint")
			}
		})
	}
}

// TestHumaIsUntouched compares huma's part of the document with one of the same API without a router.
func TestHumaIsUntouched(t *testing.T) {
	plain, _ := apis()["humago"]()
	registerHTTP(plain)
	api, _ := apis()["humago"]()
	registerHTTP(api)
	wshuma.Mount(api, "/ws/{room}", newRouter())
	want := parse(t, marshal(t, plain.OpenAPI())).(map[string]any)
	got := parse(t, marshal(t, api.OpenAPI())).(map[string]any)
	for path := range at(got, "paths").(map[string]any) {
		if at(want, "paths", path) == nil {
			delete(got["paths"].(map[string]any), path)
		}
	}
	for schema := range at(got, "components", "schemas").(map[string]any) {
		if at(want, "components", "schemas", schema) == nil {
			delete(at(got, "components", "schemas").(map[string]any), schema)
		}
	}
	delete(got, "tags")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestModes(t *testing.T) {
	api, _ := apis()["humago"]()
	registerHTTP(api)
	wshuma.Mount(api, "/ws/{room}", newRouter())
	for mode, want := range map[apidoc.Mode]int{apidoc.Pseudo: 3, apidoc.UpgradeOnly: 2, apidoc.None: 1} {
		wshuma.SetMode(api, mode)
		if paths := keys(at(parse(t, marshal(t, api.OpenAPI())), "paths")); len(paths) != want {
			t.Errorf("mode %d: %v", mode, paths)
		}
	}
}

func TestGroups(t *testing.T) {
	api, h := apis()["humago"]()
	outer := huma.NewGroup(api, "/api")
	outer.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(huma.WithValue(ctx, userKey{}, "Eve")) })
	group := huma.NewGroup(outer, "/v1", "/v2")
	group.UseSimpleModifier(func(o *huma.Operation) {
		o.Security = []map[string][]string{{"bearer": {}}}
		o.Tags = append(o.Tags, "grouped")
		o.Parameters = append(o.Parameters, &huma.Param{Name: "X-Trace", In: "header", Schema: &huma.Schema{Type: "string"}})
		o.Responses = map[string]*huma.Response{"401": {Description: "Who are you?"}}
	})
	registerHTTP(api)
	wshuma.Mount(group, "/ws/{room}", newRouter())
	for _, version := range []string{"v1", "v2"} {
		c := wstest.Dial(t, h, "/api/"+version+"/ws/lobby")
		c.Send(Say{To: User{"Bob"}})
		if got := wstest.Expect[Said](c); got.Room != "lobby" || got.By != "Eve" {
			t.Errorf("%s: %+v", version, got)
		}
	}
	doc := parse(t, marshal(t, api.OpenAPI()))
	want := []string{"/api/v1/ws/{room}", "/api/v1/ws/{room}/(say)", "/api/v2/ws/{room}", "/api/v2/ws/{room}/(say)", "/users/{id}"}
	if got := keys(at(doc, "paths")); !slices.Equal(got, want) {
		t.Fatalf("paths: %v", got)
	}
	ids := map[any]bool{}
	for _, path := range want[:4] {
		method := "get"
		if strings.HasSuffix(path, ")") {
			method = "post"
		}
		op := at(doc, "paths", path, method)
		ids[at(op, "operationId")] = true
		text := string(marshal(t, op))
		for _, part := range []string{`"security":[{"bearer":[]}]`, `"grouped"`, `"X-Trace"`, `"name":"room"`, `"401"`, `"400"`} {
			if !strings.Contains(text, part) {
				t.Errorf("%s %s has no %s: %s", method, path, part, text)
			}
		}
	}
	if len(ids) != 4 {
		t.Error("operation ids are not unique:", ids)
	}
	if text := string(marshal(t, at(doc, "paths", "/users/{id}"))); strings.Contains(text, "grouped") {
		t.Error("the modifier reached another operation")
	}
}

func TestHiddenByModifier(t *testing.T) {
	api, h := apis()["humago"]()
	group := huma.NewGroup(api)
	group.UseSimpleModifier(func(o *huma.Operation) { o.Hidden = true })
	wshuma.Mount(group, "/ws/{room}", newRouter())
	wstest.Dial(t, h, "/ws/lobby").Close()
	if text := string(marshal(t, api.OpenAPI())); strings.Contains(text, "/ws") {
		t.Error(text)
	}
}

func TestMistakes(t *testing.T) {
	panics := func(want string, fn func()) {
		t.Helper()
		defer func() {
			t.Helper()
			if p := fmt.Sprint(recover()); !strings.Contains(p, want) {
				t.Errorf("panic %q, want %q", p, want)
			}
		}()
		fn()
	}
	api, _ := apis()["humago"]()
	panics("must not be nil", func() { wshuma.Mount(api, "/ws", nil) })
	panics("no parameter {room}", func() { wshuma.Mount(api, "/ws", newRouter()) })
	wshuma.Mount(api, "/ws/{room}", newRouter())
	panics("documented already", func() { wshuma.Mount(api, "/ws/{room}", newRouter()) })

	// What is wrong with a router as a whole shows when the document is made.
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	broken := wsrouter.New[struct{}](nil)
	wsrouter.Receive(broken, func(ctx context.Context, c *wsrouter.Conn[struct{}], m []int) error { return nil }, wsrouter.As("list"))
	wshuma.Mount(api, "/broken", broken)
	for range 2 {
		if _, err := json.Marshal(api.OpenAPI()); err == nil || !strings.Contains(err.Error(), "set Dispatch") {
			t.Error(err)
		}
	}
	if !strings.Contains(log.String(), "set Dispatch") {
		t.Error(log.String())
	}
}

// foreign is a context of an adapter that is not built on net/http, or does not give its request away.
type foreign struct{ humaContext }

type humaContext huma.Context

func TestForeignAdapter(t *testing.T) {
	api, h := apis()["humago"]()
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(foreign{ctx}) })
	wshuma.Mount(api, "/ws/{room}", newRouter())
	c := wstest.Dial(t, h, "/ws/lobby?token=a")
	c.Send(Say{To: User{"Bob"}})
	if got := wstest.Expect[Said](c); got.Room != "lobby" {
		t.Errorf("%+v", got)
	}
}
