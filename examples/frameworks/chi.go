package frameworks

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Chi is routed and documented by the same two calls as a ServeMux.
func Chi() http.Handler {
	r := chi.NewRouter()
	doc := apidoc.New("Chi", "1.0.0")
	doc.Mount(r, "/ws/{room}", newRouter())
	doc.Serve(r, "/docs")
	return r
}
