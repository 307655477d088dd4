package schema_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/schema"
)

// A message with tens of thousands of faults costs what the first hundred cost, and the reading of the rest: 45 KB took 75,000
// allocations.
func TestManyFaultsCost(t *testing.T) {
	type item struct {
		_ struct{} `additionalProperties:"false"`
		A int      `json:"a" required:"false"`
	}
	type message struct {
		Numbers []float64 `json:"numbers,omitzero" maximum:"1"`
		Words   []string  `json:"words,omitzero" enum:"a,b"`
		Items   []item    `json:"items,omitzero"`
	}
	p, err := schema.Compile(reflect.TypeFor[message](), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]string{"numbers type": `"",`, "numbers maximum": "22,", "words": `"c",`, "items type": "0,", "items unknown": `{"b":1},`} {
		list, _, _ := strings.Cut(name, " ")
		data := []byte(`{"` + list + `":[` + strings.TrimSuffix(strings.Repeat(one, 15_000), ",") + `]}`)
		var issues []schema.Issue
		got := testing.AllocsPerRun(3, func() {
			var m message
			issues = p.Decode(data, &m)
		})
		if len(issues) != 100 {
			t.Errorf("%s: %d issues", name, len(issues))
		}
		if got > 3000 {
			t.Errorf("%s: %.0f allocations", name, got)
		}
		if issues := p.Decode(append(data, 'x'), new(message)); len(issues) != 1 {
			t.Errorf("%s: malformed behind that: %d issues", name, len(issues))
		}
	}
}
