package wsrouter

import (
	"context"
	"sync/atomic"
	"time"
)

// A lifetime is a connection's context. What a context takes that can be waited for is made when somebody first wants to: most
// connections are never asked, and it would be a tenth of what they hold.
type lifetime struct {
	base context.Context
	made atomic.Pointer[cancelable] // nil: nobody waits, and the connection is there
}

type cancelable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// end cancels the context.
func (l *lifetime) end() { l.whole().cancel(ErrClosed) }

func (l *lifetime) whole() *cancelable {
	if m := l.made.Load(); m != nil {
		return m
	}
	ctx, cancel := context.WithCancelCause(l.base)
	if m := (&cancelable{ctx, cancel}); l.made.CompareAndSwap(nil, m) {
		return m
	}
	cancel(nil) // somebody else was first
	return l.made.Load()
}

// now is what there is of the context.
func (l *lifetime) now() context.Context {
	if m := l.made.Load(); m != nil {
		return m
	}
	return l.base
}

func (l *lifetime) Deadline() (time.Time, bool) { return l.base.Deadline() }
func (l *lifetime) Done() <-chan struct{}       { return l.whole().Done() }
func (l *lifetime) Err() error                  { return l.now().Err() }

// Value also leads package context to what is made, from whom it wants to cancel with it.
func (l *lifetime) Value(key any) any { return l.now().Value(key) }
