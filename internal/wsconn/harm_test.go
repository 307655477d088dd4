package wsconn_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// explosive is a handler whose methods panic, against their contract.
type explosive struct {
	*server
	where string
}

func (e *explosive) Ended(end wsconn.End) {
	e.server.Ended(end)
	if e.where == "Ended" {
		panic(e.where)
	}
}

func (e *explosive) Finish(wsconn.End) {
	if e.where == "Finish" {
		panic(e.where)
	}
}

func (e *explosive) Dropped(wsconn.Drops) {
	if e.where == "Dropped" {
		panic(e.where)
	}
}

// TestPanicsBesideHandlers: a panic in the wheel, in what writes or at the end ends its connection alone. It ended the process.
func TestPanicsBesideHandlers(t *testing.T) {
	for name, play := range map[string]func(e *explosive, conn net.Conn){
		"Ended":  func(*explosive, net.Conn) {}, // by the wheel: no pong
		"Finish": func(*explosive, net.Conn) {},
		"Ended by a write": func(e *explosive, conn net.Conn) {
			e.where = "Ended"
			_ = e.Write([]byte("a"), false)
			conn.Close()
		},
		"Dropped": func(e *explosive, _ net.Conn) {
			l := make(chan struct{})
			f := wsconn.NewFrame(message(strings.Repeat("a", 100)), false)
			for range 10 {
				e.Queue(f, wsconn.Delivery{})
			}
			e.loop.FlushAll([]*wsconn.Socket{e.Socket, e.Socket}, func() { close(l) })
			<-l
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var faults atomic.Int32
				c := config()
				c.Outbox, c.Overflow = 300, wsconn.OverflowDropNewest
				c.Fault = func(any, []byte) { faults.Add(1); panic("the log too") }
				loop := wsconn.NewLoop(c)
				bystander, quiet := net.Pipe()
				other := start(loop, bystander, nil, echo)
				conn, peer := net.Pipe()
				e := &explosive{server: &server{loop: loop, ended: make(chan struct{}), served: make(chan struct{})}, where: name}
				e.Socket = loop.New(conn, nil, nil, e)
				e.Start()
				synctest.Wait()
				play(e, peer)
				go func() { // the other one lives
					for r := bufio.NewReader(quiet); ; {
						if op, _, err := readFrame(r); err != nil || op == ping && errors.Is(pongTo(quiet), io.ErrClosedPipe) {
							return
						}
					}
				}()
				<-e.ended
				time.Sleep(time.Hour)
				select {
				case <-e.served:
				default:
					t.Error("the connection was not released")
				}
				if faults.Load() != 1 {
					t.Errorf("%d faults were told, want 1", faults.Load())
				}
				select {
				case <-other.ended:
					t.Errorf("the other one ended: %+v", other.ends)
				default:
				}
				peer.Close()
				quiet.Close()
				other.end(t)
			})
		})
	}
}

func message(text string) *wsconn.Buffer {
	b := wsconn.NewBuffer()
	b.B = append(b.B, text...)
	return b
}

func pongTo(conn net.Conn) error {
	_, err := io.WriteString(conn, frame(fin|pong, ""))
	return err
}

// TestSlowerThanPings: a peer that takes what it gets, but so slowly that a ping behind it comes too late, lives. It was closed.
func TestSlowerThanPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.PingInterval, c.PongTimeout, c.WriteTimeout, c.Outbox = time.Second, time.Second, 3*time.Second, 1<<20
		s, conn := serve(t, c, nil)
		for range 50 {
			if err := s.Write([]byte(strings.Repeat("a", 10_000)), false); err != nil {
				t.Fatal(err)
			}
		}
		got, buf := 0, make([]byte, 16<<10)
		for got < 500_000 {
			n, err := conn.Read(buf)
			if got += n; err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			time.Sleep(time.Second)
		}
		conn.Close()
		s.end(t)
	})
}

// TestCopiesLieTogether: small messages that wait leave one by one and in order, also behind drops, however they were stored.
func TestCopiesLieTogether(t *testing.T) {
	for _, overflow := range []wsconn.Overflow{wsconn.OverflowDropOldest, wsconn.OverflowDropNewest} {
		synctest.Test(t, func(t *testing.T) {
			c := config()
			c.Outbox, c.Overflow, c.PingInterval, c.WriteTimeout = 20_000, overflow, -1, time.Hour
			s, conn := serve(t, c, nil)
			b := wsconn.NewFrame(message("shared"), false)
			for i := range 300 {
				_ = s.Write([]byte(strings.Repeat(string(rune('a'+i%26)), 1+i*7%400)), false)
				_, _, _ = s.Queue(b, wsconn.Delivery{})
			}
			synctest.Wait()
			var kept []int
			r := bufio.NewReader(conn)
			shared := 0
			s.Close(1000, "")
			for {
				op, p, err := readFrame(r)
				if err != nil {
					t.Fatal(err)
				}
				if op == closed {
					break
				}
				if p == "shared" {
					shared++
					continue
				}
				i := len(kept)
				if i > 0 {
					i = kept[len(kept)-1] + 1
				}
				for ; i < 300 && p != strings.Repeat(string(rune('a'+i%26)), 1+i*7%400); i++ {
				}
				kept = append(kept, i)
			}
			last := kept[len(kept)-1]
			if last >= 300 || len(kept) < 50 || len(kept) == 300 || shared < 50 {
				t.Errorf("%d of 300 and %d came, the last is number %d: %v", len(kept), shared, last, kept)
			}
			if overflow == wsconn.OverflowDropOldest && last != 299 {
				t.Errorf("the newest was dropped, the last is number %d", last)
			}
			go io.Copy(io.Discard, conn)
			conn.Close()
			s.end(t)
		})
	}
}

// TestAnswerBeforeWeKnow: the peer answers our close frame while whoever sent it is still busy with that. The end is ours; it was the peer's.
func TestAnswerBeforeWeKnow(t *testing.T) {
	l := wsconn.NewLoop(config())
	for range 300 {
		conn, peer := net.Pipe()
		s := start(l, conn, nil, nil)
		go func() {
			if _, err := io.ReadFull(peer, make([]byte, 4)); err == nil {
				_, _ = io.WriteString(peer, closeFrame(1000, ""))
			}
			_, _ = io.Copy(io.Discard, peer)
		}()
		s.Close(1000, "")
		if e := s.end(t); e.Remote || e.Code != 1000 {
			t.Fatalf("end %+v", e)
		}
		peer.Close()
	}
}
