// Package uses compiles what oapi-codegen makes of wsrouter's documents, and registers it: where two patterns of a
// generated server exclude each other, http.ServeMux panics.
package uses

import (
	"net/http"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/chat"
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/kitchen"
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/kitchenclient"
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/merged30"
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/merged31"
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/minimal"
)

func TestRegister(t *testing.T) {
	for name, register := range map[string]func(mux *http.ServeMux){
		"minimal":    func(mux *http.ServeMux) { minimal.HandlerFromMux(struct{ minimal.ServerInterface }{}, mux) },
		"chat":       func(mux *http.ServeMux) { chat.HandlerFromMux(struct{ chat.ServerInterface }{}, mux) },
		"kitchen":    func(mux *http.ServeMux) { kitchen.HandlerFromMux(struct{ kitchen.ServerInterface }{}, mux) },
		"merged 3.0": func(mux *http.ServeMux) { merged30.HandlerFromMux(struct{ merged30.ServerInterface }{}, mux) },
		"merged 3.1": func(mux *http.ServeMux) { merged31.HandlerFromMux(struct{ merged31.ServerInterface }{}, mux) },
	} {
		t.Run(name, func(t *testing.T) { register(http.NewServeMux()) })
	}
}

func TestClient(t *testing.T) {
	if _, err := kitchenclient.NewClient("http://localhost"); err != nil {
		t.Error(err)
	}
}
