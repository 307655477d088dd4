package apidoc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

func TestGoldenPage(t *testing.T) {
	_, mux := full()
	page := request(mux, "GET", "/docs").Body.Bytes()
	golden.File(t, "testdata/page.html", regexp.MustCompile(`\?v=[\w-]{12}`).ReplaceAll(page, []byte("?v=VERSION"))) // another one with every build of the console
}

func TestPageOfAMergedDocument(t *testing.T) {
	mux := http.NewServeMux()
	doc := apidoc.New("ignored", "ignored")
	if err := doc.Merge([]byte(`{"openapi":"3.0.0","info":{"title":"Shop","version":"7"}}`)); err != nil {
		t.Fatal(err)
	}
	doc.Mode = apidoc.None
	doc.Mount(mux, "/ws", endpoint(chat()))
	doc.Serve(mux, "/docs")
	page := request(mux, "GET", "/docs").Body.String()
	if !strings.Contains(page, "<title>Shop 7</title>") || !strings.Contains(page, "ChatMessage") {
		t.Error("the page has the title of the base and the messages in every mode")
	}
}

func TestPageConnects(t *testing.T) {
	for server, want := range map[string]string{
		"": "wss://HOST/ws/lobby", "https://a.example/v1/": "wss://a.example/v1/ws/lobby", "http://a.example": "ws://a.example/ws/lobby",
		"wss://http.example": "wss://http.example/ws/lobby", "/v1": "wss://HOST/v1/ws/lobby", "javascript:x": "wss://HOST/ws/lobby",
	} {
		mux := http.NewServeMux()
		doc := apidoc.New("T", "1")
		if server != "" {
			doc.Servers = []string{server}
		}
		doc.Add("/ws/{room_id}", endpoint(rooms()))
		doc.Serve(mux, "/docs")
		if page := html.UnescapeString(request(mux, "GET", "/docs").Body.String()); !strings.Contains(page, `new WebSocket("`+want+`", ["chat.v2"])`) {
			t.Errorf("%s: the page does not say %s", server, want)
		}
	}
}

// The page asks nobody else for anything: no script but its own, no URL but relative ones, one style that the policy names by its hash.
func TestPageStandsAlone(t *testing.T) {
	_, mux := full()
	w := request(mux, "GET", "/docs")
	page := w.Body.String()
	if n := strings.Count(page, "<script"); n != 1 || !strings.Contains(page, `<script src="docs/console.js?v=`) {
		t.Errorf("%d scripts", n)
	}
	if bad := regexp.MustCompile(`(?i)<(iframe|img|form|base|object|script>)|<[^>]*\s(on[a-z]+|style)=|@import|url\(`).FindString(page); bad != "" {
		t.Errorf("the page holds %q", bad)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(`^(#|data:image/svg|(open|async)api\.(json|yaml)$|docs/console\.(js|css)\?v=[\w-]{12}$)`).MatchString(m[1]) {
			t.Errorf("the page refers to %s", m[1])
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	sum := sha256.Sum256([]byte(style[1]))
	if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(w.Header().Get("Content-Security-Policy"), "'sha256-"+hash+"'") {
		t.Error("the policy forbids the page's own style")
	}
}

// Every anchor is there once, and every link within the page leads to one.
func TestPageAnchors(t *testing.T) {
	_, mux := full()
	page := request(mux, "GET", "/docs").Body.String()
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("the id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("#%s leads nowhere", m[1])
		}
	}
}

func TestPageInjection(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}</style>&lt;`
	hostile := func(name string) wsrouter.Message {
		schema, _ := json.Marshal(map[string]any{
			"type": "object", "title": evil, "description": evil, "required": []any{evil},
			"properties": map[string]any{
				evil:  map[string]any{"type": evil, "description": evil, "pattern": evil, "enum": []any{evil}, "const": evil, "default": evil, "format": evil},
				"ref": map[string]any{"$ref": "https://evil.example/" + evil}, "js": map[string]any{"$ref": "javascript:alert(1)"},
			},
			"examples": []any{map[string]any{evil: evil, "u": "javascript:alert(1)"}},
		})
		return wsrouter.Message{Name: name, Names: []string{quote(name)}, GoType: "x/y." + evil, Description: evil, Delivery: "latest=" + evil, Schema: schema}
	}
	spec := wsrouter.Spec{
		Name: evil, Description: evil, Tags: []string{evil}, Discriminator: evil, Payload: evil, ID: evil, Subprotocols: []string{evil},
		Params:   []wsrouter.Param{{Name: evil, In: "query", Description: evil, Schema: json.RawMessage(`{"type":"string","examples":[` + quote(evil) + `]}`)}},
		Receives: []wsrouter.Operation{{Handler: evil, Summary: evil, Description: evil, Message: hostile(evil), Sends: []wsrouter.Message{hostile(evil)}}},
		Sends:    []wsrouter.Message{hostile("b" + evil)},
		Error:    hostile("c" + evil),
	}
	mux := http.NewServeMux()
	doc := apidoc.New(evil, evil)
	doc.Description = evil
	doc.Servers = []string{"javascript:alert(1)//" + evil}
	doc.Add("/ws", endpoint(spec))
	doc.Serve(mux, "/docs")
	w := request(mux, "GET", "/docs")
	page := w.Body.String()
	if w.Code != 200 || strings.Count(page, "alert(1)") < 20 {
		t.Fatalf("the page is not about the hostile endpoint: %d", w.Code)
	}
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{"<script>", "<img", `href="javascript`, `href="https`, "{{"} {
		if strings.Contains(strings.ReplaceAll(page, "{{.}}", ""), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if n := bytes.Count([]byte(page), []byte("</style>")); n != 1 {
		t.Errorf("%d styles end", n)
	}
}
