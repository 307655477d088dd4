package wstest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

const (
	defaultHost    = "example.test"
	headerKey      = "Sec-Websocket-Key"
	headerProtocol = "Sec-Websocket-Protocol"
)

// A reporter fails a test from any goroutine, and is silent when the test is over.
type reporter struct {
	t    testing.TB
	mu   sync.Mutex
	over bool
}

func (r *reporter) errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.t.Errorf(format, args...)
	}
}

func (r *reporter) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// A dialer is the way of one request to the handler: a RoundTripper that calls it.
type dialer struct {
	handler http.Handler
	request *http.Request // as the server sees it, but for the key
	report  *reporter
	answer  *http.Response // not nil: one that opened nothing
	conn    *wire          // not nil: the connection, for stop
	cancel  context.CancelFunc
}

// newDialer makes the request, or fails the test.
func newDialer(t testing.TB, h http.Handler, target string, opts []DialOption, report *reporter, hook *testhook.Hook) *dialer {
	t.Helper()
	r, err := newRequest(target)
	if err != nil {
		t.Fatalf("wstest: %v", err)
	}
	ctx, cancel := context.WithCancel(testhook.With(context.Background(), hook))
	r = r.WithContext(ctx)
	for _, o := range opts {
		o(r)
	}
	return &dialer{handler: h, request: r, report: report, cancel: cancel}
}

// newRequest is what a server would have read for target, with the headers of a handshake.
func newRequest(target string) (*http.Request, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", target, innermost(err))
	}
	r := plainRequest()
	switch {
	case strings.HasPrefix(target, "/"):
		u, err = url.ParseRequestURI(target) // "//x" is a path here
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", target, innermost(err))
		}
	case u.Host == "":
		return nil, fmt.Errorf(`target %q is neither a path such as "/ws" nor a URL such as "ws://%s/ws"`, target, defaultHost)
	case u.Scheme == "wss" || u.Scheme == "https":
		r.Host, r.TLS = u.Host, &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: u.Hostname()}
	case u.Scheme == "ws" || u.Scheme == "http":
		r.Host = u.Host
	default:
		return nil, fmt.Errorf("target %q: the scheme is none of ws, wss, http and https", target)
	}
	r.RequestURI = u.RequestURI()
	if r.URL, err = url.ParseRequestURI(r.RequestURI); err != nil {
		return nil, fmt.Errorf("target %q: %w", target, innermost(err))
	}
	return r, nil
}

// plainRequest is a handshake to nowhere.
func plainRequest() *http.Request {
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/"}, RequestURI: "/",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: defaultHost, RemoteAddr: "192.0.2.1:1234", // for documentation, RFC 5737
		Body: http.NoBody,
		Header: http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			headerKey:               {"d3N0ZXN0IHdzdGVzdCB3cw=="},
		},
	}
}

// subprotocols are those that the request offers, for the client to check the answer.
func (d *dialer) subprotocols() []string {
	var names []string
	for _, v := range d.request.Header.Values(headerProtocol) {
		for name := range strings.SplitSeq(v, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RoundTrip calls the handler with the test's request, of which req only has the key.
func (d *dialer) RoundTrip(req *http.Request) (*http.Response, error) {
	r := d.request
	if keys := req.Header[headerKey]; len(r.Header[headerKey]) == 1 && r.Header.Get(headerKey) == plainRequest().Header.Get(headerKey) {
		r.Header[headerKey] = keys
	}
	client, server := net.Pipe()
	w := &writer{header: http.Header{}, conn: server, hijacked: make(chan struct{}), done: make(chan struct{})}
	go d.serve(w, r)

	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case <-w.hijacked:
		return d.upgraded(client, r)
	case <-w.done:
		if w.took() { // both are ready
			return d.upgraded(client, r)
		}
	case <-late.C:
		return nil, fmt.Errorf("the handler has neither answered nor returned within %v", timeout)
	}
	if w.failure != nil {
		return nil, w.failure
	}
	d.answer = w.response(r)
	return d.answer, nil
}

// serve does what http.Server does around a handler.
func (d *dialer) serve(w *writer, r *http.Request) {
	defer close(w.done)
	defer d.cancel() // like http.Server's, the request's context ends with the handler
	returned := false
	defer func() {
		p := recover()
		switch {
		case returned:
		case p == http.ErrAbortHandler:
			w.failure = errors.New("the handler panicked with http.ErrAbortHandler")
		case p != nil:
			w.failure = errors.New("the handler panicked")
			d.report.errorf("wstest: the handler panicked: %v\n%s", p, debug.Stack())
		default:
			w.failure = errors.New("the handler ended its goroutine by runtime.Goexit, as t.FailNow does")
		}
	}()
	d.handler.ServeHTTP(w, r)
	returned = true
}

// upgraded reads the answer that a handler has written after it took over the connection.
func (d *dialer) upgraded(conn net.Conn, r *http.Request) (*http.Response, error) {
	_ = conn.SetReadDeadline(time.Now().Add(timeout))
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("the handler took over the connection and wrote no answer: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(resp.Body)
		conn.Close()
		if err != nil {
			return nil, fmt.Errorf("the body of the answer %s: %w", resp.Status, err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		d.answer = resp
		return resp, nil
	}
	_ = conn.SetReadDeadline(time.Time{})
	d.conn = newWire(conn, br)
	resp.Body = d.conn
	return resp, nil
}

// failure is what to say when Dial got err.
func (d *dialer) failure(err error) string {
	if d.answer == nil {
		var wrapped *url.Error // of http.Client
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return strings.TrimPrefix(err.Error(), "failed to WebSocket dial: ")
	}
	body, _ := io.ReadAll(d.answer.Body)
	return fmt.Sprintf("the answer is %s, want 101\n%s", d.answer.Status, show(body))
}

// stop drops the connection, if it is still there, and whatever waits for it.
func (d *dialer) stop() {
	d.cancel()
	if d.conn != nil {
		d.conn.drop()
	}
}

// A writer is the ResponseWriter of one request.
type writer struct {
	conn     net.Conn
	hijacked chan struct{} // closed when the handler has taken conn
	done     chan struct{} // closed when the handler has returned
	failure  error         // how it failed; read after done

	mu     sync.Mutex
	header http.Header
	status int         // 0: no header written
	sent   http.Header // header as it was then
	body   bytes.Buffer
	taken  bool
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *writer) writeHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status)) // as http.Server's does
	}
	if w.taken || w.status != 0 || status < 200 && status != http.StatusSwitchingProtocols {
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken {
		return 0, http.ErrHijacked
	}
	w.writeHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush does nothing: there is no network to wait for.
func (w *writer) Flush() {}

// Hijack gives the connection away, behind the header if that is written.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	if w.taken {
		w.mu.Unlock()
		return nil, nil, http.ErrHijacked
	}
	w.taken = true
	status, sent := w.status, w.sent
	w.mu.Unlock()
	close(w.hijacked)
	if status != 0 {
		var head bytes.Buffer
		fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
		_ = sent.Write(&head)
		head.WriteString("\r\n")
		if _, err := w.conn.Write(append(head.Bytes(), w.body.Bytes()...)); err != nil {
			return nil, nil, err
		}
	}
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

func (w *writer) took() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// response is the answer of a handler that has returned.
func (w *writer) response(r *http.Request) *http.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: r,
	}
}
