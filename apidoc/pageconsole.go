package apidoc

import (
	"bytes"
	"embed"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// The console: what the page becomes where there is JavaScript. apidoc/page holds its sources, `make page` builds it.

//go:embed page/dist/console.js page/dist/worker.js page/dist/console.css
var consoleFiles embed.FS

var (
	consoleScript = newAsset("console.js", "text/javascript; charset=utf-8")
	consoleWorker = newAsset("worker.js", "text/javascript; charset=utf-8")
	consoleStyle  = newAsset("console.css", "text/css; charset=utf-8")
)

// consoleData is the name of what the console shows, beside its script.
const consoleDataName = "console.json"

// An asset is a file of the console.
type asset struct {
	name string
	*rendered
}

func newAsset(name, contentType string) *asset {
	data, err := consoleFiles.ReadFile("page/dist/" + name)
	if err != nil {
		panic(err) // the name is checked by go:embed
	}
	return &asset{name, newRendered(contentType, data)}
}

// versioned is the asset's URL, another one for every content, so that nobody has to ask whether it changed.
func (a *asset) versioned() string { return a.name + "?v=" + a.etag[:12] }

// serveAsset answers for a file of the console. connect is what the policy lets it talk to.
func (d *Doc) serveAsset(a *asset) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !readable(w, r) {
			return
		}
		res := *a.rendered
		if a == consoleWorker {
			res.policy = "default-src 'none'; connect-src " + connectSources(d.Servers) + "; frame-ancestors 'none'" // a worker obeys its own
		}
		if r.URL.Query().Get("v") == a.etag[:12] {
			res.cache = "public, max-age=31536000, immutable"
		}
		res.serve(w, r)
	})
}

// console is the data that the console shows: the page's, the schemas, and the way to the API.
func (m *model) console(d *Doc, root string) (*rendered, error) {
	data := struct {
		Root    string   `json:"root"` // of the API, relative to the page
		Servers []string `json:"servers"`
		Worker  string   `json:"worker"`
		Login   string   `json:"login,omitempty"`
		*pageData
		Schemas json.RawMessage `json:"schemas"`
	}{Root: root, Servers: origins(d.Servers), Worker: consoleWorker.versioned(), Login: webAddress(d.Login), pageData: m.pageData(d)}
	schemas := ordered.New()
	for _, c := range m.registry.components {
		schemas.Set(c.name, c.schema)
	}
	data.Schemas = ordered.AppendJSON(nil, schemas, -1)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		return nil, err
	}
	return newRendered("application/json", out.Bytes()), nil
}

// origins lists the servers that a browser can reach by an address of their own.
func origins(servers []string) []string {
	list := []string{}
	for _, s := range servers {
		if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil {
			list = append(list, strings.TrimSuffix(s, "/"))
		}
	}
	return list
}

// webAddress is a link that a page may show: of http, https, or relative to the page; "" for any other.
func webAddress(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return link
}

// connectSources is what the page may talk to: its own origin and the document's servers.
func connectSources(servers []string) string {
	list := []string{"'self'"}
	for _, s := range origins(servers) {
		u, _ := url.Parse(s)
		if strings.ContainsAny(u.Host, " ;,'\"*") {
			continue
		}
		for _, source := range []string{u.Scheme + "://" + u.Host, strings.Replace(u.Scheme, "http", "ws", 1) + "://" + u.Host} {
			if !slices.Contains(list, source) {
				list = append(list, source)
			}
		}
	}
	return strings.Join(list, " ")
}

// pagePolicy lets the page run its own script and nothing else, and talk to its own server.
func pagePolicy(servers []string) string {
	return "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'sha256-" + hashOf(pageCSS) + "'; " +
		"connect-src " + connectSources(servers) + "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types wsrouter"
}
