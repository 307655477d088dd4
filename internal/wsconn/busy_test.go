package wsconn_test

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// modes runs a test on connections with a goroutine and on ones without.
func modes(t *testing.T, test func(t *testing.T, c wsconn.Config)) {
	for name, idle := range map[string]bool{"goroutine": false, "idle": true} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.Idle = idle
			test(t, c)
		})
	}
}

// TestEndBehindReadAhead: the end is seen though a handler blocks and more waits than is read ahead.
func TestEndBehindReadAhead(t *testing.T) {
	for name, lose := range map[string]func(*net.TCPConn){
		"reset":  func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"closed": func(c *net.TCPConn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, c wsconn.Config) {
				c.ReadAhead = 4 << 10
				next, handler := blocking()
				s, conn := overTCP(t, c, handler)()
				send(t, conn, strings.Repeat(frame(fin|text, strings.Repeat("a", 1000)), 40))
				time.AfterFunc(200*time.Millisecond, func() { lose(conn) })
				select {
				case <-s.ended:
				case <-time.After(5 * time.Second):
					t.Error("the end is not seen")
				}
				close(next)
				if e := s.end(t); e.Code != 1006 {
					t.Errorf("end %+v", e)
				}
			})
		})
	}
}

// TestOthersWhileHandlersAreUsedUp: handlers that hold all of MaxHandlers hold nobody else's pings and ends.
func TestOthersWhileHandlersAreUsedUp(t *testing.T) {
	modes(t, func(t *testing.T, c wsconn.Config) {
		c.MaxHandlers = 1
		next, handler := blocking()
		dial := overTCP(t, c, handler)
		_, busy := dial()
		send(t, busy, frame(fin|text, "busy"))
		for range 3 {
			_, conn := dial()
			send(t, conn, frame(fin|text, "waits")+frame(fin|ping, "p"))
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			expectFrame(t, bufio.NewReader(conn), "pong p")
		}
		s, conn := dial()
		conn.Close()
		select {
		case <-s.ended:
		case <-time.After(5 * time.Second):
			t.Error("the end is not seen")
		}
		close(next)
	})
}
