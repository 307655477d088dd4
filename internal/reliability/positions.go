//go:build linux && (amd64 || arm64)

package reliability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/wsrouter-go/wsrouter"
)

// A Position is a place where code of the application panics. Only what the victim does gets there.
type Position struct {
	Name    string
	Say     string // what the victim sends, once it is connected. "close": a close frame; "": nothing
	Query   string // of the victim's handshake, begins with "&"
	Status  int    // of the victim's handshake; 0: 101
	Code    int    // of the close frame that the victim gets; 0: it is served further
	Lines   int    // of the log
	Silent  bool   // the victim answers no ping
	Waits   bool   // what the victim sends is handled until the shutdown has begun
	Drain   bool   // the router is shut down while the victim is there
	Trigger string // verb for the server that sets it off; "": none

	options func(*wsrouter.Options, *capture)
	declare func(*server)
}

// Positions is the table of panics.
var Positions = []Position{
	{Name: "OnConnect", Code: 1011, Lines: 1, declare: func(s *server) {
		s.router.OnConnect(func(_ context.Context, c *conn) error { return blow(c) })
	}},
	{Name: "OnDisconnect", Say: "close", Code: 1000, Lines: 1, declare: endsBadly},
	{Name: "OnDisconnect behind a ping", Silent: true, Lines: 1, declare: endsBadly, options: func(o *wsrouter.Options, _ *capture) {
		o.PingInterval, o.PongTimeout = 300*time.Millisecond, 300*time.Millisecond
	}},
	{Name: "OnDisconnect in Shutdown", Drain: true, Code: 1001, Lines: 1, declare: endsBadly},
	{Name: "handler in Shutdown", Say: `{"type":"ask","what":"wait"}`, Waits: true, Drain: true, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Receive(s.router, func(_ context.Context, c *conn, m held) error { s.begins(c); <-s.gate; return blow(c) })
	}},
	{Name: "OnFallback", Say: `{"type":"nothing"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		s.router.OnFallback(func(_ context.Context, c *conn, _ wsrouter.Frame, _ error) error { return blow(c) })
	}},
	{Name: "Resolve", Query: "&resolve", Status: http.StatusInternalServerError, Lines: 1},
	{Name: "decoder of the session", Query: "&panics=bang", Status: http.StatusInternalServerError, Lines: 1},
	{Name: "Options.Context", Status: http.StatusInternalServerError, Lines: 1, options: func(o *wsrouter.Options, _ *capture) {
		o.Context = func(r *http.Request) context.Context {
			if r.URL.Query().Get("id") == Victim {
				panic("Options.Context")
			}
			return context.Background()
		}
	}},
	{Name: "Options.ConnKey", Status: http.StatusInternalServerError, Lines: 1, options: func(o *wsrouter.Options, _ *capture) {
		o.MaxConnsPerKey = 100
		o.ConnKey = func(r *http.Request) string {
			if r.URL.Query().Get("id") == Victim {
				panic("Options.ConnKey")
			}
			return r.RemoteAddr
		}
	}},
	{Name: "Observer of an upgrade", Code: 1011, Lines: 1, options: observed(func(o *wsrouter.Observer) {
		o.Upgrade = func(ctx context.Context, _ wsrouter.UpgradeEvent) { blowIn(ctx) }
	})},
	{Name: "Observer of a message", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: receives[poke], options: observed(func(o *wsrouter.Observer) {
		o.Message = func(ctx context.Context, _ wsrouter.MessageEvent) { blowIn(ctx) }
	})},
	{Name: "Observer of a send", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: sends(Note{}), options: observed(func(o *wsrouter.Observer) {
		o.Send = func(ctx context.Context, _ wsrouter.SendEvent) { blowIn(ctx) }
	})},
	{Name: "Observer of an end", Say: "close", Code: 1000, Lines: 1, options: observed(func(o *wsrouter.Observer) {
		o.Close = func(ctx context.Context, _ wsrouter.CloseEvent) { blowIn(ctx) }
	})},
	{Name: "Validate", Say: `{"type":"validated","n":13}`, Code: 1011, Lines: 1, declare: receives[validated]},
	{Name: "UnmarshalJSON", Say: `{"type":"json","v":"bang"}`, Code: 1011, Lines: 1, declare: receives[withJSON]},
	{Name: "UnmarshalJSONFrom", Say: `{"type":"jsonfrom","v":"bang"}`, Code: 1011, Lines: 1, declare: receives[withJSONFrom]},
	{Name: "UnmarshalText", Say: `{"type":"text","v":"bang"}`, Code: 1011, Lines: 1, declare: receives[withText]},
	{Name: "MarshalJSON", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: sends(withJSON{V: "bang"})},
	{Name: "MarshalJSONTo", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: sends(withJSONFrom{V: "bang"})},
	{Name: "MarshalText", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: sends(withText{V: "bang"})},
	{Name: "ErrorMessage", Say: `{"type":"nothing"}`, Code: 1011, Lines: 1, options: func(o *wsrouter.Options, _ *capture) {
		o.ErrorMessage = func(e *wsrouter.Error) any {
			if e.Code == "unknown_type" {
				panic("ErrorMessage")
			}
			return e
		}
	}},
	{Name: "middleware", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		s.router.Use(func(next wsrouter.Handler[Visitor]) wsrouter.Handler[Visitor] {
			return func(ctx context.Context, c *conn, in *wsrouter.Incoming) error {
				return errors.Join(blow(c), next(ctx, c, in))
			}
		})
		receives[poke](s)
	}},
	{Name: "Dispatch", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		s.router.Dispatch(func(ctx context.Context, c *conn, routes *wsrouter.Routes[Visitor], f wsrouter.Frame) error {
			return errors.Join(blow(c), routes.Default(ctx, c, f))
		})
	}},
	{Name: "handler", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Receive(s.router, func(_ context.Context, c *conn, _ poke) error { return blow(c) })
	}},
	{Name: "handler with a panic that panics", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Receive(s.router, func(context.Context, *conn, poke) error { panic(nested{}) })
	}},
	{Name: "method of a handler's error", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Receive(s.router, func(context.Context, *conn, poke) error { return badError{} })
	}},
	{Name: "Respond", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Respond(s.router, func(_ context.Context, c *conn, _ poke) (withText, error) { return withText{}, blow(c) })
	}},
	{Name: "answer of Respond", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		wsrouter.Respond(s.router, func(context.Context, *conn, poke) (withText, error) { return withText{V: "bang"}, nil })
	}},
	{Name: "fan-out", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: func(s *server) {
		s.router.Sends(withJSON{})
		wsrouter.Receive(s.router, func(ctx context.Context, c *conn, _ poke) error {
			return s.router.Room("all").Broadcast(ctx, withJSON{V: "bang"})
		})
	}},
	{Name: "fan-out from outside", Trigger: "bomb", declare: func(s *server) { s.router.Sends(withJSON{}) }},
	{Name: "log of a failure", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: fails, options: func(_ *wsrouter.Options, log *capture) {
		log.trap = func(r slog.Record) {
			if r.Message == "wsrouter: handler failed" {
				panic("log")
			}
		}
	}},
	{Name: "log, whatever it is told", Say: `{"type":"poke"}`, Code: 1011, declare: fails, options: func(_ *wsrouter.Options, log *capture) {
		log.trap = func(slog.Record) { panic("log") }
	}},
	{Name: "log of a refusal", Query: "&refuse=true", Status: http.StatusForbidden, options: func(_ *wsrouter.Options, log *capture) {
		log.trap = func(slog.Record) { panic("log") }
	}},
	{Name: "log of a peer that reads too slowly", Say: `{"type":"poke"}`, Code: 1013, Lines: 1, declare: floods, options: func(o *wsrouter.Options, log *capture) {
		o.Outbox = 4 << 10
		log.trap = func(r slog.Record) {
			if r.Message == "wsrouter: connection closed, the peer reads too slowly" {
				panic("log")
			}
		}
	}},
	{Name: "log of a full outbox", Say: `{"type":"poke"}`, Code: 1011, Lines: 1, declare: floods, options: func(o *wsrouter.Options, log *capture) {
		o.Outbox, o.Overflow = 4<<10, wsrouter.OverflowDropNewest
		log.trap = func(r slog.Record) {
			if r.Message == "wsrouter: messages dropped, the peer reads too slowly" {
				panic("log")
			}
		}
	}},
}

// Victim is the id of who gets to the panic.
const Victim = "victim"

// blow panics for the victim.
func blow(c *conn) error {
	if c.Session.ID == Victim {
		panic("as you like")
	}
	return nil
}

type isVictim struct{}

// observed sets an observer, whose functions know the victim by its context.
func observed(set func(*wsrouter.Observer)) func(*wsrouter.Options, *capture) {
	return func(o *wsrouter.Options, _ *capture) {
		o.Observer = new(wsrouter.Observer)
		set(o.Observer)
		o.Context = func(r *http.Request) context.Context {
			return context.WithValue(context.Background(), isVictim{}, r.URL.Query().Get("id") == Victim)
		}
	}
}

func blowIn(ctx context.Context) {
	if is, _ := ctx.Value(isVictim{}).(bool); is {
		panic("as you like")
	}
}

func endsBadly(s *server) {
	s.router.OnDisconnect(func(_ context.Context, c *conn, _ wsrouter.CloseInfo) { _ = blow(c) })
}

// floods makes "poke" send until the connection has ended.
func floods(s *server) {
	wsrouter.Receive(s.router, func(ctx context.Context, c *conn, _ poke) error {
		for {
			if err := c.Send(ctx, Note{Pad: padding(16 << 10)}); errors.Is(err, wsrouter.ErrClosed) {
				return nil
			}
		}
	})
}

func fails(s *server) {
	wsrouter.Receive(s.router, func(context.Context, *conn, poke) error { return errors.New("as you like") })
}

func receives[M any](s *server) {
	wsrouter.Receive(s.router, func(context.Context, *conn, M) error { return nil })
}

// sends makes "poke" send msg.
func sends[M any](msg M) func(*server) {
	return func(s *server) {
		wsrouter.Receive(s.router, func(ctx context.Context, c *conn, _ poke) error { return c.Send(ctx, msg) }, wsrouter.Sends(msg))
	}
}

// declarePanic makes a router with one position where the victim's connection panics, and an echo for everybody.
func (s *server) declarePanic() error {
	for i := range Positions {
		p := &Positions[i]
		if p.Name != s.cfg.Panic {
			continue
		}
		o := s.cfg.options(s.log)
		if p.options != nil {
			p.options(o, s.log)
		}
		s.router = wsrouter.New[Visitor](o)
		s.router.Sends(Note{})
		wsrouter.Receive(s.router, s.shout)
		if p.declare != nil {
			p.declare(s)
		}
		s.router.Describe()
		return nil
	}
	return fmt.Errorf("there is no position %q", s.cfg.Panic)
}

// shout sends what came to the room of all, of which who sends is a member.
func (s *server) shout(ctx context.Context, c *conn, m Do) error {
	room := s.router.Room("all")
	if err := room.Join(c); err != nil {
		return err
	}
	return room.Broadcast(ctx, Note{N: m.N})
}

// bomb broadcasts what cannot be encoded, and returns the panic that comes back.
func (s *server) bomb() (told string) {
	defer func() { told = fmt.Sprint(recover()) }()
	err := s.router.Room("all").Broadcast(context.Background(), withJSON{V: "bang"})
	return fmt.Sprint("no panic: ", err)
}

type (
	poke struct {
		_ struct{} `ws:"poke"`
	}
	held struct {
		_    struct{} `ws:"ask"`
		What string   `json:"what"`
	}
	validated struct {
		_ struct{} `ws:"validated"`
		N int      `json:"n"`
	}
	withJSON struct {
		_ struct{} `ws:"json"`
		V byJSON   `json:"v" example:"\"x\""`
	}
	withJSONFrom struct {
		_ struct{}   `ws:"jsonfrom"`
		V byJSONFrom `json:"v" example:"\"x\""`
	}
	withText struct {
		_ struct{} `ws:"text"`
		V byText   `json:"v" example:"\"x\""`
	}
	byJSON     string
	byJSONFrom string
	byText     string
	nested     struct{}
	badError   struct{}
)

func (m validated) Validate() error { return bang(m.N == 13) }

func bang(yes bool) error {
	if yes {
		panic("as you like")
	}
	return nil
}

func (v *byJSON) UnmarshalJSON(b []byte) error { return bang(string(b) == `"bang"`) }
func (v byJSON) MarshalJSON() ([]byte, error)  { return []byte(`"x"`), bang(v == "bang") }

func (v *byJSONFrom) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	b, err := d.ReadValue()
	return errors.Join(err, bang(string(b) == `"bang"`))
}

func (v byJSONFrom) MarshalJSONTo(e *jsontext.Encoder) error {
	return errors.Join(bang(v == "bang"), e.WriteToken(jsontext.String("x")))
}

func (v *byText) UnmarshalText(b []byte) error { return bang(string(b) == "bang") }
func (v byText) MarshalText() ([]byte, error)  { return []byte("x"), bang(v == "bang") }

func (nested) String() string  { panic("once more") }
func (badError) Error() string { return "bad" }
func (badError) As(any) bool   { panic("as you like") }
