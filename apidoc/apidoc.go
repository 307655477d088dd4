package apidoc

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// A Mux is what http.ServeMux and chi.Router have in common. Patterns reach it with "GET " in front.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// An Endpoint is a *wsrouter.Router of any session.
type Endpoint interface {
	http.Handler
	Params() []wsrouter.Param // without freezing it
	Describe() wsrouter.Spec  // freezes it
}

// A Doc is a document under construction. Its fields and its methods Mount, Add, Merge and Serve belong to one
// goroutine, which is done with them before the first use: a call of OpenAPI or OpenAPIYAML, or the first request of
// a page or document. That first use asks every endpoint for its description, which freezes it, and builds everything
// once; later changes of fields have no effect and later calls of Mount, Add and Merge panic. From then on a Doc is
// safe for concurrent use.
type Doc struct {
	Title       string // of the API
	Version     string // of the API, not of OpenAPI
	Description string // CommonMark

	// Mode says how messages stand in OpenAPI. AsyncAPI and the page show them all in every mode.
	Mode Mode

	// Servers are the URLs at which clients reach the API. If empty, the document names the place where it is
	// served, relative to itself, which holds behind any proxy; without Serve, it names "/". If a merged document
	// has servers of its own, they stay, and these are given for the operations of the endpoints. AsyncAPI takes those
	// that name a host.
	Servers []string

	// Login is where people sign in who need a cookie, such as "/login": a URL, which a relative one is to the page. Where an endpoint takes
	// a cookie the page links to it. If empty, the page says in words that one has to sign in.
	Login string

	mounts []mounted
	merged *ordered.Object        // the base, nil without
	served atomic.Pointer[string] // path of the first Serve, nil without

	once  sync.Once
	built atomic.Bool // what Mount, Add and Merge look at
	model *model
	err   error

	rendering sync.Mutex
	rendered  map[view]*rendered
}

// Mode says how messages stand in OpenAPI.
type Mode int

const (
	// Pseudo gives every message that a client may send a POST of its own, at the endpoint's path and
	// "/(handler)", which nothing routes: a document tool then shows it like any other operation.
	Pseudo Mode = iota

	// UpgradeOnly has the GET of the handshake alone, with all messages in its x-websocket and in the components:
	// for generators of HTTP clients.
	UpgradeOnly

	// None leaves the endpoints out.
	None
)

// New returns an empty document of the API called title in its version.
func New(title, version string) *Doc {
	return &Doc{Title: title, Version: version}
}

// OpenAPI returns the OpenAPI 3.1.1 document, or the merged one with the endpoints added, as indented JSON. The caller
// owns it; every call returns the same bytes, those that Serve serves.
// OpenAPI panics if the declarations cannot be one document: an endpoint that Describe refuses, a schema that is
// none, an operation that the merged document has already.
func (d *Doc) OpenAPI() []byte { return d.document("OpenAPI", d.openAPIView(formatJSON)) }

// OpenAPIYAML is OpenAPI as YAML, with the same members in the same order. It means the same to readers of YAML 1.1 and 1.2.
func (d *Doc) OpenAPIYAML() []byte { return d.document("OpenAPIYAML", d.openAPIView(formatYAML)) }

// AsyncAPI returns the AsyncAPI 3.0.0 document as indented JSON. It shows the server: what it receives and sends, on
// a channel for each endpoint. The caller owns it; every call returns the same bytes, those that Serve serves. Mode changes
// nothing in it, and of a merged document only title and version stand in it. It has the Servers that name a host,
// and no servers if none does: AsyncAPI knows no relative ones.
// AsyncAPI panics if an endpoint cannot be described, as OpenAPI does.
func (d *Doc) AsyncAPI() []byte { return d.document("AsyncAPI", view{format: formatAsyncJSON}) }

// AsyncAPIYAML is AsyncAPI as YAML, as OpenAPIYAML is OpenAPI.
func (d *Doc) AsyncAPIYAML() []byte { return d.document("AsyncAPIYAML", view{format: formatAsyncYAML}) }

func (d *Doc) openAPIView(f format) view {
	return view{mode: d.Mode, server: serverOf(d.servedAt()), format: f}
}

func (d *Doc) document(call string, v view) []byte {
	r, err := d.render(v)
	if err != nil {
		panic(fmt.Sprintf("apidoc: %s: %v", call, err))
	}
	return append([]byte(nil), r.data...)
}

// build describes every endpoint, once. What panics below, in Describe first of all, becomes an error, because it may
// happen in a request.
func (d *Doc) build() (*model, error) {
	d.once.Do(func() {
		d.built.Store(true)
		defer func() {
			if p := recover(); p != nil {
				d.err = fmt.Errorf("%v", p)
			}
		}()
		d.model, d.err = newModel(d.mounts, d.merged)
	})
	if d.err == nil && d.model == nil {
		return nil, errors.New("an endpoint's Describe did not return")
	}
	return d.model, d.err
}

// configurable panics if the document was used already.
func (d *Doc) configurable(call string) {
	if d.built.Load() {
		panic("apidoc: " + call + ": the document was used already, by OpenAPI, AsyncAPI or a request: declare everything first")
	}
}

// A view is one form of one of the documents.
type view struct {
	mode   Mode   // of OpenAPI
	server string // of OpenAPI
	format format
}

type format int

const (
	formatJSON format = iota
	formatYAML
	formatAsyncJSON
	formatAsyncYAML
	formatPage
	formatConsole
)

// render returns the document in one form, made at its first use.
func (d *Doc) render(v view) (*rendered, error) {
	m, err := d.build()
	if err != nil {
		return nil, err
	}
	d.rendering.Lock()
	defer d.rendering.Unlock()
	if r := d.rendered[v]; r != nil {
		return r, nil
	}
	r, err := m.write(d, v)
	if err != nil {
		return nil, err
	}
	if d.rendered == nil {
		d.rendered = map[view]*rendered{}
	}
	d.rendered[v] = r
	return r, nil
}

// write makes one form of the document.
func (m *model) write(d *Doc, v view) (*rendered, error) {
	switch v.format {
	case formatPage:
		return m.page(d, v.server)
	case formatConsole:
		return m.console(d, v.server)
	case formatAsyncJSON:
		return renderedJSON(m.asyncAPI(d)), nil
	case formatAsyncYAML:
		return renderedYAML(m.asyncAPI(d)), nil
	}
	tree, err := m.openAPI(d, v)
	if err != nil {
		return nil, err
	}
	if v.format == formatYAML {
		return renderedYAML(tree), nil
	}
	return renderedJSON(tree), nil
}
