package wsrouter_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

// TestGoneWhileNothingIsRead: a peer that fills what may be read ahead and goes does not leave its connection and a blocking
// handler behind for ever.
func TestGoneWhileNothingIsRead(t *testing.T) {
	begun, ended := make(chan none), make(chan none)
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, PingInterval: 50 * time.Millisecond, PongTimeout: 50 * time.Millisecond})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil
	})
	s := httptest.NewServer(http.Handler(r))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if _, err := c.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d3N0ZXN0IHdzdGVzdCB3cw==\r\n\r\n")
	msg := `{"type":"ask","text":"a"}`
	frame := "\x81" + string([]byte{0x80 | byte(len(msg))}) + "\x00\x00\x00\x00" + msg
	write(strings.Repeat(frame, 2000)) // more than is read ahead, less than the network buffers
	<-begun
	c.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the end was not seen")
	}
}
