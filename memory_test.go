package wsrouter_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// recorder writes down what a test has to see, in order: hook calls and log lines.
type recorder struct {
	mu    sync.Mutex
	hooks []string
	logs  []string
	ended time.Time // of the last OnDisconnect
}

func (r *recorder) hook(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks = append(r.hooks, fmt.Sprintf(format, args...))
	if strings.HasPrefix(format, "disconnect") {
		r.ended = time.Now()
	}
}

func (r *recorder) logger() *slog.Logger { return slog.New(&logHandler{rec: r}) }

// logHandler writes each record as one line, without what differs from run to run.
type logHandler struct {
	rec   *recorder
	attrs []slog.Attr
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l > slog.LevelDebug }

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.rec, append(slices.Clip(h.attrs), attrs...)}
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%v %s", r.Level, r.Message)
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	for _, a := range attrs {
		switch a.Key {
		case "remote":
		case "stack":
			line.WriteString(" stack=…")
		default:
			fmt.Fprintf(&line, " %s=%q", a.Key, fmt.Sprint(a.Value.Any()))
		}
	}
	h.rec.mu.Lock()
	defer h.rec.mu.Unlock()
	h.rec.logs = append(h.rec.logs, line.String())
	return nil
}

// peer is a client in memory that sends what a test likes, and notes every frame that it gets.
type peer struct {
	ws   *websocket.Conn
	conn net.Conn // under ws
	done chan struct{}

	mu     sync.Mutex
	frames []string
}

// connect dials h and reads until the connection ends.
func connect(t *testing.T, h http.Handler, target string, header http.Header) *peer {
	t.Helper()
	p := dial(t, h, target, header)
	go p.read()
	return p
}

// dial is connect for a peer that does not read.
func dial(t *testing.T, h http.Handler, target string, header http.Header) *peer {
	t.Helper()
	return dialWith(t, h, target, &websocket.DialOptions{HTTPHeader: header, Subprotocols: header["Sec-Websocket-Protocol"]})
}

// dialWith is dial with options of the client's own. It sets their HTTPClient.
func dialWith(t *testing.T, h http.Handler, target string, o *websocket.DialOptions) *peer {
	t.Helper()
	m := &memory{handler: h}
	o.HTTPClient = &http.Client{Transport: m}
	ws, _, err := websocket.Dial(context.Background(), "ws://example.test"+target, o)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { ws.CloseNow() })
	return &peer{ws: ws, conn: m.client, done: make(chan struct{})}
}

func (p *peer) read() {
	defer close(p.done)
	for {
		kind, data, err := p.ws.Read(context.Background())
		p.mu.Lock()
		var closed websocket.CloseError
		switch {
		case errors.As(err, &closed):
			p.frames = append(p.frames, strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Reason)))
		case err == nil && kind == websocket.MessageText:
			p.frames = append(p.frames, string(data))
		case err == nil:
			p.frames = append(p.frames, fmt.Sprintf("binary %x", data))
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// got returns the frames so far.
func (p *peer) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.frames)
}

func (p *peer) send(text string) {
	_ = p.ws.Write(context.Background(), websocket.MessageText, []byte(text))
}

// close says goodbye and waits for the answer.
func (p *peer) close() { _ = p.ws.Close(websocket.StatusNormalClosure, "") }

// memory is a RoundTripper that calls a handler in this process and lets it hijack one end of a pipe.
type memory struct {
	handler http.Handler
	client  net.Conn
}

func (m *memory) RoundTrip(req *http.Request) (*http.Response, error) {
	client, server := net.Pipe()
	m.client = client
	w := &writer{header: http.Header{}, conn: server, answered: make(chan int, 1)}
	go func() {
		m.handler.ServeHTTP(w, req.Clone(req.Context()))
		w.WriteHeader(http.StatusOK)
	}()
	if status := <-w.answered; status != 0 {
		return &http.Response{StatusCode: status, Header: w.header.Clone(), Body: client, Request: req, ProtoMajor: 1, ProtoMinor: 1}, nil
	}
	var head []byte // byte by byte: what follows are frames
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := client.Read(b); err != nil {
			return nil, err
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), req)
	if err == nil {
		resp.Body = client
	}
	return resp, err
}

// writer is a ResponseWriter that can be hijacked.
type writer struct {
	header   http.Header
	conn     net.Conn
	once     sync.Once
	answered chan int // the status, 0 when conn is taken
}

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(p []byte) (int, error) { w.WriteHeader(http.StatusOK); return len(p), nil }
func (w *writer) WriteHeader(status int)      { w.once.Do(func() { w.answered <- status }) }
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.WriteHeader(0)
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(io.Discard)), nil
}
