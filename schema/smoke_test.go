package schema_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/schema"
)

type Chat struct {
	_       struct{} `ws:"message" doc:"A text said in the chat."`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
}
type Ping struct {
	_ struct{} `ws:"ping"`
}
type Item struct {
	SKU string        `json:"sku" pattern:"^[A-Z]{2}-\\d+$" example:"AB-1"`
	Qty int8          `json:"qty" minimum:"1" default:"1"`
	For time.Duration `json:"for" format:"duration" required:"false"`
	Per time.Duration `json:"per" format:"nanoseconds" required:"false"`
}
type Order struct {
	ID    string         `json:"id" format:"uuid"`
	Items []Item         `json:"items" minItems:"1"`
	Sub   *Order         `json:"sub,omitempty"`
	M     map[string]int `json:"m" maximum:"5"`
	At    time.Time      `json:"at"`
	P     Ping           `json:"p"`
}

func TestSmoke(t *testing.T) {
	for _, v := range []any{Chat{}, Ping{}, Order{}, map[string]int{}} {
		for _, e := range []*schema.Envelope{nil, {Discriminator: "type", Name: "x", ID: "id"}, {Discriminator: "type", Name: "x", Payload: "data", ID: "id", PrintID: true}} {
			if e != nil && reflect.TypeOf(v) != reflect.TypeFor[map[string]int]() {
				e.Name = ""
			}
			p, err := schema.Compile(reflect.TypeOf(v), &schema.Options{Envelope: e})
			if err != nil {
				t.Error(err)
				continue
			}
			fmt.Println(string(p.Schema()))
			fmt.Println(string(p.Example()))
			x := reflect.New(reflect.TypeOf(v))
			fmt.Println(p.Decode(p.Example(), x.Interface()), fmt.Sprintf("%+v", x.Elem()))
			out, err := p.Append(nil, x.Interface(), []byte("7"))
			fmt.Println(string(out), err)
			fmt.Printf("%+v\n", p.Validate([]byte(`{"type":"message","message":"","items":[{"sku":"x","qty":200}, 5, {"sku":"AB-1"}],"id":7, "data": {"items":3}}`)))
		}
	}
}

func TestErr(t *testing.T) {
	for _, v := range []any{struct {
		A string `json:"a" minLength:"x"`
	}{}, struct{ B struct{ C chan int } }{}, struct {
		A string `json:"a" minLenght:"1"`
	}{}, struct {
		A string `json:"a" validate:"max=5"`
	}{}, struct{ D time.Duration }{}, struct {
		A string `json:"a" pattern:"(?i)x" example:"x"`
	}{}, struct {
		A string `json:"a" maxLength:"1" default:"xx"`
	}{}, func() {}} {
		_, err := schema.Compile(reflect.TypeOf(v), nil)
		fmt.Println(err)
	}
}
