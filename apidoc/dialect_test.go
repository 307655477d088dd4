package apidoc_test

import (
	"encoding/json"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// What each keyword becomes in a document of 3.0, and of 3.1 where that changes anything.
func TestDialects(t *testing.T) {
	const ref = `{"$ref":"#/$defs/x~1a.U"}`
	for name, c := range map[string]struct{ in, old, new string }{
		"nullable":             {`{"type":["string","null"],"minLength":1}`, `{"type":"string","minLength":1,"nullable":true}`, ""},
		"only null":            {`{"type":"null"}`, `{"nullable":true,"enum":[null]}`, ""},
		"several types":        {`{"type":["string","integer"]}`, `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `{"anyOf":[{"type":"string"},{"type":"integer"}]}`},
		"several types, null":  {`{"type":["string","array","null"]}`, `{"nullable":true,"anyOf":[{"type":"string"},{"type":"array","items":{}}]}`, `{"anyOf":[{"type":"string"},{"type":"array"},{"type":"null"}]}`},
		"types beside anyOf":   {`{"type":["string","integer"],"anyOf":[{"minLength":1}]}`, `{"anyOf":[{"minLength":1}],"allOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]}]}`, `{"anyOf":[{"minLength":1}],"allOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]}]}`},
		"reference or null":    {`{"anyOf":[` + ref + `,{"type":"null"}]}`, `{"nullable":true,"type":"object","allOf":[{"$ref":"#/components/schemas/U"}]}`, `{"anyOf":[{"$ref":"#/components/schemas/U"},{"type":"null"}]}`},
		"two or null":          {`{"oneOf":[{"type":"string"},{"type":"number"},{"type":"null"}]}`, `{"nullable":true,"oneOf":[{"type":"string"},{"type":"number"}]}`, ""},
		"const":                {`{"type":"string","const":"a"}`, `{"type":"string","enum":["a"]}`, ""},
		"const null":           {`{"const":null}`, `{"enum":[null],"nullable":true}`, ""},
		"enum with null":       {`{"type":["string","null"],"enum":["a",null]}`, `{"type":"string","enum":["a",null],"nullable":true}`, ""},
		"examples":             {`{"type":"string","examples":["a","b"]}`, `{"type":"string","example":"a"}`, ""},
		"exclusive":            {`{"type":"number","exclusiveMinimum":1.50,"exclusiveMaximum":1e3}`, `{"type":"number","minimum":1.50,"exclusiveMinimum":true,"maximum":1e3,"exclusiveMaximum":true}`, ""},
		"exclusive is tighter": {`{"minimum":1,"exclusiveMinimum":1}`, `{"minimum":1,"exclusiveMinimum":true}`, ""},
		"inclusive is tighter": {`{"minimum":2,"exclusiveMinimum":1,"maximum":5,"exclusiveMaximum":9}`, `{"minimum":2,"maximum":5}`, ""},
		"beside a reference":   {`{"$ref":"#/$defs/x~1a.U","description":"d"}`, `{"description":"d","allOf":[{"$ref":"#/components/schemas/U"}]}`, `{"$ref":"#/components/schemas/U","description":"d"}`},
		"array without items":  {`{"type":"array"}`, `{"type":"array","items":{}}`, ""},
		"booleans":             {`{"type":"array","items":false,"allOf":[true]}`, `{"type":"array","items":{"not":{}},"allOf":[{}]}`, ""},
		"other members":        {`{"type":"object","additionalProperties":false}`, `{"type":"object","additionalProperties":false}`, ""},
		"patterns of members":  {`{"type":"object","patternProperties":{"^a":{"const":1}},"additionalProperties":false}`, `{"type":"object","additionalProperties":true}`, ""},
		"bytes":                {`{"type":"string","contentEncoding":"base64"}`, `{"type":"string","format":"byte"}`, ""},
		"what 3.0 lacks":       {`{"type":"object","propertyNames":{"maxLength":3},"if":{},"then":{},"$comment":"c","dependentRequired":{},"x-own":1}`, `{"type":"object","x-own":1}`, ""},
		"deep inside":          {`{"type":"array","items":{"type":"array","items":{"type":["integer","null"],"const":1}}}`, `{"type":"array","items":{"type":"array","items":{"type":"integer","enum":[1],"nullable":true}}}`, ""},
		"a member called so":   {`{"type":"object","properties":{"const":{"const":{"const":1}},"examples":{"type":"array"}}}`, `{"type":"object","properties":{"const":{"enum":[{"const":1}]},"examples":{"type":"array","items":{}}}}`, ""},
	} {
		schema := `{"type":"object","properties":{"v":` + c.in + `},"$defs":{"x/a.U":{"type":"object"}}}`
		spec := wsrouter.Spec{Sends: []wsrouter.Message{{GoType: "x/a.T", Schema: json.RawMessage(schema)}}}
		if c.new == "" {
			c.new = c.in
		}
		for version, want := range map[string]string{"3.0.4": c.old, "3.1.1": c.new} {
			doc := apidoc.New("", "")
			if err := doc.Merge([]byte(`{"openapi":"` + version + `"}`)); err != nil {
				t.Fatal(err)
			}
			doc.Add("/ws", endpoint(spec))
			got := at(decode(t, doc.OpenAPI()), "components", "schemas", "T", "properties", "v")
			if !equalJSON(got, decode(t, []byte(want))) {
				text, _ := json.Marshal(got)
				t.Errorf("%s in %s:\ngot  %s\nwant %s", name, version, text, want)
			}
		}
	}
}

func TestRawFramesInBothDialects(t *testing.T) {
	for version, want := range map[string]string{"3.0.4": `{"schema":{"format":"binary","type":"string"}}`, "3.1.1": `{}`} {
		doc := apidoc.New("", "")
		if err := doc.Merge([]byte(`{"openapi":"` + version + `"}`)); err != nil {
			t.Fatal(err)
		}
		doc.Add("/feed", endpoint(feed()))
		got, _ := json.Marshal(at(decode(t, doc.OpenAPI()), "paths", "/feed/(onBytes)", "post", "requestBody", "content", "application/octet-stream"))
		if string(got) != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}
