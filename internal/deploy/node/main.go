// Command node is a server as docs/scaling.md deploys it: one room, readiness that fails before the node closes anything, connections that leave slowly.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

type Welcome struct {
	_    struct{} `ws:"welcome" doc:"The first message: which node this is."`
	Node string   `json:"node"`
}

type Say struct {
	_    struct{} `ws:"say" doc:"Said to all."`
	Text string   `json:"text" maxLength:"500"`
}

type conn = wsrouter.Conn[struct{}]

func main() {
	addr := flag.String("addr", ":8080", "address to listen on")
	notice := flag.Duration("notice", 5*time.Second, "from the signal, and the failing /readyz, to the first connection that closes")
	drain := flag.Duration("drain", 45*time.Second, "in which all connections have to be closed")
	flag.Parse()
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	name += *addr

	router := wsrouter.New[struct{}](&wsrouter.Options{Idle: true})
	router.Sends(Welcome{})
	lobby := router.Room("lobby")
	router.OnConnect(func(ctx context.Context, c *conn) error {
		return errors.Join(c.Send(ctx, Welcome{Node: name}), lobby.Join(c))
	})
	wsrouter.Receive(router, func(ctx context.Context, c *conn, m Say) error { return lobby.Broadcast(ctx, m) }, wsrouter.Sends(Say{}))

	var leaving atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("GET /ws", router)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
		}
	})
	server := wsrouter.Server(mux)
	server.Addr = *addr
	router.Register(server)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		log.Fatal(err)
	case <-ctx.Done():
		stop() // a second signal ends the program at once
	}
	leaving.Store(true)
	time.Sleep(*notice) // until every balancer has asked
	ending, cancel := context.WithTimeout(context.Background(), *drain)
	defer cancel()
	if err := errors.Join(server.Shutdown(ending), router.Shutdown(ending)); err != nil {
		log.Fatal(err)
	}
}
