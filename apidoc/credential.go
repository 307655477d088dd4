package apidoc

import (
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/credential"
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
			refs = append(refs, newObject("$ref", "#/components/securitySchemes/"+w.scheme(p)))
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
		if !w.schemes.has(key) || equal(w.schemes.get(key), scheme) {
			w.schemes.set(key, scheme)
			return key
		}
	}
	taken := map[string]bool{}
	for _, key := range w.schemes.names {
		if equal(w.schemes.get(key), scheme) {
			return key
		}
		taken[key] = true
	}
	key := unique(name+"_"+p.In, taken)
	w.schemes.set(key, scheme)
	return key
}

// schemeOf says how p travels. The Authorization header holds a bearer token unless its declaration says Basic.
func schemeOf(p *parameter) *object {
	switch {
	case p.In == "header" && strings.EqualFold(p.Name, "Authorization"):
		scheme := "bearer"
		if strings.Contains(strings.ToLower(p.Description+string(appendJSON(nil, p.schema, -1))), "basic") {
			scheme = "basic"
		}
		return newObject("type", "http", "scheme", scheme).setText("description", p.Description)
	case p.In == "subprotocol":
		about := "As a subprotocol that begins with `" + p.Name + "`, the only header that a browser lets a page set."
		return newObject("type", "httpApiKey", "in", "header", "name", "Sec-WebSocket-Protocol", "description", paragraphs(p.Description, about))
	default:
		return newObject("type", "httpApiKey", "in", p.In, "name", p.Name).setText("description", p.Description)
	}
}
