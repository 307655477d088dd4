package wsrouter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type (
	// guard turns everybody away.
	guard struct{}
	// Guard does too, and is exported.
	Guard struct{}
	// guardOf does too, and is generic.
	guardOf[T any] struct{ Value T }
	// tokened has a parameter and asks nobody.
	tokened struct {
		Token string `query:"token"`
	}
)

func (*guard) Resolve(context.Context, *http.Request) error { return wsrouter.Reject(401, "no") }
func (*Guard) Resolve(context.Context, *http.Request) error { return wsrouter.Reject(401, "no") }
func (*guardOf[T]) Resolve(context.Context, *http.Request) error {
	return wsrouter.Reject(401, "no")
}

// ownWord embeds a guard by pointer and speaks for itself.
type ownWord struct{ *guard }

var _ = ownWord{}.guard // only that it is embedded matters

func (*ownWord) Resolve(context.Context, *http.Request) error { return wsrouter.Reject(403, "mine") }

// TestEmbeddedResolve: a Resolve is called or stops the program, wherever it is embedded. It was skipped behind a pointer or an
// interface, and answered 500 in a struct that is not exported.
func TestEmbeddedResolve(t *testing.T) {
	t.Run("called", func(t *testing.T) {
		for name, router := range map[string]http.Handler{
			"exported":         wsrouter.New[struct{ Guard }](&wsrouter.Options{Logger: quiet}),
			"not exported":     wsrouter.New[struct{ guard }](&wsrouter.Options{Logger: quiet}),
			"generic":          wsrouter.New[guardOf[int]](&wsrouter.Options{Logger: quiet}),
			"embedded generic": wsrouter.New[struct{ guardOf[int] }](&wsrouter.Options{Logger: quiet}),
		} {
			t.Run(name, func(t *testing.T) {
				if got := wstest.Refused(t, router, "/").StatusCode; got != 401 {
					t.Errorf("status %d, want 401", got)
				}
			})
		}
		if got := wstest.Refused(t, wsrouter.New[ownWord](&wsrouter.Options{Logger: quiet}), "/").StatusCode; got != 403 {
			t.Errorf("its own Resolve: status %d, want 403", got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for want, declare := range map[string]func(){
			"would be skipped":    func() { wsrouter.New[struct{ *guard }](nil) },
			"Guard: its Resolve":  func() { wsrouter.New[struct{ *Guard }](nil) },
			"Resolver: its":       func() { wsrouter.New[struct{ wsrouter.Resolver }](nil) },
			"would never be read": func() { wsrouter.New[struct{ *tokened }](nil) },
			"guard: its Resolve": func() { // ambiguous, so that the session has none itself
				wsrouter.New[struct {
					*guard
					Guard
				}](nil)
			},
		} {
			t.Run(want, func(t *testing.T) {
				defer func() {
					if p, _ := recover().(string); !strings.Contains(p, want) {
						t.Errorf("panic %q, want %q", p, want)
					}
				}()
				declare()
			})
		}
	})
}

// TestRepeatedHeaders: what many connections bring in a header is in memory once, and is each connection's own text.
func TestRepeatedHeaders(t *testing.T) {
	type agent string
	type visit struct {
		Agent agent  `header:"User-Agent"`
		Token string `header:"X-Auth-Token"`
	}
	var mu sync.Mutex
	seen := map[string][]*byte{}
	r := wsrouter.New[visit](&wsrouter.Options{Logger: quiet})
	r.OnConnect(func(_ context.Context, c *wsrouter.Conn[visit]) error {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range []string{string(c.Session.Agent), c.Session.Token} {
			seen[s] = append(seen[s], unsafe.StringData(s))
		}
		return nil
	})
	const most = 256 // of bytes, which longer texts are not worth
	texts := []string{"Firefox", strings.Repeat("a", most), strings.Repeat("b", most+1)}
	for i := range 200 {
		texts = append(texts, fmt.Sprint("agent ", i))
	}
	var clients sync.WaitGroup
	for _, text := range texts {
		clients.Go(func() {
			for range 2 {
				wstest.Dial(t, r, "/", wstest.Header("User-Agent", text), wstest.Header("X-Auth-Token", "secret of "+text)).Close()
			}
		})
	}
	clients.Wait()
	for range 2 {
		wstest.Dial(t, r, "/", wstest.Header("User-Agent", "again "+texts[1][:200]), wstest.Header("X-Auth-Token", "one secret of both")).Close()
	}

	for _, text := range texts {
		if len(seen[text]) != 2 || len(seen["secret of "+text]) != 2 {
			t.Errorf("%.20s: %d connections with it, %d with its secret", text, len(seen[text]), len(seen["secret of "+text]))
		}
	}
	once := func(s string) bool { return seen[s][0] == seen[s][1] }
	if !once("again "+texts[1][:200]) || once(texts[2]) || once("one secret of both") {
		t.Errorf("in memory once: %t, too long %t, a secret %t", once("again "+texts[1][:200]), once(texts[2]), once("one secret of both"))
	}
}

// TestOneOfSources: a parameter that may come in several ways is refused, and documented, with all of them.
func TestOneOfSources(t *testing.T) {
	type several struct {
		Token string `query:"token" header:"X-Token" cookie:"token" doc:"Who you are."`
	}
	r := wsrouter.New[several](&wsrouter.Options{Logger: quiet})
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if want := `is required, as query token, header X-Token or cookie token`; w.Code != 400 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("refused with %d %s, want %q", w.Code, w.Body, want)
	}
	for _, p := range r.Describe().Params {
		if want := "Who you are. One of query token, header X-Token and cookie token is required."; p.Required || p.Description != want {
			t.Errorf("%s %s: required %v, %q, want %q", p.In, p.Name, p.Required, p.Description, want)
		}
	}
}
