package compat

import (
	"context"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// valid fails unless libopenapi-validator and kin-openapi, which also holds examples against their schemas, take the document.
func valid(t *testing.T, data []byte) {
	t.Helper()
	if err := byLibopenapi(data); err != nil {
		t.Error(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

// TestSuiteDocuments: what package wire is served under each framework, and what huma makes of it.
func TestSuiteDocuments(t *testing.T) {
	for _, name := range []string{"suite", "suite-huma"} {
		t.Run(name, func(t *testing.T) { valid(t, read(t, "testdata/"+name+".openapi.json")) })
	}
}
