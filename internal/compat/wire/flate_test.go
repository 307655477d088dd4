package wire_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
)

type said struct {
	_    struct{} `ws:"said"`
	Text string   `json:"text"`
}

// Somebody else's client and we compress for each other, with and without a context for what it sends, and whether or not a connection
// waits without a goroutine.
func TestCompression(t *testing.T) {
	for _, memory := range []int{-1, 1 << 20} {
		for _, idle := range []bool{false, true} {
			for name, mode := range map[string]websocket.CompressionMode{
				"off": websocket.CompressionDisabled, "context": websocket.CompressionContextTakeover, "no context": websocket.CompressionNoContextTakeover,
			} {
				t.Run(fmt.Sprintf("%s, memory %d, idle %v", name, memory, idle), func(t *testing.T) {
					r := wsrouter.New[struct{}](&wsrouter.Options{Compression: &wsrouter.Compression{Context: memory}, Idle: idle})
					wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m said) error {
						if err := r.Room("all").Join(c); err != nil {
							return err
						}
						if err := c.Send(ctx, m); err != nil {
							return err
						}
						return r.Room("all").Broadcast(ctx, m)
					}, wsrouter.Sends(said{}))
					ts := httptest.NewServer(r)
					defer ts.Close()
					c, resp, err := websocket.Dial(t.Context(), ts.URL, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					if agreed := resp.Header.Get("Sec-WebSocket-Extensions"); (agreed != "") != (mode != websocket.CompressionDisabled) ||
						strings.Contains(agreed, "client_no_context_takeover") != (agreed != "" && (memory < 0 || mode == websocket.CompressionNoContextTakeover)) {
						t.Errorf("agreed on %q", agreed)
					}
					c.SetReadLimit(1 << 20)
					for n := range 20 {
						want := fmt.Sprintf(`{"type":"said","text":"%s"}`, strings.Repeat(fmt.Sprint("hello ", n), 150*n))
						if err := c.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
							t.Fatal(err)
						}
						for range 2 {
							if _, got, err := c.Read(t.Context()); err != nil || string(got) != want {
								t.Fatalf("message %d: %d bytes, want %d: %v", n, len(got), len(want), err)
							}
						}
					}
					if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
