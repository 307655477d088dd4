package apidoc_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

var versioned = regexp.MustCompile(`(?:href|src)="([^"?]*)\?(v=[\w-]+)"`)

// Where the page is served its console is found, whatever the path and behind a prefix.
func TestConsoleFiles(t *testing.T) {
	for path, dir := range map[string]string{"/docs": "/docs/", "/a/docs": "/a/docs/", "/docs/": "/docs/", "/": "/"} {
		mux := http.NewServeMux()
		doc := apidoc.New("T", "1")
		doc.Mount(mux, "/ws", endpoint(chat()))
		doc.Serve(mux, path)
		page := request(mux, "GET", path).Body.String()
		found := versioned.FindAllStringSubmatch(page, -1)
		if len(found) != 2 {
			t.Fatalf("%s: the page refers to %v", path, found)
		}
		for _, f := range found {
			at := path[:strings.LastIndexByte(path, '/')+1] + f[1]
			w := request(mux, "GET", at+"?"+f[2])
			if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() < 1000 {
				t.Errorf("%s: %s: %d %v", path, at, w.Code, w.Header())
			}
			if w := request(mux, "GET", at+"?v=other"); w.Header().Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: another version is kept: %v", at, w.Header())
			}
			if w := request(mux, "POST", at); w.Code != 405 {
				t.Errorf("POST %s: %d", at, w.Code)
			}
		}
		checkCaching(t, mux, dir+"console.json", request(mux, "GET", dir+"console.json"))
		var data struct{ Root, Worker string }
		if err := json.Unmarshal(request(mux, "GET", dir+"console.json").Body.Bytes(), &data); err != nil {
			t.Fatal(err)
		}
		if w := request(mux, "GET", dir+data.Worker); w.Code != 200 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "connect-src 'self';") {
			t.Errorf("%s: the worker: %d %v", path, w.Code, w.Header())
		}
	}
}

// The size of everything that a first visit loads, compressed.
func TestConsoleIsSmall(t *testing.T) {
	_, mux := full()
	total := 0
	for _, path := range []string{"console.js", "worker.js", "console.css"} {
		total += request(mux, "GET", "/docs/"+path, "Accept-Encoding", "gzip").Body.Len()
	}
	if total > 66<<10 { // the rest of 70 KB is the reference's style
		t.Errorf("%d bytes", total)
	}
}

func TestConsolePolicy(t *testing.T) {
	mux := http.NewServeMux()
	doc := apidoc.New("T", "1")
	doc.Servers = []string{"https://api.example.com/v1/", "/relative", "ftp://x", "https://evil.example;script-src *", "https://user:pass@host.example"}
	doc.Mount(mux, "/ws", endpoint(chat()))
	doc.Serve(mux, "/docs")
	policy := request(mux, "GET", "/docs").Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self' https://api.example.com wss://api.example.com;",
		"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types wsrouter"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "evil") || strings.Contains(policy, "user") {
		t.Errorf("policy %s", policy)
	}
}

// The console's data holds what the page shows, with schemas and numbers as they were printed.
func TestConsoleData(t *testing.T) {
	spec := chat()
	spec.Receives = append(spec.Receives, wsrouter.Operation{Handler: "onSecret", Hidden: true, Message: wsrouter.Message{Name: "secret", GoType: "x.Secret", Schema: []byte(`{"type":"object"}`)}})
	mux := http.NewServeMux()
	doc := apidoc.New("T", "1")
	doc.Mount(mux, "/v1/ws", endpoint(spec))
	doc.Serve(mux, "/v1/docs")
	body := request(mux, "GET", "/v1/docs/console.json").Body.Bytes()
	if strings.Contains(strings.ToLower(string(body)), "secret") {
		t.Error("what is hidden is in the console's data")
	}
	data := decode(t, body)
	if got := at(data, "root"); got != ".." {
		t.Errorf("root %v", got)
	}
	id, _ := at(data, "endpoints", 0, "send", 0, "id").(string)
	if page := request(mux, "GET", "/v1/docs").Body.String(); id == "" || !strings.Contains(page, ` id="`+id+`"`) {
		t.Errorf("the message %q is elsewhere on the page", id)
	}
	name, _ := at(data, "endpoints", 0, "send", 0, "type").(string)
	if at(data, "schemas", name) == nil {
		t.Errorf("no schema %q", name)
	}
}

// limited is an endpoint with limits that this package has never heard of.
type limited struct{ apidoc.Endpoint }

func (l limited) Describe() wsrouter.Spec {
	s := l.Endpoint.Describe()
	s.Limits["messages_per_second"], s.Limits["connectionsPerIP"] = 50, 0
	return s
}

func TestPageLimits(t *testing.T) {
	mux, doc := http.NewServeMux(), apidoc.New("Limits", "1")
	doc.Login = "/login"
	doc.Mount(mux, "/ws", limited{wsrouter.New[struct{}](nil)})
	doc.Serve(mux, "/docs")
	data := request(mux, "GET", "/docs/console.json").Body.String()
	for _, want := range []string{`{"name":"messages per second","value":"50"}`, `{"name":"connections per ip","value":"no limit"}`, `{"name":"largest message","value":"64 KiB"}`, `"login":"/login"`} {
		if !strings.Contains(data, want) {
			t.Errorf("console.json lacks %s", want)
		}
	}
	mux, doc = http.NewServeMux(), apidoc.New("Limits", "1")
	doc.Mount(mux, "/ws", wsrouter.New[struct{}](&wsrouter.Options{MessagesPerSecond: 50, BytesPerSecond: 64 << 10, MaxMessage: -1, MessageTimeout: -1, Compression: &wsrouter.Compression{}}))
	doc.Serve(mux, "/docs")
	data = request(mux, "GET", "/docs/console.json").Body.String()
	for _, want := range []string{
		`{"name":"messages per second","value":"50"}`, `{"name":"bytes per second","value":"64 KiB"}`, `{"name":"frames of a message","value":"4096"}`,
		`{"name":"message complete within","value":"no limit"}`, `{"name":"largest message","value":"no limit"}`,
		`{"name":"compression","value":"permessage-deflate"}`, `{"name":"beyond the rate","value":"not handled, answered rate_limited"}`,
	} {
		if strings.Count(data, want) != 1 {
			t.Errorf("console.json has %s %d times", want, strings.Count(data, want))
		}
	}
	if x := string(doc.OpenAPI()); !strings.Contains(x, `"compression": "permessage-deflate"`) || !strings.Contains(x, `"messagesPerSecond": 50`) {
		t.Error("OpenAPI lacks the compression or the rate")
	}
	if page := request(mux, "GET", "/docs").Body.String(); !strings.Contains(page, "messages per second") {
		t.Error("the page without scripts lacks the rate")
	}
}

func TestPageLoginIsALink(t *testing.T) {
	for login, want := range map[string]bool{"/login": true, "https://id.example.com/?to=docs": true, "": false, "javascript:alert(1)": false, "data:text/html,x": false, ":": false} {
		mux, doc := http.NewServeMux(), apidoc.New("Login", "1")
		doc.Login = login
		doc.Serve(mux, "/docs")
		if got := strings.Contains(request(mux, "GET", "/docs/console.json").Body.String(), `"login":`); got != want {
			t.Errorf("Login %q is shown: %v", login, got)
		}
	}
}
