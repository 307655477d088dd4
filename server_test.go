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
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	once  *sync.Once
}

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p pipes) Close() error   { p.once.Do(func() { close(p.conns) }); return nil }

func (p pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- ours
	return theirs
}

// run serves by srv in the bubble until the test ends.
func run(t *testing.T, srv *http.Server) pipes {
	p := pipes{make(chan net.Conn), new(sync.Once)}
	go srv.Serve(p)
	t.Cleanup(func() { srv.Close() })
	return p
}

// handshakeWith is a request as it travels, with more headers.
func handshakeWith(more string) string {
	return "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + more + "\r\n"
}

// TestServerLimits: what comes before the upgrade has its limits.
func TestServerLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		send  []string // one second apart
		want  string   // begin of the answer
		after time.Duration
	}{
		"nothing":             {nil, "", 5 * time.Second},
		"half a request":      {[]string{"GET / HTTP/1.1\r\nHost: a\r\n"}, "", 5 * time.Second},
		"one header a second": {strings.SplitAfter("GET / HTTP/1.1\r\n"+strings.Repeat("X-A: b\r\n", 60), "\n"), "", 5 * time.Second},
		"20 KiB of headers":   {[]string{handshakeWith("X-A: " + strings.Repeat("a", 21<<10) + "\r\n")}, "HTTP/1.1 431 ", 0},
		"a million headers":   {[]string{handshakeWith(strings.Repeat("A:\r\n", 1_000_000))}, "HTTP/1.1 431 ", 0},
		"body never sent":     {[]string{handshakeWith("Content-Length: 10\r\n")}, "HTTP/1.1 400 ", 0},
		"chunk never sent":    {[]string{handshakeWith("Transfer-Encoding: chunked\r\n")}, "HTTP/1.1 400 ", 0},
		"two Hosts":           {[]string{handshakeWith("Host: evil.test\r\n")}, "HTTP/1.1 400 ", 0},
		"two lengths":         {[]string{handshakeWith("Content-Length: 0\r\nContent-Length: 5\r\n")}, "HTTP/1.1 400 ", 0},
		"length and chunks":   {[]string{handshakeWith("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"}, "HTTP/1.1 400 ", 0},
		"15 KiB of headers":   {[]string{handshakeWith("X-A: " + strings.Repeat("a", 15<<10) + "\r\n")}, "HTTP/1.1 101 ", 0},
		"no body, and so":     {[]string{handshakeWith("Content-Length: 0\r\n")}, "HTTP/1.1 101 ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
				c := run(t, wsrouter.Server(r)).dial()
				var sender sync.WaitGroup
				defer sender.Wait()
				defer c.Close()
				begun := time.Now()
				sender.Go(func() {
					for _, s := range tt.send {
						if _, err := io.WriteString(c, s); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				got, _ := bufio.NewReader(c).ReadString('\n')
				if after := time.Since(begun); !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") || after != tt.after {
					t.Errorf("got %q after %v, want %q after %v", got, after, tt.want, tt.after)
				}
				if tt.want == "HTTP/1.1 101 " {
					return
				}
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Error(err)
				}
				if after := time.Since(begun); after > tt.after+2*time.Second { // net/http lingers a moment
					t.Errorf("closed after %v", after)
				}
			})
		})
	}
}

// TestServerKeepsSlowDownloads: an answer may take as long as it takes.
func TestServerKeepsSlowDownloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := run(t, wsrouter.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				time.Sleep(time.Minute)
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
			}
		}))).dial()
		go io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); len(body) != 100 || err != nil {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		begun := time.Now()
		if _, err := br.ReadByte(); err != io.EOF || time.Since(begun) != 2*time.Minute {
			t.Errorf("kept alive for %v, %v", time.Since(begun), err)
		}
	})
}

// TestRegister: the end of the server is the connections' too, and Shutdown of the router waits for them, before or after.
func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
		rec := &recorder{}
		begun := make(chan none)
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
			close(begun)
			time.Sleep(time.Minute)
			return c.Send(ctx, m)
		}, wsrouter.Sends(ask{}))
		r.OnDisconnect(func(context.Context, *conn, wsrouter.CloseInfo) { time.Sleep(time.Second); rec.hook("gone") })
		srv := wsrouter.Server(r)
		r.Register(srv)
		run(t, srv)
		idle, busy := wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")
		busy.Send(ask{Text: "hi"})
		<-begun
		waited := make(chan time.Duration)
		start := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("Shutdown of the server: %v after %v", err, time.Since(start))
		}
		idle.ExpectClose(1001) // though nobody has called the router's yet
		go func() { _ = r.Shutdown(t.Context()); waited <- time.Since(start) }()
		if resp := wstest.Refused(t, r, "/"); resp.StatusCode != 503 {
			t.Errorf("one more: %s", resp.Status)
		}
		wstest.Expect[ask](busy)
		busy.ExpectClose(1001)
		if d := <-waited; d != time.Minute+time.Second || len(rec.hooks) != 2 {
			t.Errorf("waited %v for %v", d, rec.hooks)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A server whose end is the router's too.
func ExampleRouter_Register() {
	r := wsrouter.New[struct{}](nil)
	r.OnDisconnect(func(ctx context.Context, c *wsrouter.Conn[struct{}], info wsrouter.CloseInfo) {
		fmt.Println("disconnected:", info.Code, info.Reason)
	})
	srv := wsrouter.Server(r)
	r.Register(srv)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(ln)

	client, _, err := websocket.Dial(context.Background(), "ws://"+ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	go client.Read(context.Background()) // answers the close frame

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(errors.Join(srv.Shutdown(ctx), r.Shutdown(ctx)))
	// Output:
	// disconnected: 1001 server shutting down
	// <nil>
}

func ExampleServer() {
	srv := wsrouter.Server(http.NotFoundHandler())
	srv.Addr = "localhost:8080"
	fmt.Println(srv.ReadHeaderTimeout, srv.MaxHeaderBytes, srv.IdleTimeout, srv.WriteTimeout)
	// Output: 5s 16384 2m0s 0s
}

// TestNothingSecretIsTold plants one secret in every place of requests that are let in, refused, and end in every way, and looks for it in
// the whole log and in every answer. The log has one line for each record, whatever a peer wrote.
func TestNothingSecretIsTold(t *testing.T) {
	const secret, control = "s3cret-0123456789", "\x1b[31m"
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		var answers strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		type session struct {
			Room   string `path:"room" maxLength:"8"`
			Token  string `query:"token" header:"Authorization" cookie:"sid" subprotocol:"bearer." required:"false" pattern:"^[a-z0-9.-]*$" example:"a" maxLength:"30"`
			Ticket int    `query:"ticket" required:"false"`
		}
		type linked struct {
			Token string `path:"token" maxLength:"20"`
		}
		options := wsrouter.Options{Logger: logger, MaxConnsPerKey: 40, ConnKey: func(r *http.Request) string { return r.FormValue("token") }}
		r := wsrouter.New[session](&options)
		wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[session], m ask) error {
			switch m.Text {
			case "fail":
				return errors.New("broken")
			case "panic":
				panic("ouch")
			case "close":
				return wsrouter.Close(4000, "enough")
			}
			return wsrouter.Errorf("answered", "%w", io.EOF)
		})
		l := wsrouter.New[linked](&options)
		mux := http.NewServeMux()
		mux.Handle("/ws/{room}", r)
		mux.Handle("/link/{token}/ws", l)
		mux.Handle("/wrong/ws", l)

		for _, target := range []string{
			"/ws/a", "/ws/a?token=" + secret, "/ws/too-long-for-a-room?token=" + secret, "/ws/a?token=" + secret + "&token=" + secret, "/ws/a?ticket=" + secret,
			"/ws/a?token=" + secret + secret, "/link/" + secret + "/ws", "/link/" + secret + secret + "/ws", "/wrong/ws?token=" + secret,
		} {
			for _, header := range []http.Header{
				{}, {"Authorization": {"Bearer " + secret}}, {"Authorization": {secret + secret}}, {"Cookie": {"sid=" + secret + "; sid=" + secret}}, {"Cookie": {"sid=" + secret + secret}},
				{"Sec-Websocket-Protocol": {"bearer." + secret}}, {"Sec-Websocket-Protocol": {"bearer " + secret}}, {"Sec-Websocket-Protocol": {"bearer." + secret + secret}},
				{"Referer": {"https://example.test/?token=" + secret}}, {"Origin": {"https://example.test/?token=" + secret}}, {"Origin": {"https://x:" + secret + "@example.test"}},
				{"Origin": {"https://evil.test"}, "Authorization": {secret}}, {"Origin": {control + "\n"}}, {"Sec-Websocket-Version": {control}}, {"Upgrade": {control + "\n"}},
			} {
				for _, last := range []string{"", "hi", "fail", "panic", "close", `{"type":"` + control + `\n"`, "{\"ty\x1b\npe\":1}"} {
					req := upgradeRequest(target)
					for key, values := range header {
						req.Header[key] = values
					}
					ours, theirs := net.Pipe()
					w := &told{writer: writer{header: http.Header{}, conn: ours, answered: make(chan int, 1)}}
					var answer bytes.Buffer
					read := make(chan none)
					go func() { defer close(read); _, _ = io.Copy(&answer, theirs) }()
					mux.ServeHTTP(w, req)
					if w.body.Len() == 0 {
						if !strings.HasPrefix(last, "{") {
							last = `{"type":"ask","text":"` + last + `"}`
						}
						_, _ = theirs.Write(masked(0x81, last))
						synctest.Wait() // what has not begun at the end is discarded
						_, _ = theirs.Write(masked(0x88, "\x0f\xa0"+control+"\nbye"))
						synctest.Wait()
					}
					theirs.Close()
					<-read
					_, frames, _ := strings.Cut(answer.String(), "\r\n\r\n") // the subprotocol has to stand in the 101
					fmt.Fprintf(&answers, "%s%s\n", w.body.String(), frames)
				}
			}
		}
		_ = r.Shutdown(t.Context())
		_ = l.Shutdown(t.Context())
		logged := log.String()
		for where, text := range map[string]string{"log": logged, "answer": answers.String(), "description": fmt.Sprintf("%+v %+v", r.Describe(), l.Describe())} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("the %s has the secret: …%q…", where, text[max(0, i-300):i+len(secret)])
			}
		}
		for line := range strings.Lines(logged) {
			if !strings.HasPrefix(line, "time=") || strings.ContainsRune(line, '\x1b') || len(line) > 1000 && !strings.Contains(line, "stack=") {
				t.Fatalf("logged %q", line)
			}
		}
		for _, want := range []string{"status=400", "status=403", "status=426", "connection closed", "handler failed", "wsrouter: panic", "error answered", "message refused", "has no path parameter"} {
			if !strings.Contains(logged, want) {
				t.Errorf("nothing like %q was logged: the test does not see it", want)
			}
		}
	})
}

// told is a writer that keeps the body of a refusal.
type told struct {
	writer
	body bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) { return w.body.Write(p) }

// masked is a frame of at most 125 bytes as a client sends it.
func masked(first byte, payload string) []byte {
	b := []byte{first, 0x80 | byte(len(payload)), 1, 2, 3, 4}
	for i := range len(payload) {
		b = append(b, payload[i]^byte(i%4+1))
	}
	return b
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
