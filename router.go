package wsrouter

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// A Router is one WebSocket endpoint: an http.Handler that upgrades GET requests, decodes each into an S,
// and hands every message to the handler of its type.
//
// A router is declared first and used afterwards. The first request or the first use of a document that shows it (Describe)
// freezes it and checks it as a whole, with a panic that names the mistake; a later declaration panics. Call Describe, or apidoc's
// Doc.OpenAPI, before the server listens, and every mistake in a declaration stops the program at its start. Declare from
// one goroutine; a frozen router is safe for concurrent use.
type Router[S any] struct {
	core *router
}

// router is what a Router is apart from its session's type.
type router struct {
	opts    Options
	session *session
	newConn func() (c *conn, session any) // a *S
	origins []hostRule
	hosts   []hostRule

	onConnect    func(ctx context.Context, c *conn) error
	onResume     func(ctx context.Context, c *conn, room string) error
	onDisconnect func(ctx context.Context, c *conn, info CloseInfo)
	onFallback   func(ctx context.Context, c *conn, f Frame, err error) error
	dispatch     func(ctx context.Context, c *conn, f Frame) error
	middleware   []func(next handlerFunc) handlerFunc

	routes   []*route
	sends    []declaration
	messages *messages
	table    table
	freezing freezer

	loop            *wsconn.Loop
	rooms           rooms
	live            live
	epoch           time.Time
	counters        wsconn.Counters
	refusals        refusals
	opened, refused atomic.Uint64

	warned sync.Map // reflect.Type → struct{}: undeclared types that were logged
}

// New returns a router whose connections carry an S, a struct whose path, query, header, cookie and subprotocol
// tags are decoded from the upgrade request. A nil o means defaults. New panics if S or an option is impossible.
func New[S any](o *Options) *Router[S] {
	core := &router{opts: o.withDefaults(), epoch: time.Now()}
	core.session = newSession[S]()
	core.session.refuseParam(core.opts.Resume)
	core.messages = newMessages(&core.opts)
	core.rooms.byPlace = map[place]*room{}
	core.loop = wsconn.NewLoop(core.opts.loop(core))
	core.origins, core.hosts = parseRules(core.opts.Origins), parseRules(core.opts.Hosts)
	core.live = live{most: core.opts.MaxConns, mostPerKey: core.opts.MaxConnsPerKey, keys: map[string]int{}}
	core.newConn = func() (*conn, any) {
		c := new(Conn[S])
		c.conn.router, c.conn.owner = core, c
		return &c.conn, &c.Session
	}
	core.rooms.hub = newHub(core) // whose broker may tell of an outage at once
	return &Router[S]{core}
}

// Sends declares what a client may get at any time: values of message types, of which only the type counts. Sends("") declares
// raw text frames, Sends([]byte(nil)) raw binary ones.
func (r *Router[S]) Sends(msgs ...any) {
	r.core.declaring("Sends")
	r.core.sends = append(r.core.sends, r.core.declare("Sends", msgs)...)
}

// OnConnect sets the hook that runs once after every 101 and before the connection's first message; what it sends comes first.
// A [Close] error closes so, an *[Error] is sent and then closes with 1008, one that wraps [broker.ErrUnavailable] closes with 1013, any other is logged and closes with 1011.
func (r *Router[S]) OnConnect(fn func(ctx context.Context, c *Conn[S]) error) {
	r.core.declaringOnce("OnConnect", fn == nil, r.core.onConnect != nil)
	r.core.onConnect = func(ctx context.Context, c *conn) error { return fn(ctx, c.owner.(*Conn[S])) }
}

// OnDisconnect sets the hook that runs exactly once for each connection that got its 101, however it ended, after its last handler
// returned and after it left its rooms. ctx is not cancelled by the connection's end, but 5 s later.
func (r *Router[S]) OnDisconnect(fn func(ctx context.Context, c *Conn[S], info CloseInfo)) {
	r.core.declaringOnce("OnDisconnect", fn == nil, r.core.onDisconnect != nil)
	r.core.onDisconnect = func(ctx context.Context, c *conn, info CloseInfo) { fn(ctx, c.owner.(*Conn[S]), info) }
}

// OnFallback sets the hook for frames that no handler takes: err is a *[ValidationError] for a message of unknown type or
// with faults, a *[ProtocolError] for a frame of the wrong kind. What it returns is treated like a handler's error; returning err
// itself is the default, which answers the first and closes on the second.
func (r *Router[S]) OnFallback(fn func(ctx context.Context, c *Conn[S], f Frame, err error) error) {
	r.core.declaringOnce("OnFallback", fn == nil, r.core.onFallback != nil)
	r.core.onFallback = func(ctx context.Context, c *conn, f Frame, err error) error {
		return fn(ctx, c.owner.(*Conn[S]), f, err)
	}
}

// Use wraps every handler in mw, the first outermost. Middleware runs after the message is decoded; hooks and the fallback are
// not wrapped. Each mw is called once for each handler, when the router freezes.
func (r *Router[S]) Use(mw ...func(next Handler[S]) Handler[S]) {
	r.core.declaring("Use")
	for _, wrap := range mw {
		if wrap == nil {
			panic("wsrouter: Use: the middleware is nil")
		}
		r.core.middleware = append(r.core.middleware, func(next handlerFunc) handlerFunc {
			h := wrap(func(ctx context.Context, c *Conn[S], in *Incoming) error { return next(ctx, &c.conn, in) })
			if h == nil {
				panic("wsrouter: Use: the middleware returned a nil handler")
			}
			return func(ctx context.Context, c *conn, in *Incoming) error { return h(ctx, c.owner.(*Conn[S]), in) }
		})
	}
}

// Dispatch replaces the choice of a handler by discriminator: fn sees every frame of the right kind before it is decoded, and its error
// is treated like a handler's. Frames of the wrong kind still go to the fallback.
func (r *Router[S]) Dispatch(fn func(ctx context.Context, c *Conn[S], routes *Routes[S], f Frame) error) {
	r.core.declaringOnce("Dispatch", fn == nil, r.core.dispatch != nil)
	routes := &Routes[S]{r.core}
	r.core.dispatch = func(ctx context.Context, c *conn, f Frame) error {
		return fn(ctx, c.owner.(*Conn[S]), routes, f)
	}
}

// Room names a set of connections, of this router or, with [Options.Broker], of all routers that share the broker. It costs nothing until somebody joins and vanishes with its last member.
func (r *Router[S]) Room(name string) Room[S] { return Room[S]{r.core, name} }

// Describe freezes the router and returns all that documents and clients need, as plain data owned by the caller.
func (r *Router[S]) Describe() Spec { return r.core.describe() }

// Params returns the parameters of the session, and that of [Resume], without freezing the router.
func (r *Router[S]) Params() []Param { return r.core.params() }

// ServeHTTP answers an upgrade request and returns after the 101; the connection lives on without it, and without the request
// and its context. A request that is refused gets a JSON body {code, detail, issues} and is logged with what would allow it; the
// order of the checks is method (405), host (421), origin (403), shutdown and MaxConns (503), parameters (400), Resolve (as it says),
// MaxConnsPerKey (429), upgrade (426), handshake headers (400). A credential is neither logged nor answered. Headers already set on w go
// out with the 101, which is written to the connection itself: w is not told of it.
// A Link of relation service-doc among them (RFC 8631) is named in the answer to a plain GET.
func (r *Router[S]) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.core.accept(w, req) }

// Shutdown refuses new connections with 503, lets running handlers finish, closes all connections with 1001 and returns nil when
// every OnDisconnect has run. Closes are spread, one in a millisecond, or faster if that would take more than half of the time that ctx
// allows, so that clients do not all come back at once. When ctx is done first, Shutdown drops the connections that are left and returns
// ctx's error. A second call waits likewise. [http.Server.Shutdown] knows nothing of WebSockets: call both, and [Router.Register] so that both begin at once.
func (r *Router[S]) Shutdown(ctx context.Context) error { return r.core.shutdown(ctx) }

// A Resolver is a session that does more than its tags say. Resolve runs on *S after the tags are decoded and before the
// 101; ctx and r are the request's and must not be kept. A [Reject] error is the answer to the client; any other, and a panic, is
// logged and answered 500 without text. Embedded structs that have a Resolve run first, in order.
type Resolver interface {
	Resolve(ctx context.Context, r *http.Request) error
}

// A Handler handles one decoded message; middleware sees handlers of every M as this.
type Handler[S any] func(ctx context.Context, c *Conn[S], in *Incoming) error

// handlerFunc is a Handler apart from its session's type.
type handlerFunc func(ctx context.Context, c *conn, in *Incoming) error

// Incoming is a decoded message on its way to its handler. It is valid until the handler returns.
type Incoming struct {
	Name  string // wire name, "" if the router has none
	Value any    // a *M, whose M middleware may change
	Frame Frame
}

// A Frame is a received message as it came. Data is valid until the callee returns and must not be changed.
type Frame struct {
	Data   []byte
	Binary bool
}
