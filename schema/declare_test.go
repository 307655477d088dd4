//lint:file-ignore SA5008,U1000 what is declared here is wrong on purpose

package schema_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/schema"
)

type (
	emptyBase struct {
		_ struct{} `doc:"nothing"`
	}
	hidden  struct{ A string }
	endless struct {
		Next *endless `nullable:"false"`
	}
	loop struct {
		A *loop `default:"{}"`
	}
	generic[T any] struct{ V T }
	noSchema       struct{ A string }
	badEnum        string
	emptyEnum      string
	boolEnum       bool
	picky          struct{ v string }
	bogusPicky     struct{ v string }
	selfSlice      []selfSlice
	constNamed     struct {
		Kind string `json:"type" const:"a"`
	}
	constTagged struct {
		_    struct{} `ws:"b"`
		Kind string   `json:"type" const:"a"`
	}
	plainInt struct {
		Kind int `json:"type"`
	}
	pointerType struct {
		Kind *string `json:"type"`
	}
	boolType struct {
		Kind bool `json:"type"`
	}
	listType struct {
		Kind []string `json:"type"`
	}
)

func (noSchema) Schema() json.RawMessage   { return json.RawMessage(`{"type":`) }
func (emptyEnum) Enum() []emptyEnum        { return nil }
func (boolEnum) Enum() []boolEnum          { return []boolEnum{true} }
func (picky) MarshalJSON() ([]byte, error) { return []byte(`"zero"`), nil }
func (*picky) UnmarshalJSON(b []byte) error {
	if string(b) != `"only this"` {
		return fmt.Errorf("no")
	}
	return nil
}

func TestDeclarations(t *testing.T) {
	flat := &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}}
	var out strings.Builder
	say := func(what string, v any, o *schema.Options) {
		_, err := schema.Compile(reflect.TypeOf(v), o)
		if err == nil {
			t.Errorf("%s: compiles", what)
		}
		fmt.Fprintf(&out, "%s\n\t%v\n", what, err)
	}
	bad := func(what string, v any) { t.Helper(); say(what, v, nil) }

	bad("minLength is no number", struct {
		A string `minLength:"x"`
	}{})
	bad("minLength is negative", struct {
		A string `minLength:"-1"`
	}{})
	bad("maxLength is a fraction", struct {
		A string `maxLength:"1.5"`
	}{})
	bad("minLength above maxLength", struct {
		A string `minLength:"5" maxLength:"4"`
	}{})
	bad("minLength on a number", struct {
		A int `minLength:"5"`
	}{})
	bad("minLength on a struct", struct {
		A hidden `minLength:"5"`
	}{})
	bad("minLength on a bool in a map", struct {
		A map[string]bool `minLength:"5"`
	}{})
	bad("minLength on a type that contains itself", struct {
		A selfSlice `minLength:"5"`
	}{})
	bad("pattern on a number", struct {
		A int `pattern:"^a$"`
	}{})
	bad("pattern is broken", struct {
		A string `pattern:"a(" example:"a"`
	}{})
	bad("pattern ignores case", struct {
		A string `pattern:"(?i)a" example:"a"`
	}{})
	bad("pattern names a group", struct {
		A string `pattern:"(?P<x>a)" example:"a"`
	}{})
	bad("pattern with \\A", struct {
		A string `pattern:"\\Aa" example:"a"`
	}{})
	bad("pattern with \\z", struct {
		A string `pattern:"a\\z" example:"a"`
	}{})
	bad("pattern with \\Q", struct {
		A string `pattern:"\\Qa.b\\E" example:"a.b"`
	}{})
	bad("pattern with \\pL", struct {
		A string `pattern:"\\pL" example:"a"`
	}{})
	bad("pattern with a POSIX class", struct {
		A string `pattern:"[[:alpha:]]" example:"a"`
	}{})
	bad("pattern with \\S in a class", struct {
		A string `pattern:"[\\S-]" example:"a"`
	}{})
	bad("pattern with a lone brace", struct {
		A string `pattern:"a{" example:"a{"`
	}{})
	bad("pattern with a bracket first in a class", struct {
		A string `pattern:"[]a]" example:"a"`
	}{})
	bad("pattern with lookahead", struct {
		A string `pattern:"a(?=b)" example:"ab"`
	}{})
	bad("pattern with a back reference", struct {
		A string `pattern:"(a)\\1" example:"aa"`
	}{})
	bad("pattern with \\a", struct {
		A string `pattern:"\\a" example:"a"`
	}{})
	bad("pattern that repeats an assertion", struct {
		A string `pattern:"(?:^)*a" example:"a"`
	}{})
	bad("pattern without an example", struct {
		A string `pattern:"^[a-z]{3}$"`
	}{})
	bad("pattern that its example does not match", struct {
		A string `pattern:"^[a-z]{3}$" example:"ab"`
	}{})
	bad("format unknown", struct {
		A string `format:"datetime"`
	}{})
	bad("format on a bool", struct {
		A bool `format:"date"`
	}{})
	bad("format date on time.Time", struct {
		A time.Time `format:"date"`
	}{})
	bad("format of numbers", struct {
		A int `format:"date"`
	}{})
	bad("duration without a format", struct{ A time.Duration }{})
	bad("durations without a format", struct{ A map[string][]time.Duration }{})
	bad("duration with another format", struct {
		A time.Duration `format:"seconds"`
	}{})
	bad("a bare duration", time.Duration(0))
	bad("minimum is no number", struct {
		A int `minimum:"one"`
	}{})
	bad("minimum is no JSON number", struct {
		A float64 `minimum:".5"`
	}{})
	bad("minimum is a fraction, on an integer", struct {
		A int `minimum:"0.5"`
	}{})
	bad("minimum does not fit", struct {
		A uint8 `minimum:"-1"`
	}{})
	bad("maximum does not fit", struct {
		A int8 `maximum:"128"`
	}{})
	bad("minimum above maximum", struct {
		A float64 `minimum:"2" maximum:"1"`
	}{})
	bad("exclusive bounds that meet", struct {
		A float64 `exclusiveMinimum:"2" maximum:"2"`
	}{})
	bad("minimum on a string", struct {
		A string `minimum:"2"`
	}{})
	bad("minimum on a number in a string", struct {
		A int `json:"a,string" minimum:"2"`
	}{})
	bad("multipleOf 0", struct {
		A int `multipleOf:"0"`
	}{})
	bad("multipleOf less than 0", struct {
		A float64 `multipleOf:"-2"`
	}{})
	bad("no multiple between the bounds", struct {
		A int `multipleOf:"10" minimum:"1" maximum:"9"`
	}{})
	bad("enum with an empty value", struct {
		A string `enum:"a,,b"`
	}{})
	bad("enum with spaces", struct {
		A string `enum:"a, b"`
	}{})
	bad("enum twice", struct {
		A string `enum:"a,b,a"`
	}{})
	bad("enum of another kind", struct {
		A int `enum:"1,two"`
	}{})
	bad("enum breaks maxLength", struct {
		A string `enum:"a,long" maxLength:"3"`
	}{})
	bad("enum on a struct", struct {
		A hidden `enum:"a"`
	}{})
	bad("enum beside const", struct {
		A string `enum:"a,b" const:"a"`
	}{})
	bad("const out of bounds", struct {
		A int `const:"5" maximum:"4"`
	}{})
	bad("default breaks the rules", struct {
		A string `default:"" minLength:"1"`
	}{})
	bad("default of another kind", struct {
		A int `default:"x"`
	}{})
	bad("default of a list breaks the items' rules", struct {
		A []int `default:"1,20" maximum:"10"`
	}{})
	bad("default without end", loop{})
	bad("example breaks the rules", struct {
		A int `example:"11" maximum:"10"`
	}{})
	bad("example is no JSON", struct {
		A hidden `example:"{"`
	}{})
	bad("example of the type breaks the rules", struct {
		_ struct{} `example:"{\"A\":1}"`
		A string
	}{})
	bad("required maybe", struct {
		A int `required:"yes"`
	}{})
	bad("nullable maybe", struct {
		A int `nullable:""`
	}{})
	bad("uniqueItems maybe", struct {
		A []int `uniqueItems:"1"`
	}{})
	bad("more unique items than values", struct {
		A []bool `uniqueItems:"true" minItems:"3"`
	}{})
	bad("minItems on a string", struct {
		A string `minItems:"1"`
	}{})
	bad("minItems on an array", struct {
		A [3]int `minItems:"1"`
	}{})
	bad("minItems above maxItems", struct {
		A []int `minItems:"3" maxItems:"2"`
	}{})
	bad("minProperties on a slice", struct {
		A []int `minProperties:"1"`
	}{})
	bad("additionalProperties on a field", struct {
		A hidden `additionalProperties:"false"`
	}{})
	bad("additionalProperties maybe", struct {
		_ struct{} `additionalProperties:"no"`
	}{})
	bad("ws on a field", struct {
		A string `ws:"a"`
	}{})
	bad("ws with an unknown delivery", struct {
		_ struct{} `ws:"a,late"`
	}{})
	bad("ws latest of an unknown member", struct {
		_ struct{} `ws:"a,latest=user"`
		A string   `json:"a"`
	}{})
	bad("minLength on a blank field", struct {
		_ struct{} `minLength:"1"`
	}{})
	bad("a slip in a key", struct {
		A string `minLenght:"1"`
	}{})
	bad("a slip in case", struct {
		A string `minlength:"1"`
	}{})
	bad("a slip in a short key", struct {
		A string `emum:"a"`
	}{})
	bad("a key twice", struct {
		A string `doc:"a" doc:"b"`
	}{})
	bad("a tag without quotes", tagged("A", `doc:a`))
	bad("a validator's max", struct {
		A string `validate:"required,max=5"`
	}{})
	bad("a validator's oneof", struct {
		A string `binding:"oneof=a b"`
	}{})
	bad("a validator's email", struct {
		A string `validate:"email"`
	}{})
	bad("a validator's rule of its own", struct {
		A string `validate:"nefield=B"`
	}{})
	bad("a json option unknown", struct {
		A string `json:"a,omitEmpty"`
	}{})
	bad("a json option of case", struct {
		A string `json:"a,case:ignore"`
	}{})
	bad("a json option of format", struct {
		A time.Time `json:"a,format:unix"`
	}{})
	bad("a json option string on a string", struct {
		A string `json:"a,string"`
	}{})
	bad("a json tag that ends in a comma", struct {
		A string `json:"a,"`
	}{})
	bad("two fields of one name", tagged("A", `json:"x"`, "B", `json:"x"`))
	bad("an embedded string", struct{ badEnum }{})
	bad("an embedded type with its own codec", struct {
		netip.Addr
		netip.Prefix
	}{})
	bad("an embedded pointer to an unexported struct", struct{ *hidden }{})
	bad("an embedded struct without fields", struct {
		emptyBase
		A string
	}{})
	bad("a keyword on an embedded struct", struct {
		hidden `minLength:"1"`
	}{})
	bad("two embedded maps", struct {
		A map[string]int `json:",embed"`
		B map[string]int `json:",embed"`
	}{})
	bad("an embedded map that may not be", struct {
		_ struct{}       `additionalProperties:"false"`
		A map[string]int `json:",embed"`
	}{})
	bad("an embedded name", struct {
		A hidden `json:"a,embed"`
	}{})
	bad("a channel", struct{ A chan int }{})
	bad("a function in a list", struct{ A []func() }{})
	bad("a complex number", struct{ A map[string]complex128 }{})
	bad("an interface with methods", struct{ A fmt.Stringer }{})
	bad("an error", struct{ A error }{})
	bad("a uintptr", struct{ A uintptr }{})
	bad("json.Number", struct{ A json.Number }{})
	bad("a map with float keys", struct{ A map[float64]int }{})
	bad("a map with time keys", struct{ A map[time.Time]int }{})
	bad("a type that only contains itself", endless{})
	bad("Schema returns no JSON", struct{ A noSchema }{})
	bad("Enum returns nothing", struct{ A emptyEnum }{})
	bad("Enum of a bool", struct{ A boolEnum }{})
	bad("a decoder that takes no guess", struct{ A picky }{})
	bad("nothing exported", struct{ A url.Userinfo }{})
	bad("a nested field", struct {
		A []struct{ B struct{ C chan int } }
	}{})

	say("generic without a name", generic[int]{}, flat)
	say("unnamed without a name", struct{ A string }{}, flat)
	say("not an object", "", flat)
	say("a list is not an object", []int{}, flat)
	say("a name beside another const", constNamed{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "b"}})
	say("a ws tag beside another const", constTagged{}, flat)
	say("a number without a const", plainInt{}, flat)
	say("a number named by a word", plainInt{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", Name: "b"}})
	say("a discriminator that may be null", pointerType{}, flat)
	say("a discriminator that is a bool", boolType{}, flat)
	say("a discriminator that is a list", listType{}, flat)
	say("a payload without a discriminator", hidden{}, &schema.Options{Envelope: &schema.Envelope{Payload: "data"}})
	say("payload and discriminator of one name", hidden{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "data", Payload: "data"}})
	golden.File(t, "testdata/declarations.txt", []byte(out.String()))
}

// tagged makes a struct of strings that go vet would refuse.
func tagged(namesAndTags ...string) any {
	var fields []reflect.StructField
	for i := 0; i < len(namesAndTags); i += 2 {
		fields = append(fields, reflect.StructField{Name: namesAndTags[i], Type: reflect.TypeFor[string](), Tag: reflect.StructTag(namesAndTags[i+1])})
	}
	return reflect.Zero(reflect.StructOf(fields)).Interface()
}

func TestForeignTagsAreLeftAlone(t *testing.T) {
	mustCompile(t, struct {
		A string `json:"a" yaml:"a" xml:"a" db:"a" bson:"a" gorm:"a" form:"a" uri:"a" path:"a" query:"a" header:"a" cookie:"a" mapstructure:"a" toml:"a" protobuf:"a" msgpack:"a" swaggertype:"string" env:"A" max:"3" min:"1" enums:"a" doX:"1" title:"A" readOnly:"true" examples:"x"`
		B string `json:"b" validate:"required" binding:"required,omitempty"`
		C string `json:"c" validate:"max=5" maxLength:"5"`
	}{}, nil)
}

func TestCompileNil(t *testing.T) {
	if _, err := schema.Compile(nil, nil); err == nil {
		t.Error("a nil type compiles")
	}
}
