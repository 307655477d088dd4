package wstest_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type (
	none struct{}
	conn = wsrouter.Conn[none]

	say struct {
		_    none   `ws:"say"`
		Text string `json:"text" minLength:"1" maxLength:"20"`
	}
	said struct {
		_    none   `ws:"said"`
		Text string `json:"text" minLength:"1" maxLength:"20"`
		At   int    `json:"at"`
	}
	stray struct {
		_ none `ws:"stray"`
	}
)

// newRouter answers say by what do does.
func newRouter(do func(context.Context, *conn, say) error, o *wsrouter.Options) *wsrouter.Router[none] {
	r := wsrouter.New[none](o)
	wsrouter.Receive(r, do, wsrouter.Sends(said{}))
	return r
}

func echo(ctx context.Context, c *conn, m say) error {
	return c.Send(ctx, said{Text: m.Text, At: 1})
}

func TestRoundTrip(t *testing.T) {
	for name, o := range map[string]*wsrouter.Options{
		"text":    nil,
		"binary":  {Binary: true},
		"payload": {Discriminator: "event", Payload: "data"},
	} {
		t.Run(name, func(t *testing.T) {
			c := wstest.Dial(t, newRouter(echo, o), "/ws")
			c.Send(say{Text: "hi"})
			c.Send(&say{Text: "there"})
			for _, want := range []string{"hi", "there"} {
				if got := wstest.Expect[said](c); got.Text != want || got.At != 1 {
					t.Errorf("got %+v, want %q", got, want)
				}
			}
			c.SendRaw(`{}`)
			if got := wstest.Expect[wsrouter.Error](c); got.Code != "validation_failed" {
				t.Errorf("got %+v", got)
			}
			c.Send(say{Text: "raw"})
			if f := c.Next(); f.Binary != (name == "binary") || !strings.Contains(string(f.Data), `"raw"`) {
				t.Errorf("got %v %s", f.Binary, f.Data)
			}
			c.Close()
			c.Close()
			c.ExpectClose(1000)
		})
	}
}

type session struct {
	Room  string   `path:"room"`
	Token string   `query:"token" required:"false"`
	Agent string   `header:"User-Agent" required:"false"`
	Seen  seenData // what Resolve saw
}

type seenData struct{ host, uri, remote, agent string }

func (s *session) Resolve(ctx context.Context, r *http.Request) error {
	s.Seen = seenData{r.Host, r.RequestURI, r.RemoteAddr, r.UserAgent()}
	if r.TLS != nil {
		s.Seen.host += " over TLS"
	}
	if s.Token == "wrong" {
		return wsrouter.Reject(http.StatusUnauthorized, "who are you")
	}
	return nil
}

func TestTarget(t *testing.T) {
	r := wsrouter.New[session](&wsrouter.Options{Subprotocols: []string{"v2", "v1"}})
	r.Sends(said{})
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[session]) error {
		s := c.Session
		return c.SendText(ctx, strings.Join([]string{s.Room, s.Token, s.Seen.host, s.Seen.uri, s.Seen.agent, c.Subprotocol()}, "|"))
	})
	r.Sends("")
	mux := http.NewServeMux()
	mux.Handle("GET /ws/{room}", r)
	for _, tt := range []struct {
		target string
		opts   []wstest.DialOption
		want   string
	}{
		{"/ws/1?token=x%20y", nil, "1|x y|example.test|/ws/1?token=x%20y||"},
		{"ws://chat.example/ws/a%2Fb", nil, "a/b||chat.example|/ws/a%2Fb||"},
		{"wss://chat.example:8443/ws/1", nil, "1||chat.example:8443 over TLS|/ws/1||"},
		{"/ws/1", []wstest.DialOption{wstest.Header("host", "h"), wstest.Header("user-agent", "Go"), wstest.Header("Origin", "https://h")}, "1||h|/ws/1|Go|"},
		{"/ws/1", []wstest.DialOption{wstest.Subprotocols("v1", "v2")}, "1||example.test|/ws/1||v2"},
		{"/ws/1", []wstest.DialOption{func(r *http.Request) { r.Host = "mine" }}, "1||mine|/ws/1||"},
	} {
		c := wstest.Dial(t, mux, tt.target, tt.opts...)
		if got := string(c.Next().Data); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.target, got, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	r := wsrouter.New[session](&wsrouter.Options{Logger: slog.New(slog.DiscardHandler)})
	mux := http.NewServeMux()
	mux.Handle("GET /ws/{room}", r)
	for _, tt := range []struct {
		target string
		opts   []wstest.DialOption
		status int
		body   string
	}{
		{"/ws/1?token=wrong", nil, 401, "who are you"},
		{"/nowhere", nil, 404, "not found"},
		{"/ws/1", []wstest.DialOption{wstest.Header("Origin", "https://evil.example")}, 403, "evil.example"},
		{"/ws/1", []wstest.DialOption{wstest.Header("Upgrade", "")}, 426, "upgrade_required"},
		{"/ws/1", []wstest.DialOption{wstest.Header("Sec-WebSocket-Key", "short")}, 400, "short"},
		{"/ws/1", []wstest.DialOption{func(r *http.Request) { r.Method = "POST" }}, 405, "Method Not Allowed"},
	} {
		resp := wstest.Refused(t, mux, tt.target, tt.opts...)
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != tt.status || err != nil || !strings.Contains(string(body), tt.body) {
			t.Errorf("%s: got %s %s, want %d %s", tt.target, resp.Status, body, tt.status, tt.body)
		}
	}
}

// The context of a request ends with its handler, as under http.Server.
func TestRequestContextEnds(t *testing.T) {
	var ctx context.Context
	r := newRouter(echo, &wsrouter.Options{Context: func(r *http.Request) context.Context {
		ctx = r.Context()
		return context.Background()
	}})
	c := wstest.Dial(t, r, "/")
	c.Send(say{Text: "hi"})
	wstest.Expect[said](c)
	<-ctx.Done()
}

func TestCloseByServer(t *testing.T) {
	r := newRouter(func(ctx context.Context, c *conn, m say) error {
		if err := c.Send(ctx, said{Text: "bye"}); err != nil {
			return err
		}
		return wsrouter.Close(4000, "enough")
	}, nil)
	c := wstest.Dial(t, r, "/")
	c.Send(say{Text: "hi"})
	wstest.Expect[said](c)
	if reason := c.ExpectClose(4000); reason != "enough" {
		t.Errorf("reason %q", reason)
	}
	c.Close()
}

// The server may wait for an hour; the test does not.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var infos []wsrouter.CloseInfo
		r := newRouter(func(ctx context.Context, c *conn, m say) error {
			select {
			case <-time.After(30 * time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
			return c.Send(ctx, said{Text: m.Text})
		}, nil)
		r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) { infos = append(infos, info) })
		c := wstest.Dial(t, r, "/")
		time.Sleep(24 * time.Hour) // pings are answered
		c.Send(say{Text: "slow"})
		start := time.Now()
		wstest.Expect[said](c)
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("the answer came after %v", d)
		}
		c.Send(say{Text: "never"})
		c.Close()
		synctest.Wait()
		if want := []wsrouter.CloseInfo{{Code: 1000, Remote: true}}; !slices.Equal(infos, want) {
			t.Errorf("OnDisconnect got %+v, want %+v", infos, want)
		}
	})
}

// A server that does not read must not block the test.
func TestSendToBusyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2_000
		r := newRouter(func(ctx context.Context, c *conn, m say) error {
			if m.Text == "first" {
				time.Sleep(time.Minute)
			}
			return c.Send(ctx, said{Text: m.Text})
		}, &wsrouter.Options{Outbox: 16 << 20})
		c := wstest.Dial(t, r, "/")
		start := time.Now()
		c.Send(say{Text: "first"})
		for range n {
			c.Send(say{Text: "a text of some bytes"})
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("sending took %v", d)
		}
		for range n + 1 {
			wstest.Expect[said](c)
		}
	})
}

// What is open at the end of a test is closed, politely, and no goroutine stays: the bubble would say so.
func TestCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var infos []wsrouter.CloseInfo
		r := newRouter(echo, nil)
		r.OnDisconnect(func(_ context.Context, _ *conn, info wsrouter.CloseInfo) {
			mu.Lock()
			defer mu.Unlock()
			infos = append(infos, info)
		})
		t.Cleanup(func() {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(infos) != 2 || infos[0].Code != 1000 || infos[1].Code != 1000 {
				t.Errorf("OnDisconnect got %+v", infos)
			}
		})
		wstest.Dial(t, r, "/")
		wstest.Dial(t, r, "/").Send(say{Text: "unread answer"})
	})
}

// What came before the server's answer is still there.
func TestCloseKeepsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := wstest.Dial(t, newRouter(echo, nil), "/")
		c.Send(say{Text: "one"})
		c.Send(say{Text: "two"})
		synctest.Wait()
		c.Close()
		for _, want := range []string{"one", "two"} {
			if got := wstest.Expect[said](c); got.Text != want {
				t.Errorf("got %q, want %q", got.Text, want)
			}
		}
		c.ExpectClose(1000)
	})
}

// Both ends may close at once, as soon as there is a connection.
func TestCloseAtOnce(t *testing.T) {
	r := newRouter(echo, nil)
	r.OnConnect(func(ctx context.Context, c *conn) error { return wsrouter.Close(1000, "") })
	for range 100 {
		c := wstest.Dial(t, r, "/")
		c.Close()
		c.ExpectClose(1000)
	}
}

// Some libraries take the connection over first and write the 101 themselves, and a frame may stand right behind it.
func TestHandshakeByHand(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi\x88\x02\x03\xe9",
			base64.StdEncoding.EncodeToString(sum[:]))
		_, _ = io.Copy(io.Discard, conn)
	})
	c := wstest.Dial(t, h, "/")
	if got := c.Next(); string(got.Data) != "hi" || got.Binary {
		t.Errorf("got %q", got.Data)
	}
	c.ExpectClose(1001)
}
