package wsrouter_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestContextOfConn: a connection's context is what package context makes, whoever asks first and what for.
func TestContextOfConn(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		deadline := time.Now().Add(time.Hour)
		base, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "base"), deadline)
		defer cancel()
		var mu sync.Mutex
		var kept []context.Context
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Context: func(*http.Request) context.Context { return base }})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[none]) error {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, c.Context())
			return nil
		})
		clients := []*wstest.Client{wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")}
		synctest.Wait()

		for _, ctx := range kept {
			if at, ok := ctx.Deadline(); !ok || !at.Equal(deadline) || ctx.Value(key{}) != "base" || ctx.Err() != nil || context.Cause(ctx) != nil {
				t.Errorf("deadline %v, value %v, error %v, cause %v", at, ctx.Value(key{}), ctx.Err(), context.Cause(ctx))
			}
		}
		derived, stop := context.WithCancel(context.WithValue(kept[1], key{}, "derived"))
		defer stop()
		var waiters sync.WaitGroup
		for range 8 { // of whom one is first
			waiters.Go(func() { <-kept[2].Done() })
		}
		for _, c := range clients {
			c.Close()
		}
		waiters.Wait()
		synctest.Wait()
		for i, ctx := range append(kept, derived) {
			if !errors.Is(ctx.Err(), context.Canceled) || context.Cause(ctx) != wsrouter.ErrClosed {
				t.Errorf("%d: error %v, cause %v", i, ctx.Err(), context.Cause(ctx))
			}
			<-ctx.Done()
		}
	})
}
