package apidoc_test

import (
	"context"
	"html"
	"net/http"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestOneTag: one tag is changed, and validation, both documents in both forms, the page and the data of its console change with it.
func TestOneTag(t *testing.T) {
	type short struct {
		_    struct{} `ws:"note"`
		Text string   `json:"text" maxLength:"21"`
	}
	type long struct {
		_    struct{} `ws:"note"`
		Text string   `json:"text" maxLength:"43"`
	}
	checkTag[short](t, "21", "43", 21)
	checkTag[long](t, "43", "21", 43)
}

func checkTag[M any](t *testing.T, bound, other string, n int) {
	t.Helper()
	notes := wsrouter.New[struct{}](nil)
	wsrouter.Receive(notes, func(context.Context, *wsrouter.Conn[struct{}], M) error { return wsrouter.Errorf("taken", "taken") })
	mux := http.NewServeMux()
	doc := apidoc.New("Notes", "1")
	doc.Mount(mux, "/ws", notes)
	doc.Serve(mux, "/docs")

	for path, want := range map[string]string{
		"/openapi.json":      `"maxLength": ` + bound,
		"/openapi.yaml":      "maxLength: " + bound,
		"/asyncapi.json":     `"maxLength": ` + bound,
		"/asyncapi.yaml":     "maxLength: " + bound,
		"/docs":              "at most " + bound + " characters",
		"/docs/console.json": `"maxLength":` + bound,
	} {
		body := html.UnescapeString(request(mux, "GET", path).Body.String())
		if !strings.Contains(body, want) || strings.Contains(body, strings.ReplaceAll(want, bound, other)) {
			t.Errorf("%s does not say %q, or still what it was", path, want)
		}
	}

	c := wstest.Dial(t, mux, "/ws")
	for length, code := range map[int]string{n: "taken", n + 1: "validation_failed"} {
		c.SendRaw(`{"type":"note","text":"` + strings.Repeat("x", length) + `"}`)
		if e := wstest.Expect[wsrouter.Error](c); e.Code != code {
			t.Errorf("%d characters are answered %q, want %q", length, e.Code, code)
		}
	}
}
