package schema

import (
	"encoding/json"
	"reflect"
)

// A kind is what a value may be on the wire, and who decides it.
type kind uint8

const (
	kindAny      kind = iota // any JSON that an interface can hold
	kindRaw                  // any JSON, kept as it came
	kindBool                 //
	kindString               //
	kindInt                  // also unsigned: the bounds say so
	kindFloat                //
	kindBytes                // []byte and [N]byte: a base64 string
	kindTime                 // time.Time
	kindDuration             // time.Duration as an ISO 8601 string
	kindText                 // a string for the type's UnmarshalText
	kindCustom               // JSON for the type's UnmarshalJSON or UnmarshalJSONFrom
	kindArray                // slices and arrays
	kindObject               // structs and maps
	kindName                 // the discriminator that the library adds
	kindID                   // the correlation id that the library adds
)

// A shape is what a Go type looks like as JSON, wherever it stands. Shapes may be recursive.
type shape struct {
	kind kind
	typ  reflect.Type

	bits   int    // of a number
	length int    // of an array or of the bytes of one; -1: any
	lo, hi *bound // of an integer
	decode bool   // text, custom: the type has a decoder, so values are tried

	elem *node // items of an array; members of an object that are no field (nil: ignored or refused)
	key  *node // names of those members, nil: any name

	fields   []*field
	byName   map[string]int
	closed   bool // members that nothing stands for are refused
	explicit bool // the type itself says whether
	envelope bool // the library's members are among the fields and are not part of the value
	custom   *shape

	title      string       // Go name
	doc        string       // doc tag
	commented  reflect.Type // whose comment stands where there is no doc tag
	deprecated bool
	example    json.RawMessage
	nullable   bool            // by the type's own tag
	printed    json.RawMessage // by the type's Schema method
	recursive  bool            // a type that is no struct and contains itself
	values     []value         // from the type's Enum method
	wsName     string          // from the ws tag
	delivery   string          // the rest of it
}

// A node is a shape at one place, with the rules of that place.
type node struct {
	*shape
	nullable bool
	quoted   bool // a number inside a string
	minLen   int  // characters, items or members
	maxLen   int  // -1: none
	pattern  *pattern
	format   *format
	enum     []value
	isConst  bool // enum is one value, from const
	min, max *bound
	exMin    *bound
	exMax    *bound
	multiple *bound
	unique   bool
	names    []string // kindName: the literals allowed
}

type role uint8

const (
	roleField   role = iota
	roleName         // the discriminator, added or adopted
	roleID           // the correlation id, added
	rolePayload      // the value inside its envelope
	roleBeside       // what senders add beside it
)

// A field is a member that an object knows.
type field struct {
	name       string
	quoted     string       // "name": as it is written
	goName     string       // Type.Field, for errors
	owner      reflect.Type // that declares it, whose comment on it stands where there is no doc tag
	ownName    string       // Go name in owner
	node       *node
	role       role
	adopted    bool // the discriminator is a field of the Go type
	required   bool
	def        json.RawMessage // nil: none
	doc        string
	deprecated bool
	example    json.RawMessage
	index      []int
	omitEmpty  bool
	omitZero   bool
	hidden     bool // not printed
}

// A value is one that a tag names.
type value struct {
	raw  string // as JSON
	text string // of a string
	num  bound  // of a number
	isn  bool
}

func newNode(s *shape) *node {
	return &node{shape: s, maxLen: -1, nullable: s.nullable, min: s.lo, max: s.hi, enum: s.values}
}
