//lint:file-ignore SA5008,U1000 what is declared here is wrong on purpose

package schema_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	L1 struct {
		A string `json:"a"`
		N string `json:"N"`
		S string
	}
	L2 struct {
		A string `json:"b"`
		N string
		S string
	}
	L3 struct {
		L1
		Deep string `json:"deep"`
		A    int    `json:"a"`
	}
	L4 struct {
		*L1
		L2
		Own string `json:"own"`
	}
	L5 struct {
		L1 `json:"inside"`
		L2
	}
	L6 struct {
		Inside L1 `json:",embed"`
		M      map[string]int
	}
	L7 struct {
		L3
		L4
	}
	l8 struct{ Low string }
	L9 struct {
		l8
		unexported int
		Skip       string `json:"-"`
		Dash       string `json:"-,omitzero"`
	}
	Diamond struct {
		Own int
		Left
		Right
	}
	L0    struct{ Plain string }
	Left  struct{ L0 }
	Right struct{ L0 }
)

// The plan's members are those that json/v2 writes.
func TestEmbedding(t *testing.T) {
	_ = L9{unexported: 1}
	for _, v := range []any{L1{}, L2{}, L3{}, L4{L1: &L1{}}, L5{}, L6{}, L7{L4: L4{L1: &L1{}}}, L9{Dash: "x"}, Diamond{}} {
		raw, err := jsonv2.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		var printed struct{ Properties map[string]any }
		if err := json.Unmarshal(mustCompile(t, v, nil).Schema(), &printed); err != nil {
			t.Fatal(err)
		}
		got, wanted := slices.Sorted(maps.Keys(printed.Properties)), slices.Sorted(maps.Keys(want))
		if !slices.Equal(got, wanted) {
			t.Errorf("%T: %v, json/v2 has %v", v, got, wanted)
		}
	}
}

func TestPromotedThroughAPointerIsOptional(t *testing.T) {
	p := mustCompile(t, L4{}, nil)
	if issues := p.Validate([]byte(`{"own":"", "b":""}`)); issues != nil {
		t.Error(issues)
	}
	out, err := p.Append(nil, L4{}, nil)
	if err != nil || p.Validate(out) != nil {
		t.Errorf("what is sent is refused: %s %v", out, err)
	}
}

type (
	open struct {
		_ struct{} `additionalProperties:"true"`
		A inner    `json:"a"`
	}
	shut struct {
		_ struct{} `additionalProperties:"false"`
		A int      `json:"a"`
	}
)

func TestUnknownMembers(t *testing.T) {
	for _, c := range []struct {
		v      any
		reject bool
		in     string
		ok     bool
	}{
		{open{}, true, `{"a":{"x":1},"other":1}`, true},
		{open{}, true, `{"a":{"x":1,"other":1}}`, false},
		{shut{}, false, `{"a":1,"other":1}`, false},
		{shut{}, false, `{"a":1,"type":"t","id":5}`, true},
		{boxed[struct{ A int }]{}, true, `{"v":{"A":1,"other":1}}`, true},
		{boxed[struct{ A int }]{}, true, `{"v":{"A":1},"other":1}`, false},
		{boxed[struct{ A int }]{}, false, `{"v":{"A":1},"other":1}`, true},
		{derived{}, true, `{"id":1,"kind":"a","other":1}`, true},
	} {
		for _, e := range []*schema.Envelope{nil, {ID: "id"}, {Discriminator: "type", Name: "t", ID: "id"}} {
			in := c.in
			switch {
			case e != nil && e.Discriminator != "" && !strings.Contains(in, `"type"`):
				in = `{"type":"t",` + in[1:]
			case (e == nil || e.Discriminator == "") && strings.Contains(in, `"type"`):
				continue
			}
			p := mustCompile(t, c.v, &schema.Options{RejectUnknownMembers: c.reject, Envelope: e})
			if issues := p.Validate([]byte(in)); (issues == nil) != c.ok {
				t.Errorf("%v %+v %s: %v", reflect.TypeOf(c.v), e, in, issues)
			}
		}
	}
}
