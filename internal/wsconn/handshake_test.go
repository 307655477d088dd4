package wsconn_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// A connection that cannot be had leaves the writer as it was.
func TestNotTaken(t *testing.T) {
	for name, tt := range map[string]struct {
		w    func(http.ResponseWriter) http.ResponseWriter
		want string
	}{
		"no hijacker":   {func(w http.ResponseWriter) http.ResponseWriter { return w }, "*httptest.ResponseRecorder has neither Hijack nor Unwrap"},
		"hidden":        {func(w http.ResponseWriter) http.ResponseWriter { return wrapper{opaque{w}} }, "wsconn_test.opaque has neither"},
		"hijack failed": {func(w http.ResponseWriter) http.ResponseWriter { return failing{w} }, "taken already"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("X-Request-Id", "7")
			conn, _, err := wsconn.Hijack(tt.w(rec), upgradeRequest(), wsconn.Handshake{})
			if conn != nil || !errors.Is(err, wsconn.ErrNotTaken) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("connection %v, error %v, want %q", conn, err, tt.want)
			}
			if rec.Body.Len() > 0 || len(rec.Header()) != 1 {
				t.Errorf("wrote %v %q", rec.Header(), rec.Body)
			}
		})
	}
}

// recorded notes each write and deadline of a connection.
type recorded struct {
	net.Conn
	writes    []string
	deadlines []time.Time
	err       error
	closed    bool
}

func (c *recorded) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), c.err
}
func (c *recorded) SetDeadline(t time.Time) error { c.deadlines = append(c.deadlines, t); return nil }
func (c *recorded) Close() error                  { c.closed = true; return nil }

// The 101 is one write, with the application's headers and not those that are the protocol's or a body's.
func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &recorded{}
		w := &pipe{conn: c, header: http.Header{
			"Set-Cookie": {"a=b", "c=d"}, "X-Id": {"1\r\nX-Forged: 2"}, "Bad Name": {"x"}, "sec-websocket-protocol": {"soap"},
			"Connection": {"close"}, "Upgrade": {"h2c"}, "Content-Length": {"7"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X"}, "Keep-Alive": {"5"},
			"Sec-Websocket-Accept": {"no"}, "Sec-Websocket-Extensions": {"permessage-deflate"},
		}}
		r := upgradeRequest()
		r.Header.Set("Sec-WebSocket-Protocol", "chat")
		conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{Subprotocol: "chat", Extensions: "permessage-deflate; client_no_context_takeover"})
		if conn != c || early != nil || err != nil {
			t.Fatalf("got %v %q %v", conn, early, err)
		}
		want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n" +
			"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n" +
			"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Id: 1  X-Forged: 2\r\n\r\n"
		if !slices.Equal(c.writes, []string{want}) {
			t.Errorf("wrote %q, want %q", c.writes, want)
		}
		if want := []time.Time{time.Now().Add(5 * time.Second), {}}; !slices.Equal(c.deadlines, want) {
			t.Errorf("deadlines %v, want %v", c.deadlines, want)
		}
	})
}

func TestAnswerFails(t *testing.T) {
	c := &recorded{err: io.ErrClosedPipe}
	conn, _, err := wsconn.Hijack(&pipe{conn: c}, upgradeRequest(), wsconn.Handshake{})
	if conn != nil || !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, wsconn.ErrNotTaken) || !c.closed {
		t.Errorf("connection %v, error %v, closed %t", conn, err, c.closed)
	}
}

// A peer that takes nothing holds nobody for more than 5 s.
func TestAnswerNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		begun := time.Now()
		_, _, err := wsconn.Hijack(&pipe{conn: ours}, upgradeRequest(), wsconn.Handshake{})
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begun) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// one is a listener of one connection.
type one struct{ conns chan net.Conn }

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l one) Close() error   { return nil }
func (l one) Addr() net.Addr { return &net.TCPAddr{} }

// The server's timeouts end with the handshake, and what came behind it is handed over.
func TestHijackOfServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := one{make(chan net.Conn, 1)}
		l.conns <- ours
		defer close(l.conns)
		type taken struct {
			conn  net.Conn
			early []byte
			err   error
		}
		got := make(chan taken, 1)
		srv := &http.Server{ReadTimeout: time.Second, WriteTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{})
			got <- taken{conn, early, err}
		})}
		go srv.Serve(l)

		var b bytes.Buffer
		upgradeRequest().Write(&b)
		send(t, theirs, b.String()+frame(fin|text, "early"))
		if head := readHead(theirs); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("answer %q", head)
		}
		g := <-got
		if g.err != nil || string(g.early) != frame(fin|text, "early") {
			t.Fatalf("early %q, error %v", g.early, g.err)
		}
		time.Sleep(time.Hour) // in the bubble
		go theirs.Write([]byte("late"))
		buf := make([]byte, 4)
		if _, err := io.ReadFull(g.conn, buf); err != nil || string(buf) != "late" {
			t.Errorf("read %q %v", buf, err)
		}
		go g.conn.Write(buf)
		if _, err := io.ReadFull(theirs, buf); err != nil {
			t.Error(err)
		}
		g.conn.Close()
		theirs.Close()
	})
}

func TestParseExtensions(t *testing.T) {
	type ext = wsconn.Extension
	type params = []wsconn.Param
	for _, tt := range []struct {
		in   []string
		want []ext
		err  string
	}{
		{nil, nil, ""},
		{[]string{"permessage-deflate"}, []ext{{Name: "permessage-deflate"}}, ""},
		{[]string{`a; b ;c = d; e="f\g" , x`, "y;z"}, []ext{{"a", params{{"b", ""}, {"c", "d"}, {"e", "fg"}}}, {Name: "x"}, {"y", params{{"z", ""}}}}, ""},
		{[]string{", ,a,,b,"}, []ext{{Name: "a"}, {Name: "b"}}, ""},
		{[]string{"a", ""}, []ext{{Name: "a"}}, ""},
		{[]string{""}, nil, "no extension in it"},
		{[]string{" , "}, nil, "no extension in it"},
		{[]string{"a b"}, nil, "comma is missing"},
		{[]string{"a;"}, nil, "parameter"},
		{[]string{"a;;b"}, nil, "parameter"},
		{[]string{";b"}, nil, "name"},
		{[]string{"a;b="}, nil, "no token for a value"},
		{[]string{"a;b=,c"}, nil, "no token for a value"},
		{[]string{`a;b=""`}, nil, "no token for a value"},
		{[]string{`a;b="c d"`}, nil, "no token for a value"},
		{[]string{`a;b="c`}, nil, "no token for a value"},
		{[]string{`a;b="c\`}, nil, "no token for a value"},
		{[]string{`a;b="c"d`}, nil, "comma is missing"},
		{[]string{"a;b=c=d"}, nil, "comma is missing"},
		{[]string{"ä"}, nil, "name"},
		{[]string{"a\x00"}, nil, "comma is missing"},
		{[]string{strings.Repeat("a,", 65)}, nil, "more than 64 extensions"},
		{[]string{"a" + strings.Repeat(";b", 65)}, nil, "more than 64 parameters"},
	} {
		got, err := wsconn.ParseExtensions(tt.in)
		if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%.80q: %v, %v, want %v, %q", tt.in, got, err, tt.want, tt.err)
		}
	}
}
