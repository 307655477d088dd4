// Package schema compiles a Go type into one plan, which prints the type's JSON Schema, validates messages, decodes
// and encodes them. There is one tree for all four, so what is documented is what is checked.
//
//	type Order struct {
//		_     struct{} `ws:"order" doc:"Something to be delivered."`
//		SKU   string   `json:"sku" pattern:"^[A-Z]{2}-\\d+$" example:"AB-12"`
//		Qty   int      `json:"qty" minimum:"1" default:"1"`
//		Email *string  `json:"email" format:"email"`
//	}
//	plan, err := schema.Compile(reflect.TypeFor[Order](), &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}})
//
// A mistake in a declaration is an error of [Compile]; what a peer sends is a list of issues and never an error, a
// panic or a hang. Work is linear in the message, patterns run in RE2, and a good message costs [Plan.Validate] no
// allocation.
//
// # Tags of a field
//
//	json                                  name, omitempty, omitzero, string, embed; "-" leaves the field out
//	doc                                   description
//	required:"true|false"                 see below
//	nullable:"true|false"                 null is taken; a pointer takes it anyway
//	default, example                      a string as it is, a list as a,b or as JSON, anything else as JSON
//	deprecated:"true"                     printed
//	enum:"a,b"  const:"a"                 strings, numbers, booleans
//	minLength maxLength                   strings, in characters (runes); []byte, in characters of base64
//	pattern                               strings; matches anywhere, so write ^…$ for all; needs an example
//	format                                strings: date-time date time duration email uuid uri hostname ipv4 ipv6, all
//	                                      checked, and password, only printed; numbers: int32 int64 float double, printed;
//	                                      time.Duration: duration or nanoseconds, one of which it must have
//	minimum maximum                       numbers
//	exclusiveMinimum exclusiveMaximum     numbers
//	multipleOf                            numbers; exact, 0.3 is a multiple of 0.1
//	minItems maxItems uniqueItems         slices; uniqueItems arrays too
//	minProperties maxProperties           maps
//
// On a slice, an array or a map the keywords of strings, numbers and booleans are about its items or values, however
// deep; those of lists and maps are about the outermost. A keyword that cannot apply, or a tag key that looks like a
// slip of one, is an error. Keys of other libraries are left alone, but a rule of a validate or binding tag, other
// than required, must stand in a keyword too.
//
// A blank field, _ struct{}, has the tags of the type itself: ws:"name", ws:"name,drop" or ws:"name,latest=member"; doc;
// deprecated; nullable; additionalProperties:"false" refuses members that the type does not have, "true" takes them
// whatever [Options] say; example is a whole value in JSON.
//
// # Required, null, default
//
// Every field is required but one with omitempty, omitzero, required:"false" or a default, or one that is promoted
// through an embedded pointer. An explicit required wins. null is refused unless the field is a pointer or any, or says
// nullable. A default is set where the member is absent from an object that is present, in lists and maps too; never
// for null, and never when encoding.
//
// # Kinds
//
//	bool, string, ints, uints, floats     integers must be written as such: 12.0 and 1e2 are none, -0 only if it is signed;
//	                                      what the type cannot hold breaks its minimum or maximum, so does 1e400 for a float
//	,string                               a number in a string
//	struct                                as json/v2 has it: embedding, promotion, shadowing; exact names
//	[]T, [N]T                             [N]T has exactly N items
//	[]byte, [N]byte                       base64
//	map[K]T                               K a string, an integer or a text type
//	*T                                    T or null
//	any, json.RawMessage                  anything
//	time.Time                             RFC 3339 as Go reads it: T and Z in upper case, no leap second
//	time.Duration                         format:"duration": ISO 8601 from weeks to seconds, not negative, fractions of
//	                                      seconds; format:"nanoseconds": an integer
//	UnmarshalText                         a string; what it refuses is an issue format
//	UnmarshalJSON, UnmarshalJSONFrom      checked by that method alone, printed as {}; what it refuses is an issue invalid
//	method Enum() []T                     the values that T may have
//	method Schema() json.RawMessage       printed in place of what this package would print ([Printer])
//	method Validate() error               called on the message type after a decode without issues
//
// Channels, functions, complex numbers and interfaces with methods are errors.
//
// # Messages
//
// An [Envelope] says how a value travels. Flat, the discriminator stands beside the members of the value:
// {"type":"order","sku":…}; with a payload the value has a member of its own: {"type":"order","data":{…}}. The name of
// a message is Envelope.Name, else that of its ws tag, else the type's name in snake case. A type may have a field for
// the discriminator: its const, enum or Enum method has the names then, it is filled when decoding, and written when
// encoding: the const whatever the field holds, one of several only if the field has it. Envelope.Name or a ws tag can
// choose one of several, and must not contradict them. A value nested in another has no discriminator, unless it has a field for it.
//
// # Issues
//
// The code of an [Issue] is the JSON Schema keyword that is broken: type, required, minLength, …, additionalProperties,
// contentEncoding for what is no base64, propertyNames for the key of a map; or one of these:
//
//	syntax     malformed JSON, invalid UTF-8, a lone surrogate, data behind the value; always the only issue
//	duplicate  a second member of one name, also in members that the type does not have
//	depth      more than 64 levels; the rest of the message is not looked at
//	invalid    refused by the type's own decoder, or by Validate, whose text it has
//
// At most 100 are listed.
package schema
