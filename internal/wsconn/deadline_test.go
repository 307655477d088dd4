package wsconn_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestDistantDeadline: a deadline farther away than the wheel reaches, 51.2 s, is kept. It came up to 51 s late.
func TestDistantDeadline(t *testing.T) {
	for _, after := range []time.Duration{51 * time.Second, 60 * time.Second, 102 * time.Second, 103 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			c := config()
			c.PingInterval = -1
			s, conn := serve(t, c, nil)
			go io.Copy(io.Discard, conn)
			start := time.Now()
			s.ExpireAt(start.Add(after))
			<-s.ended
			if d := time.Since(start); d < after || d > after+100*time.Millisecond {
				t.Errorf("closed after %v, want %v", d, after)
			}
			conn.Close()
			s.end(t)
		})
	}
}

// TestDeadlineWhileOthersAreDue: deadlines are set while others come due in the same tick. Both used the same links, so that some were lost.
func TestDeadlineWhileOthersAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sockets, last = 200, 20 * time.Second
		c := config()
		c.PingInterval, c.PongTimeout = time.Second, time.Minute
		start := time.Now()
		for i := range sockets {
			s, conn := serve(t, c, nil)
			go io.Copy(io.Discard, conn)
			go func() {
				for n := range 100 {
					s.ExpireAt(time.Now().Add(time.Duration(2+(i+n)%5) * 100 * time.Millisecond))
					time.Sleep(100 * time.Millisecond)
					s.ExpireAt(start.Add(last))
				}
			}()
			defer func() {
				if e := <-s.ended; time.Since(start) > last+100*time.Millisecond || time.Since(start) < last {
					t.Errorf("closed after %v %v, want %v", time.Since(start), e, last)
				}
				conn.Close()
				s.end(t)
			}()
		}
	})
}
