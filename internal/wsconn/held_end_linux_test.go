package wsconn_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// TestHeldEnds: however a connection ends, what waited for it in memory of the system's is given back, which nobody else would do.
func TestHeldEnds(t *testing.T) {
	half := strings.Repeat("a", 5000)
	message := frame(text, half) + frame(fin|cont, half)
	for name, tt := range map[string]struct {
		handler func(*server, []byte, bool)
		sent    string
	}{
		"half a message":     {nil, frame(text, half)},
		"read ahead":         {func(*server, []byte, bool) { time.Sleep(time.Second) }, strings.Repeat(message, 4)},
		"a handler's Goexit": {func(*server, []byte, bool) { runtime.Goexit() }, message},
		"Goexit after a while": {func(*server, []byte, bool) {
			time.Sleep(time.Second)
			runtime.Goexit()
		}, strings.Repeat(message, 4)},
		"a handler's panic":    {func(*server, []byte, bool) { panic("on purpose") }, strings.Repeat(message, 2)},
		"not UTF-8 at the end": {nil, frame(text, half) + frame(fin|cont, "\xff")},
		"a large reply that nobody reads": {func(s *server, data []byte, _ bool) {
			_ = s.Write([]byte(strings.Repeat("b", 100_000)), false)
		}, message},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := wsconn.HeldOut()
				c := config()
				c.Fault = func(any, []byte) {} // of the panic
				s, conn := serve(t, c, tt.handler)
				go conn.Write([]byte(tt.sent))
				time.Sleep(500 * time.Millisecond)
				conn.Close()
				s.end(t)
				time.Sleep(time.Minute)
				if n := wsconn.HeldOut() - before; n != 0 {
					t.Errorf("%d buffers were not given back", n)
				}
			})
		})
	}
}
