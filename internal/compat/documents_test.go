package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// openapis are the documents of the kitchen sink in every mode, of the examples (golden files of theirs), and of
// the kitchen sink merged into documents of other people.
func openapis(t *testing.T) map[string][]byte {
	t.Helper()
	docs := map[string][]byte{
		"minimal": read(t, "../../examples/minimal/testdata/openapi.json"),
		"chat":    read(t, "../../examples/chat/testdata/openapi.json"),
	}
	for name, mode := range map[string]apidoc.Mode{
		"kitchen":              apidoc.Pseudo,
		"kitchen-upgrade-only": apidoc.UpgradeOnly,
		"kitchen-none":         apidoc.None,
	} {
		doc, _ := kitchen.Doc(mode)
		docs[name] = doc.OpenAPI()
	}
	for _, base := range []string{"base-3.0.json", "base-3.1.yaml"} {
		doc, _ := kitchen.Doc(apidoc.Pseudo)
		if err := doc.Merge(read(t, "testdata/"+base)); err != nil {
			t.Fatalf("merge %s: %v", base, err)
		}
		docs["merged-"+strings.TrimSuffix(base, filepath.Ext(base))] = doc.OpenAPI()
	}
	return docs
}

func TestGoldenDocuments(t *testing.T) {
	for name, data := range openapis(t) {
		if name != "minimal" && name != "chat" {
			golden.File(t, "testdata/"+name+".openapi.json", data)
		}
	}
}

func TestLibopenapi(t *testing.T) {
	for name, data := range openapis(t) {
		t.Run(name, func(t *testing.T) {
			if err := byLibopenapi(data); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLibopenapiRefuses(t *testing.T) {
	for _, data := range []string{`{"openapi":"3.1.0","info":{"title":"no version"},"paths":{}}`, `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{"responses":[]}}}}`} {
		if byLibopenapi([]byte(data)) == nil {
			t.Errorf("taken: %s", data)
		}
	}
}

// byLibopenapi asks libopenapi-validator, which knows OpenAPI's official JSON Schema: what its ValidateDocument does, without the packages for requests
// and responses, which take a minute to be compiled.
func byLibopenapi(data []byte) error {
	doc, err := libopenapi.NewDocument(data)
	if err != nil {
		return err
	}
	if _, err := doc.BuildV3Model(); err != nil {
		return err
	}
	var errs []error
	if ok, issues := schema_validation.ValidateOpenAPIDocument(doc); !ok {
		for _, issue := range issues {
			errs = append(errs, fmt.Errorf("%s: %s", issue.Message, issue.Reason))
			for _, e := range issue.SchemaValidationErrors {
				errs = append(errs, fmt.Errorf("%s: %s", e.KeywordLocation, e.Reason))
			}
		}
	}
	return errors.Join(errs...)
}

func TestKinOpenAPI(t *testing.T) {
	for name, data := range openapis(t) {
		t.Run(name, func(t *testing.T) {
			if err := byKinOpenAPI(data); err != nil {
				t.Error(err)
			}
		})
	}
}

// byKinOpenAPI asks kin-openapi, examples and patterns included.
func byKinOpenAPI(data []byte) error {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return err
	}
	return doc.Validate(context.Background(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableExamplesValidation())
}

func TestYAMLSaysTheSame(t *testing.T) {
	doc, _ := kitchen.Doc(apidoc.Pseudo)
	if err := sameInYAML(doc.OpenAPI(), doc.OpenAPIYAML()); err != nil {
		t.Errorf("OpenAPI: %v", err)
	}
	if err := sameInYAML(doc.AsyncAPI(), doc.AsyncAPIYAML()); err != nil {
		t.Errorf("AsyncAPI: %v", err)
	}
}

// sameInYAML compares a document in both formats, numbers to the last digit.
func sameInYAML(asJSON, asYAML []byte) error {
	fromJSON, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return err
	}
	var fromYAML any
	if err := yaml.Unmarshal(asYAML, &fromYAML); err != nil {
		return err
	}
	if !reflect.DeepEqual(exact(fromJSON), exact(fromYAML)) {
		return errors.New("YAML and JSON differ")
	}
	return nil
}

// exact replaces every number in v by its digits, which no float64 has rounded.
func exact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case json.Number, int, int64, uint64, float64:
		r, ok := new(big.Rat).SetString(fmt.Sprint(v))
		if !ok {
			return v
		}
		return r.RatString()
	}
	return v
}

func TestServedDocuments(t *testing.T) {
	doc, mux := kitchen.Doc(apidoc.Pseudo)
	for path, want := range map[string][]byte{
		"/openapi.json":  doc.OpenAPI(),
		"/openapi.yaml":  doc.OpenAPIYAML(),
		"/asyncapi.json": doc.AsyncAPI(),
		"/asyncapi.yaml": doc.AsyncAPIYAML(),
	} {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), want) {
			t.Errorf("GET %s: %d, or another document", path, rec.Code)
		}
	}
}

// TestExamples holds every example and default of every document against the schema that it stands in or beside, in
// both dialects, with formats and patterns asserted.
func TestExamples(t *testing.T) {
	documents := openapis(t)
	for name, data := range asyncapis(t) {
		documents["async-"+name] = data
	}
	for name, data := range documents {
		for _, draft := range []*jsonschema.Draft{jsonschema.Draft7, jsonschema.Draft2020} {
			t.Run(fmt.Sprint(name, "/", draft), func(t *testing.T) {
				if name == "merged-base-3.0" {
					draft = jsonschema.Draft4 // the dialect of 3.0, near enough
				}
				examples, err := examplesHold(data, draft)
				if err != nil {
					t.Error(err)
				}
				if examples == 0 && name != "kitchen-none" {
					t.Error("the document has no examples")
				}
				t.Log(examples, "examples")
			})
		}
	}
}

// examplesHold counts the examples and defaults of a document and fails if one breaks its schema.
func examplesHold(data []byte, draft *jsonschema.Draft) (examples int, err error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(draft)
	c.AssertFormat()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	if err := c.AddResource("doc:///doc.json", value); err != nil {
		return 0, err
	}
	var errs []error
	walk(value, "", func(pointer string, object map[string]any) {
		var values []any
		at := pointer
		schema, beside := object["schema"].(map[string]any)
		_, isMessage := object["payload"].(map[string]any)
		switch {
		case beside: // a media type or a parameter, examples beside its schema
			at += "/schema"
			values = append(examplesOf(object), examplesOf(schema)...)
		case isMessage: // of AsyncAPI
			at += "/payload"
			for _, v := range examplesOf(object) {
				values = append(values, v.(map[string]any)["payload"])
			}
		case isSchema(pointer, object):
			values = examplesOf(object)
			if d, ok := object["default"]; ok {
				values = append(values, d)
			}
		}
		if len(values) == 0 {
			return
		}
		s, err := c.Compile("doc:///doc.json#" + at)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
			return
		}
		for _, v := range values {
			examples++
			if err := s.Validate(v); err != nil {
				text, _ := json.Marshal(v)
				errs = append(errs, fmt.Errorf("%s: example %s: %w", at, text, err))
			}
		}
	})
	return examples, errors.Join(errs...)
}

func isSchema(pointer string, object map[string]any) bool {
	_, typed := object["type"]
	_, ref := object["$ref"]
	_, oneOf := object["oneOf"]
	return (strings.Contains(pointer, "/schema") || strings.Contains(pointer, "/bindings/ws/")) && (typed || ref || oneOf) && !strings.HasSuffix(pointer, "/properties")
}

func examplesOf(object map[string]any) (values []any) {
	if v, ok := object["example"]; ok {
		values = append(values, v)
	}
	switch list := object["examples"].(type) {
	case []any:
		values = append(values, list...)
	case map[string]any: // OpenAPI
		for _, v := range list {
			if m, ok := v.(map[string]any); ok {
				if v, ok := m["value"]; ok {
					values = append(values, v)
				}
			}
		}
	}
	return values
}

// walk visits every object of value, except what is an example or default itself.
func walk(value any, pointer string, visit func(pointer string, object map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		visit(pointer, value)
		for name, v := range value {
			properties := strings.HasSuffix(pointer, "/properties")
			if !properties && slices.Contains([]string{"example", "examples", "default", "const", "enum"}, name) {
				continue
			}
			walk(v, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "#", "%23", "\"", "%22", " ", "%20", "{", "%7B", "}", "%7D").Replace(name), visit)
		}
	case []any:
		for i, v := range value {
			walk(v, fmt.Sprint(pointer, "/", i), visit)
		}
	}
}
