// Package wshuma mounts WebSocket routers on a huma.API: its adapter routes them, its middleware runs before the upgrade, and its own
// OpenAPI document, and so its docs page, shows the messages beside the HTTP operations.
//
//	api := humago.New(mux, huma.DefaultConfig("Chat", "1.0.0"))
//	huma.Get(api, "/users/{id}", getUser)
//	wshuma.Mount(api, "/ws/{room}", chat)
//
// It works with every adapter whose framework is built on net/http: humago, humachi, humagin, humaecho, humamux, humahttprouter,
// humabunrouter, humaflow. Nothing but huma is imported. Fiber is built on fasthttp, which has no connections that net/http code could take
// over: requests are answered 500 there.
//
// # The document
//
// The messages are written into the document whenever it is marshalled, which huma does at the first request of /openapi.json,
// .yaml, /openapi-3.0.json or .yaml; the order of Mount and huma.Register does not matter, and a router may be declared after it was mounted. A
// mistake in a declaration shows then, as an error of json.Marshal(api.OpenAPI()), which huma swallows and this package logs. Marshal the
// document once before the server listens, and it shows at the start.
//
// Operations and schemas are those of package apidoc. A schema that is called like one of huma's and says something else is renamed.
// As they are no Go values of huma's, they do not stand in OpenAPI().Paths and Components.Schemas.
//
// # Groups
//
// The modifiers of a huma.Group hold: every prefix is mounted, and what they change of an operation's id, tags, texts, security, servers and
// extensions, or add to its parameters and responses, is documented for the messages too. A group without a prefix is the way to say such
// things of one router:
//
//	secured := huma.NewGroup(api)
//	secured.UseSimpleModifier(func(o *huma.Operation) { o.Security = []map[string][]string{{"bearer": {}}} })
//	secured.UseMiddleware(authenticate)
//	wshuma.Mount(secured, "/ws/{room}", chat)
//
// What middleware keeps in the context of a request is found by the session's Resolve, in r.Context().
package wshuma

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Mount routes GET requests of path to e, a *wsrouter.Router, through api's adapter and middleware, and documents it in api's document. path is
// in the language of the adapter: "/ws/{room}".
//
// Mount panics if path is not one, if it lacks a path parameter that e's session has, or if it is mounted already.
func Mount(api huma.API, path string, e apidoc.Endpoint) {
	if api == nil || e == nil {
		panic(fmt.Sprintf("wshuma: Mount(%q): api and endpoint must not be nil", path))
	}
	documentOf(api).add(api, path, e)
	op := handshake(path)
	names := parameterNames(path)
	api.Adapter().Handle(op, api.Middlewares().Handler(func(ctx huma.Context) { serve(ctx, names, e) }))
}

// handshake is the operation as huma's middleware and the modifiers of groups see it.
func handshake(path string) *huma.Operation {
	return &huma.Operation{Method: http.MethodGet, Path: path, OperationID: "GET " + path}
}

// SetMode says how messages stand in api's document: as pseudo operations beside the GET of their endpoint, which is the default, in the
// GET alone, or not at all.
func SetMode(api huma.API, mode apidoc.Mode) {
	d := documentOf(api)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mode, d.base = mode, nil
}

var parameter = regexp.MustCompile(`\{([^{}:.]+)`)

// parameterNames lists the parameters of a path.
func parameterNames(path string) (names []string) {
	for _, m := range parameter.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}
