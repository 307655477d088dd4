package converse

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

// visitor keeps conversations apart that one server has at the same time, or one after the other.
type visitor struct {
	Room string `query:"room"`
}

type conn = wsrouter.Conn[visitor]

// barred is let in by nobody.
type barred struct{}

func (barred) Resolve(context.Context, *http.Request) error {
	return wsrouter.Reject(http.StatusUnauthorized, "not you")
}

type (
	say struct {
		Text string `json:"text"`
	}
	said struct {
		Text string `json:"text"`
	}
	// shout is said to all of the room.
	shout struct {
		Text string `json:"text"`
	}
	// push has the server say so many things, from another goroutine.
	push struct {
		Count int `json:"count"`
	}
	pushed struct {
		N int `json:"n"`
	}
	// flood has the server send so much at once that nobody can keep up, until it may not any more.
	flood struct {
		_ struct{} `doc:"Fills the outbox."`
	}
	// rest is answered after a while; Block keeps the handler that long.
	rest struct {
		Milliseconds int  `json:"ms"`
		Block        bool `json:"block"`
	}
	rested struct {
		_ struct{} `doc:"The while has passed."`
	}
	// end closes behind Count things that are said.
	end struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
		Count  int    `json:"count"`
	}
	// fail is a handler that does.
	fail struct {
		How string `json:"how" enum:"error,panic,answer"`
	}
	// leave shuts the router down.
	leave struct {
		_ struct{} `doc:"Ends it for all."`
	}
	// left tells the others of the room how somebody's connection ended.
	left struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
		Remote bool   `json:"remote"`
	}
	welcome struct {
		Subprotocol string `json:"subprotocol"`
	}
)

// Server returns what the conversations of the table are had with, all at once if need be. They change it, so that it serves each of them once.
func Server(idle bool, compression *wsrouter.Compression) http.Handler {
	options := func(change func(*wsrouter.Options)) *wsrouter.Options {
		o := &wsrouter.Options{Idle: idle, Compression: compression, Logger: slog.New(slog.DiscardHandler), Names: map[string]any{
			"say": say{}, "said": said{}, "shout": shout{}, "push": push{}, "pushed": pushed{}, "flood": flood{}, "rest": rest{},
			"rested": rested{}, "end": end{}, "fail": fail{}, "leave": leave{}, "left": left{}, "welcome": welcome{},
		}}
		change(o)
		return o
	}
	mux := http.NewServeMux()
	mux.Handle("/echo", echo(options(func(*wsrouter.Options) {})))
	mux.Handle("/large", echo(options(func(o *wsrouter.Options) { o.MaxMessage = 4 << 20 })))
	mux.Handle("/patient", echo(options(func(o *wsrouter.Options) { o.Overflow = wsrouter.OverflowWait })))
	mux.Handle("/chat", chat(options(func(o *wsrouter.Options) { o.Subprotocols = []string{"chat.v2", "chat.v1"} })))
	mux.Handle("/watched", watched(options(func(*wsrouter.Options) {})))
	mux.Handle("/lively", chat(options(func(o *wsrouter.Options) { o.PingInterval, o.PongTimeout = 50*time.Millisecond, time.Second })))
	mux.Handle("/narrow", chat(options(func(o *wsrouter.Options) {
		o.Outbox = 64 << 10
		if compression != nil {
			o.Compression = &wsrouter.Compression{MinSize: 1 << 30, Context: compression.Context} // agreed on, but it would take longer than the client
		}
	})))
	mux.Handle("/measured", chat(options(func(o *wsrouter.Options) { o.MessagesPerSecond, o.RateClose = 1, true })))
	mux.Handle("/single", chat(options(func(o *wsrouter.Options) { o.MaxConns = 1 })))
	mux.Handle("/leaving", chat(options(func(*wsrouter.Options) {})))
	mux.Handle("/rejecting", rejecting(options(func(*wsrouter.Options) {})))
	mux.Handle("/barred", wsrouter.New[barred](options(func(*wsrouter.Options) {})))
	return mux
}

// echo sends back what it gets, which need not be JSON.
func echo(o *wsrouter.Options) http.Handler {
	r := wsrouter.New[struct{}](o)
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m string) error { return c.SendText(ctx, m) }, wsrouter.Sends(""))
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m []byte) error { return c.SendBytes(ctx, m) }, wsrouter.Sends([]byte(nil)))
	r.Dispatch(func(ctx context.Context, c *wsrouter.Conn[struct{}], routes *wsrouter.Routes[struct{}], f wsrouter.Frame) error {
		if f.Binary {
			return routes.Handle(ctx, c, "binary", f.Data)
		}
		return routes.Handle(ctx, c, "text", f.Data)
	})
	return r
}

// rejecting ends every connection as soon as it is there.
func rejecting(o *wsrouter.Options) http.Handler {
	r := wsrouter.New[struct{}](o)
	r.OnConnect(func(context.Context, *wsrouter.Conn[struct{}]) error {
		return wsrouter.Errorf("unwanted", "nobody is let in")
	})
	return r
}

// watched is a chat whose rooms are told who left and how.
func watched(o *wsrouter.Options) http.Handler {
	r := chat(o)
	r.Sends(left{})
	r.OnDisconnect(func(ctx context.Context, c *conn, info wsrouter.CloseInfo) {
		_ = r.Room(c.Session.Room).Broadcast(context.WithoutCancel(ctx), left{info.Code, info.Reason, info.Remote}) // ctx is over
	})
	return r
}

func chat(o *wsrouter.Options) *wsrouter.Router[visitor] {
	r := wsrouter.New[visitor](o)
	r.Sends(said{}, pushed{}, welcome{})
	r.OnConnect(func(ctx context.Context, c *conn) error {
		if err := r.Room(c.Session.Room).Join(c); err != nil {
			return err
		}
		return c.Send(ctx, welcome{c.Subprotocol()})
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m say) error { return c.Send(ctx, said(m)) })
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m shout) error {
		return r.Room(c.Session.Room).Broadcast(ctx, said(m))
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m push) error {
		go func() {
			for n := range m.Count {
				if c.Send(c.Context(), pushed{n}) != nil {
					return
				}
			}
		}()
		return nil
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m flood) error {
		page := make([]byte, 8<<20)
		for {
			if err := c.SendBytes(ctx, page); err != nil {
				return err
			}
		}
	}, wsrouter.Sends([]byte(nil)))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m rest) error {
		after := time.After(time.Duration(m.Milliseconds) * time.Millisecond)
		if m.Block {
			<-after
			return c.Send(ctx, rested{})
		}
		go func() {
			<-after
			_ = c.Send(c.Context(), rested{}) // a client that has gone misses it
		}()
		return nil
	}, wsrouter.Sends(rested{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m end) error {
		for n := range m.Count {
			if err := c.Send(ctx, pushed{n}); err != nil {
				return err
			}
		}
		return wsrouter.Close(m.Code, m.Reason)
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m fail) error {
		switch m.How {
		case "answer":
			return wsrouter.Errorf("unwilling", "not today")
		case "panic":
			panic("as asked for")
		}
		return errors.New("as asked for")
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m leave) error {
		go r.Shutdown(context.Background()) // which waits for this handler
		return nil
	})
	return r
}
