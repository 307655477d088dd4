package wsrouter_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type ask struct {
	_    none   `ws:"ask"`
	Text string `json:"text"`
}

// TestRawIsNoMessage: Send says that a string is no message, also where Sends("") declares text frames; it panicked.
func TestRawIsNoMessage(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[none], m ask) error {
		err := c.Send(ctx, m.Text)
		if err == nil || !strings.Contains(err.Error(), "use SendText") {
			t.Errorf("Send(string): %v", err)
		}
		if err := c.Send(ctx, []byte(m.Text)); err == nil || !strings.Contains(err.Error(), "SendBytes") {
			t.Errorf("Send([]byte): %v", err)
		}
		return c.SendText(ctx, m.Text)
	}, wsrouter.Sends("", []byte(nil)))
	c := wstest.Dial(t, r, "/")
	c.Send(ask{Text: "hi"})
	if got := string(c.Next().Data); got != "hi" {
		t.Errorf("got %s", got)
	}
}

// TestRawAnswers: what cannot be an answer stops the program when it is declared, not each connection when it is sent.
func TestRawAnswers(t *testing.T) {
	respond := func(r *wsrouter.Router[none]) {
		wsrouter.Respond(r, func(context.Context, *wsrouter.Conn[none], ask) (string, error) { return "", nil })
	}
	for name, declare := range map[string]func(){
		"answer string is no JSON object": func() { respond(wsrouter.New[none](nil)) },
		"answer []int is no JSON object": func() {
			wsrouter.Respond(wsrouter.New[none](nil), func(context.Context, *wsrouter.Conn[none], ask) ([]int, error) { return nil, nil })
		},
		"ErrorMessage: string is no JSON object": func() {
			wsrouter.New[none](&wsrouter.Options{ErrorMessage: func(e *wsrouter.Error) any { return e.Detail }}).Describe()
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, name) {
					t.Errorf("panic %q", p)
				}
			}()
			declare()
		})
	}
}

// TestUndeclaredRawRemedy: the line in the log is Go.
func TestUndeclaredRawRemedy(t *testing.T) {
	var log bytes.Buffer
	r := wsrouter.New[none](&wsrouter.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	done := make(chan none)
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[none]) error {
		defer close(done)
		return c.SendText(ctx, "hi")
	})
	p := connect(t, r, "/", nil)
	<-done
	p.close()
	if got := log.String(); !strings.Contains(got, `remedy="Sends(\"\")"`) {
		t.Errorf("logged %s", got)
	}
}

// TestRawBytesBelongToTheHandler: a handler of raw binary frames may keep its message like any other. It was the buffer that the
// next frame was read into.
func TestRawBytesBelongToTheHandler(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
	var kept [][]byte
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[none], m []byte) error {
		kept = append(kept, m)
		return c.SendText(ctx, fmt.Sprintf("%q", kept))
	}, wsrouter.Sends(""))
	r.Dispatch(func(ctx context.Context, c *wsrouter.Conn[none], routes *wsrouter.Routes[none], f wsrouter.Frame) error {
		return routes.Handle(ctx, c, "binary", f.Data)
	})
	c := wstest.Dial(t, r, "/")
	for _, text := range []string{"one", "two", "ten"} {
		c.SendRaw(text)
	}
	c.Next()
	c.Next()
	if got, want := string(c.Next().Data), `["one" "two" "ten"]`; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
}
