package wsrouter_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestBaseContextEnds: a connection does not outlive the base of its context. It stayed open, and what was sent to it was not answered.
func TestBaseContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, cancel := context.WithCancel(t.Context())
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Context: func(*http.Request) context.Context { return base }})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
			if m.Text == "last" {
				cancel()
				<-ctx.Done()
				return c.Send(ctx, m) // a handler may finish
			}
			return nil
		}, wsrouter.Sends(ask{}))
		idle, busy := wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")
		busy.Send(ask{Text: "last"})
		wstest.Expect[ask](busy)
		busy.ExpectClose(1001)
		idle.ExpectClose(1001)
		wstest.Dial(t, r, "/").ExpectClose(1001)
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnyMessage: the body under Payload may be any JSON type, any itself among them. It could not be declared.
func TestAnyMessage(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Payload: "data", Logger: quiet})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m any) error { return wsrouter.Errorf("got", "%v", m) }, wsrouter.As("any"))
	c := wstest.Dial(t, r, "/")
	for in, want := range map[string]string{`[1,"a"]`: "[1 a]", `null`: "<nil>", `{"a":1}`: "map[a:1]"} {
		c.SendRaw(`{"type":"any","data":` + in + `}`)
		if got := wstest.Expect[wsrouter.Error](c).Detail; got != want {
			t.Errorf("%s was %s, want %s", in, got, want)
		}
	}
}
