package compat

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

// asyncapis are the documents of the examples (golden files of theirs), of the kitchen sink, alone and with the base and
// the servers of somebody's API.
func asyncapis(t *testing.T) map[string][]byte {
	t.Helper()
	alone, _ := kitchen.Doc(apidoc.None)
	merged, _ := kitchen.Doc(apidoc.Pseudo)
	merged.Servers = []string{"https://api.example.com/v1", "ws://localhost:8080"}
	if err := merged.Merge(read(t, "testdata/base-3.0.json")); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"minimal":         read(t, "../../examples/minimal/testdata/asyncapi.json"),
		"chat":            read(t, "../../examples/chat/testdata/asyncapi.json"),
		"kitchen":         alone.AsyncAPI(),
		"merged-base-3.0": merged.AsyncAPI(),
	}
}

func TestGoldenAsyncAPI(t *testing.T) {
	for name, data := range asyncapis(t) {
		if name != "minimal" && name != "chat" {
			golden.File(t, "testdata/"+name+".asyncapi.json", data)
		}
	}
}

// TestAsyncAPISchema holds the documents against the official JSON Schema of AsyncAPI 3.0.0.
func TestAsyncAPISchema(t *testing.T) {
	for name, data := range asyncapis(t) {
		t.Run(name, func(t *testing.T) {
			if err := byAsyncAPI(data); err != nil {
				t.Error(err)
			}
		})
	}
}

// A judge that takes everything judges nothing.
func TestAsyncAPISchemaRefuses(t *testing.T) {
	good := string(asyncapis(t)["kitchen"])
	if err := byAsyncAPI([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"asyncapi": "3.0.0"`, `"asyncapi": "2.6.0"`},
		{`"address": "/raw"`, `"adress": "/raw"`},
		{`"action": "receive"`, `"action": "take"`},
		{`"bindingVersion": "0.1.0"`, `"bindingVersion": "9"`},
		{`"location": "$message.payload#/id"`, `"location": "id"`},
		{`"type": "httpApiKey"`, `"type": "magic"`},
		{`"type": "object"`, `"type": "struct"`},
		{`#/channels/raw/messages/`, `#/channels/nowhere/messages/`},
		{`#/components/schemas/`, `#/components/schema/`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s is not in the document", change[0])
		}
		if err := byAsyncAPI([]byte(bad)); err == nil {
			t.Errorf("%s is taken", change[1])
		}
	}
}

var asyncAPISchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	const id = "http://asyncapi.com/definitions/3.0.0/asyncapi.json"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(jsonschema.FileLoader{}) // nothing is fetched
	data, err := os.ReadFile("testdata/asyncapi/3.0.0.json")
	if err != nil {
		return nil, err
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := c.AddResource(id, schema); err != nil {
		return nil, err
	}
	return c.Compile(id)
})

// byAsyncAPI asks the official JSON Schema, and whether every $ref leads somewhere, which no schema can say.
func byAsyncAPI(data []byte) error {
	schema, err := asyncAPISchema()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return err
	}
	walk(value, "", func(pointer string, object map[string]any) {
		ref, ok := object["$ref"].(string)
		if ok && !strings.HasSuffix(pointer, "/properties") && !leads(value, ref) && err == nil {
			err = fmt.Errorf("%s: %s leads nowhere", pointer, ref)
		}
	})
	return err
}

// leads reports whether the fragment ref names something in value.
func leads(value any, ref string) bool {
	pointer, ok := strings.CutPrefix(ref, "#")
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		object, _ := value.(map[string]any)
		if value = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; value == nil {
			return false
		}
	}
	return ok
}

// What a message is called and looks like does not depend on the document that somebody reads.
func TestBothDocumentsSayTheSame(t *testing.T) {
	for _, name := range []string{"minimal", "chat", "kitchen"} {
		if n, err := sameSchemas(openapis(t)[name], asyncapis(t)[name]); err != nil || n == 0 {
			t.Errorf("%s: %d schemas, %v", name, n, err)
		}
	}
}
