// Command chat is a chat in two rooms: a typed WebSocket, its documents, and a page that talks to it.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

//go:embed page
var page embed.FS

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on; port 0 takes a free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves the chat until ctx is done, then lets everybody go.
func run(ctx context.Context, addr string, stdout io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: -addr localhost:0 takes a free port", err)
	}
	chat := newChat()
	server := wsrouter.Server(routes(chat))
	chat.Register(server)
	fmt.Fprintf(stdout, "chat: http://%[1]s  docs: http://%[1]s/docs\n", shown(addr, ln))

	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Server.Shutdown begins the router's too, which is what waits for upgraded connections.
	return errors.Join(server.Shutdown(ending), chat.Shutdown(ending))
}

func routes(chat *wsrouter.Router[Session]) http.Handler {
	mux := http.NewServeMux()
	doc := apidoc.New("Chat", "1.0.0")
	doc.Description = "Two rooms, typed messages both ways. Open the page at / in two tabs."
	doc.Mount(mux, "/ws/{room_id}", chat)
	doc.Serve(mux, "/docs")
	doc.OpenAPI() // a mistake in a declaration stops the program now, not at the first request

	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is checked by go:embed
	}
	mux.Handle("GET /", ownPage(http.FileServerFS(files)))
	return mux
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

// shown is the address as a browser takes it: the host as asked for, with the port that was given.
func shown(addr string, ln net.Listener) string {
	host, _, _ := net.SplitHostPort(addr)
	if host == "" {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return net.JoinHostPort(host, port)
}
