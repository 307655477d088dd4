package wsrouter_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestReplyIsNoAmplifier: no message makes an answer, or a line in the log, that is much longer than itself. A long name with
// faults below it stood in the path of each: 60 KiB were answered with 12 MB.
func TestReplyIsNoAmplifier(t *testing.T) {
	type note struct {
		_    none              `ws:"note"`
		Text string            `json:"text,omitempty" maxLength:"3"`
		More map[string]int    `json:"more,omitempty"`
		Sets []map[string]bool `json:"sets,omitempty" maxItems:"3"`
	}
	long := strings.Repeat("/", 30<<10)
	faults := strings.Repeat(`,"a":0`, 500)
	for name, message := range map[string]string{
		"repeated below a long unknown name": `{"type":"note","` + long + `":{"a":0` + faults + `}}`,
		"repeated below a long entry":        `{"type":"note","sets":[{"` + long + `":{"a":0` + faults + `}}]}`,
		"without a type":                     `{"` + long + `":{"a":0` + faults + `}}`,
		"long names":                         `{"type":"note","more":{` + strings.Repeat(`"`+long[:2000]+`":"",`, 15) + `"":""}}`,
		"many issues":                        `{"type":"note","sets":[` + strings.Repeat("0,", 15<<10) + `0]}`,
		"long text":                          `{"type":"note","text":"` + long + `"}`,
		"unknown type":                       `{"type":"` + long + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, reportOnly := range []bool{false, true} {
				var log bytes.Buffer
				r := wsrouter.New[none](&wsrouter.Options{ReportOnly: reportOnly, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
				wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[none], m note) error {
					return c.Send(ctx, note{})
				}, wsrouter.Sends(note{}))
				c := wstest.Dial(t, r, "/")
				c.SendRaw(message)
				if got, most := len(c.Next().Data), 3*len(message); got > most {
					t.Errorf("%d bytes were answered with %d", len(message), got)
				}
				c.Close()
				if got, most := log.Len(), 3*len(message)+1000; got > most {
					t.Errorf("%d bytes were logged as %d", len(message), got)
				}
			}
		})
	}
}
