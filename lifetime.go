package wsrouter

import (
	"context"
	"sync/atomic"
	"time"
)

// A lifetime is a connection's context. What a context takes that can be waited for is made when somebody first wants to: most
// connections are never asked, and it would be a tenth of what they hold.
type lifetime struct {
	of atomic.Pointer[contextOf] // nil: nobody waits, the connection is there, and the base is the background
}

// A contextOf is what a lifetime is made of, or has become.
type contextOf struct {
	context.Context
	cancel context.CancelCauseFunc // nil: this is the base, and nobody waits
}

// on sets the base, before anybody else knows l.
func (l *lifetime) on(base context.Context) {
	if base != context.Background() {
		l.of.Store(&contextOf{base, nil})
	}
}

// end cancels the context.
func (l *lifetime) end() { l.whole().cancel(ErrClosed) }

func (l *lifetime) whole() *contextOf {
	base := l.of.Load()
	if base != nil && base.cancel != nil {
		return base
	}
	ctx, cancel := context.WithCancelCause(l.now())
	if whole := (&contextOf{ctx, cancel}); l.of.CompareAndSwap(base, whole) {
		return whole
	}
	cancel(nil) // somebody else was first
	return l.of.Load()
}

// now is what there is of the context.
func (l *lifetime) now() context.Context {
	if of := l.of.Load(); of != nil {
		return of.Context
	}
	return context.Background()
}

func (l *lifetime) Deadline() (time.Time, bool) { return l.now().Deadline() }
func (l *lifetime) Done() <-chan struct{}       { return l.whole().Done() }
func (l *lifetime) Err() error                  { return l.now().Err() }

// Value also leads package context to what is made, from whom it wants to cancel with it.
func (l *lifetime) Value(key any) any { return l.now().Value(key) }
