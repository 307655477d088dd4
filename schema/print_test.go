package schema_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	// Kitchen has about everything that a schema can say.
	Kitchen struct {
		_        struct{}           `ws:"kitchen,latest=name" doc:"Everything at once."`
		Name     string             `json:"name" doc:"Who." minLength:"1" maxLength:"20" example:"Ada"`
		Level    string             `json:"level" enum:"low,high" default:"low"`
		Severity severity           `json:"severity,omitempty" deprecated:"true"`
		Code     string             `json:"code,omitempty" pattern:"^[A-Z]+$" example:"ABC"`
		Mail     *string            `json:"mail" format:"email"`
		Fixed    string             `json:"fixed" const:"v1"`
		Null     string             `json:"null" nullable:"true" const:"x"`
		Small    int8               `json:"small" minimum:"-5"`
		Count    uint32             `json:"count" exclusiveMaximum:"10" multipleOf:"3"`
		Big      int64              `json:"big,string"`
		Unsigned uint64             `json:"unsigned"`
		Ratio    float32            `json:"ratio" minimum:"0.5"`
		Flag     bool               `json:"flag,omitempty"`
		At       time.Time          `json:"at"`
		Wait     time.Duration      `json:"wait" format:"duration"`
		Nanos    time.Duration      `json:"nanos" format:"nanoseconds"`
		Data     []byte             `json:"data"`
		Key      [4]byte            `json:"key"`
		Tags     []string           `json:"tags" minItems:"1" maxItems:"3" uniqueItems:"true" maxLength:"8"`
		Pair     [2]float64         `json:"pair"`
		Scores   map[string]int     `json:"scores" minProperties:"1" maximum:"9"`
		ByID     map[uint16]string  `json:"by_id"`
		ByAddr   map[netip.Addr]int `json:"by_addr,omitempty"`
		Addr     netip.Addr         `json:"addr" format:"ipv4" example:"192.0.2.7"`
		Any      any                `json:"any" doc:"Whatever you like."`
		Raw      json.RawMessage    `json:"raw"`
		Inner    Inner              `json:"inner" doc:"A part."`
		Part     *Inner             `json:"part" doc:"Another part."`
		Parts    []Inner            `json:"parts,omitempty"`
		Anon     struct {
			X int `json:"x"`
		} `json:"anon"`
		Tree    *Tree         `json:"tree,omitempty"`
		Forest  Forest        `json:"forest,omitempty" maxItems:"5"`
		Again   *Kitchen      `json:"again,omitempty"`
		Page    Page[Inner]   `json:"page"`
		Own     printsItself  `json:"own" doc:"Says itself what it is."`
		OwnNull *printsItself `json:"own_null"`
		Even    even          `json:"even" example:"4"`
		Slash   string        `json:"a/b~c $"`
	}
	Inner struct {
		_ struct{} `doc:"A part of it." additionalProperties:"false" deprecated:"true" example:"{\"x\":5}"`
		X int      `json:"x" default:"5"`
	}
	Tree struct {
		Kids []Tree `json:"kids"`
	}
	Forest       []Forest
	Page[T any]  struct{ Items []T }
	printsItself struct{ V int }
	numbered     struct {
		_  struct{} `ws:"numbered"`
		ID int      `json:"id" minimum:"10" example:"20"`
	}
)

func (printsItself) Schema() json.RawMessage {
	return json.RawMessage(`{"type": "object", "description": "own words"}`)
}

func TestPrint(t *testing.T) {
	flat := &schema.Envelope{Discriminator: "type", ID: "id"}
	for name, c := range map[string]struct {
		v any
		o *schema.Options
	}{
		"kitchen":         {Kitchen{}, &schema.Options{Envelope: flat}},
		"kitchen_bare":    {Kitchen{}, nil},
		"kitchen_payload": {Kitchen{}, &schema.Options{RejectUnknownMembers: true, Envelope: &schema.Envelope{Discriminator: "type", Payload: "data", ID: "id", PrintID: true}}},
		"chat":            {chat{}, &schema.Options{Envelope: flat}},
		"chat_closed":     {chat{}, &schema.Options{Envelope: flat, RejectUnknownMembers: true}},
		"chat_with_id":    {chat{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "ref", PrintID: true}}},
		"own_id":          {numbered{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "id", PrintID: true}}},
		"ping":            {Ping{}, &schema.Options{Envelope: flat}},
		"names":           {named{}, &schema.Options{Envelope: flat}},
		"number_name":     {adoptedInt{}, &schema.Options{Envelope: flat}},
		"map":             {map[string]int{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "map", ID: "id"}}},
		"list":            {[]Tree{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "trees", Payload: "data"}}},
		"own_codec":       {coded{}, &schema.Options{Envelope: flat}},
		"own_words":       {printsItself{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", PrintID: true, ID: "id"}}},
		"text":            {"", nil},
		"forest":          {Forest{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustCompile(t, c.v, c.o)
			var out bytes.Buffer
			if err := json.Indent(&out, p.Schema(), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.File(t, filepath.Join("testdata", "schemas", name+".json"), []byte(out.String()+"\n"))
			checkDialect(t, p.Schema())
			if issues := p.Validate(p.Example()); issues != nil {
				t.Errorf("example %s: %v", p.Example(), issues)
			}
			if v := reflect.New(reflect.TypeOf(c.v)); p.Decode(p.Example(), v.Interface()) != nil {
				t.Errorf("example %s cannot be decoded", p.Example())
			}
			again := mustCompile(t, c.v, c.o)
			if !bytes.Equal(p.Schema(), again.Schema()) {
				t.Error("printed twice, two schemas")
			}
		})
	}
}

// coded decodes itself, and so prints nothing of what it is.
type coded struct {
	_ struct{} `ws:"coded"`
	v string
}

func (c *coded) UnmarshalJSON(b []byte) error {
	var v struct{ V string }
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	c.v = v.V
	return nil
}

func (c coded) MarshalJSON() ([]byte, error) { return json.Marshal(struct{ V string }{c.v}) }

// checkDialect walks a schema: only words that draft-07 and 2020-12 share, and nothing beside a $ref.
func checkDialect(t *testing.T, raw []byte) {
	t.Helper()
	words := map[string]bool{}
	for w := range strings.FieldsSeq(`$ref $defs type title description properties required additionalProperties propertyNames items minItems maxItems
		uniqueItems minProperties maxProperties minLength maxLength pattern format enum const minimum maximum exclusiveMinimum exclusiveMaximum
		multipleOf default examples deprecated allOf anyOf not contentEncoding`) {
		words[w] = true
	}
	var root any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	defs, _ := root.(map[string]any)["$defs"].(map[string]any)
	var walk func(v any)
	walk = func(v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if ref, ok := m["$ref"].(string); ok {
			key, err := url.PathUnescape(strings.TrimPrefix(ref, "#/$defs/"))
			key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
			if err != nil || defs[key] == nil || len(m) != 1 {
				t.Errorf("%v leads nowhere, or has siblings", m)
			}
		}
		for k, sub := range m {
			if !words[k] {
				t.Errorf("the word %q", k)
			}
			switch k {
			case "properties", "$defs":
				for _, p := range sub.(map[string]any) {
					walk(p)
				}
			case "allOf", "anyOf":
				for _, p := range sub.([]any) {
					walk(p)
				}
			case "items", "additionalProperties", "propertyNames":
				walk(sub)
			}
		}
	}
	walk(root)
}

func TestPlanFacts(t *testing.T) {
	p := mustCompile(t, Kitchen{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}})
	if p.Name() != "kitchen" || p.Doc() != "Everything at once." || p.Deprecated() || p.Delivery() != "latest=name" {
		t.Error(p.Name(), p.Doc(), p.Deprecated(), p.Delivery())
	}
	p = mustCompile(t, Inner{}, nil)
	if p.Name() != "inner" || !p.Deprecated() || p.Names() != nil {
		t.Error(p.Name(), p.Deprecated(), p.Names())
	}
}
