// Package apidoc writes and serves the documents of routers.
package apidoc

import (
	"net/http"

	"github.com/wsrouter-go/wsrouter"
)

// A Mux is what http.ServeMux and chi.Router have in common.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// An Endpoint is a *wsrouter.Router of any session.
type Endpoint interface {
	http.Handler
	Params() []wsrouter.Param // without freezing it
	Describe() wsrouter.Spec  // freezes it
}

// A Doc is a document under construction. Set its fields before Serve.
type Doc struct {
	Title, Version, Description string
	Mode                        Mode
	Servers                     []string // URLs; if empty, documents and page use relative ones
}

// Mode says how messages stand in OpenAPI.
type Mode int

const (
	Pseudo Mode = iota
	UpgradeOnly
	None
)

func New(title, version string) *Doc { panic("not built") }

// Mount routes pattern (GET, unless it names a method) to e and documents it. It panics if the session names
// a path parameter that pattern lacks.
func (d *Doc) Mount(mux Mux, pattern string, e Endpoint) { panic("not built") }

// Add only documents e, at a path that something else routes.
func (d *Doc) Add(path string, e Endpoint) { panic("not built") }

// Merge makes an OpenAPI 3.0 or 3.1 document, JSON or YAML, the base of d's: its info and version stay. Once per Doc.
func (d *Doc) Merge(openapi []byte) error { panic("not built") }

// Serve routes the page at path and the four documents beside it (/docs: /openapi.json, /openapi.yaml, /asyncapi.json, …).
func (d *Doc) Serve(mux Mux, path string) { panic("not built") }

func (d *Doc) OpenAPI() []byte      { panic("not built") }
func (d *Doc) OpenAPIYAML() []byte  { panic("not built") }
func (d *Doc) AsyncAPI() []byte     { panic("not built") }
func (d *Doc) AsyncAPIYAML() []byte { panic("not built") }
