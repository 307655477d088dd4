// Package wsrouter routes, validates and documents the typed messages of a WebSocket endpoint.
package wsrouter

import (
	"context"
	"net/http"
)

// A Router is one WebSocket endpoint: an http.Handler that upgrades GET requests, decodes each into an S,
// and hands every message to the handler of its type. Describe (which the first use of a document calls)
// or the first request freezes the router, whichever comes first, and checks it as a whole; later declarations panic.
// After that it is safe for concurrent use.
type Router[S any] struct{ _ S }

// New returns a router whose connections carry an S, a struct whose path, query, header and cookie
// tags are decoded from the upgrade request. New panics if a tag or an option is impossible. A nil o means defaults.
func New[S any](o *Options) *Router[S] { panic("not built") }

// Receive registers fn for messages of type M. It panics if M or its name is already handled, or cannot be a message.
// Messages of one connection are handled one at a time, in order. A nil error means handled; an *Error is
// answered; a [Close] error closes; any other is logged and answered "internal".
func Receive[S, M any](r *Router[S], fn func(ctx context.Context, c *Conn[S], m M) error, opts ...HandlerOption) {
	panic("not built")
}

// Respond is Receive for a question with one answer: A is sent with the id that the question carried.
func Respond[S, Q, A any](r *Router[S], fn func(ctx context.Context, c *Conn[S], q Q) (A, error), opts ...HandlerOption) {
	panic("not built")
}

// Sends declares what a client may get at any time: values of message types, of which only the type counts.
func (r *Router[S]) Sends(msgs ...any) { panic("not built") }

// OnConnect sets the hook that runs after the 101 and before the first message. An error closes the connection.
func (r *Router[S]) OnConnect(fn func(ctx context.Context, c *Conn[S]) error) { panic("not built") }

// OnDisconnect sets the hook that runs exactly once for each connection that got its 101, after its last handler returned.
// ctx is not cancelled by the connection's end, but 5 s later.
func (r *Router[S]) OnDisconnect(fn func(ctx context.Context, c *Conn[S], info CloseInfo)) {
	panic("not built")
}

// OnFallback sets the hook for frames that no handler takes. What it returns is treated like a handler's error;
// returning err itself is the default.
func (r *Router[S]) OnFallback(fn func(ctx context.Context, c *Conn[S], f Frame, err error) error) {
	panic("not built")
}

// Use wraps every handler in mw, the first outermost, after the message is decoded.
func (r *Router[S]) Use(mw ...func(next Handler[S]) Handler[S]) { panic("not built") }

// Dispatch replaces the choice of a handler by discriminator.
func (r *Router[S]) Dispatch(fn func(ctx context.Context, c *Conn[S], routes *Routes[S], f Frame) error) {
	panic("not built")
}

// Room names a set of connections; it costs nothing until somebody joins and vanishes with its last member.
func (r *Router[S]) Room(name string) Room[S] { panic("not built") }

// Describe freezes the router and returns all that documents and clients need, as plain data owned by the caller.
func (r *Router[S]) Describe() Spec { panic("not built") }

// Params returns the parameters of the session, without freezing the router.
func (r *Router[S]) Params() []Param { panic("not built") }

// ServeHTTP answers an upgrade request and returns after the 101; the connection lives on without it.
func (r *Router[S]) ServeHTTP(w http.ResponseWriter, req *http.Request) { panic("not built") }

// Shutdown refuses new connections, lets handlers finish, closes all with 1001 and returns when every
// OnDisconnect has run or ctx is done.
func (r *Router[S]) Shutdown(ctx context.Context) error { panic("not built") }

// A Resolver is a session that does more than its tags say. Resolve runs on *S after the tags are decoded and
// before the 101; ctx is the request's. A [Reject] error is the answer, any other a 500 without text.
type Resolver interface {
	Resolve(ctx context.Context, r *http.Request) error
}

// A Handler handles one decoded message; middleware sees handlers of every M as this.
type Handler[S any] func(ctx context.Context, c *Conn[S], in *Incoming) error

// Incoming is a decoded message on its way to its handler. It is valid until the handler returns.
type Incoming struct {
	Name  string // wire name, "" if the router has none
	Value any    // a *M, which middleware may change
	Frame Frame
}

// A Frame is a received message as it came. Data is valid until the callee returns and must not be changed.
type Frame struct {
	Data   []byte
	Binary bool
}

// Routes is the table of a router as its dispatcher sees it.
type Routes[S any] struct{ _ S }

// Names returns the wire names in order of registration.
func (t *Routes[S]) Names() []string { panic("not built") }

// Handle validates and decodes body as the message of that name and calls its handler.
func (t *Routes[S]) Handle(ctx context.Context, c *Conn[S], name string, body []byte) error {
	panic("not built")
}

// Call calls the handler registered for v's type, which may be one that is no JSON message.
func (t *Routes[S]) Call(ctx context.Context, c *Conn[S], v any) error { panic("not built") }

// Default does what the router would have done without a dispatcher.
func (t *Routes[S]) Default(ctx context.Context, c *Conn[S], f Frame) error { panic("not built") }
