package apidoc

import (
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/credential"
	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// isCredential reports whether p says by its name and place that it is one. A part of a path never is.
func isCredential(p *parameter) bool {
	switch p.In {
	case "query", "header", "subprotocol":
		return credential.IsName(p.Name)
	case "cookie":
		return credential.IsCookie(p.Name)
	}
	return false
}

// security adds the credentials of e to the schemes and refers to them. To AsyncAPI the list means any of them, as for
// a field of several sources.
func (w *asyncWriter) security(e *endpoint) []any {
	var refs []any
	for _, p := range e.parameters {
		if isCredential(p) {
			refs = append(refs, ordered.New("$ref", "#/components/securitySchemes/"+w.scheme(p)))
		}
	}
	return refs
}

// scheme adds the credential p unless it is there, and returns its key: its name; with its place where another has
// that name.
func (w *asyncWriter) scheme(p *parameter) string {
	scheme := schemeOf(p)
	name := identifier(p.Name)
	for _, key := range []string{name, name + "_" + p.In} {
		if !w.schemes.Has(key) || ordered.Equal(w.schemes.Get(key), scheme) {
			w.schemes.Set(key, scheme)
			return key
		}
	}
	taken := map[string]bool{}
	for _, key := range w.schemes.Names() {
		if ordered.Equal(w.schemes.Get(key), scheme) {
			return key
		}
		taken[key] = true
	}
	key := unique(name+"_"+p.In, taken)
	w.schemes.Set(key, scheme)
	return key
}

// schemeOf says how p travels. The Authorization header holds a bearer token unless its declaration says Basic.
func schemeOf(p *parameter) *ordered.Object {
	switch {
	case p.In == "header" && strings.EqualFold(p.Name, "Authorization"):
		scheme := "bearer"
		if strings.Contains(strings.ToLower(p.Description+string(ordered.AppendJSON(nil, p.schema, -1))), "basic") {
			scheme = "basic"
		}
		return ordered.New("type", "http", "scheme", scheme).SetText("description", p.Description)
	case p.In == "subprotocol":
		about := "As a subprotocol that begins with `" + p.Name + "`, the only header that a browser lets a page set."
		return ordered.New("type", "httpApiKey", "in", "header", "name", "Sec-WebSocket-Protocol", "description", paragraphs(p.Description, about))
	default:
		return ordered.New("type", "httpApiKey", "in", p.In, "name", p.Name).SetText("description", p.Description)
	}
}
