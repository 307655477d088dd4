package compat

import (
	"testing"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
	"github.com/wsrouter-go/wsrouter/wsswag"
)

// TestSwagger asks the validators about what swag wrote for a gin application: converted, and with the kitchen sink merged in.
func TestSwagger(t *testing.T) {
	for _, file := range []string{"swagger.json", "swagger.yaml"} {
		t.Run(file, func(t *testing.T) {
			base, err := wsswag.Convert(read(t, "../../wsswag/testdata/gin/docs/"+file))
			if err != nil {
				t.Fatal(err)
			}
			valid(t, base)
			doc, _ := kitchen.Doc(apidoc.Pseudo)
			if err := doc.Merge(base); err != nil {
				t.Fatal(err)
			}
			valid(t, doc.OpenAPI())
		})
	}
}
