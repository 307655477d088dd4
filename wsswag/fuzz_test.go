package wsswag_test

import (
	"testing"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wsswag"
)

// FuzzConvert: nothing panics, and what is converted is a base for Merge, unless Merge names something that no conversion mends.
func FuzzConvert(f *testing.F) {
	f.Add(read(f, "testdata/gin/docs/swagger.json"))
	f.Add(read(f, "testdata/gin/docs/swagger.yaml"))
	f.Add([]byte(head(`"parameters":[{"$ref":"#/parameters/A"}]`, `,"parameters":{"A":{"$ref":"#/parameters/B"},"B":{"in":"formData","name":"f","type":"file"}}`)))
	f.Add([]byte("swagger: '2.0'\npaths: {/a: {<<: &a {get: {responses: {default: {schema: {type: file}}}}}, post: *a}}\n"))
	f.Fuzz(func(t *testing.T, swagger []byte) {
		base, err := wsswag.Convert(swagger)
		if err != nil {
			return
		}
		if again, err := wsswag.Convert(swagger); err != nil || string(again) != string(base) {
			t.Fatalf("converted twice: %v", err)
		}
		doc := apidoc.New("", "")
		if err := doc.Merge(base); err == nil {
			doc.OpenAPI()
		}
	})
}
