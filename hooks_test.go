package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestOnConnectNotReturned: a connection whose OnConnect did not say yes is closed. It stayed open when the hook ended its goroutine,
// or returned the ErrClosed of another connection.
func TestOnConnectNotReturned(t *testing.T) {
	for name, hook := range map[string]func(context.Context, *wsrouter.Conn[none]) error{
		"Goexit":         func(context.Context, *wsrouter.Conn[none]) error { runtime.Goexit(); return nil },
		"panic":          func(context.Context, *wsrouter.Conn[none]) error { panic("no") },
		"somebody else":  func(context.Context, *wsrouter.Conn[none]) error { return fmt.Errorf("ann: %w", wsrouter.ErrClosed) },
		"another error":  func(context.Context, *wsrouter.Conn[none]) error { return errors.New("no") },
		"another's ends": func(context.Context, *wsrouter.Conn[none]) error { return context.Canceled },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
				r.OnConnect(hook)
				ended := 0
				r.OnDisconnect(func(context.Context, *wsrouter.Conn[none], wsrouter.CloseInfo) { ended++ })
				c := wstest.Dial(t, r, "/")
				c.ExpectClose(1011)
				synctest.Wait()
				if ended != 1 {
					t.Errorf("%d calls of OnDisconnect", ended)
				}
			})
		})
	}
}

// TestLeftBeforeOnDisconnect: in OnDisconnect the connection is in no room and its context is done, also if a handler
// returned at the very end and runs the hook itself.
func TestLeftBeforeOnDisconnect(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
	var cancels []context.CancelFunc
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[none], m ask) error {
		if err := r.Room("all").Join(c); err != nil {
			return err
		}
		for range 200_000 { // ctx is done at once, but it takes time to tell them all
			_, cancel := context.WithCancel(ctx)
			cancels = append(cancels, cancel)
		}
		c.Close(1000, "")
		<-ctx.Done()
		return nil
	})
	gone := make(chan error, 1)
	r.OnDisconnect(func(_ context.Context, c *wsrouter.Conn[none], _ wsrouter.CloseInfo) {
		switch {
		case slices.Collect(r.Room("all").Members()) != nil:
			gone <- errors.New("it is still a member")
		case c.Context().Err() == nil:
			gone <- errors.New("its context is not done")
		default:
			gone <- r.Room("all").Join(c)
		}
	})
	c := wstest.Dial(t, r, "/")
	c.Send(ask{})
	select {
	case err := <-gone:
		if !errors.Is(err, wsrouter.ErrClosed) {
			t.Errorf("in OnDisconnect: %v, want ErrClosed of Join", err)
		}
	case <-time.After(time.Minute):
		t.Error("no OnDisconnect")
	}
	for _, cancel := range cancels {
		cancel()
	}
}
