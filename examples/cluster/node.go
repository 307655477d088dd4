package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

// replay is how many messages a room replays to a client that comes back: few, so that a visitor of the page who stays away for a minute
// meets a resync too.
const replay = 100

// A Session is one client in one room.
type Session struct {
	Room string `path:"room" minLength:"1" maxLength:"64" doc:"Room to speak in." example:"lobby"`
	Name string `query:"name" minLength:"1" maxLength:"24" doc:"Who speaks." example:"Ada"`
}

type Conn = wsrouter.Conn[Session]

// newChat returns the router of one node: the chat as it would be on one machine, and a broker. The node keeps nothing that a client needs.
func newChat(node string, b broker.Broker) *wsrouter.Router[Session] {
	router := wsrouter.New[Session](&wsrouter.Options{
		Name:        "chat",
		Description: "A chat whose rooms reach over all nodes. Whoever comes back, to any node, presents the last position that it knows of its room and has what it missed.",
		Tags:        []string{"chat"},
		Broker:      b,
		Resume:      &wsrouter.Resume{Messages: replay},
	})
	router.Sends(Welcome{}, Said{})
	router.OnConnect(func(ctx context.Context, c *Conn) error {
		if err := c.Send(ctx, Welcome{Node: node}); err != nil {
			return err
		}
		return router.Room(c.Session.Room).Join(c) // while the broker is away who comes is closed with 1013, to come back
	})
	wsrouter.Respond(router, func(ctx context.Context, c *Conn, m Say) (Heard, error) {
		err := router.Room(c.Session.Room).Broadcast(ctx, Said{Key: m.Key, From: c.Session.Name, Text: m.Text, Node: node, At: time.Now().UTC()})
		if errors.Is(err, broker.ErrUnavailable) || errors.Is(err, broker.ErrUnknownOutcome) {
			return Heard{}, wsrouter.Errorf("unavailable", "the broker has not confirmed the message: say it again under the same key")
		}
		return Heard{Key: m.Key}, err
	})
	return router
}

// connect waits for the broker: nodes may start in any order, and while it is away.
func connect(ctx context.Context, url string) (*natsbroker.Broker, error) {
	said := ""
	for {
		b, err := natsbroker.Connect(ctx, url, nil)
		if !errors.Is(err, broker.ErrUnavailable) {
			return b, err
		}
		if said != err.Error() {
			said = err.Error()
			slog.Warn("waiting for the broker", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reportEvery):
		}
	}
}

// runNode is the program of a node.
func runNode(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("node", flag.ExitOnError)
	name := flags.String("name", "node", "what it is called")
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	url := flags.String("broker", "nats://127.0.0.1:4222", "the broker")
	_ = flags.Parse(args) // it exits on a mistake

	b, err := connect(ctx, *url)
	if err != nil {
		return err
	}
	defer b.Close(context.Background())
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	router := newChat(*name, b)
	mux := http.NewServeMux()
	mux.Handle("GET /ws/{room}", router)
	go tell(ctx, stdout, func() report {
		s := router.Stats()
		r := report{Addr: ln.Addr().String(), Conns: s.Conns, Rooms: s.Rooms, Members: s.Members, Deliveries: s.Sent}
		if err := router.Health(); err != nil {
			r.Why = err.Error()
		}
		return r
	})
	return serveUntil(ctx, ln, mux, router.Shutdown)
}
