package compat

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/wsrouter-go/wsrouter/schema"
	"pgregory.net/rapid"
)

var schemaCases = flag.Int("schema.cases", 100_000, "messages that the plan and the printed schema are asked about")

const messagesPerType = 100

// The printed schema and the plan are two readings of one type: over random types, values and mutations they must
// give one verdict. The oracle reads the printed schema alone. Where DESIGN names a difference, it is classified by
// what is in the message, and counted.
func TestSchemaVerdictEqualsPrinted(t *testing.T) {
	checks := fmt.Sprint(max(1, *schemaCases/messagesPerType*11/10)) // some types do not compile
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(checks)
		defer func() { _ = f.Value.Set(f.DefValue) }()
	}
	var total, good, skipped, types atomic.Int64
	classes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t)
		opts := drawOptions(t)
		plan, err := schema.Compile(typ, opts)
		if err != nil {
			if !declarationFault(err) {
				t.Fatalf("%v does not compile: %v", typ, err)
			}
			skipped.Add(1)
			return
		}
		types.Add(1)
		printed := plan.Schema()
		var tree map[string]any
		if err := json.Unmarshal(printed, &tree); err != nil {
			t.Fatalf("printed schema is no JSON: %v\n%s", err, printed)
		}
		oracle := compileOracle(t, printed)
		g := &messages{t: t, root: tree}
		for range messagesPerType {
			g.budget = 60
			data := g.value(tree)
			total.Add(1)
			issues := plan.Validate(data)
			refused, parsed := oracle(data)
			switch {
			case !parsed && has(issues, "depth"): // the walk ended before the fault
				classes["deeper than 64"]++
			case !parsed && (len(issues) != 1 || issues[0].Code != "syntax"):
				t.Fatalf("no JSON for the oracle, but %+v\n%s", issues, data)
			case !parsed:
			case has(issues, "depth") && refused == nil:
				classes["deeper than 64"]++
			case has(issues, "duplicate"): // the oracle sees another message, without the first of the two
				classes["a member twice"]++
			case issues == nil && refused == nil:
				good.Add(1)
			case issues != nil && refused != nil:
			case issues == nil:
				class := looser(refused, data)
				if class == "" {
					t.Fatalf("the plan takes what the schema refuses\n%s\n%s\n%v\n%v", data, printed, refused, typ)
				}
				classes[class]++
			default:
				for _, i := range issues {
					class := stricter(i, data)
					if class == "" {
						t.Fatalf("the plan refuses what the schema takes\n%s\n%s\n%+v\n%v", data, printed, i, typ)
					}
					classes[class]++
				}
			}
		}
	})
	t.Logf("%d messages of %d types, %d good; %d declarations refused; differences: %v", total.Load(), types.Load(), good.Load(), skipped.Load(), classes)
	if total.Load() < int64(*schemaCases) && checks == flag.Lookup("rapid.checks").Value.String() {
		t.Errorf("only %d messages", total.Load())
	}
	if total.Load() > 0 && (good.Load()*20 < total.Load() || skipped.Load() > types.Load()) {
		t.Error("the generator has lost its aim")
	}
}

// declarationFault says that random tags contradicted each other, which is what Compile is for.
func declarationFault(err error) bool {
	for _, text := range []string{"breaks the", "add an example", "no number is right", "too long to be built", "without end"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

func compileOracle(t *rapid.T, printed []byte) func([]byte) (refused error, parsed bool) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(printed))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if rapid.Bool().Draw(t, "draft7") {
		c.DefaultDraft(jsonschema.Draft7)
	}
	if err := c.AddResource("mem:///s.json", doc); err != nil {
		t.Fatal(err)
	}
	sch, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return func(data []byte) (error, bool) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, false
		}
		return sch.Validate(v), true
	}
}

func has(issues []schema.Issue, code string) bool {
	for _, i := range issues {
		if i.Code == code {
			return true
		}
	}
	return false
}

// stricter names the difference that DESIGN §4 has in mind where the plan alone finds an issue; "" is a bug.
func stricter(i schema.Issue, data []byte) string {
	in := string(i.Input)
	switch i.Code {
	case "type":
		if i.Params["type"] == "integer" && (strings.ContainsAny(in, ".eE") || in == "-0") {
			return "an integer written as a fraction, with an exponent, or as -0"
		}
		if list, ok := i.Params["type"].([]string); ok && list[0] == "integer" && (strings.ContainsAny(in, ".eE") || in == "-0") {
			return "an integer written as a fraction, with an exponent, or as -0"
		}
	case "minimum", "maximum":
		switch fmt.Sprint(i.Params[i.Code]) {
		case "9223372036854775807", "-9223372036854775808", "18446744073709551615":
			return "beyond 64 bits"
		case "1.7976931348623157e+308", "-1.7976931348623157e+308", "3.4028234663852886e+38", "-3.4028234663852886e+38":
			return "beyond a float"
		}
		if strings.HasPrefix(in, `"`) {
			return "beyond the integer inside a string"
		}
	case "syntax":
		if !utf8.Valid(data) || strings.Contains(i.Message, "surrogate") {
			return "invalid UTF-8 or a lone surrogate"
		}
	case "propertyNames":
		return "a map's key beyond its integer"
	case "format":
		if i.Params["format"] == "date-time" && (strings.Contains(in, ":60") || strings.ToUpper(in) != in) {
			return "a leap second in a time.Time, t or z in lower case"
		}
		if i.Params["format"] == "email" && strings.HasPrefix(in, `"@`) {
			return "an email address without a local part, which this oracle takes"
		}
	}
	return ""
}

// looser names the difference where only the printed schema refuses; "" is a bug.
func looser(refused error, data []byte) string {
	text := refused.Error()
	if strings.Contains(text, "/id'") && strings.Count(text, "\n") == 1 {
		return "a correlation id that is not echoed"
	}
	return ""
}

func drawOptions(t *rapid.T) *schema.Options {
	o := &schema.Options{RejectUnknownMembers: rapid.IntRange(0, 3).Draw(t, "reject") == 0}
	switch rapid.IntRange(0, 3).Draw(t, "envelope") {
	case 0:
		o.Envelope = &schema.Envelope{Discriminator: "type", Name: "x"}
	case 1:
		o.Envelope = &schema.Envelope{Discriminator: "type", Name: "x", Payload: "data"}
	}
	return o
}

// Types that reflect cannot make.
type (
	tree struct {
		Name string  `json:"name" minLength:"1"`
		Kids []*tree `json:"kids" maxItems:"3"`
		Up   *tree   `json:"up,omitempty"`
	}
	forest []forest
	level  string
	base   struct {
		ID   int    `json:"key" minimum:"1"`
		Kind string `json:"kind,omitempty" enum:"a,b"`
	}
	derived struct {
		base
		Kind  level           `json:"kind"`
		Extra map[string]int8 `json:",embed"`
	}
	closed struct {
		_ struct{} `additionalProperties:"false"`
		A string   `json:"a" pattern:"^[a-z]+$" example:"abc"`
		B *int32   `json:"b" multipleOf:"3"`
	}
	numbers struct {
		S int64   `json:"s,string"`
		F float32 `json:"f"`
		G float64 `json:"g" exclusiveMinimum:"0" maximum:"10" multipleOf:"0.25"`
		U uint64  `json:"u" default:"3"`
	}
	moments struct {
		At  time.Time     `json:"at"`
		For time.Duration `json:"for" format:"nanoseconds"`
		Day string        `json:"day" format:"date" nullable:"true"`
	}
)

func (level) Enum() []level { return []level{"low", "high", "middle ground"} }

var pool = []reflect.Type{
	reflect.TypeFor[tree](), reflect.TypeFor[forest](), reflect.TypeFor[derived](), reflect.TypeFor[closed](),
	reflect.TypeFor[numbers](), reflect.TypeFor[moments](), reflect.TypeFor[level](),
}

func drawType(t *rapid.T) reflect.Type { return drawStruct(t, 3) }

func drawStruct(t *rapid.T, depth int) reflect.Type {
	var fields []reflect.StructField
	for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
		typ := drawValue(t, depth-1)
		name := string(rune('A' + i))
		json := `json:"` + rapid.SampledFrom([]string{strings.ToLower(name), strings.ToLower(name), "é" + name, name + "/~" + name, name + " $"}).Draw(t, "name")
		json += rapid.SampledFrom([]string{"", "", "", ",omitempty", ",omitzero"}).Draw(t, "option") + `"`
		fields = append(fields, reflect.StructField{Name: name, Type: typ, Tag: reflect.StructTag(json + drawTags(t, typ))})
	}
	if len(fields) == 0 {
		fields = append(fields, reflect.StructField{Name: "A", Type: reflect.TypeFor[string](), Tag: `json:"a"`})
	}
	return reflect.StructOf(fields)
}

var plainTypes = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int](),
	reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint8](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[float64](), reflect.TypeFor[time.Time](), reflect.TypeFor[[]byte](), reflect.TypeFor[[4]byte](),
	reflect.TypeFor[any](), reflect.TypeFor[json.RawMessage](),
}

func drawValue(t *rapid.T, depth int) reflect.Type {
	if depth <= 0 {
		return rapid.SampledFrom(plainTypes).Draw(t, "plain")
	}
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		return drawStruct(t, depth)
	case 1:
		return reflect.SliceOf(drawValue(t, depth-1))
	case 2:
		return reflect.ArrayOf(rapid.IntRange(0, 3).Draw(t, "length"), drawValue(t, depth-1))
	case 3:
		return reflect.MapOf(rapid.SampledFrom([]reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[int8](), reflect.TypeFor[uint16]()}).Draw(t, "key"), drawValue(t, depth-1))
	case 4:
		return reflect.PointerTo(drawValue(t, depth-1))
	case 5, 6:
		return rapid.SampledFrom(pool).Draw(t, "pool")
	}
	return rapid.SampledFrom(plainTypes).Draw(t, "plain")
}

// drawTags makes keywords that fit the type.
func drawTags(t *rapid.T, typ reflect.Type) string {
	var b strings.Builder
	put := func(key string, value any) { fmt.Fprintf(&b, ` %s:%q`, key, fmt.Sprint(value)) }
	maybe := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	if maybe("nullable") {
		put("nullable", rapid.Bool().Draw(t, "null"))
	}
	if maybe("required") {
		put("required", rapid.Bool().Draw(t, "must"))
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	small := func(what string) int { return rapid.IntRange(0, 4).Draw(t, what) }
	switch {
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8:
		if maybe("minItems") {
			put("minItems", small("min")/2)
		}
		if maybe("maxItems") {
			put("maxItems", 2+small("max"))
		}
		if maybe("unique") {
			put("uniqueItems", true)
		}
	case typ.Kind() == reflect.Map:
		if maybe("minProperties") {
			put("minProperties", small("min")/2)
		}
		if maybe("maxProperties") {
			put("maxProperties", 2+small("max"))
		}
	}
	whole := typ
	typ = scalar(typ)
	switch {
	case typ == nil || typ.PkgPath() != "":
	case typ.Kind() == reflect.String:
		rules := rapid.IntRange(0, 5).Draw(t, "string rules")
		if rules == 4 && whole.Kind() != reflect.String {
			rules = 1 // the pattern's default is a string
		}
		switch rules {
		case 0:
			put("minLength", small("min"))
			put("maxLength", 4+small("max"))
		case 1:
			put("format", rapid.SampledFrom([]string{"date-time", "date", "time", "duration", "email", "uuid", "uri", "hostname", "ipv4", "ipv6"}).Draw(t, "format"))
		case 2:
			put("enum", "a,b,é,long one")
		case 3:
			put("const", "only")
		case 4:
			put("pattern", `^[a-c]{1,3}\d?$`)
			put("default", "abc1")
		}
	case typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Uint64:
		drawBounds(t, put, small, "1")
	case typ.Kind() == reflect.Float32, typ.Kind() == reflect.Float64:
		drawBounds(t, put, small, rapid.SampledFrom([]string{"0.5", "0.1", "2", "0.01"}).Draw(t, "step"))
	case typ.Kind() == reflect.Bool && maybe("const"):
		put("const", rapid.Bool().Draw(t, "value"))
	}
	out := b.String()
	if strings.Contains(out, "pattern") && !strings.Contains(out, "required") {
		out += ` required:"true"`
	}
	return out
}

func drawBounds(t *rapid.T, put func(string, any), small func(string) int, step string) {
	switch rapid.IntRange(0, 6).Draw(t, "bounds") {
	case 0:
		put("minimum", small("min"))
		put("maximum", 5+small("max"))
	case 1:
		put("exclusiveMinimum", small("min"))
		put("exclusiveMaximum", 7+small("max"))
	case 2:
		put("multipleOf", rapid.SampledFrom([]string{"2", "3", "10", step}).Draw(t, "multiple"))
	case 3:
		put("enum", "1,2,100")
	case 4:
		put("const", 7)
	case 5:
		put("maximum", 100)
		put("default", 5)
	}
}

// scalar is what string and number keywords are about; nil for structs.
func scalar(t reflect.Type) reflect.Type {
	for {
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			if t.Elem().Kind() == reflect.Uint8 {
				return nil
			}
			t = t.Elem()
		case reflect.Map, reflect.Pointer:
			t = t.Elem()
		case reflect.Struct, reflect.Interface:
			return nil
		default:
			return t
		}
		if t == reflect.TypeFor[forest]() {
			return nil
		}
	}
}

// messages makes JSON that the schema mostly takes, and sometimes does not.
type messages struct {
	t      *rapid.T
	root   map[string]any
	budget int
}

func (g *messages) roll(n int) int { return rapid.IntRange(0, n-1).Draw(g.t, "roll") }

func (g *messages) pick(list ...string) string { return rapid.SampledFrom(list).Draw(g.t, "pick") }

// value makes one value of s, a parsed schema.
func (g *messages) value(s map[string]any) []byte {
	g.budget--
	if g.roll(60) == 0 {
		return g.noise()
	}
	if ref, ok := s["$ref"].(string); ok {
		return g.value(g.resolve(ref))
	}
	for _, key := range []string{"allOf", "anyOf"} {
		if list, ok := s[key].([]any); ok {
			return g.value(list[g.roll(len(list))].(map[string]any))
		}
	}
	if c, ok := s["const"]; ok {
		return marshal(c)
	}
	if list, ok := s["enum"].([]any); ok {
		return marshal(list[g.roll(len(list))])
	}
	switch typ := s["type"].(type) {
	case []any:
		return g.typed(typ[g.roll(len(typ))].(string), s)
	case string:
		return g.typed(typ, s)
	}
	return g.noise()
}

func (g *messages) resolve(ref string) map[string]any {
	key := strings.TrimPrefix(ref, "#/$defs/")
	key = strings.NewReplacer("~1", "/", "~0", "~", "%5B", "[", "%5D", "]").Replace(key)
	return g.root["$defs"].(map[string]any)[key].(map[string]any)
}

func marshal(v any) []byte { b, _ := json.Marshal(v); return b }

func (g *messages) typed(typ string, s map[string]any) []byte {
	switch typ {
	case "null":
		return []byte("null")
	case "boolean":
		return []byte(g.pick("true", "false"))
	case "integer", "number":
		return []byte(g.number(s))
	case "string":
		return g.text(s)
	case "array":
		return g.array(s)
	}
	return g.object(s)
}

func (g *messages) number(s map[string]any) string {
	switch g.roll(12) {
	case 0:
		return g.pick("12.0", "1e2", "-0", "0.0", "1E0", "10e-1", "1.5", "0.1", "0.30", "-1.25e1", "100")
	case 1:
		return g.pick("9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
			"127", "128", "-128", "-129", "255", "256", "32768", "65536", "2147483648", "-2147483649", "4294967296", "1e400", "-1e400", "1e39", "1e-400",
			"123456789012345678901234567890", "0.1000000000000000000000000001", "99999999999999999999e-19")
	}
	lo, hi := -3, 12
	if m, ok := s["minimum"].(float64); ok && m > -1000 {
		lo = int(m) - 1
		hi = max(hi, lo+3)
	}
	if m, ok := s["maximum"].(float64); ok && m < 1000 {
		hi = max(lo, int(m)+1)
	}
	n := rapid.IntRange(lo, hi).Draw(g.t, "int")
	if m, ok := s["multipleOf"].(float64); ok && g.roll(3) > 0 {
		return strconv.FormatFloat(float64(n)*m, 'f', -1, 64)
	}
	return strconv.Itoa(n)
}

var formatSamples = map[string][]string{
	"date-time": {"2024-02-29T23:59:59Z", "2023-02-29T00:00:00Z", "2024-01-01T00:00:00.123456789+05:30", "2024-01-01T24:00:00Z", "2024-01-01 00:00:00Z", "2016-12-31T23:59:60Z", "2016-12-31T22:59:60Z", "2024-01-01T00:00:00", "2024-1-1T00:00:00Z", "2024-01-01t00:00:00z", "2024-01-01T00:00:00,5Z", "2024-01-01T00:00:00+24:00", "0000-01-01T00:00:00Z"},
	"date":      {"2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "24-01-01", "2024-01-1"},
	"time":      {"00:00:00Z", "23:59:60Z", "12:00:60Z", "12:00:00", "12:00:00.5+01:00", "12:00:00.+01:00", "1:00:00Z", "12:60:00Z", "23:59:59-23:59", "12:00:00+0100"},
	"duration":  {"PT1H30M", "P1Y2M3DT4H5M6S", "P3W", "P", "PT", "P1", "1H", "P1H", "PT1D", "P1W2D", "PT1M1H", "P-1D", "P1Y1W"},
	"email":     {"a@b.c", "ada@example.com", "a.b+c@x-y.org", ".a@b.c", "a..b@c.d", "a@", "@b", "a b@c.d", "\"a b\"@c.d", "a@[192.0.2.1]", "a@[IPv6:::1]", "a@-b.c", "x@localhost"},
	"uuid":      {"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400g"},
	"uri":       {"https://example.com/a?b=c#d", "urn:isbn:123", "//example.com", "/a", "mailto:a@b.c", "http://[::1]:80/", "1http://x"},
	"hostname":  {"example.com", "a", "-a.b", "a-.b", "a..b", "a_b", "xn--bcher-kva.example", "a.b.", ""},
	"ipv4":      {"192.0.2.1", "0.0.0.0", "256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4.5", "::1"},
	"ipv6":      {"::1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "1.2.3.4", ":::", "12345::"},
}

func (g *messages) text(s map[string]any) []byte {
	if f, ok := s["format"].(string); ok && formatSamples[f] != nil && g.roll(10) > 0 {
		return marshal(rapid.SampledFrom(formatSamples[f]).Draw(g.t, "format"))
	}
	if _, ok := s["contentEncoding"]; ok && g.roll(8) > 0 {
		return []byte(g.pick(`"AAECAw=="`, `""`, `"AAEC"`, `"AAECAw"`, `"AA=="`, `"-_=="`, `"AAECA\u0077=="`, `"AAECAwQFBgc="`))
	}
	if p, ok := s["pattern"].(string); ok && g.roll(6) > 0 {
		if strings.Contains(p, "0-9") {
			return []byte(g.pick(`"5"`, `"-5"`, `"05"`, `"-0"`, `"1.5"`, `""`, `"9223372036854775808"`, `"1e3"`, `"\u0031"`))
		}
		return []byte(g.pick(`"abc1"`, `"a"`, `"abcd"`, `"abc"`, `"1"`, `""`, `"xabc1"`, `"c9\n"`))
	}
	if g.roll(20) == 0 {
		return []byte(g.pick(`"\ud800"`, `"\udc00\ud800"`, "\"\xff\"", `"\ud83d\ude00"`, `"a\u0000b"`, "\"\x01\"", `"\x41"`, `"unfinished`))
	}
	return []byte(g.pick(`""`, `"a"`, `"é"`, `"abc"`, `"日本語"`, `"\u00e9\u00e9"`, `"😀😀"`, `"abcdef"`, `"abcdefgh"`, `"12345678"`, `"123456789"`, `"b"`, `"only"`, `"a\/b"`))
}

func (g *messages) array(s map[string]any) []byte {
	items, _ := s["items"].(map[string]any)
	low, high := 0, 3
	if m, ok := s["minItems"].(float64); ok {
		low = max(0, int(m)-g.roll(2))
	}
	if m, ok := s["maxItems"].(float64); ok {
		high = int(m) + g.roll(2)
	}
	n := low
	if high > low && g.budget > 0 {
		n = rapid.IntRange(low, high).Draw(g.t, "items")
	}
	var list []string
	for range n {
		if len(list) > 0 && g.roll(8) == 0 {
			list = append(list, list[0])
			continue
		}
		list = append(list, string(g.value(items)))
	}
	return []byte("[" + strings.Join(list, g.pick(",", ",", " , ")) + "]")
}

func (g *messages) object(s map[string]any) []byte {
	var list []string
	add := func(name string, v []byte) {
		list = append(list, string(marshal(name))+g.pick(":", ":", ": ")+string(v))
	}
	required := map[string]bool{}
	if names, ok := s["required"].([]any); ok {
		for _, n := range names {
			required[n.(string)] = true
		}
	}
	if props, ok := s["properties"].(map[string]any); ok {
		for _, name := range sortedKeys(props) {
			if required[name] && g.roll(50) == 0 || !required[name] && (g.budget < 0 || g.roll(3) == 0) {
				continue
			}
			add(name, g.value(props[name].(map[string]any)))
		}
	}
	extra, _ := s["additionalProperties"].(map[string]any)
	for range g.roll(3) {
		switch {
		case extra != nil && g.budget > 0:
			add(g.pick("k", "1", "2", "-3", "127", "300", "01", "-0", "70000"), g.value(extra))
		case g.roll(6) == 0:
			add(g.pick("unknown", "unknown", "aa", "A", "type", "zz"), g.noise())
		}
	}
	if len(list) > 0 && g.roll(60) == 0 {
		list = append(list, list[0])
	}
	if len(list) > 1 && g.roll(3) == 0 {
		list[0], list[len(list)-1] = list[len(list)-1], list[0]
	}
	return []byte("{" + strings.Join(list, ",") + "}")
}

func (g *messages) noise() []byte {
	if g.roll(80) == 0 {
		return []byte(strings.Repeat("[", 70) + strings.Repeat("]", 70))
	}
	return []byte(g.pick("null", "true", "0", "1", "-1", "2.5", `"a"`, `""`, "[]", "{}", `[1]`, `{"a":1}`, `{"a":{"b":[]}}`, `{"a":1,"a":2}`,
		"1e400", "01", "nul", "", "[1,]", "{\"a\"}", "NaN", "1 2"))
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	for i := range keys {
		for j := i + 1; j < len(keys); j++ {
			if keys[j] < keys[i] {
				keys[i], keys[j] = keys[j], keys[i]
			}
		}
	}
	return keys
}
