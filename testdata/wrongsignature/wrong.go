// Package wrongsignature does not compile: each marked line gives a function that is no handler. TestSeed13 compares what the
// compiler says with the marks.
package wrongsignature

import (
	"context"

	"github.com/wsrouter-go/wsrouter"
)

type (
	session struct{}
	message struct{ Text string }
	answer  struct{ Text string }
	conn    = wsrouter.Conn[session]
	other   = wsrouter.Conn[message]
)

func declare(r *wsrouter.Router[session]) {
	wsrouter.Receive(r, right)
	wsrouter.Receive(r, noContext)    // want "type func(c *conn, m message) error of noContext does not match"
	wsrouter.Receive(r, noConn)       // want "type func(ctx context.Context, m message) error of noConn does not match"
	wsrouter.Receive(r, noMessage)    // want "type func(ctx context.Context, c *conn) error of noMessage does not match"
	wsrouter.Receive(r, noError)      // want "type func(ctx context.Context, c *conn, m message) of noError does not match"
	wsrouter.Receive(r, swapped)      // want "type func(ctx context.Context, m message, c *conn) error of swapped does not match"
	wsrouter.Receive(r, otherSession) // want "func(ctx context.Context, c *wsrouter.Conn[session], m M) error"
	wsrouter.Receive(r, asks)         // want "of asks does not match"
	wsrouter.Respond(r, asks)
	wsrouter.Respond(r, right)          // want "func(ctx context.Context, c *wsrouter.Conn[session], q message) (A, error)"
	r.OnConnect(noMessage)              // the same function is a hook
	r.OnConnect(otherHook)              // want "cannot use otherHook"
	r.OnDisconnect(noMessage)           // want "cannot use noMessage"
	var _ wsrouter.Handler[int] = right // want "cannot use right"
}

func right(ctx context.Context, c *conn, m message) error          { return nil }
func noContext(c *conn, m message) error                           { return nil }
func noConn(ctx context.Context, m message) error                  { return nil }
func noMessage(ctx context.Context, c *conn) error                 { return nil }
func noError(ctx context.Context, c *conn, m message)              {}
func swapped(ctx context.Context, m message, c *conn) error        { return nil }
func otherSession(ctx context.Context, c *other, m message) error  { return nil }
func asks(ctx context.Context, c *conn, m message) (answer, error) { return answer{}, nil }
func otherHook(ctx context.Context, c *other) error                { return nil }
