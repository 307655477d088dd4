package wire

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"go.uber.org/goleak"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestNoLeaks ends many connections in every way there is and counts the goroutines that are left.
func TestNoLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	const perEnd = 50
	ends := map[string]func(ctx context.Context, c *websocket.Conn) error{
		"client closes":   func(ctx context.Context, c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") },
		"client vanishes": func(ctx context.Context, c *websocket.Conn) error { return c.CloseNow() },
		"handler closes":  say("close"),
		"handler panics":  say("panic"),
		"handler fails":   say("fail"),
		"protocol error": func(ctx context.Context, c *websocket.Conn) error {
			if err := c.Write(ctx, websocket.MessageBinary, []byte("{}")); err != nil {
				return err
			}
			return c.CloseNow()
		},
		"stays until shutdown": func(ctx context.Context, c *websocket.Conn) error { return nil },
	}
	var ended atomic.Int64
	router := leaky(&ended)
	server := httptest.NewServer(router)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var open []*websocket.Conn
	for name, end := range ends {
		for range perEnd {
			c, _, err := websocket.Dial(ctx, strings.Replace(server.URL, "http", "ws", 1), nil)
			if err != nil {
				t.Fatal(name, err)
			}
			open = append(open, c)
			if err := end(ctx, c); err != nil {
				t.Fatal(name, err)
			}
		}
	}
	if err := router.Shutdown(ctx); err != nil {
		t.Error("shutdown:", err)
	}
	if got, want := ended.Load(), int64(perEnd*len(ends)); got != want {
		t.Errorf("OnDisconnect ran %d times for %d connections", got, want)
	}
	for _, c := range open {
		c.CloseNow()
	}
	server.Close()
	server.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

func TestNoLeaksInMemory(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var ended atomic.Int64
	router := leaky(&ended)
	t.Run("connections", func(t *testing.T) {
		for range 100 {
			wstest.Dial(t, router, "/") // closed by its Cleanup
		}
	})
	if err := router.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if ended.Load() != 100 {
		t.Errorf("OnDisconnect ran %d times for 100 connections", ended.Load())
	}
	goleak.VerifyNone(t, before)
}

var quiet = slog.New(slog.DiscardHandler)

type order struct {
	_  struct{} `ws:"order"`
	To string   `json:"to"`
}

func say(to string) func(ctx context.Context, c *websocket.Conn) error {
	return func(ctx context.Context, c *websocket.Conn) error {
		return wsjson.Write(ctx, c, map[string]string{"type": "order", "to": to})
	}
}

func leaky(ended *atomic.Int64) *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Logger: quiet})
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[struct{}]) error { return r.Room("all").Join(c) })
	r.OnDisconnect(func(ctx context.Context, c *wsrouter.Conn[struct{}], info wsrouter.CloseInfo) { ended.Add(1) })
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m order) error {
		switch m.To {
		case "close":
			return wsrouter.Close(4000, "as you wish")
		case "panic":
			panic("as you wish")
		}
		return errors.New("as you wish")
	})
	return r
}
