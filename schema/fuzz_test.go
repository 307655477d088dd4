package schema_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/wsrouter-go/wsrouter/schema"
)

// everything is a type with most of what a plan can hold.
type everything struct {
	_      struct{}          `ws:"everything"`
	Text   string            `json:"text" minLength:"1" maxLength:"20"`
	Level  string            `json:"level" enum:"low,high" default:"low"`
	Count  int8              `json:"count"`
	Big    uint64            `json:"big,string,omitempty"`
	Ratio  float32           `json:"ratio" multipleOf:"0.5" required:"false"`
	Flag   *bool             `json:"flag"`
	When   time.Time         `json:"when,omitzero"`
	Wait   time.Duration     `json:"wait,omitzero" format:"duration"`
	Nanos  time.Duration     `json:"nanos,omitzero" format:"nanoseconds"`
	Data   []byte            `json:"data,omitempty"`
	Pair   [2]string         `json:"pair,omitzero" pattern:"^[a-z]*$" example:"a,b"`
	List   []everythingItem  `json:"list,omitempty" maxItems:"5" uniqueItems:"true"`
	Byname map[string]int    `json:"byname,omitempty" minimum:"-5"`
	Bynum  map[int]string    `json:"bynum,omitempty"`
	Any    any               `json:"any,omitempty"`
	Raw    json.RawMessage   `json:"raw,omitzero"`
	Self   *everything       `json:"self,omitempty"`
	Rest   map[string]string `json:",embed"`
}

type everythingItem struct {
	_    struct{} `additionalProperties:"false"`
	Name string   `json:"name" format:"hostname"`
	Port uint16   `json:"port" minimum:"1" default:"80"`
}

func mustCompile(t testing.TB, v any, o *schema.Options) *schema.Plan {
	t.Helper()
	p, err := schema.Compile(reflect.TypeOf(v), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var seeds = []string{
	`{"type":"everything","text":"a","count":-1,"flag":null}`,
	`{"type":"everything","text":"é\ud83d\ude00","level":"high","count":127,"big":"18446744073709551615","ratio":-2.5,"flag":true,` +
		`"when":"2024-02-29T23:59:59.5+01:00","wait":"P1DT2H3M4.5S","nanos":-5,"data":"AAEC","pair":["a",""],"list":[{"name":"a.b"},{"name":"c","port":1}],` +
		`"byname":{"x":1},"bynum":{"-3":"y"},"any":[1,{"a":null}],"raw":{"b":[1e3]},"self":{"text":"t","count":0,"flag":false},"other":"o"}`,
	`{"\u0074ype":"everything","text":"a","count":1,"flag":null,"type":"everything"}`,
	`{"type":"everything","text":"\ud800","count":12.0,"flag":1}`, `{"a":1,"\u0061":2}`, `[1e400,-0,01]`, `{"type":7}`,
	`{"a":{"b":[{"c":1,"c":2}]}}`, "\"\xff\"", `nul`, ``, ` [ ] `, strings.Repeat("[", 80) + strings.Repeat("]", 80), `{"a":1}}`, `"\u12"`,
}

func FuzzValidate(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	plan := mustCompile(f, everything{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "id"}})
	f.Fuzz(func(t *testing.T, data []byte) {
		checkIssues(t, data, plan.Validate(data))
		issues := schema.Check(data)
		checkIssues(t, data, issues)
		want := readsAsJSON(data)
		for _, i := range issues {
			if i.Code == "depth" {
				return // jsontext goes deeper
			}
		}
		if got := issues == nil; got != want {
			t.Fatalf("%q: Check says %v, jsontext %v: %+v", data, got, want, issues)
		}
	})
}

// readsAsJSON asks jsontext.
func readsAsJSON(data []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if _, err := dec.ReadValue(); err != nil {
		return false
	}
	_, err := dec.ReadToken()
	return err != nil && err.Error() == "EOF"
}

// checkIssues holds what every list of issues must be like.
func checkIssues(t *testing.T, data []byte, issues []schema.Issue) {
	t.Helper()
	if len(issues) > 100 {
		t.Fatalf("%d issues", len(issues))
	}
	for _, i := range issues {
		if i.Code == "syntax" && len(issues) > 1 {
			t.Fatalf("%q: more than the syntax: %+v", data, issues)
		}
		if i.Code == "" || i.Message == "" || len(i.Input) > 200 || i.Path != "" && i.Path[0] != '/' {
			t.Fatalf("%q: %+v", data, i)
		}
		if _, err := jsonv2.Marshal(i); err != nil {
			t.Fatalf("%q: issue %+v cannot be sent: %v", data, i, err)
		}
	}
}

func FuzzMember(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "type")
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		got, ok := schema.Member(data, name)
		if schema.Check(data) != nil {
			return // only not to panic
		}
		var all map[string]jsontext.Value
		if data := bytes.TrimLeft(data, " \t\r\n"); data[0] != '{' {
			if ok {
				t.Fatalf("%q has no members", data)
			}
			return
		}
		if err := jsonv2.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		want, exists := all[name]
		if ok != exists || string(got) != string(want) {
			t.Fatalf("%q in %q: got %q %v, want %q %v", name, data, got, ok, want, exists)
		}
	})
}

type named struct {
	Type string         `json:"type" enum:"a,b,c"`
	N    int            `json:"n,omitempty"`
	Rest map[string]any `json:",embed"`
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"type":"a","n":1,"x":[{}]}`))
	f.Add([]byte(`{"\u0074ype":"b"}`))
	many := mustCompile(f, named{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}})
	plan := mustCompile(f, everything{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "id"}})
	f.Fuzz(func(t *testing.T, data []byte) {
		var n named
		if many.Decode(data, &n) == nil {
			raw, ok := schema.Member(data, "type")
			var peeked string
			if !ok || jsonv2.Unmarshal(raw, &peeked) != nil || peeked != n.Type {
				t.Fatalf("%q: routed by %q, decoded %q", data, raw, n.Type)
			}
			roundTrip(t, many, n)
		}
		var e everything
		if plan.Decode(data, &e) == nil {
			roundTrip(t, plan, e)
		}
		var u everything
		plan.Unmarshal(data, &u)
	})
}

// roundTrip encodes v and decodes that: nothing may be lost.
func roundTrip[T any](t *testing.T, p *schema.Plan, v T) {
	t.Helper()
	out, err := p.Append(nil, v, nil)
	if err != nil {
		t.Fatal(err)
	}
	var again T
	if issues := p.Unmarshal(out, &again); issues != nil {
		t.Fatalf("%s: %+v", out, issues)
	}
	twice, err := p.Append(nil, again, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, twice) {
		t.Fatalf("encoded %s\nthen    %s", out, twice)
	}
}
