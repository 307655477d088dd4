package wsrouter_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// fused is a text whose decoder has a bug.
type fused string

func (f *fused) UnmarshalJSON(data []byte) error {
	if string(data) == `"boom"` {
		panic("a bug of the application")
	}
	return json.Unmarshal(data, (*string)(f))
}

type (
	fusedNote struct {
		_    none  `ws:"note"`
		Text fused `json:"text"`
	}
	plainNote struct {
		_    none   `ws:"note"`
		Text string `json:"text"`
	}
)

// TestDecoderPanicsOnBrokerMessage: what another process publishes, maybe of another version, reaches decoders of the application in goroutines that
// no connection owns. One that panics costs that message, live and in a replay, and nothing else.
func TestDecoderPanicsOnBrokerMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		other := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Logger: quiet})
		other.Sends(plainNote{})
		rec := &recorder{}
		r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: rec.logger()})
		r.Sends(fusedNote{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })

		broadcast := func(text string) {
			if err := other.Room("a").Broadcast(t.Context(), plainNote{Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		c := wstest.Dial(t, r, "/")
		at := wstest.Expect[wsrouter.Joined](c).Position
		broadcast("boom")
		broadcast("calm")
		if m := wstest.Expect[fusedNote](c); m.Text != "calm" {
			t.Errorf("heard %q", m.Text)
		}
		if n := r.Stats().Malformed; n != 1 {
			t.Errorf("%d malformed, want 1", n)
		}
		c.Close()
		synctest.Wait()

		c = wstest.Dial(t, r, back("a", at.At)) // nothing is remembered: the broker is asked
		if j := wstest.Expect[wsrouter.Joined](c); j.Recovered == nil || !*j.Recovered {
			t.Errorf("joined as %+v", j)
		}
		if m := wstest.Expect[fusedNote](c); m.Text != "calm" {
			t.Errorf("replayed %q", m.Text)
		}
	})
}
