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
)

// guarded is a session with every source and a Resolve.
type guarded struct {
	Room  string   `path:"room" maxLength:"8"`
	Level int      `query:"level" required:"false" minimum:"1"`
	Tags  []string `query:"tag" required:"false" maxItems:"2"`
	Token string   `query:"token" header:"X-Token" cookie:"token" subprotocol:"bearer." required:"false"`
	Agent string   `header:"X-Agent" default:"none"`
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
}

// TestRefusals: every refusal says what is wrong, to the client as JSON and to the operator with the line that would allow it.
func TestRefusals(t *testing.T) {
	var got strings.Builder
	for _, tt := range refusals {
		for _, plain := range []bool{false, true} {
			rec := &recorder{}
			r := wsrouter.New[guarded](&wsrouter.Options{Logger: rec.logger(), Origins: []string{"*.friend.test", "https://app.test"}})
			r.OnConnect(func(context.Context, *wsrouter.Conn[guarded]) error { t.Error("connected"); return nil })
			mux := http.NewServeMux()
			mux.Handle("/ws/{room}", r)

			req := upgradeRequest(tt.target)
			if plain {
				req = httptest.NewRequest("GET", "http://example.test"+tt.target, nil)
			}
			tt.change(req)
			w := httptest.NewRecorder() // has no Hijack
			mux.ServeHTTP(w, req)

			kind := "upgrade"
			if plain {
				kind = "plain GET"
			}
			fmt.Fprintf(&got, "%s, %s\n\t← %d %s\n", tt.name, kind, w.Code, bytes.TrimSpace(w.Body.Bytes()))
			for _, key := range []string{"Allow", "Upgrade", "Sec-Websocket-Version"} {
				if v := w.Header().Get(key); v != "" {
					fmt.Fprintf(&got, "\t← %s: %s\n", key, v)
				}
			}
			for _, l := range rec.logs {
				fmt.Fprintf(&got, "\t# %s\n", l)
			}
		}
	}
	golden(t, "refusals.golden", got.String())
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
