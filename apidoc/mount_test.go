package apidoc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A recorder is a mux that notes its patterns.
type recorder []string

func (r *recorder) Handle(pattern string, _ http.Handler) { *r = append(*r, pattern) }

func TestMountPatterns(t *testing.T) {
	for pattern, want := range map[string]struct{ route, path string }{
		"/ws":                           {"GET /ws", "/ws"},
		"GET /ws":                       {"GET /ws", "/ws"},
		"GET \t /ws":                    {"GET /ws", "/ws"},
		"/":                             {"GET /", "/"},
		"/ws/":                          {"GET /ws/", "/ws/"},
		"/ws/{$}":                       {"GET /ws/{$}", "/ws/"},
		"example.com/ws":                {"GET example.com/ws", "/ws"},
		"GET example.com:8080/ws":       {"GET example.com:8080/ws", "/ws"},
		"/ws/{a}/{rest...}":             {"GET /ws/{a}/{rest...}", "/ws/{a}/{rest}"},
		`/ws/{id:\d{3}}`:                {`GET /ws/{id:\d{3}}`, "/ws/{id}"},
		"/ws/{id:[a-z]+}/x-{n:[0-9]*}.": {"GET /ws/{id:[a-z]+}/x-{n:[0-9]*}.", "/ws/{id}/x-{n}."},
	} {
		var mux recorder
		doc := apidoc.New("", "")
		doc.Mount(&mux, pattern, endpoint(chat()))
		if !slices.Equal(mux, []string{want.route}) {
			t.Errorf("%s: routed %q", pattern, mux)
		}
		if at(decode(t, doc.OpenAPI()), "paths", want.path, "get") == nil {
			t.Errorf("%s: not documented at %s", pattern, want.path)
		}
	}
	for pattern, text := range map[string]string{
		"POST /ws": "not POST", "ws": "must be [GET ][host]/path", "": "must be", "/{a": "never closed", "/{}": "a name of its own",
		"/{a}/{a}": "a name of its own", "GET": "must be",
	} {
		var mux recorder
		wantPanic(t, text, func() { apidoc.New("", "").Mount(&mux, pattern, endpoint(chat())) })
		if len(mux) > 0 {
			t.Errorf("%s was routed", pattern)
		}
	}
}

func TestMountBesideACatchAll(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{page}", func(http.ResponseWriter, *http.Request) {})
	doc := apidoc.New("T", "1")
	doc.Mount(mux, "/ws", endpoint(chat()))
	doc.Serve(mux, "/docs")
	if w := request(mux, "GET", "/ws"); w.Code != http.StatusUpgradeRequired {
		t.Errorf("the endpoint answered %d", w.Code)
	}
	if w := request(mux, "POST", "/ws/(onChatMessage)"); w.Code != 404 {
		t.Errorf("a pseudo operation is routed: %d", w.Code)
	}
}

func TestMountPanics(t *testing.T) {
	var mux recorder
	wantPanic(t, `Mount("/ws/{room}"): the session has a field tagged path:"room_id", but /ws/{room} has no parameter {room_id}`,
		func() { apidoc.New("", "").Mount(&mux, "/ws/{room}", endpoint(rooms())) })
	doc := apidoc.New("", "")
	doc.Mount(&mux, "/a/{x}", endpoint(chat()))
	wantPanic(t, `Add("/a/{y}"): /a/{y} is documented already by Mount("/a/{x}")`, func() { doc.Add("/a/{y}", endpoint(chat())) })
	doc.OpenAPI()
	wantPanic(t, `Mount("/b"): the document was used already`, func() { doc.Mount(&mux, "/b", endpoint(chat())) })
	wantPanic(t, `Add("/b"): the document was used already`, func() { doc.Add("/b", endpoint(chat())) })
	wantPanic(t, "must not be nil", func() { apidoc.New("", "").Add("/b", nil) })
}

func TestMountDoesNotDescribe(t *testing.T) {
	e := endpoint(chat())
	mux := http.NewServeMux()
	doc := apidoc.New("", "")
	doc.Mount(mux, "/ws", e)
	doc.Serve(mux, "/docs")
	if e.described > 0 {
		t.Error("Mount or Serve froze the router")
	}
}

func TestPathPatternOfChi(t *testing.T) {
	spec := wsrouter.Spec{Params: []wsrouter.Param{
		{Name: "own", In: "path", Schema: []byte(`{"type":"string","pattern":"^x$"}`)},
		{Name: "int", In: "path", Schema: []byte(`{"type":"integer"}`)},
	}}
	var mux recorder
	doc := apidoc.New("", "")
	doc.Mount(&mux, `/{a:[a-z]{2,}}/{b:^\w+$}/{c:(?i)x}/{d:\pL+}/{own:y}/{int:[0-9]+}/{plain}`, endpoint(spec))
	params := at(decode(t, doc.OpenAPI()), "paths", "/{a}/{b}/{c}/{d}/{own}/{int}/{plain}", "get", "parameters")
	for i, want := range []any{"^[a-z]{2,}$", `^\w+$`, nil, nil, "^x$", nil, nil} {
		if got := at(params, i, "schema", "pattern"); got != want {
			t.Errorf("%v has the pattern %v, want %v", at(params, i, "name"), got, want)
		}
		if at(params, i, "required") != true {
			t.Errorf("%v is not required", at(params, i, "name"))
		}
	}
}

// Whoever opens the address of a WebSocket by a plain GET is told where its documentation is, also behind a prefix.
func TestMountLinks(t *testing.T) {
	mux, doc := http.NewServeMux(), apidoc.New("Links", "1")
	doc.Mount(mux, "/feed", wsrouter.New[struct{}](nil))
	doc.Mount(mux, "/feed/{$}", wsrouter.New[struct{}](nil))
	doc.Mount(mux, "/ws/{room}", wsrouter.New[struct{}](nil))
	doc.Mount(mux, "/deep/{rest...}", wsrouter.New[struct{}](nil))
	if got := request(mux, "GET", "/feed").Header().Get("Link"); got != "" {
		t.Errorf("without a page there is the link %s", got)
	}
	doc.Serve(mux, "/v1/docs")
	for path, want := range map[string]string{
		"/feed":     `<./v1/docs#/feed>; rel="service-doc"`,
		"/feed/":    `<../v1/docs#/feed/>; rel="service-doc"`,
		"/ws/lobby": `<../v1/docs#/ws/%7Broom%7D>; rel="service-doc"`,
		"/deep/a/b": "",
	} {
		for _, prefix := range []string{"", "/api"} { // an outer router that leaves the whole path in the request
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r2 := r.Clone(r.Context())
				r2.URL.Path = prefix + r.URL.Path
				h, pattern := mux.Handler(r)
				r2.Pattern = pattern
				h.ServeHTTP(w, r2)
			})
			w := request(h, "GET", path)
			if got := w.Header().Get("Link"); got != want {
				t.Errorf("%s links to %s, want %s", path, got, want)
			}
			place, _, _ := strings.Cut(strings.TrimLeft(want, "<./"), ">")
			if said := strings.Contains(w.Body.String(), "; what it takes and sends: http://example.com"+prefix+"/"+place); said != (want != "") || w.Code != 426 {
				t.Errorf("%s%s says %d %s", prefix, path, w.Code, w.Body)
			}
		}
	}
}
