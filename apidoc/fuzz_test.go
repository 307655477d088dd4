package apidoc_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Minimising takes most of the time: -fuzzminimizetime 5x. Whatever Merge takes comes out as JSON and as YAML that mean the same, and takes an endpoint or says why not.
func FuzzMerge(f *testing.F) {
	for _, name := range []string{"base30.yaml", "chat.json", "chat.yaml"} {
		seed, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte(`{"openapi":"3.1.0","x":[1e400,-0,"\u2028 on"],"components":{"schemas":{"Error":true}}}`))
	f.Add([]byte("openapi: 3.0.0\na: &a {b: 0x1F}\nc: {<<: *a, b: ~}\n"))
	f.Fuzz(func(t *testing.T, base []byte) {
		given := bytes.Clone(base)
		doc := apidoc.New("", "")
		err := doc.Merge(base)
		if !bytes.Equal(base, given) {
			t.Fatal("Merge changed its argument")
		}
		if err != nil {
			return
		}
		out := doc.OpenAPI()
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		again := apidoc.New("", "")
		if err := again.Merge(doc.OpenAPIYAML()); err != nil {
			t.Fatalf("%v in\n%s", err, doc.OpenAPIYAML())
		}
		var a, b any
		if json.Unmarshal(out, &a) == nil && json.Unmarshal(again.OpenAPI(), &b) == nil && !reflect.DeepEqual(a, b) {
			t.Fatalf("YAML and JSON differ:\n%s\n%s", out, doc.OpenAPIYAML())
		}
		more := apidoc.New("", "")
		if err := more.Merge(base); err != nil {
			t.Fatal(err)
		}
		more.Add("/ws", endpoint(chat()))
		defer func() { // a clash is a text, not a fault of the program
			if p := recover(); p != nil {
				if _, ok := p.(string); !ok {
					t.Fatal(p)
				}
			}
		}()
		if !json.Valid(more.OpenAPI()) {
			t.Fatal("no JSON with an endpoint")
		}
	})
}
