package wshuma

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// serve hands a request of huma's to h with the path values that the adapter found.
func serve(ctx huma.Context, names []string, h http.Handler) {
	w, ok := ctx.BodyWriter().(http.ResponseWriter)
	if !ok {
		slog.ErrorContext(ctx.Context(), "wshuma: the adapter's framework is not built on net/http", "op", ctx.Operation().Path)
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(http.StatusInternalServerError)
		_, _ = ctx.BodyWriter().Write([]byte(`{"code":"internal","detail":"WebSockets are not possible here"}`))
		return
	}
	r := requestOf(ctx)
	for _, name := range names {
		r.SetPathValue(name, ctx.Param(name))
	}
	h.ServeHTTP(w, r)
}

// requestOf is the request of ctx with the context that huma's middleware made of it. Adapters that do not give it away say all that
// makes a request without a body.
func requestOf(ctx huma.Context) *http.Request {
	inner := ctx
	for {
		u, ok := inner.(interface{ Unwrap() huma.Context })
		if !ok {
			break
		}
		inner = u.Unwrap()
	}
	if u, ok := inner.(interface {
		Unwrap() (*http.Request, http.ResponseWriter)
	}); ok {
		r, _ := u.Unwrap()
		return r.WithContext(ctx.Context())
	}
	u, v := ctx.URL(), ctx.Version()
	r := &http.Request{
		Method:     ctx.Method(),
		URL:        &u,
		Proto:      v.Proto,
		ProtoMajor: v.ProtoMajor,
		ProtoMinor: v.ProtoMinor,
		Header:     http.Header{},
		Body:       http.NoBody,
		Host:       ctx.Host(),
		RemoteAddr: ctx.RemoteAddr(),
		RequestURI: u.RequestURI(),
		TLS:        ctx.TLS(),
	}
	ctx.EachHeader(func(name, value string) { r.Header.Add(name, value) })
	return r.WithContext(ctx.Context())
}
