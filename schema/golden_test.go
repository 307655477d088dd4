package schema_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	scalars struct {
		S   string  `json:"s,omitempty"`
		B   bool    `json:"b,omitempty"`
		I   int     `json:"i,omitempty"`
		I8  int8    `json:"i8,omitempty"`
		I64 int64   `json:"i64,omitempty"`
		U8  uint8   `json:"u8,omitempty"`
		U64 uint64  `json:"u64,omitempty"`
		F   float64 `json:"f,omitempty"`
		F32 float32 `json:"f32,omitempty"`
		Q   int64   `json:"q,string,omitempty"`
		QU  uint8   `json:"qu,string,omitempty"`
		QF  float64 `json:"qf,string,omitempty"`
		By  []byte  `json:"by,omitempty"`
		By3 [3]byte `json:"by3,omitzero"`
	}
	bounds struct {
		Min   int     `json:"min,omitempty" minimum:"-3"`
		Max   uint8   `json:"max,omitempty" maximum:"100"`
		ExMin int     `json:"exmin,omitempty" exclusiveMinimum:"0" exclusiveMaximum:"10"`
		Mul   int     `json:"mul,omitempty" multipleOf:"5"`
		F     float64 `json:"f,omitempty" minimum:"0.1" exclusiveMaximum:"1.5"`
		FMul  float64 `json:"fmul,omitempty" multipleOf:"0.01"`
		Enum  int     `json:"enum,omitempty" enum:"1,2,30"`
		FEnum float64 `json:"fenum,omitempty" enum:"0.5,1,1e3"`
		Const int     `json:"const,omitempty" const:"7"`
		True  bool    `json:"true,omitempty" const:"true"`
		Both  int     `json:"both,omitempty" minimum:"10" multipleOf:"4"`
		Zero  int     `json:"zero,omitempty" minimum:"0"`
		UE    uint64  `json:"ue,omitempty" enum:"18446744073709551615,1"`
	}
	texts struct {
		Len     string   `json:"len,omitempty" minLength:"2" maxLength:"4"`
		Pat     string   `json:"pat,omitempty" pattern:"^[a-z]+-\\d{2}$" example:"ab-12"`
		Dot     string   `json:"dot,omitempty" pattern:"^.$" example:"x"`
		Space   string   `json:"space,omitempty" pattern:"^\\s$" example:" "`
		Level   string   `json:"level,omitempty" enum:"debug,info,warning"`
		Const   string   `json:"const,omitempty" const:"yes"`
		Many    string   `json:"many,omitempty" enum:"a,b,c,d,e,f,g,h,i,j,k,l"`
		Rule    severity `json:"rule,omitempty"`
		Both    string   `json:"both,omitempty" minLength:"3" pattern:"^x" example:"xyz"`
		OrNull  *string  `json:"ornull,omitempty" minLength:"1"`
		OrNull2 string   `json:"ornull2,omitempty" nullable:"true" enum:"a"`
		Secret  string   `json:"secret,omitempty" format:"password" maxLength:"3"`
	}
	severity string
	lists    struct {
		Plain  []int              `json:"plain,omitempty"`
		Sized  []string           `json:"sized,omitempty" minItems:"1" maxItems:"2" minLength:"1"`
		Unique []any              `json:"unique,omitempty" uniqueItems:"true"`
		Fixed  [2]int             `json:"fixed,omitzero"`
		Nested [][]int            `json:"nested,omitempty" maximum:"9"`
		Ptrs   []*int             `json:"ptrs,omitempty"`
		Null   []int              `json:"null,omitempty" nullable:"true"`
		Map    map[string]int     `json:"map,omitempty" minProperties:"1" maxProperties:"2" maximum:"9"`
		Ints   map[int8]string    `json:"ints,omitempty"`
		Uints  map[uint]bool      `json:"uints,omitempty"`
		Addrs  map[netip.Addr]int `json:"addrs,omitempty"`
	}
	required struct {
		A string `json:"a"`
		B *int   `json:"b"`
		C []int  `json:"c"`
		D string `json:"d,omitempty"`
		E int    `json:"e,omitempty" required:"true"`
		F string `json:"f" required:"false"`
		G string `json:"g" default:"g"`
		H any    `json:"h"`
		I *inner `json:"i,omitempty"`
		J inner  `json:"j" nullable:"true"`
	}
	inner struct {
		_        struct{} `additionalProperties:"false"`
		X        int      `json:"x"`
		LongName string   `json:"long_name,omitempty"`
	}
	node struct {
		Name string           `json:"name"`
		Kids []node           `json:"kids,omitempty"`
		By   map[string]*node `json:"by,omitempty"`
	}
	codecs struct {
		Addr   netip.Addr      `json:"addr,omitzero"`
		Prefix *netip.Prefix   `json:"prefix,omitempty"`
		Even   even            `json:"even,omitempty"`
		Raw    json.RawMessage `json:"raw,omitempty"`
		Any    any             `json:"any,omitempty"`
	}
	even    int
	moments struct {
		At    time.Time       `json:"at,omitzero"`
		Iso   time.Duration   `json:"iso,omitzero" format:"duration"`
		Nanos time.Duration   `json:"nanos,omitzero" format:"nanoseconds" minimum:"0"`
		Isos  []time.Duration `json:"isos,omitempty" format:"duration"`
	}
	formatted struct {
		DateTime string `json:"date-time,omitempty" format:"date-time"`
		Date     string `json:"date,omitempty" format:"date"`
		Time     string `json:"time,omitempty" format:"time"`
		Duration string `json:"duration,omitempty" format:"duration"`
		Email    string `json:"email,omitempty" format:"email"`
		UUID     string `json:"uuid,omitempty" format:"uuid"`
		URI      string `json:"uri,omitempty" format:"uri"`
		Hostname string `json:"hostname,omitempty" format:"hostname"`
		IPv4     string `json:"ipv4,omitempty" format:"ipv4"`
		IPv6     string `json:"ipv6,omitempty" format:"ipv6"`
	}
	withID struct {
		_  struct{} `ws:"own"`
		ID int      `json:"id" maximum:"9"`
	}
	adoptedInt struct {
		Op int    `json:"type" const:"7"`
		D  string `json:"d,omitempty"`
	}
)

func (severity) Enum() []severity { return []severity{"low", "high"} }

func (e *even) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n%2 != 0 {
		return fmt.Errorf("secret reason")
	}
	*e = even(n)
	return nil
}

func (e even) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(e), 10), nil }

// A validated is a type whose inputs stand in testdata/validate.
type validated struct {
	v any
	o *schema.Options
}

func validatedTypes() map[string]validated {
	flat := &schema.Envelope{Discriminator: "type", ID: "id"}
	data := &schema.Envelope{Discriminator: "type", ID: "id", Payload: "data"}
	return map[string]validated{
		"chat":         {chat{}, &schema.Options{Envelope: flat}},
		"syntax":       {chat{}, &schema.Options{Envelope: flat}},
		"payload":      {chat{}, &schema.Options{Envelope: data, RejectUnknownMembers: true}},
		"payload_list": {[]int{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "list", Payload: "data"}}},
		"payload_ping": {Ping{}, &schema.Options{Envelope: data}},
		"map":          {map[string]int{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "map", ID: "id"}}},
		"reject":       {required{}, &schema.Options{RejectUnknownMembers: true, Envelope: &schema.Envelope{Discriminator: "type", Name: "r", ID: "ref"}}},
		"names":        {named{}, &schema.Options{Envelope: flat}},
		"number_name":  {adoptedInt{}, &schema.Options{Envelope: flat}},
		"own_id":       {withID{}, &schema.Options{Envelope: flat}},
		"scalars":      {scalars{}, nil},
		"bounds":       {bounds{}, nil},
		"texts":        {texts{}, nil},
		"lists":        {lists{}, nil},
		"required":     {required{}, nil},
		"recursive":    {node{}, nil},
		"codecs":       {codecs{}, nil},
		"moments":      {moments{}, nil},
		"formats":      {formatted{}, nil},
		"derived":      {derived{}, nil},
	}
}

func TestValidate(t *testing.T) {
	for name, c := range validatedTypes() {
		t.Run(name, func(t *testing.T) {
			validateFile(t, name, reflect.TypeOf(c.v), mustCompile(t, c.v, c.o))
		})
	}
	files, _ := filepath.Glob("testdata/validate/*.txt")
	if len(files) != 20 {
		t.Errorf("%d files of inputs: one of them is read by nobody", len(files))
	}
}

// Ping is a message that is only a name.
type Ping struct {
	_ struct{} `ws:"ping"`
}

// validateFile reads inputs, a line each, with their issues indented below. A line that begins with go: is a quoted
// Go string, for bytes that no text file can.
func validateFile(t *testing.T, name string, typ reflect.Type, p *schema.Plan) {
	path := filepath.Join("validate", name+".txt")
	raw, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	inputs := 0
	for text := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\n"), "\n") {
		if strings.HasPrefix(text, "\t") {
			continue
		}
		out.WriteString(text + "\n")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		inputs++
		data := input(t, text)
		issues := p.Validate(data)
		out.WriteString(describe(issues))
		sameByDecode(t, p, typ, data, issues)
	}
	golden.File(t, filepath.Join("testdata", path), []byte(out.String()))
}

// input is what a line of inputs stands for.
func input(t *testing.T, line string) []byte {
	quoted, ok := strings.CutPrefix(line, "go:")
	if !ok {
		return []byte(line)
	}
	s, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return []byte(s)
}

func describe(issues []schema.Issue) string {
	if issues == nil {
		return "\tok\n"
	}
	var b strings.Builder
	for _, i := range issues {
		fmt.Fprintf(&b, "\t%s %s: %s", strconv.Quote(i.Path), i.Code, i.Message)
		if i.Params != nil {
			raw, _ := jsonv2.Marshal(i.Params, jsonv2.Deterministic(true))
			fmt.Fprintf(&b, " %s", raw)
		}
		if i.Input != nil {
			fmt.Fprintf(&b, " ← %s", i.Input)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// sameByDecode holds that Decode has the verdict of Validate.
func sameByDecode(t *testing.T, p *schema.Plan, typ reflect.Type, data []byte, want []schema.Issue) {
	t.Helper()
	v := reflect.New(typ)
	if got := p.Decode(data, v.Interface()); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: Decode says %v, Validate %v", data, got, want)
	}
}

type (
	base struct {
		ID   int    `json:"id" minimum:"1"`
		Kind string `json:"kind" enum:"x"`
		Note string
	}
	Extra struct {
		More string `json:"more"`
		Note string
	}
	derived struct {
		base
		*Extra
		Kind string         `json:"kind" enum:"a,b"`
		Rest map[string]int `json:",embed" maximum:"5"`
	}
)

func inputsOf(t *testing.T) (n int) {
	files, _ := filepath.Glob("testdata/validate/*.txt")
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(string(raw), "\n") {
			if text != "" && text[0] != '\t' && text[0] != '#' {
				n++
			}
		}
	}
	return n
}

func TestInputsAreMany(t *testing.T) {
	if n := inputsOf(t); n < 250 {
		t.Errorf("%d inputs", n)
	}
}
