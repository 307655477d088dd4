// Package schema compiles Go types into plans that print, validate and decode.
package schema

import (
	"encoding/json"
	"reflect"
)

// A Plan is one compiled type, safe for concurrent use.
type Plan struct{}

// Options of Compile; nil is fine.
type Options struct {
	// RejectUnknownMembers refuses members that the type does not have, unless the type
	// says additionalProperties itself. It does not reach nested types.
	RejectUnknownMembers bool

	// Envelope says how values travel as messages. If nil, a plan is of the bare value.
	Envelope *Envelope
}

// An Envelope is what stands around a value when it travels as a message.
type Envelope struct {
	Discriminator string // member that names the message. If empty, none
	Name          string // value of the discriminator. If empty, it is taken from the type
	Payload       string // member that holds the value. If empty, the value's members stand beside the discriminator
	ID            string // member of the correlation id, accepted beside the type's own. If empty, none
	PrintID       bool   // the printed schema shows the ID member
}

// Compile fails if t has a tag or a field that cannot be honoured.
func Compile(t reflect.Type, o *Options) (*Plan, error) { panic("not built") }

// A Field is the plan of one struct field's value by that field's tags, for values that do not travel
// inside JSON, such as parameters of a URL.
type Field struct {
	Plan     *Plan
	Required bool
	Default  json.RawMessage // nil: none
	Doc      string
}

// CompileField compiles the type and tags of f.
func CompileField(f reflect.StructField) (*Field, error) { panic("not built") }

// Name is the wire name of the message for people, its first if it has several; "" if the type has none.
func (p *Plan) Name() string { panic("not built") }

// Names lists the values of the discriminator that mean this plan, as JSON literals such as "chat" with
// its quotes, or 7. It is nil without a discriminator.
func (p *Plan) Names() []string { panic("not built") }

// Doc is the doc tag of the type's blank field.
func (p *Plan) Doc() string { panic("not built") }

// Deprecated reports the deprecated tag of the type's blank field.
func (p *Plan) Deprecated() bool { panic("not built") }

// Delivery is the part of the ws tag behind the name: "", "drop" or "latest=member".
func (p *Plan) Delivery() string { panic("not built") }

// Schema prints the JSON Schema.
func (p *Plan) Schema() json.RawMessage { panic("not built") }

// Example is a valid value, with its envelope.
func (p *Plan) Example() json.RawMessage { panic("not built") }

// Validate lists what is wrong with data, at most 100 issues; nil if nothing.
func (p *Plan) Validate(data []byte) []Issue { panic("not built") }

// Decode validates data and stores it in v, a pointer to the plan's type. v keeps nothing of data.
func (p *Plan) Decode(data []byte, v any) []Issue { panic("not built") }

// Unmarshal is Decode without the rules: it reports only what keeps data from being stored.
func (p *Plan) Unmarshal(data []byte, v any) []Issue { panic("not built") }

// Append encodes v, a value of the plan's type or a pointer to one, in its envelope behind dst, the
// discriminator first. id is the correlation id as JSON, nil for none.
func (p *Plan) Append(dst []byte, v any, id []byte) ([]byte, error) { panic("not built") }

// Member returns the raw value of the first member called name of the object in data, without copying.
// It reads no further than it must: ok says nothing about the rest of data.
func Member(data []byte, name string) (value []byte, ok bool) { panic("not built") }

// Check lists what is wrong with data as JSON, whatever its type.
func Check(data []byte) []Issue { panic("not built") }

// An Issue is one fault in a message.
type Issue struct {
	Path    string          `json:"path"` // JSON Pointer from the message's root
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Params  map[string]any  `json:"params,omitempty"`
	Input   json.RawMessage `json:"input,omitempty"` // at most 200 bytes
}

// A Printer replaces the printed schema of its type; it does not validate.
type Printer interface{ Schema() json.RawMessage }
