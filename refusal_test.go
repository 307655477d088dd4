package wsrouter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

// guarded is a session with every source and a Resolve.
type guarded struct {
	Room  string   `path:"room" maxLength:"8"`
	Level int      `query:"level" required:"false" minimum:"1"`
	Tags  []string `query:"tag" required:"false" maxItems:"2"`
	Token string   `query:"token" header:"X-Token" cookie:"token" subprotocol:"bearer." required:"false" maxLength:"12"`
	Agent string   `header:"X-Agent" default:"none" maxLength:"20"`
}

func (g *guarded) Resolve(ctx context.Context, r *http.Request) error {
	switch g.Room {
	case "gone":
		return wsrouter.Reject(http.StatusNotFound, "no such room")
	case "wrapped":
		return fmt.Errorf("look up: %w", wsrouter.Reject(http.StatusForbidden, "not yours"))
	case "broken":
		return errors.New("a secret of the server")
	case "panic":
		panic("ouch")
	}
	return nil
}

// refusals are requests that are not upgraded. Each is sent as an upgrade and as a plain GET, which learns the same reason.
var refusals = []struct {
	name   string
	target string
	change func(r *http.Request)
}{
	{"nothing wrong", "/ws/a", func(r *http.Request) {}},
	{"method", "/ws/a", func(r *http.Request) { r.Method = "POST" }},
	{"origin of somebody else", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
	{"origin null", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "null") }},
	{"origin of another port", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "http://example.test:8080") }},
	{"origin that ends like ours", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "http://notexample.test") }},
	{"origin that ends like an allowed one", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "https://evilfriend.test") }},
	{"domain of allowed subdomains", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "https://friend.test") }},
	{"two origins", "/ws/a", func(r *http.Request) {
		r.Header["Origin"] = []string{"http://example.test", "https://evil.example"}
	}},
	{"parameter of the wrong type", "/ws/a?level=high", func(r *http.Request) {}},
	{"parameter out of range", "/ws/a?level=0", func(r *http.Request) {}},
	{"parameter twice", "/ws/a?level=1&level=2", func(r *http.Request) {}},
	{"parameter that is not URL-encoded", "/ws/a?level=1%", func(r *http.Request) {}},
	{"another that is not", "/ws/a?level=1&other=%zz;", func(r *http.Request) {}},
	{"name that is not", "/ws/a?tok;en=%zz;", func(r *http.Request) {}},
	{"list too long", "/ws/a?tag=a&tag=b&tag=c", func(r *http.Request) {}},
	{"path too long", "/ws/abcdefghi", func(r *http.Request) {}},
	{"several faults", "/ws/abcdefghi?level=0", func(r *http.Request) {}},
	{"rejected", "/ws/gone", func(r *http.Request) {}},
	{"rejected, wrapped", "/ws/wrapped", func(r *http.Request) {}},
	{"Resolve fails", "/ws/broken", func(r *http.Request) {}},
	{"Resolve panics", "/ws/panic", func(r *http.Request) {}},
	{"no Connection", "/ws/a", func(r *http.Request) { r.Header.Del("Connection") }},
	{"no Upgrade", "/ws/a", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }},
	{"version 8", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }},
	{"no version", "/ws/a", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }},
	{"no key", "/ws/a", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }},
	{"short key", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "abc=") }},
	{"two keys", "/ws/a", func(r *http.Request) {
		r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}},
	{"HTTP/1.0", "/ws/a", func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 }},
	{"HTTP/2", "/ws/a", func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 }},
	{"origin that is a URL with a credential", "/ws/a", func(r *http.Request) { r.Header.Set("Origin", "https://ann:s3cret@example.test/?token=s3cret") }},
	{"no Host", "/ws/a", func(r *http.Request) { r.Host = "" }},
	{"two versions", "/ws/a", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "13") }},
	{"key with a space", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", " dGhlIHNhbXBsZSBub25jZQ==") }},
	{"subprotocol that is no token", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", "chat, bearer s3cret") }},
	{"subprotocols without one", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", "") }},
	{"extension that breaks its grammar", "/ws/a", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate; =1") }},
	{"body", "/ws/a", func(r *http.Request) { r.ContentLength = 5 }},
	{"chunked body", "/ws/a", func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }},
	{"credentials that break their rules", "/ws/a?token=s3cret+in+the+query", func(r *http.Request) {}},
	{"header that breaks its rule", "/ws/a", func(r *http.Request) { r.Header.Set("X-Agent", "s3cret, and far too long") }},
}

// limited are routers that refuse what is not wrong.
var limited = []struct {
	name    string
	options wsrouter.Options
	prepare func(t *testing.T, r *wsrouter.Router[none])
	change  func(r *http.Request)
}{
	{"another host", wsrouter.Options{Hosts: []string{"localhost", "*.example.com"}}, nil, nil},
	{"another host, of the same origin", wsrouter.Options{Hosts: []string{"localhost"}}, nil, func(r *http.Request) { r.Header.Set("Origin", "http://example.test") }},
	{"host that is none", wsrouter.Options{Hosts: []string{"localhost"}}, nil, func(r *http.Request) { r.Host = "localhost:a" }},
	{"MaxConns", wsrouter.Options{MaxConns: 1}, func(t *testing.T, r *wsrouter.Router[none]) { connect(t, r, "/", nil) }, nil},
	{"MaxConnsPerKey", wsrouter.Options{MaxConnsPerKey: 2, ConnKey: agent}, func(t *testing.T, r *wsrouter.Router[none]) {
		connect(t, r, "/", http.Header{"User-Agent": {"s3cret"}})
		connect(t, r, "/", http.Header{"User-Agent": {"s3cret"}})
	}, func(r *http.Request) { r.Header.Set("User-Agent", "s3cret") }},
	{"ConnKey panics", wsrouter.Options{MaxConnsPerKey: 1, ConnKey: func(*http.Request) string { panic("ouch") }}, nil, nil},
	{"Shutdown", wsrouter.Options{}, func(t *testing.T, r *wsrouter.Router[none]) { _ = r.Shutdown(t.Context()) }, nil},
}

func agent(r *http.Request) string { return r.UserAgent() }

// TestRefusals: every refusal says what is wrong, to the client as JSON and to the operator with the line that would allow it.
func TestRefusals(t *testing.T) {
	var got strings.Builder
	for _, tt := range refusals {
		for _, kind := range []string{"upgrade", "plain GET"} {
			rec := &recorder{}
			r := wsrouter.New[guarded](&wsrouter.Options{Logger: rec.logger(), Origins: []string{"*.friend.test", "https://app.test"}})
			r.OnConnect(func(context.Context, *wsrouter.Conn[guarded]) error { t.Error("connected"); return nil })
			mux := http.NewServeMux()
			mux.Handle("/ws/{room}", r)
			fmt.Fprintf(&got, "%s, %s\n", tt.name, kind)
			writeRefusal(&got, mux, rec, kind, tt.target, tt.change)
		}
	}
	for _, tt := range limited {
		for _, kind := range []string{"upgrade", "plain GET"} {
			rec := &recorder{}
			tt.options.Logger = rec.logger()
			r := wsrouter.New[none](&tt.options)
			if tt.prepare != nil {
				tt.prepare(t, r)
			}
			fmt.Fprintf(&got, "%s, %s\n", tt.name, kind)
			writeRefusal(&got, r, rec, kind, "/", tt.change)
		}
	}
	if strings.Contains(got.String(), "s3cret") {
		t.Error("a credential is repeated")
	}
	golden.File(t, "testdata/refusals.golden", []byte(got.String()))
}

// writeRefusal writes down what h answers, and logs.
func writeRefusal(got *strings.Builder, h http.Handler, rec *recorder, kind, target string, change func(*http.Request)) {
	req := upgradeRequest(target)
	if kind == "plain GET" {
		req = httptest.NewRequest("GET", "http://example.test"+target, nil)
	}
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder() // has no Hijack
	h.ServeHTTP(w, req)
	fmt.Fprintf(got, "\t← %d %s\n", w.Code, bytes.TrimSpace(w.Body.Bytes()))
	for _, key := range []string{"Allow", "Connection", "Upgrade", "Sec-Websocket-Version", "Retry-After"} {
		if v := w.Header().Get(key); v != "" {
			fmt.Fprintf(got, "\t← %s: %s\n", key, v)
		}
	}
	for _, l := range rec.logs {
		fmt.Fprintf(got, "\t# %s\n", l)
	}
}

// upgradeRequest is what a client sends to open a WebSocket.
func upgradeRequest(target string) *http.Request {
	req := httptest.NewRequest("GET", "http://example.test"+target, nil)
	req.Header.Set("Connection", "keep-alive, Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return req
}

// TestAccepted: origins, sources and subprotocols that are to be let in.
func TestAccepted(t *testing.T) {
	tests := []struct {
		name, target string
		header       http.Header
		want         guarded
		subprotocol  string
	}{
		{"no origin", "/ws/a", nil, guarded{Room: "a", Agent: "none"}, ""},
		{"own origin", "/ws/a", http.Header{"Origin": {"http://example.test"}}, guarded{Room: "a", Agent: "none"}, ""},
		{"own origin with its port", "/ws/a", http.Header{"Origin": {"http://EXAMPLE.test:80"}}, guarded{Room: "a", Agent: "none"}, ""},
		{"allowed subdomain", "/ws/a", http.Header{"Origin": {"https://a.friend.test"}}, guarded{Room: "a", Agent: "none"}, ""},
		{"allowed with its scheme", "/ws/a", http.Header{"Origin": {"https://app.test"}}, guarded{Room: "a", Agent: "none"}, ""},
		{"query", "/ws/b?level=3&tag=x&tag=y&token=q", nil, guarded{Room: "b", Level: 3, Tags: []string{"x", "y"}, Token: "q", Agent: "none"}, ""},
		{"the first source that is there", "/ws/b", http.Header{"X-Token": {"h"}, "Cookie": {"token=c"}, "X-Agent": {"me"}}, guarded{Room: "b", Token: "h", Agent: "me"}, ""},
		{"cookie", "/ws/b", http.Header{"Cookie": {"token=c"}}, guarded{Room: "b", Token: "c", Agent: "none"}, ""},
		{"our subprotocol beside a credential", "/ws/b", http.Header{"Sec-Websocket-Protocol": {"bearer.s3cret", "chat.v1"}}, guarded{Room: "b", Token: "s3cret", Agent: "none"}, "chat.v1"},
		{"a credential alone", "/ws/b", http.Header{"Sec-Websocket-Protocol": {"bearer.s3cret"}}, guarded{Room: "b", Token: "s3cret", Agent: "none"}, "bearer.s3cret"},
		{"ours by preference", "/ws/b", http.Header{"Sec-Websocket-Protocol": {"chat.v1", "chat.v2"}}, guarded{Room: "b", Agent: "none"}, "chat.v2"},
		{"none of ours", "/ws/b", http.Header{"Sec-Websocket-Protocol": {"soap"}}, guarded{Room: "b", Agent: "none"}, ""},
		{"escaped path", "/ws/%C3%A4%2Fb", nil, guarded{Room: "ä/b", Agent: "none"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			type seen struct {
				session     guarded
				subprotocol string
			}
			connected := make(chan seen, 1)
			r := wsrouter.New[guarded](&wsrouter.Options{Origins: []string{"*.friend.test", "https://app.test"}, Subprotocols: []string{"chat.v2", "chat.v1"}})
			r.OnConnect(func(_ context.Context, c *wsrouter.Conn[guarded]) error {
				connected <- seen{c.Session, c.Subprotocol()}
				return nil
			})
			mux := http.NewServeMux()
			mux.Handle("/ws/{room}", r)
			connect(t, mux, tt.target, tt.header)
			got := <-connected
			if s := got.session; s.Room != tt.want.Room || s.Level != tt.want.Level || !slices.Equal(s.Tags, tt.want.Tags) || s.Token != tt.want.Token || s.Agent != tt.want.Agent {
				t.Errorf("session %+v, want %+v", s, tt.want)
			}
			if got.subprotocol != tt.subprotocol {
				t.Errorf("subprotocol %q, want %q", got.subprotocol, tt.subprotocol)
			}
		})
	}
}
