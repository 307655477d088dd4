//go:build linux

package wsconn_test

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// TestFramesAtBufferEnds: messages that end just before, at and behind the end of what one read takes come whole, also while a handler is slow enough to
// lose the reading role.
func TestFramesAtBufferEnds(t *testing.T) {
	modes(t, func(t *testing.T, c wsconn.Config) {
		lost := make(chan struct{})
		dial := overTCP(t, c, func(s *server, data []byte, binary bool) {
			<-lost
			_ = s.Write(data, binary)
		})
		_, conn := dial()
		var sent []string
		for n := 8<<10 - 12; n <= 8<<10+4; n++ {
			sent = append(sent, strings.Repeat(string(rune('a'+n%26)), n))
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		r := bufio.NewReader(conn)
		send(t, conn, frame(fin|text, sent[0])+frame(fin|ping, ""))
		expectFrame(t, r, "pong") // while the handler blocks: somebody else reads
		go func() {
			for _, m := range sent[1:] {
				_, _ = conn.Write([]byte(frame(fin|text, m)))
			}
		}()
		close(lost)
		for i, want := range sent {
			if op, got, err := readFrame(r); op != text || got != want || err != nil {
				t.Fatalf("message %d: %.40s %v", i, describe(op, got), err)
			}
		}
	})
}

// TestDataBeforeTheEnd: what a peer sent before it closed its half is handled, though both come in one event. A few may be lost: where the machine holds a goroutine
// up for as long as a slow handler, what has not begun is discarded.
func TestDataBeforeTheEnd(t *testing.T) {
	modes(t, func(t *testing.T, c wsconn.Config) {
		dial := overTCP(t, c, nil)
		const count = 50
		whole := 0
		for range count {
			s, conn := dial()
			send(t, conn, frame(fin|text, "1")+frame(fin|text, "2"))
			_ = conn.CloseWrite()
			if e := s.end(t); e.Code != 1006 {
				t.Fatalf("end %+v", e)
			}
			if len(s.messages()) == 2 {
				whole++
			}
		}
		if whole < count*9/10 {
			t.Errorf("%d of %d had all their messages handled", whole, count)
		}
	})
}

// TestEndsAtOnce: close, abort, drain, expiry and the peer's reset race, while a handler runs that has lost the reading role or not; each socket ends once and
// frees what it holds.
func TestEndsAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, c wsconn.Config) {
		c.CloseTimeout = 200 * time.Millisecond
		dial := overTCP(t, c, func(s *server, data []byte, binary bool) {
			if data[0] == 's' {
				<-s.gate
			}
			_ = s.Write(data, binary)
		})
		var all sync.WaitGroup
		for i := range 200 {
			s, conn := dial()
			all.Go(func() {
				message := frame(fin|text, []string{"quick", "slow"}[i%2])
				_, _ = conn.Write([]byte(strings.Repeat(message, 3)))
				if i%4 == 3 { // until a pong says that the handler has lost the reading role
					_, _ = conn.Write([]byte(frame(fin|ping, "")))
					_, _, _ = readFrame(bufio.NewReader(conn))
				}
				var ends sync.WaitGroup
				ends.Go(func() { close(s.gate) })
				for k, end := range []func(){
					func() { s.Close(1001, "") },
					func() { s.Abort(net.ErrClosed) },
					func() { s.Drain() },
					func() { s.ExpireAt(time.Now()) },
					func() { _ = conn.SetLinger(0); conn.Close() },
				} {
					if (i>>k)&1 == 0 {
						ends.Go(end)
					}
				}
				ends.Wait()
				if i&31 == 31 {
					conn.Close()
				}
				select {
				case <-s.served:
				case <-time.After(10 * time.Second):
					t.Errorf("socket %d is held", i)
				}
			})
		}
		all.Wait()
	})
}

// TestPeersLeaveWhileCloseFramesLeave: a peer that ends the connection as soon as it sees our close frame is not waited for, whoever of the two is noticed first.
func TestPeersLeaveWhileCloseFramesLeave(t *testing.T) {
	modes(t, func(t *testing.T, c wsconn.Config) {
		c.MessageTimeout, c.CloseTimeout = 300*time.Millisecond, time.Minute
		dial := overTCP(t, c, nil)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 300 {
			s, conn := dial()
			all.Go(func() {
				<-begin
				_, _ = conn.Write([]byte("\x81"))
				_, _, _ = readFrame(bufio.NewReader(conn))
				conn.Close()
				select {
				case <-s.served:
				case <-time.After(10 * time.Second):
					t.Error("a connection is held")
				}
			})
		}
		close(begin)
		all.Wait()
	})
}

// TestNoDescriptors: where no descriptor is left to take, a connection goes on in goroutine mode, and idle mode comes back with the descriptors.
func TestNoDescriptors(t *testing.T) {
	c := config()
	c.Idle = true
	dial := overTCP(t, c, echo)
	echoes := func(conn net.Conn) {
		t.Helper()
		send(t, conn, frame(fin|text, "a"))
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		expectFrame(t, bufio.NewReader(conn), "text a")
	}
	_, first := dial()
	echoes(first)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var held []int
	limit := old
	limit.Cur = 100
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		for _, fd := range held {
			_ = syscall.Close(fd)
		}
		held = nil
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	}
	defer restore()
	for {
		fd, err := syscall.Dup(0)
		if err != nil {
			break
		}
		held = append(held, fd)
	}
	for range 2 { // one for each end of the connection, none for a copy
		n := len(held) - 1
		_ = syscall.Close(held[n])
		held = held[:n]
	}
	_, second := dial()
	echoes(second)
	echoes(first)
	restore()
	_, third := dial()
	echoes(third)
}
