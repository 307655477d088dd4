package wsrouter_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestSlowPeerFillsNoLog: a handler that sends more than its peer reads makes one line for each episode of drops. Each dropped answer
// was two errors in the log.
func TestSlowPeerFillsNoLog(t *testing.T) {
	a := answer{Text: strings.Repeat("a", 50)}
	flood := func(ctx context.Context, c *conn) error {
		for range 50 {
			_ = c.Send(ctx, a)
		}
		return c.Send(ctx, a)
	}
	for name, declare := range map[string]func(r *wsrouter.Router[none]){
		"Receive": func(r *wsrouter.Router[none]) {
			wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error { return flood(ctx, c) }, wsrouter.Sends(answer{}))
		},
		"Respond": func(r *wsrouter.Router[none]) {
			wsrouter.Respond(r, func(ctx context.Context, c *conn, q question) (answer, error) { _ = flood(ctx, c); return a, nil })
		},
		"Error": func(r *wsrouter.Router[none]) {
			wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error {
				_ = flood(ctx, c)
				return wsrouter.Errorf("no", "no")
			}, wsrouter.Sends(answer{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := &recorder{}
				r := wsrouter.New[none](&wsrouter.Options{Overflow: wsrouter.OverflowDropNewest, Outbox: 200, Logger: rec.logger()})
				declare(r)
				p := dial(t, r, "/", nil) // nobody reads
				for range 50 {
					p.send(`{"type":"question","text":"a"}`)
				}
				synctest.Wait()
				if len(rec.logs) != 1 {
					t.Errorf("%d lines were logged: %.300q", len(rec.logs), rec.logs)
				}
				p.close()
			})
		})
	}
}

// TestAsksAndDoesNotRead: what a peer asks for itself neither closes its connection nor is dropped. It is handled when there is room for
// the answer.
func TestAsksAndDoesNotRead(t *testing.T) {
	const asked, size = 10_000, 1000 // more than the network takes
	for policy := wsrouter.OverflowClose; policy <= wsrouter.OverflowWait; policy++ {
		for _, idle := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/idle=%t", policy, idle), func(t *testing.T) {
				r := wsrouter.New[none](&wsrouter.Options{Overflow: policy, Outbox: 16 << 10, Idle: idle, Logger: quiet})
				wsrouter.Receive(r, func(ctx context.Context, c *conn, q question) error { return c.SendText(ctx, q.Text) }, wsrouter.Sends(""))
				srv := httptest.NewServer(r)
				defer srv.Close()
				c, err := net.Dial("tcp", srv.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				in := bufio.NewReader(c)
				_ = upgradeRequest("/").Write(c)
				if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatal(resp, err)
				}
				text := strings.Repeat("a", size)
				_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
				_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
				_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
				stuck := make(chan none)
				begin := sync.OnceFunc(func() { close(stuck) })
				go func() {
					defer begin()
					for rest := bytes.Repeat(maskedText(`{"type":"question","text":"`+text+`"}`), asked); len(rest) > 0; {
						n, err := c.Write(rest)
						rest = rest[n:]
						switch {
						case errors.Is(err, os.ErrDeadlineExceeded):
							_ = c.SetWriteDeadline(time.Time{})
							begin()
						case err != nil:
							return
						}
					}
				}()
				_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				<-stuck
				want := append([]byte{0x81, 126, size >> 8, size & 0xff}, text...)
				got := make([]byte, len(want))
				for i := range asked {
					if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("answer %d: %.20q, %v", i, got, err)
					}
				}
				if n := r.Stats().Dropped; n != 0 {
					t.Errorf("%d answers were dropped", n)
				}
			})
		}
	}
}

// TestLogOverTheConnection: a logger may send what it logs over the connection that it logs about. It waited for itself when the
// outbox was full.
func TestLogOverTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tail atomic.Pointer[conn]
		logged := 0
		r := wsrouter.New[none](&wsrouter.Options{Overflow: wsrouter.OverflowDropNewest, Outbox: 100, Logger: slog.New(slog.NewTextHandler(sink(func(p []byte) (int, error) {
			logged++
			if c := tail.Load(); c != nil {
				_ = c.SendText(context.Background(), string(p))
			}
			return len(p), nil
		}), nil))})
		r.Sends("")
		dropped := make(chan none)
		r.OnConnect(func(ctx context.Context, c *conn) error {
			tail.Store(c)
			go func() {
				defer close(dropped)
				for !errors.Is(c.SendText(context.Background(), strings.Repeat("a", 60)), wsrouter.ErrDropped) {
				}
			}()
			return nil
		})
		p := dial(t, r, "/", nil)
		<-dropped
		tail.Store(nil)
		if logged != 1 {
			t.Errorf("%d lines", logged)
		}
		p.close()
	})
}

// TestTryAgainLaterIsNotSlow: who closes with 1013 on purpose was said to have a peer that reads too slowly.
func TestTryAgainLaterIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := wsrouter.New[none](&wsrouter.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		r.OnConnect(func(context.Context, *conn) error { return wsrouter.Close(1013, "the broker is away") })
		p := dial(t, r, "/", nil)
		synctest.Wait()
		p.close()
		synctest.Wait()
		if strings.Contains(log.String(), "slowly") {
			t.Errorf("the log says %s", log.String())
		}
	})
}

type sink func(p []byte) (int, error)

func (w sink) Write(p []byte) (int, error) { return w(p) }

// TestEmptyMessagesAreBounded: messages of no bytes fill an outbox too.
func TestEmptyMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Outbox: 1 << 10, Logger: quiet})
		r.Sends("")
		r.OnConnect(func(ctx context.Context, c *conn) error {
			sent := 0
			for ; sent < 10_000 && c.SendText(ctx, "") == nil; sent++ {
			}
			if sent == 10_000 {
				t.Errorf("%d empty messages wait in an outbox of 1 KiB", sent)
			}
			return nil
		})
		p := dial(t, r, "/", nil)
		time.Sleep(time.Minute)
		p.close()
	})
}

// TestProtocolErrorOfHandler: a close code that may not be sent becomes 1011, as it does for Close. It reached the peer as it was,
// which clients take for a broken server.
func TestProtocolErrorOfHandler(t *testing.T) {
	for code, want := range map[int]int{0: 1011, 1006: 1011, 70000: 1011, 4000: 4000} {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
		wsrouter.Receive(r, func(context.Context, *conn, ask) error {
			return &wsrouter.ProtocolError{Code: code, Reason: strings.Repeat("\xff", 200)}
		})
		c := wstest.Dial(t, r, "/")
		c.Send(ask{})
		c.ExpectClose(want)
	}
}

type unfit struct {
	_ none `ws:"unfit"`
}

func (unfit) Validate() error { return errors.New("not \xff") }

// TestAnswerIsText: an answer whose text is not UTF-8 is sent with U+FFFD. It was not sent at all.
func TestAnswerIsText(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet})
	wsrouter.Receive(r, func(context.Context, *conn, ask) error { return wsrouter.Errorf("no", "not \xff") })
	wsrouter.Receive(r, func(context.Context, *conn, unfit) error { return nil })
	c := wstest.Dial(t, r, "/")
	c.SendRaw(`{"type":"ask","text":""}`)
	if got := wstest.Expect[wsrouter.Error](c).Detail; got != "not \uFFFD" {
		t.Errorf("detail %q", got)
	}
	c.SendRaw(`{"type":"unfit"}`)
	if got := wstest.Expect[wsrouter.Error](c).Issues[0].Message; got != "not \uFFFD" {
		t.Errorf("issue %q", got)
	}
}

// TestLogKeys: no record has a key twice, which readers of JSON take for the last. The peer's address was lost so.
func TestLogKeys(t *testing.T) {
	var log bytes.Buffer
	r := wsrouter.New[none](&wsrouter.Options{Name: "chat", Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	wsrouter.Receive(r, func(context.Context, *conn, ask) error { return errors.New("no") })
	c := wstest.Dial(t, r, "/")
	c.Send(ask{})
	c.Next()
	c.SendRaw(`{}`)
	c.Next()
	c.Close()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log.String()) {
		seen := map[string]bool{}
		d := json.NewDecoder(strings.NewReader(line))
		for depth, key := 0, true; d.More() || depth > 0; {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch token {
			case json.Delim('{'):
				depth++
				continue
			case json.Delim('}'):
				depth--
			}
			if name, ok := token.(string); ok && key && depth == 1 {
				if seen[name] {
					t.Errorf("%q stands twice in %s", name, line)
				}
				seen[name] = true
			}
			key = !key
		}
	}
}

// TestRoomOfAnotherRouter: a connection cannot join a room of a router that is not its own. It stayed there after its end.
func TestRoomOfAnotherRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, other := wsrouter.New[none](nil), wsrouter.New[none](nil)
		mine.OnConnect(func(_ context.Context, c *conn) error {
			if err := other.Room("x").Join(c); err == nil {
				t.Error("it joined")
			}
			other.Room("x").Leave(c)
			return mine.Room("x").Join(c)
		})
		p := connect(t, mine, "/", nil)
		synctest.Wait()
		p.close()
		for range other.Room("x").Members() {
			t.Error("it is still there")
		}
	})
}

// TestOptionsAreCopied: what a caller does to its slices later changes nothing, which would be who may connect.
func TestOptionsAreCopied(t *testing.T) {
	o := wsrouter.Options{Origins: []string{"good.test"}, Logger: quiet}
	r := wsrouter.New[none](&o)
	o.Origins[0] = "*"
	if got := wstest.Refused(t, r, "/", wstest.Header("Origin", "https://bad.test")).StatusCode; got != 403 {
		t.Errorf("status %d", got)
	}
}
