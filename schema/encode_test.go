package schema_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	boxed[T any] struct {
		V T `json:"v"`
	}
	boxedEmpty[T any] struct {
		V T `json:"v,omitempty"`
	}
	boxedZero[T any] struct {
		V T `json:"v,omitzero"`
	}
	pointerText struct{ s string }
	embedsPtr   struct {
		*Extra
		A int
	}
)

func (p *pointerText) MarshalText() ([]byte, error) { return []byte("text:" + p.s), nil }
func (p *pointerText) UnmarshalText(b []byte) error { p.s = string(b); return nil }

// Every difference from encoding/json that somebody who changes over may meet, with its reason and what to do to
// have it the other way. What is not listed is written alike.
func TestEncodingAgainstEncodingJSON(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		what, why string
		v         any
	}{
		{"nil slice", "an empty list is a list; a pointer to a slice says null", boxed[[]int]{}},
		{"nil map", "an empty object is an object; a pointer to a map says null", boxed[map[string]int]{}},
		{"nil []byte", "an empty string; a pointer to []byte says null", boxed[[]byte]{}},
		{"[N]byte", "base64, as []byte; a named byte type makes a list of numbers", boxed[[3]byte]{V: [3]byte{1, 2, 3}}},
		{"HTML characters", "JSON is not HTML: < > & are written as they are; escape where you put JSON into a page", boxed[string]{V: "<a&b>"}},
		{"line separators", "U+2028 is valid in JSON, and in JavaScript since 2019", boxed[string]{V: "a\u2028b"}},
		{"omitempty of a zero number", "omitempty leaves out what is empty in JSON: null, \"\", [], {}; write omitzero", boxedEmpty[int]{}},
		{"omitempty of false", "likewise: write omitzero", boxedEmpty[bool]{}},
		{"omitempty of an empty struct", "it is {} in JSON, and empty", boxedEmpty[struct{}]{}},
		{"omitempty of a pointer to zero", "the pointer is not empty, but what it leads to is not either", boxedEmpty[*int]{V: new(int)}},
		{"omitempty of a pointer to \"\"", "it would be written as \"\", which is empty; use a pointer without omitempty", boxedEmpty[*string]{V: new(string)}},
		{"omitzero of the zero time", "alike in both", boxedZero[time.Time]{}},
		{"small float", "as ECMAScript writes numbers, in both", boxed[float64]{V: 1e-7}},
		{"large float", "", boxed[float64]{V: 1e21}},
		{"negative zero", "", boxed[float64]{V: math.Copysign(0, -1)}},
		{"float32", "", boxed[float32]{V: 0.1}},
		{"bytes", "", boxed[[]byte]{V: []byte{0xfb, 0xff}}},
		{"map keys", "sorted, in both", boxed[map[string]int]{V: map[string]int{"b": 2, "a": 1}}},
		{"integer map keys", "sorted as strings, in both", boxed[map[int]int]{V: map[int]int{10: 1, 9: 2}}},
		{"text map keys", "", boxed[map[netip.Addr]int]{V: map[netip.Addr]int{netip.MustParseAddr("::1"): 1}}},
		{"pointer method on a value", "a method of *T is called wherever a T stands", boxed[pointerText]{V: pointerText{"x"}}},
		{"pointer method in a map", "likewise", boxed[map[string]pointerText]{V: map[string]pointerText{"a": {"x"}}}},
		{"quotes and controls", "", boxed[string]{V: "\"\\\x00\x1f\n\t\b\f/"}},
		{"DEL and beyond ASCII", "", boxed[string]{V: "\x7fé😀"}},
		{"nil pointer", "", boxed[*int]{}},
		{"nil interface", "", boxed[any]{}},
		{"nil inside any", "slices and maps are written by their kind", boxed[any]{V: []int(nil)}},
		{"raw JSON", "white space goes, in both", boxed[json.RawMessage]{V: json.RawMessage(`{ "a" : [1 , 2] }`)}},
		{"nil raw JSON", "", boxed[json.RawMessage]{}},
		{"embedded nil pointer", "its members are left out, in both", embedsPtr{A: 1}},
		{"array", "", boxed[[2]string]{V: [2]string{"a", ""}}},
		{"time", "", boxed[time.Time]{V: time.Date(2024, 2, 29, 1, 2, 3, 400, time.FixedZone("", 3600))}},
		{"invalid UTF-8", "an error: encoding/json sends U+FFFD and loses the bytes", boxed[string]{V: "a\xffb"}},
		{"NaN", "an error, in both", boxed[float64]{V: math.NaN()}},
	} {
		p := mustCompile(t, c.v, nil)
		got, err := p.Append(nil, c.v, nil)
		ours := said(got, err)
		raw, err := json.Marshal(c.v)
		theirs := said(raw, err)
		if ours == theirs {
			fmt.Fprintf(&out, "%-30s %s\n", c.what, ours)
			continue
		}
		fmt.Fprintf(&out, "%-30s %s\n%-30s %s\n%30s %s\n", c.what, ours, "  not", theirs, "", c.why)
		if c.why == "" {
			t.Errorf("%s: a difference without a reason: %s, not %s", c.what, ours, theirs)
		}
	}
	golden.File(t, "testdata/encoding.txt", []byte(out.String()))
}

func said(raw []byte, err error) string {
	if err != nil {
		return "error"
	}
	return string(raw)
}

func TestAppend(t *testing.T) {
	flat := &schema.Envelope{Discriminator: "type", ID: "id"}
	data := &schema.Envelope{Discriminator: "type", ID: "id", Payload: "data"}
	type both struct {
		Iso  time.Duration `json:"iso" format:"duration"`
		Nano time.Duration `json:"nano" format:"nanoseconds"`
		Deep []map[string]struct {
			A time.Duration `json:"a/~b" format:"duration"`
		} `json:"deep"`
	}
	type message struct {
		_    struct{}          `ws:"m"`
		ID   int               `json:"id"`
		Rest map[string]string `json:",embed"`
	}
	ping := Ping{}
	for _, c := range []struct {
		name string
		e    *schema.Envelope
		v    any
		id   string
		want string
	}{
		{"flat", flat, chat{Message: "hi"}, "", `{"type":"message","message":"hi"}`},
		{"flat with an id", flat, chat{Message: "hi"}, `"7"`, `{"type":"message","id":"7","message":"hi"}`},
		{"payload", data, chat{Message: "hi"}, `7`, `{"type":"message","id":7,"data":{"message":"hi"}}`},
		{"bare", nil, chat{Message: "hi"}, `7`, `{"message":"hi"}`},
		{"no discriminator, but an id", &schema.Envelope{ID: "id"}, chat{Message: "hi"}, `7`, `{"id":7,"message":"hi"}`},
		{"nothing but a name", flat, ping, "", `{"type":"ping"}`},
		{"nothing but a name and an id", flat, &ping, "1", `{"type":"ping","id":1}`},
		{"nothing in a payload", data, ping, "", `{"type":"ping","data":{}}`},
		{"a map", &schema.Envelope{Discriminator: "type", Name: "m", ID: "id"}, map[string]string{"b": "1", "type": "not this", "a": "2", "id": "9"}, "1", `{"type":"m","id":1,"a":"2","b":"1"}`},
		{"a map keeps its id where none is given", &schema.Envelope{Discriminator: "type", Name: "m", ID: "id"}, map[string]string{"id": "9"}, "", `{"type":"m","id":"9"}`},
		{"an empty map", &schema.Envelope{Discriminator: "type", Name: "m"}, map[string]string(nil), "", `{"type":"m"}`},
		{"its own id", flat, message{ID: 3}, "", `{"type":"m","id":3}`},
		{"its own id and one given", flat, message{ID: 3, Rest: map[string]string{"x": "y", "type": "no"}}, "4", `{"type":"m","id":4,"x":"y"}`},
		{"an adopted const, whatever it holds", flat, constNamed{Kind: "zzz"}, "", `{"type":"a"}`},
		{"an adopted name of several", flat, named{Type: "b", N: 1}, "2", `{"type":"b","id":2,"n":1}`},
		{"an adopted number", flat, adoptedInt{Op: 0, D: "x"}, "", `{"type":7,"d":"x"}`},
		{"an adopted field nested is a field", &schema.Envelope{Discriminator: "kind", Name: "x"}, boxed[constNamed]{V: constNamed{Kind: "k"}}, "", `{"kind":"x","v":{"type":"k"}}`},
		{"a message nested has no name", &schema.Envelope{Discriminator: "type", Name: "x"}, boxed[[]chat]{V: []chat{{Message: "m"}}}, "", `{"type":"x","v":[{"message":"m"}]}`},
		{"a list in a payload", &schema.Envelope{Discriminator: "t\"p", Name: "l<", Payload: "d"}, []int(nil), "", `{"t\"p":"l<","d":[]}`},
		{"durations of both forms", nil, both{Iso: 90 * time.Second, Nano: -5, Deep: []map[string]struct {
			A time.Duration `json:"a/~b" format:"duration"`
		}{{"k/~": {A: time.Millisecond}}}}, "", `{"iso":"PT1M30S","nano":-5,"deep":[{"k/~":{"a/~b":"PT0.001S"}}]}`},
		{"its own codec", flat, coded{v: "x"}, "", `{"type":"coded","V":"x"}`},
	} {
		p := mustCompile(t, c.v, &schema.Options{Envelope: c.e})
		if reflect.TypeOf(c.v).Kind() == reflect.Pointer {
			p = mustCompile(t, reflect.ValueOf(c.v).Elem().Interface(), &schema.Options{Envelope: c.e})
		}
		var id []byte
		if c.id != "" {
			id = []byte(c.id)
		}
		got, err := p.Append([]byte("before"), c.v, id)
		if err != nil || string(got) != "before"+c.want {
			t.Errorf("%s: got %s %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	flat := &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}}
	many := mustCompile(t, named{}, flat)
	iso := mustCompile(t, struct {
		D time.Duration `format:"duration"`
	}{}, nil)
	for _, c := range []struct {
		p    *schema.Plan
		v    any
		want string
	}{
		{many, named{Type: "z"}, `schema_test.named.Type is "z", want one of "a", "b", "c"`},
		{many, chat{}, "got schema_test.chat"},
		{many, nil, "got nil"},
		{many, (*named)(nil), "got a nil pointer"},
		{mustCompile(t, boxed[float64]{}, nil), boxed[float64]{V: math.Inf(1)}, "unsupported value"},
		{iso, struct {
			D time.Duration `format:"duration"`
		}{-1}, "no sign"},
	} {
		dst := []byte("before")
		got, err := c.p.Append(dst, c.v, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || string(got) != "before" {
			t.Errorf("got %s %v, want %s", got, err, c.want)
		}
	}
}
