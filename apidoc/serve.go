package apidoc

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// Serve routes the page at path and the documents beside it: Serve(mux, "/api/docs") answers GET of /api/docs,
// /api/openapi.json, /api/openapi.yaml, /api/asyncapi.json and /api/asyncapi.yaml, and HEAD where mux takes it for GET
// as http.ServeMux does. A path that ends in a slash holds them below it: "/docs/" has /docs/openapi.json. Below the page's path
// lie the files of its console, such as /api/docs/console.js. No other path is routed; /docs/ is not found where /docs is served.
//
// Every URL in what is served is relative, so that it works behind a proxy that strips a prefix. Answers have a strong
// ETag, are compressed for clients that accept gzip, and forbid to be framed or sniffed. The query ?ws=pseudo,
// ?ws=upgrade or ?ws=none gives OpenAPI in another [Mode]. While a document cannot be built, which OpenAPI would
// answer by a panic, requests get a 500 and the reason is logged to slog.Default().
//
// Serve panics if path is not a plain absolute path. It may be called again for another place.
func (d *Doc) Serve(mux Mux, path string) {
	if mux == nil || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t{}*?#") {
		panic(fmt.Sprintf("apidoc: Serve(%q): it needs a mux and a plain path that begins with a slash", path))
	}
	if !d.built.Load() {
		d.served.CompareAndSwap(nil, &path)
	}
	dir := path[:strings.LastIndexByte(path, '/')+1]
	server := serverOf(path)
	below := strings.TrimSuffix(path, "/") + "/"
	assets := below[strings.LastIndexByte(below[:len(below)-1], '/')+1:]
	if strings.HasSuffix(path, "/") {
		assets = ""
	}
	mux.Handle("GET "+exactly(mux, path), d.handler(path, func(*http.Request) (view, error) {
		return view{format: formatPage, server: assets}, nil
	}))
	mux.Handle("GET "+below+consoleDataName, d.handler("", func(*http.Request) (view, error) {
		return view{format: formatConsole, server: server}, nil
	}))
	for _, a := range []*asset{consoleScript, consoleWorker, consoleStyle} {
		mux.Handle("GET "+below+a.name, d.serveAsset(a))
	}
	mux.Handle("GET "+dir+"openapi.json", d.handler("", func(r *http.Request) (view, error) {
		return d.chosen(r, view{mode: d.Mode, server: server, format: formatJSON})
	}))
	mux.Handle("GET "+dir+"openapi.yaml", d.handler("", func(r *http.Request) (view, error) {
		return d.chosen(r, view{mode: d.Mode, server: server, format: formatYAML})
	}))
	mux.Handle("GET "+dir+"asyncapi.json", d.handler("", func(*http.Request) (view, error) {
		return view{format: formatAsyncJSON}, nil
	}))
	mux.Handle("GET "+dir+"asyncapi.yaml", d.handler("", func(*http.Request) (view, error) {
		return view{format: formatAsyncYAML}, nil
	}))
}

// servedAt is the path of the first Serve, "" without.
func (d *Doc) servedAt() string {
	if path := d.served.Load(); path != nil {
		return *path
	}
	return ""
}

// exactly keeps http.ServeMux from taking a path that ends in a slash for everything below it.
func exactly(mux Mux, path string) string {
	if _, ok := mux.(*http.ServeMux); ok && strings.HasSuffix(path, "/") {
		return path + "{$}"
	}
	return path
}

// serverOf is the root of the API as seen from documents served beside path.
func serverOf(path string) string {
	switch depth := strings.Count(path, "/") - 1; {
	case path == "":
		return "/"
	case depth == 0:
		return "."
	default:
		return strings.TrimSuffix(strings.Repeat("../", depth), "/")
	}
}

// chosen applies the query.
func (d *Doc) chosen(r *http.Request, v view) (view, error) {
	switch mode := r.URL.Query().Get("ws"); mode {
	case "":
	case "pseudo":
		v.mode = Pseudo
	case "upgrade":
		v.mode = UpgradeOnly
	case "none":
		v.mode = None
	default:
		return v, fmt.Errorf("ws=%.50q: it is pseudo, upgrade or none", mode)
	}
	return v, nil
}

// handler serves the view that the request asks for. A path that ends in a slash is answered itself, nothing below it.
func (d *Doc) handler(path string, choose func(*http.Request) (view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !readable(w, r) {
			return
		}
		if strings.HasSuffix(path, "/") && !strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		v, err := choose(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		res, err := d.render(v)
		if err != nil {
			slog.ErrorContext(r.Context(), "apidoc: the document cannot be built", "err", err)
			http.Error(w, "the document of this API cannot be built; the server's log says why", http.StatusInternalServerError)
			return
		}
		res.serve(w, r)
	})
}

// readable answers methods that change something.
func readable(w http.ResponseWriter, r *http.Request) bool {
	protect(w.Header())
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

func protect(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// rendered is an answer, made once.
type rendered struct {
	contentType string
	policy      string // Content-Security-Policy, "" for the strictest
	cache       string // Cache-Control, "" to ask every time
	data        []byte
	gzip        func() []byte // made at its first use
	etag        string        // without quotes
}

func newRendered(contentType string, data []byte) *rendered {
	sum := sha256.Sum256(data)
	return &rendered{
		contentType: contentType,
		data:        data,
		gzip:        sync.OnceValue(func() []byte { return compress(data) }),
		etag:        base64.RawURLEncoding.EncodeToString(sum[:18]),
	}
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(data) // a bytes.Buffer does not fail
	z.Close()
	return b.Bytes()
}

func renderedJSON(tree *ordered.Object) *rendered {
	return newRendered("application/json", append(ordered.AppendJSON(nil, tree, 0), '\n'))
}

func renderedYAML(tree *ordered.Object) *rendered {
	return newRendered("application/yaml", appendYAML(nil, tree, 0))
}

// serve answers GET and HEAD. The two encodings have ETags of their own, as strong ones must.
func (res *rendered) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", res.contentType)
	h.Set("Cache-Control", cmp.Or(res.cache, "no-cache"))
	h.Set("Vary", "Accept-Encoding")
	if res.policy != "" {
		h.Set("Content-Security-Policy", res.policy)
	}
	data, etag := res.data, res.etag
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		data, etag = res.gzip(), res.etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(data)))
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// acceptsGzip reports whether the header allows gzip and does not prefer the plain form.
func acceptsGzip(header []string) bool {
	quality := map[string]float64{}
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q := 1.0
		if key, value, ok := strings.Cut(params, "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
			q, _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
		quality[strings.TrimPrefix(name, "x-")] = q
	}
	zip, ok := quality["gzip"]
	if !ok {
		zip = quality["*"]
	}
	return zip > 0 && zip >= quality["identity"]
}
