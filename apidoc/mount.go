package apidoc

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A mounted is an endpoint at its place.
type mounted struct {
	call     string // as the caller wrote it, for messages
	path     string // as OpenAPI writes it
	segments []segment
	endpoint Endpoint
}

// A segment is a parameter in a pattern.
type segment struct {
	name    string
	pattern string // regular expression, "" without
}

// Mount routes the GET requests of pattern to e and documents it there.
//
// pattern is "[GET ][host]/path" in the language of mux, which gets it unchanged but for the "GET ": {name},
// {name...} and {$} of http.ServeMux, {name:regexp} of chi. It must be the path that clients see: where mux is
// itself mounted under a prefix, route e there and call [Doc.Add] with the whole path.
//
// Where [Doc.Serve] serves a page, e's answers name it in a Link header of relation service-doc (RFC 8631), relative to the request, and
// the answer to a plain GET says it in words too: whoever opens the address of a WebSocket in a browser finds what it is. Patterns that match paths of
// any depth have no such link.
//
// Mount panics if pattern names another method, if it lacks a path parameter that e's session has, or if its path is
// mounted already. A parameter of pattern that the session lacks is documented as a string.
func (d *Doc) Mount(mux Mux, pattern string, e Endpoint) {
	call := fmt.Sprintf("Mount(%q)", pattern)
	d.configurable(call)
	if mux == nil || e == nil {
		panic("apidoc: " + call + ": mux and endpoint must not be nil")
	}
	route, path := splitPattern(call, pattern)
	d.add(call, path, e)
	mux.Handle(http.MethodGet+" "+route, d.linked(pattern, d.mounts[len(d.mounts)-1]))
}

// linked answers for m with a link to its place on the page.
func (d *Doc) linked(pattern string, m mounted) http.Handler {
	if strings.Contains(pattern, "...}") || strings.Contains(pattern, "*") {
		return m.endpoint
	}
	up := cmp.Or(strings.Repeat("../", strings.Count(m.path, "/")-1), "./")
	place := (&url.URL{Fragment: m.path}).String()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page := d.servedAt(); page != "" {
			w.Header().Add("Link", "<"+up+page[1:]+place+`>; rel="service-doc"`)
		}
		m.endpoint.ServeHTTP(w, r)
	})
}

// Add documents e at path, which something else routes to it. It takes the same patterns as Mount and panics for the
// same reasons.
func (d *Doc) Add(path string, e Endpoint) {
	call := fmt.Sprintf("Add(%q)", path)
	d.configurable(call)
	if e == nil {
		panic("apidoc: " + call + ": the endpoint must not be nil")
	}
	_, path = splitPattern(call, path)
	d.add(call, path, e)
}

// add takes the endpoint at pattern, a path.
func (d *Doc) add(call, pattern string, e Endpoint) {
	m := mounted{call: call, endpoint: e}
	m.path, m.segments = readPattern(call, pattern)
	for _, p := range e.Params() {
		if p.In == "path" && !slices.ContainsFunc(m.segments, func(s segment) bool { return s.name == p.Name }) {
			panic(fmt.Sprintf("apidoc: %s: the session has a field tagged path:%q, but %s has no parameter {%s}",
				call, p.Name, m.path, p.Name))
		}
	}
	for _, other := range d.mounts {
		if templateOf(other.path) == templateOf(m.path) {
			panic(fmt.Sprintf("apidoc: %s: %s is documented already by %s", call, m.path, other.call))
		}
	}
	d.mounts = append(d.mounts, m)
}

// splitPattern takes the method off a pattern, which leaves what is routed, and the host off that, which leaves the path.
func splitPattern(call, pattern string) (route, path string) {
	route = pattern
	if method, rest, ok := cutSpace(pattern); ok {
		if method != http.MethodGet {
			panic(fmt.Sprintf("apidoc: %s: a WebSocket is opened by GET, not %s", call, method))
		}
		route = rest
	}
	slash := strings.IndexByte(route, '/')
	if slash < 0 {
		panic(fmt.Sprintf("apidoc: %s: the pattern must be [GET ][host]/path", call))
	}
	return route, route[slash:]
}

// cutSpace cuts pattern at the blanks between method and path. Blanks behind the first slash belong to the path.
func cutSpace(pattern string) (method, rest string, ok bool) {
	blank := strings.IndexAny(pattern, " \t")
	slash := strings.IndexByte(pattern, '/')
	if blank < 0 || (slash >= 0 && slash < blank) {
		return "", pattern, false
	}
	return pattern[:blank], strings.TrimLeft(pattern[blank:], " \t"), true
}

// readPattern translates the path of a pattern into OpenAPI's and lists its parameters.
func readPattern(call, pattern string) (path string, segments []segment) {
	var b strings.Builder
	for rest := pattern; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:open])
		end := closingBrace(rest[open:])
		if end < 0 {
			panic(fmt.Sprintf("apidoc: %s: a { is never closed", call))
		}
		s := readSegment(rest[open+1 : open+end])
		rest = rest[open+end+1:]
		if s.name == "$" {
			continue
		}
		if s.name == "" || strings.ContainsAny(s.name, "{}/") || slices.ContainsFunc(segments, func(o segment) bool { return o.name == s.name }) {
			panic(fmt.Sprintf("apidoc: %s: a parameter needs a name of its own", call))
		}
		segments = append(segments, s)
		b.WriteString("{" + s.name + "}")
	}
	return b.String(), segments
}

// readSegment reads what stands between the braces of a parameter.
func readSegment(s string) segment {
	name, pattern, _ := strings.Cut(s, ":")
	name = strings.TrimSuffix(name, "...")
	return segment{name: name, pattern: portablePattern(pattern)}
}

// closingBrace returns where the brace that opens s is closed; regular expressions hold braces of their own.
func closingBrace(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// onlyGo finds what RE2 has and ECMA-262 lacks or reads otherwise: flags and named groups, POSIX and Unicode classes,
// \A, \z, \Q, \a, \x{…}, octals, and \s, which has fewer characters here than there.
var onlyGo = regexp.MustCompile(`\(\?[^:]|\[\[:|\[[^\]]*\[:|\\[^dDwWbBtnrfv.^$*+?()\[\]{}|/\\-]`)

// portablePattern returns the expression as chi applies it, to the whole segment, or "" if JSON Schema would read it
// otherwise.
func portablePattern(expr string) string {
	if expr == "" || onlyGo.MatchString(expr) {
		return ""
	}
	if _, err := regexp.Compile(expr); err != nil {
		return ""
	}
	if !strings.HasPrefix(expr, "^") {
		expr = "^" + expr
	}
	if !strings.HasSuffix(expr, "$") {
		expr += "$"
	}
	return expr
}

var templateName = regexp.MustCompile(`\{[^}]*\}`)

// templateOf is what OpenAPI tells paths apart by: the names of parameters do not count.
func templateOf(path string) string { return templateName.ReplaceAllLiteralString(path, "{}") }
