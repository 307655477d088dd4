package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"

	"github.com/wsrouter-go/wsrouter/wsswag"
)

// byKin is kin-openapi's conversion of Swagger 2.0 to OpenAPI 3.0.
func byKin(swagger []byte) ([]byte, error) {
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// accepted are the places where both conversions may differ, and why ours is right or as good.
var accepted = []struct{ place, reason string }{
	{`.*/properties/[^/]+/x-formData-name`, "kin-openapi notes the name of a form's member a second time, for its way back to Swagger"},
	{`.*/requestBody/required`, "a form with a required member is itself required; kin-openapi loses that"},
	{`.*/parameters/\d+/(style|explode)`, "without a collectionFormat commas separate an array, where OpenAPI repeats the name; kin-openapi loses that"},
	{`.*/maximum`, "kin-openapi rounds numbers"},
}

const swagger2 = `{"swagger":"2.0","info":{"title":"a","version":"1"},%s}`

// swaggers are documents of every part that Swagger has.
func swaggers(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"swag": read(t, "../../wsswag/testdata/gin/docs/swagger.json"),
		"petstore": fmt.Appendf(nil, swagger2, `"host":"petstore.example","basePath":"/v1","schemes":["https"],"consumes":["application/json"],"produces":["application/json"],"paths":{
			"/pets":{"get":{"operationId":"listPets","tags":["pets"],"parameters":[{"name":"limit","in":"query","type":"integer","format":"int32","maximum":100},
				{"name":"tags","in":"query","type":"array","items":{"type":"string"},"collectionFormat":"multi"},{"name":"ids","in":"query","type":"array","items":{"type":"integer"}}],
				"responses":{"200":{"description":"pets","headers":{"x-next":{"type":"string","description":"the next page"}},"schema":{"type":"array","items":{"$ref":"#/definitions/Pet"}}},
				"default":{"$ref":"#/responses/Failed"}}},
			"post":{"parameters":[{"name":"pet","in":"body","required":true,"schema":{"$ref":"#/definitions/Pet"}}],"responses":{"201":{"description":"made"}}}},
			"/pets/{id}":{"parameters":[{"$ref":"#/parameters/id"}],"get":{"security":[{"key":[]}],"responses":{"200":{"description":"a pet","schema":{"$ref":"#/definitions/Pet"},"examples":{"application/json":{"id":1}}}}},
			"post":{"consumes":["multipart/form-data"],"parameters":[{"name":"photo","in":"formData","type":"file","required":true},{"name":"note","in":"formData","type":"string"}],"responses":{"200":{"description":"ok"}}}}},
			"parameters":{"id":{"name":"id","in":"path","required":true,"type":"integer","format":"int64"}},"responses":{"Failed":{"description":"failed","schema":{"$ref":"#/definitions/Error"}}},
			"securityDefinitions":{"key":{"type":"apiKey","in":"header","name":"X-Key"},"basic":{"type":"basic"},"oauth":{"type":"oauth2","flow":"accessCode","authorizationUrl":"https://a.example","tokenUrl":"https://t.example","scopes":{"read":"to read"}}},
			"definitions":{"Pet":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","format":"int64","minimum":1},"tag":{"type":"string","x-nullable":true},"price":{"type":"number","multipleOf":0.01},
				"more":{"type":"object","additionalProperties":{"$ref":"#/definitions/Error"}}}},"Error":{"type":"object","properties":{"code":{"type":"integer","maximum":12345678901234567890},"deep":{"type":"object","additionalProperties":{"type":"array","items":{"$ref":"#/definitions/Pet"}}}}}}`),
		"generated": manyOperations(50),
	}
}

// manyOperations is a document of n operations.
func manyOperations(n int) []byte {
	var paths, definitions []string
	for i := range n {
		paths = append(paths, fmt.Sprintf(`"/items%d/{id}":{"post":{"summary":"Change item %d","tags":["t%d"],"consumes":["application/json"],"produces":["application/json"],"parameters":[`+
			`{"type":"integer","name":"id","in":"path","required":true},{"name":"body","in":"body","required":true,"schema":{"$ref":"#/definitions/main.T%d"}}],`+
			`"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/main.T%d"}},"400":{"description":"Bad Request","schema":{"type":"string"}}}}}`, i, i, i%50, i%500, i%500))
	}
	for i := range min(n, 500) {
		definitions = append(definitions, fmt.Sprintf(`"main.T%d":{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"b":{"type":"array","items":{"$ref":"#/definitions/main.T%d"}}}}`, i, (i+1)%min(n, 500)))
	}
	return fmt.Appendf(nil, swagger2, `"paths":{`+strings.Join(paths, ",")+`},"definitions":{`+strings.Join(definitions, ",")+`}`)
}

// TestConversions holds our conversion against kin-openapi's, which says the same but for what is accepted; and every acceptance is needed.
func TestConversions(t *testing.T) {
	used := make([]bool, len(accepted))
	for name, swagger := range swaggers(t) {
		theirs, err := byKin(swagger)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := wsswag.Convert(swagger)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		for data, v := range map[*[]byte]*any{&ours: &a, &theirs: &b} {
			d := json.NewDecoder(bytes.NewReader(*data))
			d.UseNumber() // what is rounded is told
			if err := d.Decode(v); err != nil {
				t.Fatal(err)
			}
		}
		differences("", a, b, func(place string, ours, theirs any) {
			found := false
			for i, d := range accepted {
				if regexp.MustCompile("^" + d.place + "$").MatchString(place) {
					used[i], found = true, true
				}
			}
			if !found {
				t.Errorf("%s: %s: ours %s, theirs %s", name, place, asText(ours), asText(theirs))
			}
		})
	}
	for i, d := range accepted {
		if !used[i] {
			t.Errorf("no difference at %s: %s", d.place, d.reason)
		}
	}
}

func asText(v any) string {
	text, _ := json.Marshal(v)
	return fmt.Sprintf("%.200s", text)
}

// differences tells of the innermost places where a and b differ.
func differences(at string, a, b any, tell func(place string, a, b any)) {
	x, isObject := a.(map[string]any)
	y, same := b.(map[string]any)
	if !isObject || !same {
		l, isList := a.([]any)
		m, same := b.([]any)
		if isList && same && len(l) == len(m) {
			for i := range l {
				differences(fmt.Sprint(at, "/", i), l[i], m[i], tell)
			}
		} else if !reflect.DeepEqual(a, b) {
			tell(at, a, b)
		}
		return
	}
	var names []string
	for name := range x {
		names = append(names, name)
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		differences(at+"/"+name, x[name], y[name], tell)
	}
}

// The issue wants 5,000 operations within 300 ms.
func BenchmarkConversion(b *testing.B) {
	swagger := manyOperations(5000)
	for name, convert := range map[string]func([]byte) ([]byte, error){"wsswag": wsswag.Convert, "kin-openapi": byKin} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := convert(swagger); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
