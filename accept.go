package wsrouter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// refusal is the answer to a request that is not upgraded.
type refusal struct {
	status int
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Issues []schema.Issue `json:"issues,omitempty"`

	remedy string // for the log: the line that would allow it
	cause  error  // for the log
	stack  string // for the log
}

// accept checks a request, upgrades it and starts its connection.
func (r *router) accept(w http.ResponseWriter, req *http.Request) {
	r.freeze()
	c := r.newConn()
	if no := r.check(c, w, req); no != nil {
		r.refuse(w, req, no)
		return
	}
	if !r.live.add(c) {
		w.Header().Set("Retry-After", "1")
		r.refuse(w, req, &refusal{status: http.StatusServiceUnavailable, Code: "shutting_down", Detail: "the server is shutting down, try again"})
		return
	}
	begun := false
	defer func() { // also if Options.Context panics
		if !begun {
			r.live.remove(c)
		}
	}()
	if err := r.upgrade(c, w, req); err != nil {
		r.logger().Error("wsrouter: upgrade failed", "remote", req.RemoteAddr, "err", err)
		return
	}
	begun = true
	go c.serve()
}

// check runs what can refuse the upgrade, in the order that lets a plain GET learn the true reason.
func (r *router) check(c *conn, w http.ResponseWriter, req *http.Request) *refusal {
	if no := checkMethod(w, req); no != nil {
		return no
	}
	if no := r.checkOrigin(req); no != nil {
		return no
	}
	v := reflect.ValueOf(c.session).Elem()
	if no := r.checkPath(req); no != nil {
		return no
	}
	if issues := r.session.decode(v, req); issues != nil {
		return &refusal{status: http.StatusBadRequest, Code: codeInvalid, Detail: invalid(issues).reply().Detail, Issues: issues}
	}
	if no := r.resolve(v, req); no != nil {
		return no
	}
	return checkHandshake(w, req)
}

func checkMethod(w http.ResponseWriter, req *http.Request) *refusal {
	if req.Method == http.MethodGet {
		return nil
	}
	w.Header().Set("Allow", http.MethodGet)
	return &refusal{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: fmt.Sprintf("the method is %s, a WebSocket opens with GET", quoteShort(req.Method))}
}

// checkOrigin refuses browsers that show a page of somebody else (RFC 6455, section 10.2).
func (r *router) checkOrigin(req *http.Request) *refusal {
	origins := req.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	origin := origins[0]
	if len(origins) == 1 && (sameHost(origin, req.Host) || allowed(r.opts.Origins, origin)) {
		return nil
	}
	no := &refusal{status: http.StatusForbidden, Code: "origin_not_allowed"}
	if len(origins) > 1 {
		no.Detail = fmt.Sprintf("there are %d Origin headers, want one", len(origins))
		return no
	}
	no.Detail = fmt.Sprintf("the origin %s is neither this host %s nor allowed", quoteShort(origin), quoteShort(req.Host))
	no.remedy = fmt.Sprintf("Options.Origins: []string{%s}", quoteShort(origin))
	return no
}

// sameHost reports whether origin is of the host that the request went to.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return strings.EqualFold(strings.TrimSuffix(u.Host, port), strings.TrimSuffix(host, port))
}

// allowed reports whether one of the rules of Options.Origins matches origin.
func allowed(rules []string, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	for _, rule := range rules {
		if rule == "*" || strings.EqualFold(rule, origin) {
			return true
		}
		scheme, host, ok := strings.Cut(rule, "://")
		if !ok {
			host = rule
		} else if !strings.EqualFold(scheme, u.Scheme) {
			continue
		}
		if domain, ok := strings.CutPrefix(host, "*"); ok {
			if n := len(u.Host) - len(domain); n > 0 && strings.EqualFold(u.Host[n:], domain) {
				return true
			}
		} else if u.Host != "" && strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}

// checkPath refuses every request of a route that does not name a path parameter of the session, which is the program's mistake.
func (r *router) checkPath(req *http.Request) *refusal {
	for _, p := range r.session.params {
		src := p.sources[0]
		if src.in == "path" && req.PathValue(src.name) == "" && !strings.Contains(req.Pattern, "{"+src.name) {
			return internalRefusal(
				fmt.Errorf("the route %q has no path parameter %q, which %s reads", orElse(req.Pattern, req.URL.Path), src.name, p.name),
				fmt.Sprintf("name it in the pattern, or call req.SetPathValue(%q, …) where the framework keeps it", src.name))
		}
	}
	return nil
}

// resolve runs the session's Resolve.
func (r *router) resolve(v reflect.Value, req *http.Request) (no *refusal) {
	defer func() {
		if p := recover(); p != nil {
			no = internalRefusal(fmt.Errorf("panic in Resolve: %v", p), "")
			no.stack = string(debug.Stack())
		}
	}()
	err := r.session.resolve(req.Context(), v, req)
	var rejected *rejection
	switch {
	case err == nil:
		return nil
	case errors.As(err, &rejected):
		return &refusal{status: rejected.status, Code: statusCode(rejected.status), Detail: rejected.detail, cause: err}
	}
	return internalRefusal(err, "return wsrouter.Reject for what the client may read")
}

// internalRefusal hides err from the client.
func internalRefusal(err error, remedy string) *refusal {
	return &refusal{status: http.StatusInternalServerError, Code: codeInternal, Detail: "internal error", cause: err, remedy: remedy}
}

// statusCode is the code of a status: not_found for 404.
func statusCode(status int) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), "'", "")
}

// checkHandshake checks the headers of RFC 6455, section 4.2.1, and that the connection can be taken over.
func checkHandshake(w http.ResponseWriter, req *http.Request) *refusal {
	if !hasToken(req.Header, "Connection", "upgrade") || !hasToken(req.Header, "Upgrade", "websocket") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		return &refusal{status: http.StatusUpgradeRequired, Code: "upgrade_required", Detail: fmt.Sprintf(
			"this is a WebSocket endpoint and the request is a plain GET (Connection: %s, Upgrade: %s): connect with new WebSocket(%q)%s",
			quoteShort(req.Header.Get("Connection")), quoteShort(req.Header.Get("Upgrade")), wsURL(req), documentation(w, req))}
	}
	if v := req.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		return badHandshake("Sec-WebSocket-Version is %s, want 13", quoteShort(strings.Join(v, ", ")))
	}
	keys := req.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return badHandshake("there are %d Sec-WebSocket-Key headers, want one", len(keys))
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err != nil || len(key) != 16 {
		return badHandshake("Sec-WebSocket-Key %s is not 16 bytes of base64", quoteShort(keys[0]))
	}
	if !req.ProtoAtLeast(1, 1) {
		return badHandshake("the protocol is %s, want HTTP/1.1", req.Proto)
	}
	if _, err := wsconn.Hijacker(w); err != nil {
		return internalRefusal(err, "give the middleware's ResponseWriter a method Unwrap() http.ResponseWriter, or route around it")
	}
	return nil
}

func badHandshake(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, Code: "bad_handshake", Detail: fmt.Sprintf(format, args...)}
}

// wsURL is the address to connect to instead of a plain GET. The query may hold credentials and is left out.
func wsURL(req *http.Request) string {
	scheme := "ws"
	if req.TLS != nil {
		scheme = "wss"
	}
	return scheme + "://" + req.Host + req.URL.EscapedPath()
}

// documentation names the page that a Link header of relation service-doc (RFC 8631) leads to, if w has one: apidoc's Doc.Mount sets it.
func documentation(w http.ResponseWriter, req *http.Request) string {
	for _, link := range w.Header().Values("Link") {
		ref, params, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		u, err := url.Parse(ref)
		if err != nil || strings.TrimLeft(params, "; ") != `rel="service-doc"` {
			continue
		}
		base := &url.URL{Scheme: "http", Host: req.Host, Path: req.URL.Path}
		if req.TLS != nil {
			base.Scheme = "https"
		}
		return "; what it takes and sends: " + base.ResolveReference(u).String()
	}
	return ""
}

// hasToken reports whether a header that is a list holds token, in any case.
func hasToken(h http.Header, key, token string) bool {
	for _, t := range headerTokens(h, key) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

func headerTokens(h http.Header, key string) []string {
	var list []string
	for _, v := range h.Values(key) {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.TrimSpace(t); t != "" {
				list = append(list, t)
			}
		}
	}
	return list
}

func offeredSubprotocols(req *http.Request) []string {
	return headerTokens(req.Header, "Sec-WebSocket-Protocol")
}

// refuse answers and logs.
func (r *router) refuse(w http.ResponseWriter, req *http.Request, no *refusal) {
	level := slog.LevelInfo
	switch {
	case no.status == http.StatusInternalServerError:
		level = slog.LevelError
	case no.status == http.StatusForbidden:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.Int("status", no.status), slog.String("code", no.Code), slog.String("detail", no.Detail), slog.String("path", req.URL.EscapedPath()), slog.String("remote", req.RemoteAddr)}
	if no.Issues != nil {
		attrs = append(attrs, slog.String("issues", invalid(withoutInput(no.Issues)).Error()))
	}
	if no.cause != nil && no.status == http.StatusInternalServerError {
		attrs = append(attrs, slog.Any("err", no.cause))
	}
	if no.remedy != "" {
		attrs = append(attrs, slog.String("remedy", no.remedy))
	}
	if no.stack != "" {
		attrs = append(attrs, slog.String("stack", no.stack))
	}
	r.logger().LogAttrs(req.Context(), level, "wsrouter: upgrade refused", attrs...)

	body, err := jsonv2.Marshal(no)
	if err != nil {
		body = []byte(`{"code":"internal","detail":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(no.status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone does not read it
}

// withoutInput drops values, which may be credentials, from what is logged.
func withoutInput(issues []schema.Issue) []schema.Issue {
	out := make([]schema.Issue, len(issues))
	for i, issue := range issues {
		out[i] = schema.Issue{Path: issue.Path, Code: issue.Code, Message: issue.Message}
	}
	return out
}

// upgrade takes over the connection of req and makes c ready to serve. It keeps nothing of w and req.
func (r *router) upgrade(c *conn, w http.ResponseWriter, req *http.Request) error {
	base := r.opts.Context(req)
	if base == nil {
		base = context.Background()
	}
	c.ctx, c.cancel = context.WithCancelCause(base)
	c.unbase = func() bool { return true }
	c.remote = strings.Clone(req.RemoteAddr)
	c.connected, c.finished = make(chan struct{}), make(chan struct{})
	c.subprotocol = r.chooseSubprotocol(req)
	if c.hook = testhook.From(req.Context()); c.hook != nil && c.hook.Opened != nil {
		c.hook.Opened(codec{r})
	}
	socket, err := wsconn.Upgrade(w, req, wsconn.Config{
		MaxMessage:   r.opts.MaxMessage,
		ReadAhead:    readAhead,
		PingInterval: r.opts.PingInterval,
		PongTimeout:  r.opts.PongTimeout,
		WriteTimeout: r.opts.WriteTimeout,
		CloseTimeout: closeWait,
		Subprotocol:  c.subprotocol,
	})
	if err != nil {
		c.cancel(ErrClosed)
		return err
	}
	c.open(socket)
	if base.Done() != nil {
		c.unbase = context.AfterFunc(base, c.drain)
	}
	return nil
}

// chooseSubprotocol returns the first of ours that the client offers; else one that carried a credential, because a browser
// closes a connection that agrees on none of what it offered; else "".
func (r *router) chooseSubprotocol(req *http.Request) string {
	offered := offeredSubprotocols(req)
	for _, ours := range r.opts.Subprotocols {
		for _, o := range offered {
			if o == ours {
				return strings.Clone(ours)
			}
		}
	}
	for _, p := range r.session.params {
		for _, src := range p.sources {
			for _, o := range offered {
				if src.in == "subprotocol" && strings.HasPrefix(o, src.name) {
					return strings.Clone(o)
				}
			}
		}
	}
	return ""
}
