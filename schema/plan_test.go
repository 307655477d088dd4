package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/race"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	HTTPServerV2  struct{ A int }
	UserID        struct{ A int }
	A             struct{ A int }
	Snake_Case    struct{ A int }
	X509Cert      struct{ A int }
	URL           struct{ A int }
	OAuth2Token   struct{ A int }
	Éclair        struct{ A int }
	unexportedOne struct{ A int }
	Tagged        struct {
		_ struct{} `ws:"other name"`
		A int
	}
	OnlyDelivery struct {
		_ struct{} `ws:",drop"`
		A int
	}
	TwoNames struct {
		Kind kinds `json:"type"`
	}
	Promoted struct {
		constNamed
		B int `json:"b"`
	}
	kinds string
)

func (kinds) Enum() []kinds { return []kinds{"one", "two"} }

func TestNames(t *testing.T) {
	for _, c := range []struct {
		v        any
		given    string
		name     string
		literals string
	}{
		{HTTPServerV2{}, "", "http_server_v2", `"http_server_v2"`},
		{UserID{}, "", "user_id", `"user_id"`},
		{A{}, "", "a", `"a"`},
		{Snake_Case{}, "", "snake_case", `"snake_case"`},
		{X509Cert{}, "", "x509_cert", `"x509_cert"`},
		{URL{}, "", "url", `"url"`},
		{OAuth2Token{}, "", "o_auth2_token", `"o_auth2_token"`},
		{Éclair{}, "", "éclair", `"éclair"`},
		{unexportedOne{}, "", "unexported_one", `"unexported_one"`},
		{&UserID{}, "", "user_id", `"user_id"`},
		{Tagged{}, "", "other name", `"other name"`},
		{Tagged{}, "given", "given", `"given"`},
		{OnlyDelivery{}, "", "only_delivery", `"only_delivery"`},
		{generic[int]{}, "given", "given", `"given"`},
		{constNamed{}, "", "a", `"a"`},
		{constNamed{}, "a", "a", `"a"`},
		{Promoted{}, "", "a", `"a"`},
		{named{}, "", "a", `"a" "b" "c"`},
		{named{}, "b", "b", `"b"`},
		{TwoNames{}, "", "one", `"one" "two"`},
		{adoptedInt{}, "", "7", `7`},
		{plainInt{}, "-3", "-3", `-3`},
		{map[string]int{}, "given \"x\"", `given "x"`, `"given \"x\""`},
	} {
		p, err := schema.Compile(reflect.TypeOf(c.v), &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: c.given}})
		if err != nil {
			t.Errorf("%T: %v", c.v, err)
			continue
		}
		if got := strings.Join(p.Names(), " "); p.Name() != c.name || got != c.literals {
			t.Errorf("%T: %q, %s, want %q, %s", c.v, p.Name(), got, c.name, c.literals)
		}
	}
}

func TestDefaults(t *testing.T) {
	type leaf struct {
		N int `json:"n" default:"5"`
	}
	type tree struct {
		_    struct{}         `ws:"t"`
		S    string           `json:"s" default:"a \"b\""`
		P    *int             `json:"p" default:"7"`
		L    []string         `json:"l" default:"x,y"`
		Leaf leaf             `json:"leaf"`
		Opt  *leaf            `json:"opt,omitempty"`
		List []leaf           `json:"list,omitempty"`
		Map  map[string]*leaf `json:"map,omitempty"`
		Made leaf             `json:"made" default:"{}"`
		B    bool             `json:"b,omitempty" default:"true"`
		Q    int              `json:"q,string" default:"8"`
		W    time.Duration    `json:"w" format:"duration" default:"PT5S"`
		Rest map[string]int   `json:",embed"`
	}
	plain := `,"s":"a \"b\"","p":7,"l":["x","y"],"made":{"n":5},"b":true,"q":"8","w":"PT5S"`
	for _, c := range []struct{ in, want string }{
		{`{"leaf":{}}`, `{"leaf":{"n":5}` + plain + `}`},
		{`{"leaf":{"n":1},"s":"","p":null,"l":[],"b":false}`, `{"s":"","p":null,"l":[],"leaf":{"n":1},"made":{"n":5},"b":false,"q":"8","w":"PT5S"}`},
		{`{ "leaf" : { } , "list":[{},{"n":2},{ }], "map":{"a":{},"b":null}, "opt":{} }`,
			`{"leaf":{"n":5},"list":[{"n":5},{"n":2},{"n":5}],"map":{"a":{"n":5},"b":null},"opt":{"n":5}` + plain + `}`},
		{`{"leaf":{},"x":3}`, `{"leaf":{"n":5},"x":3` + plain + `}`},
	} {
		for _, o := range []*schema.Options{
			nil,
			{Envelope: &schema.Envelope{Discriminator: "type", ID: "id"}},
			{Envelope: &schema.Envelope{Discriminator: "type", Payload: "data", ID: "id"}},
		} {
			p := mustCompile(t, tree{}, o)
			ins := []string{c.in}
			if o != nil && o.Envelope.Payload == "" {
				ins = []string{`{"type":"t",` + c.in[1:], `{"id":1,"type":"t",` + c.in[1:], c.in[:len(c.in)-1] + `,"type":"t"}`,
					c.in[:len(c.in)-1] + ` , "id" : "x" , "type":"t" }`}
			} else if o != nil {
				ins = []string{`{"type":"t","data":` + c.in + `}`, `{"data": ` + c.in + ` ,"id":1,"type":"t"}`}
			}
			for _, in := range ins {
				var got, want tree
				if issues := p.Decode([]byte(in), &got); issues != nil {
					t.Errorf("%s: %v", in, issues)
				}
				if err := jsonv2Into(c.want, &want); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %+v\nwant %+v", in, got, want)
				}
			}
		}
	}
}

// jsonv2Into decodes without a plan's validation, but with its durations.
func jsonv2Into(text string, v any) error {
	p, err := schema.Compile(reflect.TypeOf(v).Elem(), nil)
	if err != nil {
		return err
	}
	if issues := p.Unmarshal([]byte(text), v); issues != nil {
		return fmt.Errorf("%v", issues)
	}
	return nil
}

// The envelope is no part of a value that keeps all members, wherever it stands.
func TestEnvelopeIsTakenOut(t *testing.T) {
	p := mustCompile(t, map[string]int{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "m", ID: "id"}})
	for in, want := range map[string]string{
		`{"type":"m"}`:                            `map[]`,
		`{"type":"m","a":1}`:                      `map[a:1]`,
		`{"a":1,"type":"m"}`:                      `map[a:1]`,
		`{"a":1,"type":"m","b":2}`:                `map[a:1 b:2]`,
		`{"type":"m","id":1,"a":1}`:               `map[a:1]`,
		`{ "id" : "x" , "type" : "m" , "a" : 1 }`: `map[a:1]`,
		`{"a":1,"id":1,"type":"m"}`:               `map[a:1]`,
		`{"a":1,"id":1,"b":2,"type":"m","c":3}`:   `map[a:1 b:2 c:3]`,
		`{"id":[{}],"a":1,"b":2,"type":"m"}`:      `map[a:1 b:2]`,
		`{"id":1,"type":"m"}`:                     `map[]`,
		`{"id":1,"a":1,"type":"m"}`:               `map[a:1]`,
	} {
		var v map[string]int
		if issues := p.Decode([]byte(in), &v); issues != nil || fmt.Sprint(v) != want {
			t.Errorf("%s: %v %v", in, v, issues)
		}
	}
}

func TestDefaultOfPayload(t *testing.T) {
	type optional struct {
		_ struct{} `ws:"o"`
		N int      `json:"n" default:"5"`
	}
	p := mustCompile(t, optional{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Payload: "data"}})
	v := optional{N: 1}
	if issues := p.Decode([]byte(`{"type":"o"}`), &v); issues != nil || v.N != 5 {
		t.Error(issues, v)
	}
}

func TestDecodeReplaces(t *testing.T) {
	p := mustCompile(t, boxed[map[string]int]{}, nil)
	v := boxed[map[string]int]{V: map[string]int{"old": 1}}
	data := []byte(`{"v":{"new":2}}`)
	if issues := p.Decode(data, &v); issues != nil || len(v.V) != 1 || v.V["new"] != 2 {
		t.Error(issues, v)
	}
	v = boxed[map[string]int]{V: map[string]int{"old": 1}}
	if issues := p.Decode([]byte(`{"v":{"new":""}}`), &v); issues == nil || v.V["old"] != 1 {
		t.Error("a refused message changed the value:", v)
	}
}

func TestDecodeKeepsNothingOfData(t *testing.T) {
	data := []byte(`{"s":"text","r":{"a":"b"},"b":"AAEC","a":["x"],"m":{"key":"value"}}`)
	var v struct {
		S string            `json:"s"`
		R json.RawMessage   `json:"r"`
		B []byte            `json:"b"`
		A any               `json:"a"`
		M map[string]string `json:"m"`
	}
	p := mustCompile(t, v, nil)
	if issues := p.Decode(data, &v); issues != nil {
		t.Fatal(issues)
	}
	before := fmt.Sprintf("%+v", v)
	for i := range data {
		data[i] = '#'
	}
	if after := fmt.Sprintf("%+v", v); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func TestDecodeNeedsItsType(t *testing.T) {
	p := mustCompile(t, chat{}, nil)
	for _, v := range []any{nil, chat{}, new(order), (*chat)(nil)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Decode into %T did not panic", v)
				}
			}()
			p.Decode([]byte(`{}`), v)
		}()
	}
}

type checked struct {
	From int `json:"from" minimum:"0"`
	To   int `json:"to"`
}

func (c *checked) Validate() error {
	if c.From > c.To {
		return errors.New("from must not be behind to")
	}
	return nil
}

func TestValidateMethod(t *testing.T) {
	for _, o := range []*schema.Options{nil, {Envelope: &schema.Envelope{Discriminator: "type", Payload: "data"}}} {
		p := mustCompile(t, checked{}, o)
		in := func(s string) []byte {
			if o != nil {
				return []byte(`{"type":"checked","data":` + s + `}`)
			}
			return []byte(s)
		}
		var v checked
		if issues := p.Decode(in(`{"from":1,"to":2}`), &v); issues != nil {
			t.Error(issues)
		}
		want := []schema.Issue{{Code: "invalid", Message: "from must not be behind to"}}
		if issues := p.Decode(in(`{"from":3,"to":2}`), &v); !reflect.DeepEqual(issues, want) {
			t.Error(issues)
		}
		if issues := p.Decode(in(`{"from":-3,"to":-4}`), &v); len(issues) != 1 || issues[0].Code != "minimum" {
			t.Error("Validate ran on a message that is wrong already:", issues)
		}
		if issues := p.Validate(in(`{"from":3,"to":2}`)); issues != nil {
			t.Error(issues)
		}
	}
	p := mustCompile(t, boxed[checked]{}, nil)
	var v boxed[checked]
	if issues := p.Decode([]byte(`{"v":{"from":3,"to":2}}`), &v); issues != nil {
		t.Error("Validate is for the message, not for its parts:", issues)
	}
}

func TestUnmarshalKeepsToWhatItMust(t *testing.T) {
	flat := &schema.Options{RejectUnknownMembers: true, Envelope: &schema.Envelope{Discriminator: "type"}}
	for _, c := range []struct {
		in, want string
	}{
		{`{"type":"message","message":""}`, ""},
		{`{"message":"no type","other":1}`, ""},
		{`{}`, ""},
		{`{"message":7}`, "/message type"},
		{`{"message":"a","message":"b"}`, "/message duplicate"},
		{`{"message":"a"`, " syntax"},
		{`[]`, " type"},
		{strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("/0", 64) + " depth"},
	} {
		var v chat
		got := ""
		for _, i := range mustCompile(t, chat{}, flat).Unmarshal([]byte(c.in), &v) {
			got += i.Path + " " + i.Code
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
	var v Ping
	if issues := mustCompile(t, v, flat).Unmarshal([]byte(`[]`), &v); len(issues) != 1 || issues[0].Code != "type" {
		t.Error(issues)
	}
	var d struct {
		D time.Duration `format:"duration" default:"PT3S"`
	}
	if issues := mustCompile(t, d, nil).Unmarshal([]byte(`{}`), &d); issues != nil || d.D != 3*time.Second {
		t.Error(issues, d)
	}
	if issues := mustCompile(t, d, nil).Unmarshal([]byte(`{"D":"x"}`), &d); len(issues) != 1 || issues[0].Path != "/D" {
		t.Error(issues)
	}
}

type explosive struct{ v string }

func (e *explosive) UnmarshalJSON(b []byte) error {
	if string(b) == `"boom"` {
		panic("boom")
	}
	e.v = string(b)
	return nil
}
func (e explosive) MarshalJSON() ([]byte, error) { return []byte(`"quiet"`), nil }

// A panic of a type's own decoder goes up to the caller, and the pooled scanner that it met stays out of use.
func TestPanicInADecoder(t *testing.T) {
	p := mustCompile(t, boxed[[]explosive]{}, nil)
	good := mustCompile(t, everything{}, nil)
	for range 20 {
		for _, f := range []func(){
			func() { p.Validate([]byte(`{"v":["a",{"x":[1,"boom"]},"boom"]}`)) },
			func() { p.Decode([]byte(`{"v":["a","boom"]}`), new(boxed[[]explosive])) },
		} {
			func() {
				defer func() {
					if recover() != "boom" {
						t.Error("no panic")
					}
				}()
				f()
			}()
		}
		if issues := good.Validate([]byte(`{"text":"a","count":1,"flag":null,"text":1}`)); len(issues) != 1 || issues[0].Path != "/text" {
			t.Fatal(issues)
		}
	}
}

func TestMember(t *testing.T) {
	for _, c := range []struct {
		data, name, want string
		ok               bool
	}{
		{`{"type":"a"}`, "type", `"a"`, true},
		{` { "x" : {"type":"inner"} , "type" : 7 , }`, "type", `7`, true},
		{`{"\u0074y\u0070e":"a"}`, "type", `"a"`, true},
		{`{"type":"first","type":"second"}`, "type", `"first"`, true},
		{`{"x":"\"type\":1","type":[1, {"a":2}]}`, "type", `[1, {"a":2}]`, true},
		{`{"Type":1,"type ":2}`, "type", ``, false},
		{`{"ty"pe":"a"}`, `ty"pe`, ``, false},
		{`{"ty\u0070e":"a"}`, `ty\u0070e`, ``, false},
		{`{"type":"a"`, "type", `"a"`, true},
		{`{"type":"a\""}`, "type", `"a\""`, true},
		{`{"type":"\q"}`, "type", ``, false},
		{`{"a":1`, "type", ``, false},
		{`{"a":1,"type":1`, "type", `1`, true},
		{`{"type":`, "type", ``, false},
		{`{"type":tru}`, "type", ``, false},
		{`["type"]`, "type", ``, false},
		{`{}`, "type", ``, false},
		{``, "type", ``, false},
		{`{"":1}`, "", `1`, true},
		{`{"é":1}`, "é", `1`, true},
		{`{"\u00e9":1}`, "é", `1`, true},
		{`{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `,"type":1}`, "type", ``, false},
		{`{"a":[{"b":[]},{}],"type":1}`, "type", `1`, true},
		{`{"a long name":1,"type":2}`, "type", `2`, true},
	} {
		got, ok := schema.Member([]byte(c.data), c.name)
		if string(got) != c.want || ok != c.ok {
			t.Errorf("%s: %q %v, want %q %v", c.data, got, ok, c.want, c.ok)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, c := range benchPlans(t) {
		if c.plan.Validate(c.data) != nil {
			t.Fatal(c.name)
		}
		if n := testing.AllocsPerRun(200, func() { c.plan.Validate(c.data) }); n >= 1 && !race.Enabled {
			t.Errorf("%s: Validate allocates %v times", c.name, n)
		}
		if n := testing.AllocsPerRun(200, func() { schema.Member(c.data, "type"); schema.Check(c.data) }); n >= 1 && !race.Enabled {
			t.Errorf("%s: Member and Check allocate %v times", c.name, n)
		}
	}
}

// Whatever a message holds, the work is linear in its size: many unknown members, in one object or in many.
func TestManyMembers(t *testing.T) {
	p := mustCompile(t, chat{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}})
	var b bytes.Buffer
	b.WriteString(`{"type":"message","message":"hi"`)
	for i := range 200_000 {
		fmt.Fprintf(&b, `,"\u006b%d":{"a":%d}`, i, i)
	}
	good := b.String() + "}"
	if issues := p.Validate([]byte(good)); issues != nil {
		t.Fatal(issues[0])
	}
	for _, i := range []int{0, 5, 11, 12, 13, 14, 199_999} {
		bad := fmt.Sprintf(`%s,"k%d":1}`, b.String(), i)
		if issues := p.Validate([]byte(bad)); len(issues) != 1 || issues[0].Code != "duplicate" || issues[0].Path != fmt.Sprintf("/k%d", i) {
			t.Errorf("k%d: %v", i, issues)
		}
	}
}

func TestAtMost100Issues(t *testing.T) {
	p := mustCompile(t, boxed[[]string]{}, nil)
	bad := `{"v":[` + strings.Repeat("1,", 999) + `1]}`
	if n := len(p.Validate([]byte(bad))); n != 100 {
		t.Errorf("%d issues", n)
	}
	if issues := p.Validate([]byte(bad[:len(bad)-1])); len(issues) != 1 || issues[0].Code != "syntax" {
		t.Error(issues)
	}
}

func TestConcurrentUse(t *testing.T) {
	p := mustCompile(t, everything{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "id"}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				for _, s := range seeds[:2] {
					var v everything
					if issues := p.Decode([]byte(s), &v); issues != nil {
						t.Error(issues)
					}
					if _, err := p.Append(nil, v, nil); err != nil {
						t.Error(err)
					}
					p.Validate([]byte(seeds[3]))
				}
			}
		})
	}
	wg.Wait()
}

func TestCompileField(t *testing.T) {
	type params struct {
		Room  string        `path:"room" doc:"Room to join." minLength:"2"`
		Level int           `query:"level" default:"3" maximum:"5"`
		Token *string       `query:"token" required:"false" deprecated:"true" example:"abc"`
		Tags  []string      `query:"tag" enum:"a,b"`
		Wait  time.Duration `query:"wait" format:"duration"`
		Since time.Time     `query:"since,omitempty"`
	}
	want := map[string]string{
		"Room":  `true  Room to join. {"type":"string","minLength":2}`,
		"Level": `false 3  {"type":"integer","format":"int64","maximum":5,"default":3}`,
		"Token": `false   {"type":["string","null"],"deprecated":true,"examples":["abc"]}`,
		"Tags":  `true   {"type":"array","items":{"type":"string","enum":["a","b"]}}`,
		"Wait":  `true   {"type":"string","format":"duration"}`,
		"Since": `true   {"type":"string","format":"date-time"}`,
	}
	typ := reflect.TypeFor[params]()
	for i := range typ.NumField() {
		sf := typ.Field(i)
		f, err := schema.CompileField(sf)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := fmt.Sprintf("%v %s %s %s", f.Required, f.Default, f.Doc, f.Plan.Schema()); got != want[sf.Name] {
			t.Errorf("%s: %s\nwant %s", sf.Name, got, want[sf.Name])
		}
		v := reflect.New(sf.Type)
		if issues := f.Plan.Decode(f.Plan.Example(), v.Interface()); issues != nil {
			t.Errorf("%s: example %s: %v", sf.Name, f.Plan.Example(), issues)
		}
	}
	f, _ := schema.CompileField(typ.Field(0))
	var s string
	if issues := f.Plan.Decode([]byte(`"x"`), &s); len(issues) != 1 || issues[0].Path != "" || issues[0].Code != "minLength" {
		t.Error(issues)
	}
	sf, _ := reflect.TypeFor[struct {
		Bad int `minimum:"x"`
	}]().FieldByName("Bad")
	if _, err := schema.CompileField(sf); err == nil || err.Error() != `Bad: minimum "x" is not a number` {
		t.Error(err)
	}
}
