package wsconn_test

import (
	"bufio"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// sockets returns n of one loop, to be started, over pipes whose other ends are read.
func sockets(n int, c wsconn.Config) (all []*server) {
	l := wsconn.NewLoop(c)
	for range n {
		ours, theirs := net.Pipe()
		go func() {
			for r := bufio.NewReader(theirs); ; {
				if op, _, err := readFrame(r); err != nil || op == closed {
					theirs.Close()
					return
				}
			}
		}()
		s := newServer(l, ours, nil, nil)
		s.theirs = theirs
		all = append(all, s)
	}
	return all
}

// TestDeadlineFarAway: a deadline beyond the wheel's slots is kept to the tick.
func TestDeadlineFarAway(t *testing.T) {
	for _, after := range []time.Duration{50 * time.Second, 52 * time.Second, time.Minute, 5 * time.Minute, 50 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := config()
			c.PingInterval = -1
			s := sockets(1, c)[0]
			s.Start()
			begun := time.Now()
			s.ExpireAt(begun.Add(after))
			if e := s.end(t); e.Code != 4401 {
				t.Errorf("%v: end %+v", after, e)
			}
			if late := time.Since(begun) - after; late < 0 || late > 100*time.Millisecond {
				t.Errorf("%v: %v late", after, late)
			}
		})
	}
}

// TestDeadlineMovedWhileDue: of sockets that are due at once, the end of the first may move the deadlines of the others.
func TestDeadlineMovedWhileDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.PingInterval, c.MessageTimeout = -1, time.Second
		all := sockets(64, c)
		time.Sleep(time.Millisecond) // no time is 0 but in a bubble
		var once sync.Once
		for _, s := range all {
			s.onEnded = func() {
				once.Do(func() {
					for _, other := range all {
						other.ExpireAt(time.Now().Add(time.Second))
					}
				})
			}
			s.Start()
			send(t, s.theirs, "\x81")
		}
		time.Sleep(c.MessageTimeout + 100*time.Millisecond)
		for i, s := range all {
			select {
			case <-s.served:
			default:
				t.Errorf("socket %d is open", i)
				s.theirs.Close()
			}
		}
	})
}
