package schema_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/schema"
)

// What Decode and Append do in one pass is what validation and json/v2 do in two: the twin. Types, values and messages are random, the
// messages mostly nearly good.

type (
	level    string
	twinBase struct {
		Base string `json:"base" default:"b"`
		Deep int    `json:"deep,omitempty"`
	}
	twinOuter struct {
		twinBase
		*TwinPointer
		Own string `json:"own"`
	}
	TwinPointer struct {
		Far  *float32          `json:"far"`
		Wide map[level][]int16 `json:"wide,omitzero" default:"{\"x\":[1]}"`
	}
	twinTree struct {
		Name string     `json:"name,omitempty" maxLength:"4"`
		Kids []twinTree `json:"kids,omitempty" maxItems:"3"`
		Up   *twinTree  `json:"up,omitzero"`
	}
	twinNamed struct {
		Type level `json:"type" const:"n"`
		N    uint8 `json:"n"`
	}
	twinSeveral struct {
		Op   int        `json:"type" enum:"1,2"`
		When *time.Time `json:"when,omitzero"`
	}
	twinHollow struct {
		_ struct{} `ws:"hollow"`
	}
	twinClosed struct {
		_ struct{}     `additionalProperties:"false"`
		A [2]level     `json:"a"`
		B [3]byte      `json:"b"`
		C []twinHollow `json:"c,omitempty" uniqueItems:"true"`
	}
	twinTimes struct {
		Wait  time.Duration   `json:"wait" format:"duration"`
		Nanos *time.Duration  `json:"nanos" format:"nanoseconds"`
		At    time.Time       `json:"at,omitzero"`
		List  []time.Duration `json:"list" format:"duration"`
	}
	twinLoose struct {
		Any   any              `json:"any,omitempty"`
		Raw   json.RawMessage  `json:"raw,omitzero"`
		PRaw  *json.RawMessage `json:"praw"`
		Addr  netip.Addr       `json:"addr"`
		PAddr *netip.Addr      `json:"paddr"`
		Own   *coded           `json:"own" nullable:"true"`
	}
)

// refusesNull says so also where a pointer to it stands.
type refusesNull struct{ raw string }

func (r *refusesNull) UnmarshalJSON(b []byte) error {
	if r.raw = string(b); r.raw == "null" {
		return errors.New("null")
	}
	return nil
}
func (r refusesNull) MarshalJSON() ([]byte, error) { return []byte(cmp.Or(r.raw, "1")), nil }

func (level) Enum() []level { return []level{"n", "low", "high", "é\"<"} }

var twinFixed = []reflect.Type{
	reflect.TypeFor[level](), reflect.TypeFor[twinBase](), reflect.TypeFor[twinOuter](), reflect.TypeFor[twinTree](), reflect.TypeFor[twinNamed](),
	reflect.TypeFor[twinSeveral](), reflect.TypeFor[twinHollow](), reflect.TypeFor[twinClosed](), reflect.TypeFor[twinTimes](),
	reflect.TypeFor[twinLoose](), reflect.TypeFor[map[string]twinBase](), reflect.TypeFor[map[string]twinTree](), reflect.TypeFor[struct {
		P *refusesNull `json:"p" nullable:"true"`
	}](),
	reflect.TypeFor[struct{}](), reflect.TypeFor[everything](), reflect.TypeFor[named](),
}

var twinScalars = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int64](), reflect.TypeFor[uint16](),
	reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[[]byte](), reflect.TypeFor[[2]byte](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[level](),
}

// A dreamer makes things up.
type dreamer struct{ *rand.Rand }

func (d dreamer) pick(list []string) string { return list[d.IntN(len(list))] }

// typ makes up a type.
func (d dreamer) typ(depth int) reflect.Type {
	n := d.IntN(12)
	if depth == 0 {
		n = d.IntN(5)
	}
	switch n {
	case 5:
		return twinFixed[d.IntN(len(twinFixed))]
	case 6:
		return reflect.PointerTo(d.typ(depth - 1))
	case 7:
		return reflect.SliceOf(d.typ(depth - 1))
	case 8:
		return reflect.ArrayOf(d.IntN(3), d.typ(depth-1))
	case 9:
		return reflect.MapOf(reflect.TypeFor[string](), d.typ(depth-1))
	case 10, 11:
		return d.structure(depth - 1)
	}
	return twinScalars[d.IntN(len(twinScalars))]
}

func (d dreamer) structure(depth int) reflect.Type {
	var fields []reflect.StructField
	for i := range 1 + d.IntN(5) {
		t := d.typ(depth)
		name := d.pick([]string{"id", "type", "a/~b", "é", "long name of a member"}) + fmt.Sprint(i)
		if d.IntN(4) == 0 {
			name = d.pick([]string{"id", "data", "n"})
		}
		tag := name + d.pick([]string{"", "", ",omitempty", ",omitzero", ",omitempty,omitzero", ",string"})
		rules := d.pick([]string{
			"", "", "", ` minLength:"1" maxLength:"3"`, ` minimum:"-3" maximum:"100"`, ` multipleOf:"0.5"`, ` enum:"1,2,3"`, ` default:"1"`, ` default:"a"`, ` const:"true"`,
			` nullable:"true"`, ` nullable:"false"`, ` uniqueItems:"true" minItems:"1"`, ` maxProperties:"2"`, ` required:"false"`, ` required:"true"`, ` format:"date"`,
			` pattern:"^[a-c]*$" example:"a"`, ` exclusiveMinimum:"0"`,
		})
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: t, Tag: reflect.StructTag(`json:"` + tag + `"` + rules)})
	}
	return reflect.StructOf(fields)
}

// plan makes up a plan; nil for one that cannot be.
func (d dreamer) plan() (*schema.Plan, reflect.Type) {
	t := d.structure(2)
	if d.IntN(3) == 0 {
		t = twinFixed[d.IntN(len(twinFixed))]
	}
	if d.IntN(8) == 0 {
		t = d.typ(2)
	}
	o := &schema.Options{RejectUnknownMembers: d.IntN(4) == 0}
	switch d.IntN(5) {
	case 1, 2:
		o.Envelope = &schema.Envelope{Discriminator: "type", Name: "n", ID: "id"}
	case 3:
		o.Envelope = &schema.Envelope{Discriminator: "type", Name: "n", Payload: "data", ID: "id"}
	case 4:
		o.Envelope = &schema.Envelope{ID: "id"}
	}
	p, err := schema.Compile(t, o)
	if err != nil {
		return nil, nil
	}
	return p, t
}

// fill puts something into v.
func (d dreamer) fill(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		zones := []*time.Location{time.UTC, time.FixedZone("", 3600), time.FixedZone("", -34200), time.FixedZone("", 25*3600)}
		*x = time.Unix(int64(d.IntN(1<<40))-1<<39, int64(d.IntN(3))*123e6).In(zones[d.IntN(4)])
		return
	case *time.Duration:
		*x = time.Duration(d.Uint64() >> d.IntN(64))
		return
	case *netip.Addr:
		*x = netip.AddrFrom4([4]byte{1, 2, 3, byte(d.IntN(256))})
		return
	case *json.RawMessage:
		*x = json.RawMessage(d.pick([]string{`null`, `{"a": [1 ,2]}`, `"x"`, `1e400`, `{"a":1,"a":2}`, `{`}))
		return
	case *any:
		*x = []any{nil, 1.5, "s", []int(nil), map[string]any{"b": time.Time{}, "a": 1}}[d.IntN(5)]
		return
	case *coded:
		x.v = d.text()
		return
	case *level:
		*x = []level{"n", "low", "high", "é\"<", "none"}[d.IntN(5)]
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(d.text())
	case reflect.Bool:
		v.SetBool(d.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(d.Uint64()) >> d.IntN(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(d.Uint64() >> d.IntN(64))
	case reflect.Float32, reflect.Float64:
		list := []float64{0, math.Copysign(0, -1), 1, -2.5, 1e-6, 9e-7, 1e21, 9e20, 1.5e300, math.NaN(), math.Inf(1), d.NormFloat64(), math.Float64frombits(d.Uint64()), float64(d.IntN(50))}
		v.SetFloat(list[d.IntN(len(list))])
	case reflect.Pointer:
		if depth > 0 && d.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			d.fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		if depth > 0 && d.IntN(3) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), d.IntN(4), 4))
		}
		for i := range v.Len() {
			d.fill(v.Index(i), depth-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			d.fill(v.Index(i), depth-1)
		}
	case reflect.Map:
		if depth <= 0 || d.IntN(3) == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range d.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			d.fill(key, 0)
			d.fill(value, depth-1)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && d.IntN(8) > 0 {
				d.fill(f, depth)
			}
		}
	}
}

func (d dreamer) text() string {
	return d.pick([]string{"", "a", "abc", "é", "\U0001F600\uFFFF", "type", "id", "<&>\u2028", "q\"\\\x00\n\x7f", "\xff", strings.Repeat("long ", 40), "n", "2020-01-02"})
}

// spoil changes a message here and there.
func (d dreamer) spoil(data []byte) []byte {
	for range d.IntN(4) {
		at := d.IntN(len(data) + 1)
		if quotes := bytes.Count(data, []byte(`"`)); quotes > 0 && d.IntN(2) == 0 { // where names and strings begin
			for at = 0; quotes > 0 && d.IntN(3) > 0; quotes-- {
				at += 1 + max(0, bytes.IndexByte(data[at:], '"'))
			}
			at = min(at, len(data))
		}
		insert := []byte(d.pick([]string{
			"", "", "", " \n", `"x":null,`, `"id":7,`, `"type":"n",`, `\ud800`, `\u00e9`, `\ud83d\ude00`, "\xff", `null`, `-0`, `1e400`, `0.5`, `,`, `[]`, `{}`, `"N":1,`, `{"a":1,"\u0061":2}`,
			`1`, `"`, `true`, "\x00", `\u0061`, `2020-01-02T03:04:05.1234567891Z`, `PT1H`, strings.Repeat("[", 70), `"base":"z",`, `"data":{},`,
		}))
		end := min(len(data), at+d.IntN(4)*d.IntN(4))
		data = slices.Concat(data[:at], insert, data[end:])
	}
	return data
}

// spell writes some characters of data's strings as escapes, which changes nothing.
func (d dreamer) spell(data []byte) (out []byte) {
	inside, escaped := false, false
	for _, c := range data {
		letter := inside && !escaped && c >= 'a' && c <= 'z' && d.IntN(6) == 0
		switch {
		case escaped:
			escaped = false
		case c == '\\' && inside:
			escaped = true
		case c == '"':
			inside = !inside
		}
		if letter {
			out = fmt.Appendf(out, `\u%04X`, c)
			continue
		}
		out = append(out, c)
	}
	return out
}

// twins compares what both ways make of a message, and of what it says.
func twins(t *testing.T, p *schema.Plan, typ reflect.Type, data []byte) {
	t.Helper()
	one, two := reflect.New(typ), reflect.New(typ)
	kept := bytes.Clone(data)
	gotIssues, wantIssues := p.Decode(data, one.Interface()), p.DecodeTwin(kept, two.Interface())
	for i := range data {
		data[i] = '#'
	}
	if !reflect.DeepEqual(gotIssues, wantIssues) {
		t.Fatalf("%v from %q:\n%+v, want\n%+v", typ, kept, gotIssues, wantIssues)
	}
	if gotIssues != nil {
		if !one.Elem().IsZero() {
			t.Fatalf("%v from %q: refused, but it is %+v", typ, kept, one.Elem())
		}
		return
	}
	if !reflect.DeepEqual(one.Interface(), two.Interface()) {
		t.Fatalf("%v from %q:\n%#v, want\n%#v", typ, kept, one.Elem(), two.Elem())
	}
	twinsWrite(t, p, one)
}

// twinsWrite compares what both ways write of what v points to.
func twinsWrite(t *testing.T, p *schema.Plan, v reflect.Value) {
	t.Helper()
	for _, id := range [][]byte{nil, []byte(`"7"`)} {
		want, wantErr := p.AppendTwin([]byte("{"), v.Elem().Interface(), id)
		for _, x := range []any{v.Interface(), v.Elem().Interface()} {
			got, err := p.Append([]byte("{"), x, id)
			if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%v: %#v\nas %s %v\nnot %s %v", v.Type(), v.Elem(), got, err, want, wantErr)
			}
		}
	}
}

// dream compares the ways for one made-up type, and reports which of them were quick.
func dream(t *testing.T, seed uint64, data []byte) (decodes, encodes, good bool) {
	d := dreamer{rand.New(rand.NewPCG(seed, 0))}
	p, typ := d.plan()
	if p == nil {
		return
	}
	if len(data) > 0 {
		twins(t, p, typ, data)
	}
	twins(t, p, typ, p.Example())
	for range 4 {
		v := reflect.New(typ)
		d.fill(v.Elem(), 3)
		twinsWrite(t, p, v)
		message, err := p.Append(nil, v.Interface(), []byte("1"))
		if err != nil {
			message = p.Example()
		}
		good = good || p.Validate(message) == nil
		twins(t, p, typ, d.spell(message))
		for range 6 {
			twins(t, p, typ, d.spoil(bytes.Clone(message)))
		}
	}
	decodes, encodes = p.OnePass()
	return decodes, encodes, good
}

func TestTwins(t *testing.T) {
	decoded, encoded, good := 0, 0, 0
	const types = 1500
	for seed := range uint64(types) {
		d, e, g := dream(t, seed, nil)
		decoded, encoded, good = decoded+count(d), encoded+count(e), good+count(g)
	}
	t.Logf("of %d types %d were decoded and %d encoded in one pass, %d with good messages", types, decoded, encoded, good)
	if decoded < types/4 || encoded < types/4 || good < types/8 {
		t.Error("too few of them to show anything")
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func FuzzTwins(f *testing.F) {
	for i, s := range seeds {
		f.Add(uint64(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) { dream(t, seed, bytes.Clone(data)) })
}

// Cases that chance seldom makes.
func TestTwinsOf(t *testing.T) {
	for data, v := range map[string]any{
		`{"a":{"name":"x","kids":[{"name":"y"},{}],"up":{}},"b":{},"c":{"up":{"name":"z"}}}`: map[string]twinTree{},
		`[{"a":1,"b":2},{"a":3},{}]`: []struct {
			A *int `json:"a,omitempty"`
			B int  `json:"b,omitempty"`
		}{},
		`{"far":1.5,"own":""}`: twinOuter{},
		`{"own":""}`:           twinOuter{},
	} {
		p := mustCompile(t, v, nil)
		if decodes, _ := p.OnePass(); !decodes {
			t.Errorf("%T is not decoded in one pass", v)
		}
		if issues := p.Validate([]byte(data)); issues != nil {
			t.Errorf("%s: %v", data, issues)
		}
		twins(t, p, reflect.TypeOf(v), []byte(data))
	}
}
