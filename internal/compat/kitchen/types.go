package kitchen

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ---- one type for every tag and every kind of value

type Strings struct {
	_       struct{} `ws:"strings" doc:"Everything that can be said about a string." additionalProperties:"false"`
	Plain   string   `json:"plain" doc:"Any text."`
	Length  string   `json:"length" minLength:"2" maxLength:"5"`
	Pattern string   `json:"pattern" pattern:"^[a-z]+-[0-9]{2}$" example:"ab-12"`
	Enum    string   `json:"enum" enum:"red,green,blue"`
	Const   string   `json:"const" const:"always"`
	Default string   `json:"default" default:"as it was"`
	Example string   `json:"example" example:"for instance"`
	Old     string   `json:"old,omitempty" deprecated:"true" doc:"Do not use."`
	Maybe   *string  `json:"maybe" doc:"Required, and may be null."`
	Absent  *string  `json:"absent,omitempty"`
	Nullish string   `json:"nullish" nullable:"true" required:"false"`
	Quoted  int      `json:"quoted,string" example:"7"`
	Bytes   []byte   `json:"bytes"`
}

type Formats struct {
	_        struct{}      `ws:"formats" doc:"Every format that is checked."`
	DateTime time.Time     `json:"date_time"`
	Stamp    string        `json:"stamp" format:"date-time"`
	Date     string        `json:"date" format:"date"`
	Time     string        `json:"time" format:"time"`
	Duration string        `json:"duration" format:"duration"`
	Took     time.Duration `json:"took" format:"duration"`
	Nanos    time.Duration `json:"nanos" format:"nanoseconds"`
	Email    string        `json:"email" format:"email"`
	UUID     string        `json:"uuid" format:"uuid"`
	URI      string        `json:"uri" format:"uri"`
	Hostname string        `json:"hostname" format:"hostname"`
	IPv4     string        `json:"ipv4" format:"ipv4"`
	IPv6     string        `json:"ipv6" format:"ipv6"`
	Addr     netip.Addr    `json:"addr" example:"192.0.2.1"`
}

type Numbers struct {
	_     struct{} `ws:"numbers"`
	Int   int      `json:"int" minimum:"-3" maximum:"3"`
	Int8  int8     `json:"int8"`
	Int16 int16    `json:"int16" multipleOf:"5"`
	Int32 int32    `json:"int32" exclusiveMinimum:"0" exclusiveMaximum:"10"`
	Int64 int64    `json:"int64" enum:"1,2,9007199254740993"`
	Uint  uint     `json:"uint"`
	Uint8 uint8    `json:"uint8" default:"7"`
	U64   uint64   `json:"u64" maximum:"18446744073709551615"`
	F32   float32  `json:"f32" minimum:"0.5"`
	F64   float64  `json:"f64" exclusiveMaximum:"1e9" multipleOf:"0.5" example:"2.5"`
	Bool  bool     `json:"bool" default:"true"`
	Yes   bool     `json:"yes" const:"true"`
	Level Level    `json:"level"`
	Mode  Mode     `json:"mode"`
}

// Level and Mode are Go constants, whose values a method lists.
type Level string

const (
	Low  Level = "low"
	High Level = "high"
)

func (Level) Enum() []Level { return []Level{Low, High} }

type Mode int

func (Mode) Enum() []Mode { return []Mode{1, 2} }

type Shapes struct {
	_      struct{}         `ws:"shapes" doc:"Arrays, maps, nesting, recursion."`
	List   []string         `json:"list" minItems:"1" maxItems:"4" uniqueItems:"true"`
	Triple [3]int           `json:"triple"`
	Matrix [][]float64      `json:"matrix,omitempty"`
	Map    map[string]int   `json:"map" minProperties:"1" maxProperties:"3"`
	ByID   map[int64]string `json:"by_id,omitempty"`
	Tree   Tree             `json:"tree"`
	Place  Place            `json:"place"`
	Maybe  *Place           `json:"maybe,omitempty"`
	Page   Page[Place]      `json:"page"`
	Free   any              `json:"free,omitempty"`
	Raw    json.RawMessage  `json:"raw,omitempty"`
	Point  Point            `json:"point"`
	Base
	*Extra
}

type Tree struct {
	Label    string `json:"label" maxLength:"10"`
	Children []Tree `json:"children,omitempty"`
}

type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

type Place struct {
	Room string `json:"room" example:"kitchen"`
	Row  int    `json:"row" minimum:"1"`
}

type Base struct {
	CreatedBy string `json:"created_by" example:"ada"`
}

type Extra struct {
	Remark string `json:"remark,omitempty"`
}

// A Point is written by its own methods and says so by its own schema.
type Point struct{ X, Y int }

func (p Point) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", p.X, p.Y), nil }

func (p *Point) UnmarshalText(text []byte) error {
	x, y, ok := strings.Cut(string(text), "/")
	if !ok {
		return errors.New("no slash")
	}
	var errX, errY error
	p.X, errX = strconv.Atoi(x)
	p.Y, errY = strconv.Atoi(y)
	return errors.Join(errX, errY)
}

func (Point) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"string","pattern":"^-?[0-9]+/-?[0-9]+$","examples":["3/4"]}`)
}

// ---- messages of the main endpoint

type Note struct {
	_    struct{} `ws:"note" doc:"A note of this package."`
	Text string   `json:"text" minLength:"1"`
	At   Place    `json:"at"`
}

// Moves is one struct of two names.
type Moves struct {
	Type string `json:"type" enum:"move,jump"`
	Dx   int    `json:"dx"`
}

type Ask struct {
	_ struct{} `ws:"ask" doc:"A question with one answer."`
	Q string   `json:"q" example:"how many?"`
}

type Answer struct {
	_ struct{} `ws:"answer"`
	N int      `json:"n" example:"42"`
}

type Ping struct {
	_ struct{} `ws:"ping" doc:"An old way to ask for life." deprecated:"true"`
}

type Secret struct {
	_ struct{} `ws:"secret"`
	K string   `json:"k"`
}

type Empty struct {
	_ struct{} `ws:"empty"`
}

// Order nests a message type: inside, it is no message.
type Order struct {
	_    struct{} `ws:"order"`
	Note Note     `json:"note"`
	N    int      `json:"n" minimum:"1"`
}

type Checked struct {
	_    struct{} `ws:"checked" doc:"From is before to."`
	From int      `json:"from" example:"1"`
	To   int      `json:"to" example:"2"`
}

func (c Checked) Validate() error {
	if c.From >= c.To {
		return errors.New("from must be before to")
	}
	return nil
}

type Cursor struct {
	_    struct{} `ws:"cursor,latest=user"`
	User string   `json:"user"`
	X    int      `json:"x"`
}

type Tick struct {
	_  struct{}  `ws:"tick,drop" doc:"The time, as often as you can read it."`
	At time.Time `json:"at"`
}

// Foreign stands for somebody else's type, which has no ws tag.
type Foreign struct {
	Name string `json:"name"`
}

// ---- variants of a router without a discriminator

type Add struct {
	Op   string `json:"op" const:"add"`
	Path string `json:"path"`
	N    int    `json:"n"`
}

type Remove struct {
	Op   string `json:"op" const:"remove"`
	Path string `json:"path"`
}

type Done struct {
	OK bool `json:"ok"`
}
