package wsrouter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/wsrouter-go/wsrouter/internal/credential"
	"github.com/wsrouter-go/wsrouter/internal/testhook"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// refusal is the answer to a request that is not upgraded.
type refusal struct {
	status int
	retry  int            // seconds, as Retry-After. 0: none
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
	c, session := r.newConn()
	no := r.check(c, session, w, req)
	if no == nil {
		no = r.live.add(c)
	}
	if no != nil {
		r.refuse(w, req, no)
		return
	}
	begun := false
	defer func() {
		if !begun {
			r.live.remove(c)
		}
	}()
	base, no := r.base(req)
	if no != nil {
		r.refuse(w, req, no)
		return
	}
	socket, err := r.upgrade(base, c, w, req)
	switch {
	case errors.Is(err, wsconn.ErrNotTaken):
		r.refuse(w, req, internalRefusal(err, ""))
		return
	case err != nil: // the peer has gone, or does not read
		tell(func() { r.logger().Info("wsrouter: upgrade failed", "remote", cut(req.RemoteAddr, 64), "err", err) })
		r.observeRefusal(req.Context(), 0, "lost")
		return
	}
	begun = true
	c.open(socket)
}

// base is the context that a connection's is made of.
func (r *router) base(req *http.Request) (base context.Context, no *refusal) {
	defer recoverRefusal("Options.Context", &no)
	base = r.opts.Context(req)
	if base == nil {
		base = context.Background()
	}
	return base, nil
}

// check runs what can refuse the upgrade, in the order that lets a plain GET learn the true reason.
func (r *router) check(c *conn, session any, w http.ResponseWriter, req *http.Request) *refusal {
	if no := checkMethod(w, req); no != nil {
		return no
	}
	if no := r.checkHost(req); no != nil {
		return no
	}
	if no := r.checkOrigin(req); no != nil {
		return no
	}
	if no := r.live.refuse(""); no != nil { // before Resolve, which may be dear
		return no
	}
	v := reflect.ValueOf(session).Elem()
	if no := r.checkPath(req); no != nil {
		return no
	}
	if no := r.checkParams(v, req); no != nil {
		return no
	}
	if no := r.resolve(v, req); no != nil {
		return no
	}
	if no := r.checkKey(c, req); no != nil {
		return no
	}
	if no := r.checkResume(c, req); no != nil {
		return no
	}
	return r.checkHandshake(w, req)
}

func checkMethod(w http.ResponseWriter, req *http.Request) *refusal {
	if req.Method == http.MethodGet {
		return nil
	}
	w.Header().Set("Allow", http.MethodGet)
	return &refusal{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: fmt.Sprintf("the method is %s, a WebSocket opens with GET", quoteShort(req.Method))}
}

// checkHost refuses requests for names that are not ours.
func (r *router) checkHost(req *http.Request) *refusal {
	if req.Host == "" {
		return badHandshake("there is no Host header")
	}
	if r.hosts == nil {
		return nil
	}
	host, ok := parseHost(req.Host)
	if ok && slices.ContainsFunc(r.hosts, func(rule hostRule) bool { return rule.allowsHost(host, req.TLS != nil) }) {
		return nil
	}
	no := &refusal{status: http.StatusMisdirectedRequest, Code: "host_not_allowed", Detail: fmt.Sprintf("the host %s is none of this server's", quoteShort(req.Host))}
	if ok {
		no.remedy = fmt.Sprintf("Options.Hosts: []string{%s}", quoteShort(req.Host))
	}
	return no
}

// checkOrigin refuses browsers that show a page of somebody else (RFC 6455, section 10.2).
func (r *router) checkOrigin(req *http.Request) *refusal {
	origins := req.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	no := &refusal{status: http.StatusForbidden, Code: "origin_not_allowed"}
	if len(origins) > 1 {
		no.Detail = fmt.Sprintf("there are %d Origin headers, want one", len(origins))
		return no
	}
	text := origins[0]
	o, ok := parseOrigin(text)
	switch {
	case ok && o.sameAs(req), slices.ContainsFunc(r.origins, func(rule hostRule) bool { return rule.allowsOrigin(text, o, ok) }):
		return nil
	case !ok && text != "null":
		// Not quoted whole: a whole URL may hold a credential.
		no.Detail = fmt.Sprintf(`the Origin %s is no origin such as "https://example.com"`, quoteShort(withoutSecrets(text)))
		return no
	}
	no.Detail = fmt.Sprintf("the origin %s is neither this host %s nor allowed", quoteShort(text), quoteShort(req.Host))
	no.remedy = fmt.Sprintf("Options.Origins: []string{%s}", quoteShort(text))
	return no
}

// withoutSecrets leaves of what should be an origin what cannot be a credential: no user, path, query and fragment.
func withoutSecrets(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i] + "…"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "…" + rest[i:]
	}
	if ok {
		return scheme + "://" + rest
	}
	return rest
}

// checkPath refuses every request of a route that does not name a path parameter of the session, which is the program's mistake.
func (r *router) checkPath(req *http.Request) *refusal {
	for _, p := range r.session.params {
		src := p.sources[0]
		if src.in == "path" && req.PathValue(src.name) == "" && !strings.Contains(req.Pattern, "{"+src.name) {
			return internalRefusal(
				fmt.Errorf("the route %q has no path parameter %q, which %s reads", orElse(req.Pattern, r.shownPath(req)), src.name, p.name),
				fmt.Sprintf("name it in the pattern, or call req.SetPathValue(%q, …) where the framework keeps it", src.name))
		}
	}
	return nil
}

// checkParams decodes what the session's tags name.
func (r *router) checkParams(v reflect.Value, req *http.Request) (no *refusal) {
	defer recoverRefusal("the session's decoding", &no)
	if issues := r.session.decode(v, req); issues != nil {
		return &refusal{status: http.StatusBadRequest, Code: codeInvalid, Detail: invalid(issues).reply().Detail, Issues: issues}
	}
	return nil
}

// resolve runs the session's Resolve.
func (r *router) resolve(v reflect.Value, req *http.Request) (no *refusal) {
	defer recoverRefusal("Resolve", &no)
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

// checkKey finds out whom c is counted for, and whether that may have one more.
func (r *router) checkKey(c *conn, req *http.Request) (no *refusal) {
	if r.opts.MaxConnsPerKey == 0 {
		return nil
	}
	defer recoverRefusal("Options.ConnKey", &no)
	key := strings.Clone(r.opts.ConnKey(req))
	if key != "" {
		c.more().key = key
	}
	return r.live.refuse(key)
}

// recoverRefusal is deferred around a function of the application: a panic refuses the request.
func recoverRefusal(in string, no **refusal) {
	if p := recover(); p != nil {
		*no = internalRefusal(fmt.Errorf("panic in %s: %v", in, p), "")
		(*no).stack = string(debug.Stack())
	}
}

// internalRefusal hides err from the client.
func internalRefusal(err error, remedy string) *refusal {
	return &refusal{status: http.StatusInternalServerError, Code: codeInternal, Detail: "internal error", cause: err, remedy: remedy}
}

// statusCode is the code of a status: not_found for 404.
func statusCode(status int) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), "'", "")
}

// checkHandshake checks the rest of RFC 6455, section 4.2.1, and that the connection can be taken over.
func (r *router) checkHandshake(w http.ResponseWriter, req *http.Request) *refusal {
	if !hasToken(req.Header, "Connection", "upgrade") || !hasToken(req.Header, "Upgrade", "websocket") {
		if req.ProtoMajor == 1 { // HTTP/2 has no such headers
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
		}
		return &refusal{status: http.StatusUpgradeRequired, Code: "upgrade_required", Detail: fmt.Sprintf(
			"this is a WebSocket endpoint and the request is a plain GET (Connection: %s, Upgrade: %s): connect with new WebSocket(%q)%s",
			quoteShort(req.Header.Get("Connection")), quoteShort(req.Header.Get("Upgrade")), r.wsURL(req), documentation(w, req))}
	}
	if v := req.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		return badHandshake("Sec-WebSocket-Version is %s, want 13", quoteShort(strings.Join(v, ", ")))
	}
	keys := req.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return badHandshake("there are %d Sec-WebSocket-Key headers, want one", len(keys))
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return badHandshake("Sec-WebSocket-Key %s is not 16 bytes of base64", quoteShort(keys[0]))
	}
	if err := checkSubprotocols(req.Header); err != nil {
		return badHandshake("Sec-WebSocket-Protocol: %v", err)
	}
	if _, err := wsconn.ParseExtensions(req.Header.Values("Sec-WebSocket-Extensions")); err != nil {
		return badHandshake("Sec-WebSocket-Extensions: %v", err)
	}
	if req.ContentLength != 0 || len(req.TransferEncoding) > 0 {
		return badHandshake("the request has a body, a WebSocket opens without one")
	}
	if req.ProtoMajor != 1 || req.ProtoMinor < 1 {
		return badHandshake("the protocol is %s, want HTTP/1.1", quoteShort(req.Proto))
	}
	if _, err := wsconn.Hijacker(w); err != nil {
		return internalRefusal(err, "give the middleware's ResponseWriter a method Unwrap() http.ResponseWriter, or route around it")
	}
	return nil
}

// checkSubprotocols fails if the offer breaks its grammar. What it holds may be a credential and is not named.
func checkSubprotocols(h http.Header) error {
	n := 0
	for p := range headerTokens(h, "Sec-WebSocket-Protocol") {
		if n++; !wsconn.IsToken(p) {
			return fmt.Errorf("number %d is no token", n)
		}
	}
	if n == 0 && len(h.Values("Sec-WebSocket-Protocol")) > 0 {
		return errors.New("there is none in it")
	}
	return nil
}

func badHandshake(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, Code: "bad_handshake", Detail: fmt.Sprintf(format, args...)}
}

// wsURL is the address to connect to instead of a plain GET. The query may hold credentials and is left out.
func (r *router) wsURL(req *http.Request) string {
	scheme := "ws"
	if req.TLS != nil {
		scheme = "wss"
	}
	return scheme + "://" + cut(req.Host, 200) + r.shownPath(req)
}

// shownPath is the path of req for logs and answers: that of its route if a credential stands in it.
func (r *router) shownPath(req *http.Request) string {
	for _, p := range r.session.params {
		if src := p.sources[0]; src.in == "path" && credential.IsName(src.name) {
			_, path, _ := strings.Cut(req.Pattern, "/")
			return "/" + path
		}
	}
	return cut(req.URL.EscapedPath(), 200)
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
	for t := range headerTokens(h, key) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// headerTokens yields the elements of a header that is a list, without those that are empty.
func headerTokens(h http.Header, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range h.Values(key) {
			for t := range strings.SplitSeq(v, ",") {
				if t = strings.Trim(t, " \t"); t != "" && !yield(t) {
					return
				}
			}
		}
	}
}

func offeredSubprotocols(req *http.Request) iter.Seq[string] {
	return headerTokens(req.Header, "Sec-WebSocket-Protocol")
}

// refuse answers and logs.
func (r *router) refuse(w http.ResponseWriter, req *http.Request, no *refusal) {
	level := slog.LevelInfo
	switch {
	case no.status == http.StatusInternalServerError:
		level = slog.LevelError
	case no.status == http.StatusForbidden, no.status == http.StatusMisdirectedRequest:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.Int("status", no.status), slog.String("code", no.Code), slog.String("detail", no.Detail), slog.String("path", r.shownPath(req)), slog.String("remote", cut(req.RemoteAddr, 64))}
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
	tell(func() { r.logger().LogAttrs(req.Context(), level, "wsrouter: upgrade refused", attrs...) })

	body, err := jsonv2.Marshal(no)
	if err != nil {
		body = []byte(`{"code":"internal","detail":"internal error"}`)
	}
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	if req.ContentLength != 0 { // net/http would wait for the body before it answers, and again behind the answer
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait)) // a writer without one has no body to wait for
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(no.status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone does not read it
	r.refused.Add(1)
	r.observeRefusal(req.Context(), no.status, no.Code)
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
func (r *router) upgrade(base context.Context, c *conn, w http.ResponseWriter, req *http.Request) (*wsconn.Socket, error) {
	c.ctx.on(base)
	c.id = r.rooms.conns.Add(1)
	c.remote = strings.Clone(cut(req.RemoteAddr, 64)) // middleware may have put a header there
	subprotocol := r.chooseSubprotocol(req)
	if subprotocol != "" {
		c.more().subprotocol = subprotocol
	}
	loop := r.loop
	if hook := testhook.From(req.Context()); hook != nil {
		c.more().hook = hook
		loop = wsconn.NewLoop(r.opts.loop(r)) // its timers may belong to a bubble of synctest
		if hook.Opened != nil {
			hook.Opened(codec{r})
		}
	}
	extensions, agreed, err := loop.Negotiate(req.Header.Values("Sec-WebSocket-Extensions"))
	if err != nil {
		return nil, err // checkHandshake has seen to it
	}
	conn, early, err := wsconn.Hijack(w, req, wsconn.Handshake{Subprotocol: subprotocol, Extensions: extensions})
	if err != nil {
		c.ctx.end()
		if agreed != nil {
			agreed.Close()
		}
		return nil, err
	}
	if base.Done() != nil {
		c.more().unbase = context.AfterFunc(base, c.drain)
	}
	return loop.New(conn, early, agreed, c), nil
}

// chooseSubprotocol returns the first of ours that the client offers; else one that carried a credential, because a browser
// closes a connection that agrees on none of what it offered; else "".
func (r *router) chooseSubprotocol(req *http.Request) string {
	for _, ours := range r.opts.Subprotocols {
		for o := range offeredSubprotocols(req) {
			if o == ours {
				return ours
			}
		}
	}
	for _, p := range r.session.params {
		for _, src := range p.sources {
			for o := range offeredSubprotocols(req) {
				if src.in == "subprotocol" && strings.HasPrefix(o, src.name) {
					return strings.Clone(o)
				}
			}
		}
	}
	return ""
}
