package main

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

//go:embed page
var page embed.FS

// watching is the room of the pages that look on.
const watching = "watching"

type control = wsrouter.Router[struct{}]
type controlConn = wsrouter.Conn[struct{}]

// newControl returns the router by which pages see the cluster and kill its processes. Whoever reaches it may, so it answers to hosts alone;
// if there are none, to any.
func newControl(c *cluster, hosts []string) *control {
	router := wsrouter.New[struct{}](&wsrouter.Options{
		Name:        "control",
		Description: "How the nodes and the broker are, and what ends and starts them.",
		Tags:        []string{"control"},
		Hosts:       hosts,
	})
	router.Sends(BrokerState{}, NodeState{})
	router.OnConnect(func(ctx context.Context, conn *controlConn) error {
		broker, nodes := c.snapshot()
		if err := conn.Send(ctx, broker); err != nil {
			return err
		}
		for _, n := range nodes {
			if err := conn.Send(ctx, n); err != nil {
				return err
			}
		}
		return router.Room(watching).Join(conn)
	})
	wsrouter.Receive(router, func(ctx context.Context, conn *controlConn, m Kill) error {
		return answer(m.Process, c.kill(m.Process))
	})
	wsrouter.Receive(router, func(ctx context.Context, conn *controlConn, m Drain) error {
		return answer(m.Process, c.drain(m.Process))
	})
	wsrouter.Receive(router, func(ctx context.Context, conn *controlConn, m Restore) error {
		return answer(m.Process, c.restore(m.Process))
	})
	return router
}

// answer is err in the words of the peer.
func answer(process string, err error) error {
	for known, code := range map[error]string{errUnknown: "unknown_process", errRuns: "runs", errDown: "down"} {
		if errors.Is(err, known) {
			return wsrouter.Errorf(code, "%s: %v", process, known)
		}
	}
	return err
}

// show tells the pages of every change, until ctx is done.
func show(ctx context.Context, c *cluster, router *control) {
	room := router.Room(watching)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		broker, nodes := c.snapshot()
		err := room.Broadcast(ctx, broker)
		for _, n := range nodes {
			err = errors.Join(err, room.Broadcast(ctx, n))
		}
		if err != nil && ctx.Err() == nil {
			slog.Error("the pages do not see the cluster", "err", err)
		}
	}
}

// routes are the page, the socket behind its buttons, and the way to the nodes.
func routes(c *cluster, router *control) http.Handler {
	mux := http.NewServeMux()
	doc := apidoc.New("Cluster", "1.0.0")
	doc.Description = "A chat on three nodes, and the socket by which the page kills and restores them."
	doc.Mount(mux, "/control", router)
	doc.Add("/ws/{room}", newChat("documents", nil)) // what the nodes behind the balancer speak
	mux.Handle("GET /ws/{room}", balance(c))
	doc.Serve(mux, "/docs")
	doc.OpenAPI() // a mistake in a declaration stops the program now, not at the first request

	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is checked by go:embed
	}
	mux.Handle("GET /", ownPage(http.FileServerFS(files)))
	return mux
}

// balance leads each connection to the node with the fewest, as a load balancer in front of a cluster does: nobody comes back to the node
// it was on, and nothing of a client is kept there.
func balance(c *cluster) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, give, ok := c.take()
		if !ok {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "no node is up", http.StatusServiceUnavailable)
			return
		}
		defer give() // when the upgraded connection has ended
		proxy := httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(&url.URL{Scheme: "http", Host: addr})
				p.Out.Host = p.In.Host // which the node compares with the Origin
			},
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { w.WriteHeader(http.StatusBadGateway) },
		}
		proxy.ServeHTTP(w, r)
	})
}

// ownPage lets the page load and reach nothing but this server.
func ownPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// serveUntil serves h on ln until ctx is done, then waits at most for 5 s until the router has let everybody go.
func serveUntil(ctx context.Context, ln net.Listener, h http.Handler, shutdown func(context.Context) error) error {
	server := wsrouter.Server(h)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(shutdown(ending), server.Shutdown(ending))
}
