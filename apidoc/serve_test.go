package apidoc_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

func request(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServe(t *testing.T) {
	doc, mux := full()
	for path, c := range map[string]struct {
		contentType string
		body        []byte
	}{
		"/docs":          {"text/html; charset=utf-8", nil},
		"/openapi.json":  {"application/json", doc.OpenAPI()},
		"/openapi.yaml":  {"application/yaml", doc.OpenAPIYAML()},
		"/asyncapi.json": {"application/json", doc.AsyncAPI()},
		"/asyncapi.yaml": {"application/yaml", doc.AsyncAPIYAML()},
	} {
		w := request(mux, "GET", path)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != c.contentType || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s, %d bytes", path, w.Code, h.Get("Content-Type"), w.Body.Len())
		}
		if c.body != nil && !bytes.Equal(w.Body.Bytes(), c.body) {
			t.Errorf("%s is not what the method returns", path)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		checkCaching(t, mux, path, w)
	}
	for _, path := range []string{"/docs/", "/docs/x", "/openapi.yml", "/asyncapi.yml", "/"} {
		if w := request(mux, "GET", path); w.Code != 404 {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	if w := request(mux, "POST", "/docs"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// checkCaching compares the other forms of an answer with plain, the one without any header.
func checkCaching(t *testing.T, h http.Handler, path string, plain *httptest.ResponseRecorder) {
	t.Helper()
	etag := plain.Header().Get("ETag")
	if len(etag) < 10 || etag[0] != '"' {
		t.Errorf("%s: ETag %s is not strong", path, etag)
	}
	head := request(h, "HEAD", path)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("ETag") != etag || head.Header().Get("Content-Length") == "" {
		t.Errorf("%s: HEAD: %d, %d bytes, %v", path, head.Code, head.Body.Len(), head.Header())
	}
	zipped := request(h, "GET", path, "Accept-Encoding", "br, gzip")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("ETag") == etag {
		t.Fatalf("%s: gzip: %v", path, zipped.Header())
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(z); err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
		t.Errorf("%s: gzip holds something else: %v", path, err)
	}
	for accept, zip := range map[string]bool{
		"": false, "gzip": true, "GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "*": true, "*;q=0": false,
		"identity": false, "br": false, "identity;q=1, gzip;q=0.2": false, "deflate, gzip;q=1.0, *;q=0.5": true, "gzip;q=x": false,
	} {
		if w := request(h, "GET", path, "Accept-Encoding", accept); (w.Header().Get("Content-Encoding") == "gzip") != zip {
			t.Errorf("%s: Accept-Encoding %q: %q", path, accept, w.Header().Get("Content-Encoding"))
		}
	}
	for match, code := range map[string]int{
		etag: 304, "W/" + etag: 304, `"other", ` + etag: 304, "*": 304, `"other"`: 200, zipped.Header().Get("ETag"): 200,
	} {
		w := request(h, "GET", path, "If-None-Match", match)
		if w.Code != code {
			t.Errorf("%s: If-None-Match %s: %d, want %d", path, match, w.Code, code)
		}
		if code == 304 && (w.Body.Len() != 0 || w.Header().Get("ETag") != etag || w.Header().Get("Vary") == "") {
			t.Errorf("%s: 304 with %d bytes, %v", path, w.Body.Len(), w.Header())
		}
	}
	if w := request(h, "GET", path, "If-None-Match", zipped.Header().Get("ETag"), "Accept-Encoding", "gzip"); w.Code != 304 {
		t.Errorf("%s: the compressed form is not known again: %d", path, w.Code)
	}
}

func TestServePaths(t *testing.T) {
	for path, want := range map[string]struct{ json, server string }{
		"/docs":     {"/openapi.json", "."},
		"/":         {"/openapi.json", "."},
		"/a/docs":   {"/a/openapi.json", ".."},
		"/docs/":    {"/docs/openapi.json", ".."},
		"/a/b/docs": {"/a/b/openapi.json", "../.."},
	} {
		mux := http.NewServeMux()
		doc := apidoc.New("T", "1")
		doc.Mount(mux, "/ws", endpoint(chat()))
		doc.Serve(mux, path)
		if w := request(mux, "GET", path); w.Code != 200 || strings.Contains(w.Body.String(), `href="/`) {
			t.Errorf("%s: %d", path, w.Code)
		}
		w := request(mux, "GET", want.json)
		if got := at(decode(t, w.Body.Bytes()), "servers", 0, "url"); w.Code != 200 || got != want.server {
			t.Errorf("%s: %d, server %v, want %s", want.json, w.Code, got, want.server)
		}
		if w := request(mux, "GET", strings.TrimSuffix(path, "/")+"/other"); w.Code != 404 {
			t.Errorf("%s: below it: %d", path, w.Code)
		}
	}
	for _, bad := range []string{"", "docs", "/{page}", "GET /docs", "/docs?x", "/docs/{$}", "/*"} {
		wantPanic(t, "Serve(", func() { apidoc.New("", "").Serve(http.NewServeMux(), bad) })
	}
}

// A mux that is no http.ServeMux may take a pattern that ends in a slash for all below it.
type wrapped struct{ *http.ServeMux }

func TestServeTrailingSlashOfAnotherMux(t *testing.T) {
	mux := wrapped{http.NewServeMux()}
	apidoc.New("T", "1").Serve(mux, "/docs/")
	if w := request(mux, "GET", "/docs/"); w.Code != 200 {
		t.Errorf("the page: %d", w.Code)
	}
	if w := request(mux, "GET", "/docs/other"); w.Code != 404 {
		t.Errorf("below it: %d", w.Code)
	}
}

func TestServeModes(t *testing.T) {
	_, mux := full()
	for query, paths := range map[string]int{"": 10, "?ws=pseudo": 10, "?ws=upgrade": 3, "?ws=none": 0} {
		w := request(mux, "GET", "/openapi.json"+query)
		got, _ := at(decode(t, w.Body.Bytes()), "paths").(map[string]any)
		if len(got) != paths {
			t.Errorf("%q: %d paths, want %d", query, len(got), paths)
		}
	}
	if w := request(mux, "GET", "/openapi.json?ws=all"); w.Code != 400 {
		t.Errorf("an unknown mode: %d", w.Code)
	}
}

func TestServeSurvivesABrokenDeclaration(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	broken := chat()
	broken.Receives[0].Message.Schema = []byte(`{"$ref":"#/$defs/gone"}`)
	for name, e := range map[string]apidoc.Endpoint{
		"refers to \\\\\\\"gone": endpoint(broken),
		"checks failed":          panicking{endpoint(chat())},
	} {
		log.Reset()
		mux := http.NewServeMux()
		doc := apidoc.New("T", "1")
		doc.Mount(mux, "/ws", e)
		doc.Serve(mux, "/docs")
		for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/asyncapi.json", "/asyncapi.yaml"} {
			if w := request(mux, "GET", path); w.Code != 500 || strings.Contains(w.Body.String(), "gone") {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		if !strings.Contains(log.String(), strings.ReplaceAll(name, `\\\"`, `\"`)) {
			t.Errorf("the log says %s", log.String())
		}
		wantPanic(t, "apidoc: OpenAPI: ", func() { doc.OpenAPI() })
		wantPanic(t, "apidoc: AsyncAPI: ", func() { doc.AsyncAPI() })
		wantPanic(t, "apidoc: AsyncAPIYAML: ", func() { doc.AsyncAPIYAML() })
	}
}

type panicking struct{ *fake }

func (panicking) Describe() wsrouter.Spec { panic("wsrouter: checks failed") }

func TestServeConcurrently(t *testing.T) {
	e := endpoint(rooms())
	mux := http.NewServeMux()
	doc := apidoc.New("T", "1")
	doc.Mount(mux, "/ws/{room_id}", e)
	doc.Serve(mux, "/docs")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/openapi.json?ws=upgrade", "/asyncapi.json", "/asyncapi.yaml"} {
				if w := request(mux, "GET", path); w.Code != 200 {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
			doc.OpenAPI()[0] = 'x' // a copy
			doc.AsyncAPI()[0] = 'x'
		})
	}
	wg.Wait()
	if e.described != 1 {
		t.Errorf("described %d times", e.described)
	}
	if doc.OpenAPI()[0] != '{' || doc.AsyncAPI()[0] != '{' {
		t.Error("a caller changed the document")
	}
}
