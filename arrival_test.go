package wsrouter_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type parcel struct {
	_     struct{}          `ws:"parcel"`
	Label string            `json:"label"`
	Items []string          `json:"items,omitempty"`
	Notes map[string]string `json:"notes,omitempty"`
	Inner *parcel           `json:"inner,omitempty"`
}

// TestMessagesAreTheHandlers: a handler may keep its message, and a middleware the pointer to it, whatever comes after. The memory in which
// messages arrive is used again.
func TestMessagesAreTheHandlers(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		var kept []parcel
		var pointers []any
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m parcel) error {
			kept = append(kept, m)
			return c.Send(ctx, m)
		}, wsrouter.Sends(parcel{}))
		if wrapped {
			r.Use(func(next wsrouter.Handler[none]) wsrouter.Handler[none] {
				return func(ctx context.Context, c *conn, in *wsrouter.Incoming) error {
					pointers = append(pointers, in.Value)
					return next(ctx, c, in)
				}
			})
		}
		c := wstest.Dial(t, r, "/")
		made := func(i int) parcel {
			p := parcel{Label: fmt.Sprint("parcel ", i)}
			if i%3 > 0 { // every third leaves out what the one before had
				p.Items, p.Notes = []string{fmt.Sprint("item ", i), "b"}, map[string]string{"n": fmt.Sprint("note ", i)}
				p.Inner = &parcel{Label: fmt.Sprint("inner ", i)}
			}
			return p
		}
		const messages = 100
		for i := range messages {
			c.Send(made(i))
			wstest.Expect[parcel](c)
			if i%10 == 0 {
				c.SendRaw(`{"type":"parcel","label":"refused","items":["x"],"inner":7}`)
				wstest.Expect[wsrouter.Error](c)
			}
		}
		for i, m := range kept {
			if want := made(i); !reflect.DeepEqual(m, want) {
				t.Errorf("message %d was %+v, want %+v", i, m, want)
			}
		}
		for i, p := range pointers {
			if got, want := *p.(*parcel), made(i); !reflect.DeepEqual(got, want) {
				t.Errorf("a middleware's pointer to message %d leads to %+v, want %+v", i, got, want)
			}
		}
		if len(kept) != messages || wrapped != (len(pointers) == messages) {
			t.Errorf("%d messages, %d pointers", len(kept), len(pointers))
		}
	}
}
