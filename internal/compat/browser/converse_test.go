package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/compat/converse"
)

// TestConversations: JavaScript in Chromium has the conversations that coder/websocket has in internal/compat, with a server in each mode,
// compressed and not.
func TestConversations(t *testing.T) {
	table, err := json.Marshal(converse.Table())
	if err != nil {
		t.Fatal(err)
	}
	chromium := browser(t)
	for _, idle := range []bool{false, true} {
		for extensions, compression := range map[string]*wsrouter.Compression{
			"": nil, "permessage-deflate; server_no_context_takeover": {}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover": {Context: -1},
		} {
			t.Run(fmt.Sprintf("idle %v, extensions %q", idle, extensions), func(t *testing.T) {
				t.Parallel() // they wait more than they do
				mux := http.NewServeMux()
				mux.Handle("/", converse.Server(idle, compression))
				mux.HandleFunc("GET /table.json", func(w http.ResponseWriter, r *http.Request) { w.Write(table) })
				b := open(t, chromium, converser(t, mux), 800, 600)
				faults, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf("converse(%q)", extensions), chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				if faults != "" {
					t.Error(faults)
				}
				b.refusals()
			})
		}
	}
}

// converser serves the page that has conversations, beside h.
func converser(t *testing.T, mux *http.ServeMux) (base string) {
	t.Helper()
	for path, file := range map[string]string{"GET /{$}": "converse.html", "GET /converse.js": "converse.js"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/"+file) })
	}
	return serve(t, mux, "")
}

// refusals takes what the console said of requests that were refused and holds the statuses against those of the table.
func (b *tab) refusals() {
	b.t.Helper()
	var want, got []string
	for _, c := range converse.Table() {
		for _, s := range c.Steps {
			if s.Status != 0 {
				want = append(want, fmt.Sprint(s.Status))
			}
			if s.Foreign {
				want = append(want, "another host")
			}
		}
	}
	for _, fault := range b.take() {
		kind := fault
		if strings.HasPrefix(fault, "socket to another host: ws://127.0.0.1:") {
			kind = "another host"
		} else if strings.Contains(fault, "HTTP Authentication failed") {
			kind = "401"
		} else if _, status, ok := strings.Cut(fault, "Unexpected response code: "); ok {
			kind = status[:3]
		} else if _, status, ok := strings.Cut(fault, "responded with a status of "); ok {
			kind = status[:3]
		}
		got = append(got, kind)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.t.Errorf("the console tells of %q, want %q", got, want)
	}
}

// TestReload: a page that is reloaded leaves with 1001, and the one place that its user has is free for it when it comes back.
func TestReload(t *testing.T) {
	chromium := browser(t)
	for _, idle := range []bool{false, true} {
		t.Run(fmt.Sprint("idle ", idle), func(t *testing.T) {
			left := make(chan wsrouter.CloseInfo, 16)
			r := wsrouter.New[struct{}](&wsrouter.Options{
				Idle: idle, Compression: &wsrouter.Compression{}, Logger: slog.New(slog.DiscardHandler),
				MaxConnsPerKey: 1, ConnKey: func(*http.Request) string { return "Ada" },
			})
			r.OnDisconnect(func(_ context.Context, _ *wsrouter.Conn[struct{}], info wsrouter.CloseInfo) { left <- info })
			mux := http.NewServeMux()
			mux.Handle("/ws", r)
			b := open(t, chromium, converser(t, mux), 800, 600)
			const connect = `new Promise((done) => {
				window.socket = new WebSocket("/ws");
				socket.onopen = () => done("open");
				socket.onclose = (e) => done("closed " + e.code);
			})`
			for n := range 5 {
				if state, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](connect, chromedp.EvalAwaitPromise)); err != nil || state != "open" {
					t.Fatal("visit ", n, ": ", state, err)
				}
				b.run(chromedp.Reload())
				if info := <-left; info.Code != 1001 || !info.Remote {
					t.Errorf("visit %d ended with %+v", n, info)
				}
			}
		})
	}
}
