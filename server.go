package wsrouter

import (
	"context"
	"net/http"
	"time"
)

// Server returns a server for h with limits for what comes before the upgrade, where a peer costs most and has shown least: 5 s for the
// headers of a request (and the TLS handshake), about 20 KiB of them, two minutes between two requests. There is no ReadTimeout or
// WriteTimeout, which would cut long uploads, downloads and event streams; a WebSocket has neither, its limits are in [Options].
// Every field may be changed before the server runs; Addr is ":http" if nothing else is set.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10, // net/http reads 4 KiB more
		IdleTimeout:       2 * time.Minute,
	}
}

// Register makes srv.Shutdown begin the router's shutdown too: new connections are refused with 503, and every connection closes with
// 1001 as soon as no handler of it runs. [http.Server.Shutdown] does not wait for them; [Router.Shutdown] does, before or after it:
//
//	err := errors.Join(srv.Shutdown(ctx), chat.Shutdown(ctx))
//
// It may be called for several servers and before the router is frozen. [http.Server.Close] begins nothing.
func (r *Router[S]) Register(srv *http.Server) {
	srv.RegisterOnShutdown(func() { r.core.beginShutdown(context.Background()) })
}
