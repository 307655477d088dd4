package apidoc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A Greeting is said and answered.
type Greeting struct {
	_    struct{} `ws:"greeting"`
	Name string   `json:"name" minLength:"1"`
}

func onGreeting(ctx context.Context, c *wsrouter.Conn[struct{}], m Greeting) error {
	return c.Send(ctx, Greeting{Name: "you, " + m.Name})
}

func newGreeter() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](nil)
	wsrouter.Receive(r, onGreeting, wsrouter.Sends(Greeting{}))
	return r
}

// printPaths prints the operations of an OpenAPI document.
func printPaths(openapi []byte) {
	var doc struct {
		OpenAPI string
		Info    struct{ Title string }
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		panic(err)
	}
	fmt.Println(doc.Info.Title, doc.OpenAPI)
	var lines []string
	for path, item := range doc.Paths {
		for method, op := range item {
			lines = append(lines, strings.ToUpper(method)+" "+path+" "+op.OperationID)
		}
	}
	fmt.Println(strings.Join(sorted(lines), "\n"))
}

func ExampleNew() {
	mux := http.NewServeMux()
	doc := apidoc.New("Greeter", "1.0.0")
	doc.Mount(mux, "/ws", newGreeter())
	doc.Serve(mux, "/docs")
	printPaths(doc.OpenAPI())
	// Output:
	// Greeter 3.1.1
	// GET /ws ws_connect
	// POST /ws/(onGreeting) ws_onGreeting
}

func ExampleDoc_Add() {
	mux := http.NewServeMux()
	greeter := newGreeter()
	mux.Handle("GET /api/", http.StripPrefix("/api", greeter))

	doc := apidoc.New("Greeter", "1.0.0")
	doc.Mode = apidoc.UpgradeOnly
	doc.Add("/api/ws", greeter)
	printPaths(doc.OpenAPI())
	// Output:
	// Greeter 3.1.1
	// GET /api/ws api_ws_connect
}

func ExampleDoc_Merge() {
	doc := apidoc.New("", "") // the base names itself
	err := doc.Merge([]byte(`
openapi: 3.0.3
info: {title: Shop, version: "7"}
paths:
  /orders:
    get: {operationId: listOrders, responses: {"200": {description: All of them.}}}
`))
	if err != nil {
		panic(err)
	}
	doc.Mount(http.NewServeMux(), "/ws", newGreeter())
	printPaths(doc.OpenAPI())
	// Output:
	// Shop 3.0.3
	// GET /orders listOrders
	// GET /ws ws_connect
	// POST /ws/(onGreeting) ws_onGreeting
}

func ExampleDoc_Serve() {
	mux := http.NewServeMux()
	doc := apidoc.New("Greeter", "1.0.0")
	doc.Mount(mux, "/ws", newGreeter())
	doc.Serve(mux, "/api/docs")
	for _, path := range []string{"/api/docs", "/api/openapi.json", "/api/openapi.yaml", "/api/asyncapi.json", "/api/asyncapi.yaml"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// /api/docs 200 text/html; charset=utf-8
	// /api/openapi.json 200 application/json
	// /api/openapi.yaml 200 application/yaml
	// /api/asyncapi.json 200 application/json
	// /api/asyncapi.yaml 200 application/yaml
}
