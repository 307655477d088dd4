package schema_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/wsrouter-go/wsrouter/schema"
)

type chat struct {
	_       struct{} `ws:"message" doc:"A text said in the chat."`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
}

type order struct {
	_        struct{}    `ws:"order"`
	ID       string      `json:"id" format:"uuid"`
	Customer customer    `json:"customer"`
	Lines    []line      `json:"lines" minItems:"1" maxItems:"100"`
	Note     string      `json:"note,omitempty"`
	Paid     bool        `json:"paid"`
	Labels   [][2]string `json:"labels,omitempty"`
}

type customer struct {
	Name  string `json:"name" minLength:"1"`
	Email string `json:"email" format:"email"`
}

type line struct {
	SKU   string  `json:"sku" pattern:"^[A-Z]{2}-[0-9]+$" example:"AB-12"`
	Qty   int     `json:"qty" minimum:"1" maximum:"1000"`
	Price float64 `json:"price" minimum:"0"`
}

type feed struct {
	_     struct{} `ws:"feed"`
	Items []point  `json:"items"`
}

type point struct {
	ID    int     `json:"id"`
	Name  string  `json:"name"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Live  bool    `json:"live"`
	Color string  `json:"color" enum:"red,green,blue"`
}

const chatMessage = `{"type":"message","message":"Hello there, how are you all?"}`

const orderMessage = `{"type":"order","id":"123e4567-e89b-12d3-a456-426614174000","customer":{"name":"Ada Lovelace","email":"ada@example.com"},` +
	`"lines":[{"sku":"AB-12","qty":3,"price":9.99},{"sku":"CD-345","qty":1,"price":120},{"sku":"EF-6","qty":12,"price":0.5}],"note":"leave it at the door","paid":true}`

func feedMessage() string {
	var b strings.Builder
	b.WriteString(`{"type":"feed","items":[`)
	for i := range 50 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"point %d","x":%d.25,"y":-%d.5,"live":%v,"color":"green"}`, 1000+i, i, i, i, i%2 == 0)
	}
	b.WriteString(`]}`)
	return b.String()
}

func benchPlans(b testing.TB) []benchCase {
	o := &schema.Options{Envelope: &schema.Envelope{Discriminator: "type", ID: "id"}}
	return []benchCase{
		{"chat", mustCompile(b, chat{}, o), []byte(chatMessage), func() any { return new(chat) }},
		{"order", mustCompile(b, order{}, &schema.Options{Envelope: &schema.Envelope{Discriminator: "type"}}), []byte(orderMessage), func() any { return new(order) }},
		{"feed", mustCompile(b, feed{}, o), []byte(feedMessage()), func() any { return new(feed) }},
	}
}

type benchCase struct {
	name string
	plan *schema.Plan
	data []byte
	make func() any
}

func BenchmarkPlan(b *testing.B) {
	for _, c := range benchPlans(b) {
		v := c.make()
		if issues := c.plan.Decode(c.data, v); issues != nil {
			b.Fatal(issues)
		}
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%s%d/%s", c.name, len(c.data), name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(c.data)))
				for b.Loop() {
					f()
				}
			})
		}
		run("Member", func() { schema.Member(c.data, "type") })
		run("Check", func() { schema.Check(c.data) })
		run("Validate", func() { c.plan.Validate(c.data) })
		run("Decode", func() { c.plan.Decode(c.data, c.make()) })
		run("Decode-jsonv2", func() { _ = jsonv2.Unmarshal(c.data, c.make()) })
		run("Decode-encoding-json", func() { _ = json.Unmarshal(c.data, c.make()) })
		buf := make([]byte, 0, 8192)
		run("Append", func() { _, _ = c.plan.Append(buf, v, nil) })
		run("Append-jsonv2", func() { _, _ = jsonv2.Marshal(v) })
		run("Append-encoding-json", func() { _, _ = json.Marshal(v) })
	}
}

// A refused message may not be much dearer than a good one: that would be a lever.
func BenchmarkRefused(b *testing.B) {
	plan := benchPlans(b)[2].plan
	bad := []byte(strings.NewReplacer("green", "grey", `"id":`, `"id":-0.`, "true", "1").Replace(feedMessage()))
	b.Run(fmt.Sprintf("%d issues", len(plan.Validate(bad))), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plan.Validate(bad)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Compile(reflect.TypeFor[order](), nil); err != nil {
			b.Fatal(err)
		}
	}
}
