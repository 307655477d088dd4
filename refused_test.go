package wsrouter_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// Ten thousand messages that are refused are one line a minute for each code, which says how many there were.
func TestRefusedMessagesAreLoggedOnceAMinute(t *testing.T) {
	type move struct {
		_ none `ws:"move"`
		X int  `json:"x" maximum:"9"`
	}
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		r := wsrouter.New[none](&wsrouter.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[none], move) error { return nil })
		c := wstest.Dial(t, r, "/")
		refuse := func(n int, text string) {
			for i := range n {
				c.SendRaw(fmt.Sprintf(text, i))
				c.Next()
			}
		}
		refuse(1000, `{"type":"unknown%d"}`)
		refuse(10, `{"type":"move","x":1%d}`)
		time.Sleep(time.Minute)
		refuse(3, `{"type":"other%d"}`)
		lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines:\n%s", len(lines), logged.String())
		}
		for i, want := range []string{"code=unknown_type", "code=validation_failed", "not_logged=999"} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "level=INFO") {
				t.Errorf("line %d is %s, want %s", i, lines[i], want)
			}
		}
	})
}
