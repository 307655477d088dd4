package compat

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A NewPet is told to everybody who watches the store. Its name is that of a schema of the store's document, which says something else.
type NewPet struct {
	_    struct{} `ws:"new_pet" doc:"A pet has come."`
	Name string   `json:"name" example:"Rex"`
}

type watch struct {
	_ struct{} `ws:"watch" doc:"Hear of new pets."`
}

type store struct {
	ID int64 `path:"id" doc:"ID of the pet." example:"7"`
}

// TestPetstore merges a router into a document of OpenAPI 3.0 in YAML, whose meaning must not change.
func TestPetstore(t *testing.T) {
	router := wsrouter.New[store](&wsrouter.Options{Name: "pets", Tags: []string{"pets"}})
	wsrouter.Receive(router, func(ctx context.Context, c *wsrouter.Conn[store], m watch) error { return nil }, wsrouter.Sends(NewPet{}))
	doc := apidoc.New("", "")
	doc.Add("/pets/{id}/live", router)
	base := read(t, "testdata/petstore.yaml")
	if err := doc.Merge(base); err != nil {
		t.Fatal(err)
	}
	merged := doc.OpenAPI()
	valid(t, merged)

	var before map[string]any
	if err := yaml.Unmarshal(base, &before); err != nil {
		t.Fatal(err)
	}
	var after map[string]any
	if err := yaml.Unmarshal(merged, &after); err != nil { // JSON is YAML, and numbers are read alike
		t.Fatal(err)
	}
	unchanged(t, "", before, after)
	item, _ := after["paths"].(map[string]any)["/pets/{id}/live"].(map[string]any)
	operation, _ := item["get"].(map[string]any)
	if operation["x-websocket"] == nil {
		t.Errorf("the endpoint or its x-websocket is missing: %v", item)
	}
}

// unchanged fails for what before has and after has not.
func unchanged(t *testing.T, at string, before, after any) {
	t.Helper()
	if mixed, ok := before.(map[any]any); ok { // a name such as 200 without quotes
		names := map[string]any{}
		for name, value := range mixed {
			names[fmt.Sprint(name)] = value
		}
		before = names
	}
	b, ok := before.(map[string]any)
	a, same := after.(map[string]any)
	if !ok || !same {
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %v became %v", at, before, after)
		}
		return
	}
	for name, value := range b {
		if _, kept := a[name]; !kept {
			t.Errorf("%s/%s is gone", at, name)
			continue
		}
		unchanged(t, at+"/"+name, value, a[name])
	}
}
