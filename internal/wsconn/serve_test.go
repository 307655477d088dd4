package wsconn_test

import (
	"bufio"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// blocking is a handler that waits for one value of its channel per message.
func blocking() (chan struct{}, func(*server, []byte, bool)) {
	next := make(chan struct{})
	return next, func(*server, []byte, bool) { <-next }
}

func send(t *testing.T, conn net.Conn, in string) {
	t.Helper()
	if _, err := conn.Write([]byte(in)); err != nil {
		t.Fatal(err)
	}
}

func expectFrame(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	op, p, err := readFrame(r)
	if got := describe(op, p); err != nil || got != want {
		t.Fatalf("frame %q %v, want %q", got, err, want)
	}
}

func TestMessagesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		send(t, conn, frame(fin|text, "1")+frame(text, "2a\xc3")+frame(cont, "\xa4")+frame(fin|ping, "p"))
		expectFrame(t, bufio.NewReader(conn), "pong p")
		send(t, conn, frame(cont, "")+frame(fin|cont, "2b")+frame(fin|binary_, "3\xff")+frame(fin|text, ""))
		synctest.Wait()
		if got, want := s.messages(), []string{"1", "2aä2b", "3\xff", ""}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestPongWhileHandlerBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, handler := blocking()
		_, conn := serve(t, config(), handler)
		defer close(next)
		send(t, conn, frame(fin|text, "busy")+frame(fin|text, "queued")+frame(fin|ping, "are you there"))
		start := time.Now()
		expectFrame(t, bufio.NewReader(conn), "pong are you there")
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("the pong took %v", d)
		}
	})
}

func TestEndWhileHandlerBlocks(t *testing.T) {
	for name, tt := range map[string]struct {
		leave func(net.Conn)
		want  wsconn.End
	}{
		"close frame": {func(c net.Conn) { c.Write([]byte(closeFrame(1001, "tab"))) }, wsconn.End{Code: 1001, Reason: "tab", Remote: true}},
		"lost":        {func(c net.Conn) { c.Close() }, wsconn.End{Code: 1006}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next, handler := blocking()
				s, conn := serve(t, config(), handler)
				send(t, conn, frame(fin|text, "begun")+frame(fin|text, "not begun"))
				synctest.Wait()
				start := time.Now()
				tt.leave(conn)
				go frames(conn)
				<-s.ended
				if d := time.Since(start); d > 100*time.Millisecond {
					t.Errorf("the end was seen after %v", d)
				}
				synctest.Wait()
				select {
				case <-s.served:
					t.Error("Serve returned while a message was handled")
				default:
				}
				close(next)
				e := s.end(t)
				if (e.Err != nil) != (e.Code == 1006) {
					t.Errorf("error %v", e.Err)
				}
				if e.Err = nil; e != tt.want {
					t.Errorf("end %+v, want %+v", e, tt.want)
				}
				if got := s.messages(); !slices.Equal(got, []string{"begun"}) {
					t.Errorf("handled %q", got)
				}
			})
		})
	}
}

func TestReadAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		frame string // sent again and again while the first message is handled
		cost  int    // of one, in bytes of messages
	}{
		"small":     {frame(fin|text, strings.Repeat("a", 100)), 100},
		"empty":     {frame(fin|text, ""), 0},
		"fragments": {frame(text, strings.Repeat("a", 50)) + frame(fin|cont, strings.Repeat("a", 50)), 100},
		"large":     {frame(fin|text, strings.Repeat("a", 20_000)), 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := config()
				c.ReadAhead, c.PingInterval = 10_000, -1
				next, handler := blocking()
				s, conn := serve(t, c, handler)
				messages := 60_000/len(tt.frame) + 2
				sent := 0
				done := make(chan struct{})
				go func() {
					defer close(done)
					conn.Write([]byte(frame(fin|text, "busy")))
					for part := range slices.Chunk([]byte(strings.Repeat(tt.frame, messages)), 32) {
						if _, err := conn.Write(part); err != nil {
							return
						}
						sent += len(part)
					}
				}()
				time.Sleep(100 * time.Millisecond) // until somebody reads for the handler
				synctest.Wait()
				// A message counts a little more than its bytes. Behind the last one the socket's own buffer may be full.
				read := sent - sent/len(tt.frame)*(len(tt.frame)-tt.cost)
				if read > 10_000+1024+64 || sent > 10_000/64*len(tt.frame)+2048 {
					t.Errorf("%d bytes of messages were read ahead of a busy handler, %d of frames", read, sent)
				}
				if tt.cost > 0 && read < 5_000 {
					t.Errorf("only %d bytes were read ahead", read)
				}
				close(next)
				<-done
				synctest.Wait()
				if got := len(s.messages()); got != messages+1 {
					t.Errorf("%d messages came through, want %d", got, messages+1)
				}
			})
		})
	}
}

// TestAsksFasterThanItReads: who does not read the answers is asked to wait by TCP, and neither closed nor answered at the cost of memory.
func TestAsksFasterThanItReads(t *testing.T) {
	const asked, size = 2000, 1000
	for name, tt := range map[string]struct {
		then    func(s *server, conn net.Conn)
		handled bool // all that was asked
		code    int
	}{
		"reads":  {func(s *server, conn net.Conn) { go frames(conn) }, true, 1006},
		"drain":  {func(s *server, conn net.Conn) { s.Drain(); go frames(conn) }, false, 1001},
		"close":  {func(s *server, conn net.Conn) { s.Close(4000, ""); go frames(conn) }, false, 4000},
		"abort":  {func(s *server, conn net.Conn) { s.Abort(errors.New("enough")) }, false, 1006},
		"gone":   {func(s *server, conn net.Conn) { conn.Close() }, false, 1006},
		"nobody": {func(s *server, conn net.Conn) { time.Sleep(11 * time.Second) }, false, 1006}, // the write timeout
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := config()
				c.Goodbye = wsconn.End{Code: 1001}
				c.Outbox, c.ReadAhead, c.PingInterval = 100*size, 10*size, -1
				s, conn := serve(t, c, func(s *server, data []byte, binary bool) {
					if err := s.Write(data, binary); err != nil && tt.handled {
						t.Errorf("an answer was not taken: %v", err)
					}
				})
				all := make(chan struct{})
				go func() {
					defer close(all)
					conn.Write([]byte(strings.Repeat(frame(fin|text, strings.Repeat("a", size)), asked)))
				}()
				time.Sleep(time.Second)
				if n := len(s.messages()); n < 40 || n > 60 {
					t.Errorf("%d messages of %d bytes were answered into an outbox of %d, of which half should be used", n, size, c.Outbox)
				}
				start := time.Now()
				tt.then(s, conn)
				if tt.handled {
					<-all
					synctest.Wait()
					if n := len(s.messages()); n != asked {
						t.Errorf("%d messages were handled, want %d", n, asked)
					}
					conn.Close()
				}
				if e := s.end(t); e.Code != tt.code {
					t.Errorf("end %+v, want %d", e, tt.code)
				}
				if d := time.Since(start); d > 11*time.Second || name != "nobody" && d > time.Second {
					t.Errorf("the end took %v", d)
				}
				if n := len(s.messages()); !tt.handled && n > 60 {
					t.Errorf("%d messages were handled", n)
				}
			})
		})
	}
}

// TestDefectFloodBeforeOurClose: what a peer sends while our close frame waits behind what it has not read yet does not cost it the close frame.
func TestDefectFloodBeforeOurClose(t *testing.T) {
	const flood, answers = 2 << 20, 50
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.PingInterval = -1
		s, conn := serve(t, c, nil)
		for range answers {
			if err := s.Write([]byte(strings.Repeat("a", 1000)), false); err != nil {
				t.Fatal(err)
			}
		}
		s.Close(4000, "enough")
		sent := 0
		go func() {
			for range flood / 1000 {
				n, err := conn.Write([]byte(frame(fin|text, strings.Repeat("b", 1000))))
				sent += n
				if err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if sent > 512<<10 {
			t.Errorf("%d bytes were read that nobody needs", sent)
		}
		if got := frames(conn); len(got) != answers+1 || got[answers] != "close 4000 enough" {
			t.Errorf("%d frames, the last is %.40q", len(got), got[len(got)-1])
		}
		if e := s.end(t); e.Code != 4000 {
			t.Errorf("end %+v", e)
		}
	})
}

func TestNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.MaxMessage = -1
		s, conn := serve(t, c, nil)
		want := strings.Repeat("a", 3<<20)
		send(t, conn, frame(fin|text, want))
		synctest.Wait()
		if got := s.messages(); !slices.Equal(got, []string{want}) {
			t.Errorf("%d messages", len(got))
		}
	})
}

func TestServeWaitsForEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		s.linger = time.Second
		synctest.Wait()
		start := time.Now()
		go s.Abort(errors.New("enough"))
		synctest.Wait()
		s.Abort(errors.New("really")) // drops at once
		conn.Close()
		s.end(t)
		if d := time.Since(start); d != time.Second {
			t.Errorf("Serve returned after %v", d)
		}
	})
}

// What the peer still sends must not keep our close frame from it.
func TestPeerSendsBeforeItReads(t *testing.T) {
	for _, in := range []string{frame(fin|3, ""), frame(fin|text, strings.Repeat("a", 70_000)), frame(fin|text, "\xff")} {
		synctest.Test(t, func(t *testing.T) {
			s, conn := serve(t, config(), nil)
			send(t, conn, in+strings.Repeat(frame(fin|text, strings.Repeat("a", 1000)), 150))
			if got := frames(conn); len(got) != 1 || !strings.HasPrefix(got[0], "close 10") {
				t.Errorf("got %q", got)
			}
			s.end(t)
		})
	}
}

// Nothing may follow a close frame.
func TestNothingAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.CloseTimeout = time.Hour
		s, conn := serve(t, c, nil)
		r := bufio.NewReader(conn)
		time.Sleep(20 * time.Second) // a ping is due soon
		go s.Close(1000, "")
		expectFrame(t, r, "close 1000")
		send(t, conn, frame(fin|ping, "x"))
		synctest.Wait()
		for range 20 {
			if err := s.Write([]byte("late"), false); err == nil {
				t.Fatal("a Write after Close succeeded")
			}
		}
		time.Sleep(59 * time.Minute) // neither the heartbeat ends it
		send(t, conn, closeFrame(1000, ""))
		if op, p, err := readFrame(r); err == nil {
			t.Errorf("a frame after the close frame: %s", describe(op, p))
		}
	})
}

// The wait for a pong ends with the connection.
func TestCloseWhileAwaitingPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		r := bufio.NewReader(conn)
		expectFrame(t, r, "ping")
		time.Sleep(9 * time.Second)
		start := time.Now()
		go s.Close(1000, "")
		expectFrame(t, r, "close 1000")
		s.end(t)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("gone after %v", d)
		}
	})
}

func TestEndWhileReadAheadIsUsedUp(t *testing.T) {
	for name, end := range map[string]func(s *server){
		"close": func(s *server) { s.Close(1001, "") },
		"abort": func(s *server) { s.Abort(errors.New("enough")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := config()
				c.ReadAhead = 1000
				next, handler := blocking()
				s, conn := serve(t, c, handler)
				go conn.Write([]byte(strings.Repeat(frame(fin|text, strings.Repeat("a", 100)), 100) + closeFrame(1001, "")))
				synctest.Wait()
				go func() {
					for r := bufio.NewReader(conn); ; {
						if _, _, err := readFrame(r); err != nil {
							return
						}
					}
				}()
				start := time.Now()
				end(s) // reads what is left, though the handler is busy
				if d := time.Since(start); d != 0 {
					t.Errorf("the end took %v", d)
				}
				close(next)
				s.end(t)
				if got := len(s.messages()); got != 1 {
					t.Errorf("%d messages were handled", got)
				}
			})
		})
	}
}

func TestWriteTimeout(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := serve(t, config(), nil) // nobody reads the other end
				start := time.Now()
				if err := s.Write(make([]byte, size), false); err != nil {
					t.Errorf("error %v", err)
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("a Write waited: %v", d)
				}
				if e := s.end(t); e.Code != 1006 || e.Remote || e.Err == nil || !strings.Contains(e.Err.Error(), "write timeout") {
					t.Errorf("end %+v", e)
				}
				if err := s.Write([]byte("x"), false); err == nil {
					t.Error("a Write after the end succeeded")
				}
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("a Write after the end waited: %v", d)
				}
			})
		})
	}
}

// A peer that takes nothing but pings must not stop us from seeing its end.
func TestPingsWhileWriteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		wrote := make(chan error, 1)
		go func() { wrote <- s.Write([]byte("slow"), false) }()
		synctest.Wait()
		send(t, conn, frame(fin|ping, "1")+frame(fin|ping, "2")+frame(fin|text, "still read"))
		time.Sleep(9 * time.Second)
		if got := s.messages(); !slices.Equal(got, []string{"still read"}) {
			t.Errorf("got %q", got)
		}
		r := bufio.NewReader(conn)
		expectFrame(t, r, "text slow")
		expectFrame(t, r, "pong 2") // of several pings the last is answered
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		start := time.Now()
		endedAfter := make(chan time.Duration, 1)
		go func() { <-s.ended; endedAfter <- time.Since(start) }()
		r := bufio.NewReader(conn)
		done := make(chan struct{})
		go func() { s.Close(1000, "x"); close(done) }()
		expectFrame(t, r, "close 1000 x")
		time.Sleep(time.Second)
		send(t, conn, frame(fin|text, "too late"))
		<-done
		if e := s.end(t); e != (wsconn.End{Code: 1000, Reason: "x"}) {
			t.Errorf("end %+v", e)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("the peer had %v to answer", d)
		}
		if d := <-endedAfter; d != 0 {
			t.Errorf("Ended came after %v", d)
		}
		if got := s.messages(); got != nil {
			t.Errorf("handled %q after our close", got)
		}
		if _, err := conn.Write([]byte("x")); err == nil {
			t.Error("the connection is still there")
		}
	})
}

// Nobody reads the other end: the close frame cannot leave, nor can what is being written.
func TestCloseWhileWriteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := serve(t, config(), nil)
		_ = s.Write([]byte("slow"), false)
		time.Sleep(5 * time.Second)
		start := time.Now()
		s.Close(1000, "bye")
		if e := s.end(t); e.Code != 1006 || e.Err == nil || !strings.Contains(e.Err.Error(), "write timeout") {
			t.Errorf("end %+v", e)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("gone after %v", d)
		}
	})
}

func TestPeerClosesWhileWriteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.WriteTimeout = time.Minute
		s, conn := serve(t, c, nil)
		_ = s.Write([]byte("slow"), false)
		synctest.Wait()
		start := time.Now()
		send(t, conn, closeFrame(1000, ""))
		<-s.ended
		if d := time.Since(start); d != 0 {
			t.Errorf("the end was seen after %v", d)
		}
		if e := s.end(t); e != (wsconn.End{Code: 1000, Remote: true}) {
			t.Errorf("end %+v", e)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("gone after %v", d)
		}
	})
}

func TestCloseWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), func(s *server, _ []byte, _ bool) { s.Close(1008, "no") })
		c := client(t, conn)
		if err := c.Write(t.Context(), websocket.MessageText, []byte("a")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != 1008 {
			t.Errorf("client saw %v", err)
		}
		if e := s.end(t); e != (wsconn.End{Code: 1008, Reason: "no"}) {
			t.Errorf("end %+v", e)
		}
	})
}

// The peer's close frame comes while ours waits behind a message: the peer was first.
func TestBothClose(t *testing.T) {
	for name, tt := range map[string]struct {
		slow bool
		want wsconn.End
	}{
		"ours is on its way": {false, wsconn.End{Code: 1001, Reason: "ours"}},
		"ours waits":         {true, wsconn.End{Code: 1000, Reason: "mine", Remote: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, conn := serve(t, config(), nil)
				start := time.Now()
				if tt.slow {
					_ = s.Write([]byte("slow"), false)
					synctest.Wait()
				}
				s.Close(1001, "ours")
				synctest.Wait()
				send(t, conn, closeFrame(1000, "mine"))
				synctest.Wait()
				r := bufio.NewReader(conn)
				if tt.slow {
					expectFrame(t, r, "text slow")
				}
				expectFrame(t, r, "close 1001 ours")
				if e := s.end(t); e != tt.want {
					t.Errorf("end %+v, want %+v", e, tt.want)
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("the end took %v", d)
				}
			})
		})
	}
}

func TestEndBeforeServe(t *testing.T) {
	for name, end := range map[string]func(*wsconn.Socket){
		"abort": func(s *wsconn.Socket) { s.Abort(errors.New("early")) },
		"close": func(s *wsconn.Socket) { s.Close(1008, "early") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				go frames(theirs)
				s := newServer(wsconn.NewLoop(config()), ours, nil, nil)
				end(s.Socket)
				s.Start()
				e := s.end(t)
				if e.Reason != "early" && (e.Err == nil || e.Err.Error() != "early") {
					t.Errorf("end %+v", e)
				}
			})
		})
	}
}

func TestOnlyTheFirstEndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		s.Abort(errors.New("first"))
		s.Close(1000, "second")
		s.Abort(errors.New("third"))
		conn.Close()
		if e := s.end(t); e.Code != 1006 || e.Err == nil || e.Err.Error() != "first" {
			t.Errorf("end %+v", e)
		}
	})
}

// A test that fails within a handler ends the goroutine.
func TestGoexitInMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), func(*server, []byte, bool) { runtime.Goexit() })
		send(t, conn, frame(fin|text, "a")+frame(fin|text, "b"))
		expectFrame(t, bufio.NewReader(conn), "close 1011 internal error")
		conn.Close()
		if e := s.end(t); e.Code != 1011 || e.Err == nil || !strings.Contains(e.Err.Error(), "did not return") {
			t.Errorf("end %+v", e)
		}
		if got := s.messages(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("handled %q", got)
		}
	})
}

func TestInvalidCloseOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		go s.Close(1000, strings.Repeat("ä", 100))
		if got, want := frames(conn), []string{"close 1000 " + strings.Repeat("ä", 61)}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		s.end(t)
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		start := time.Now()
		r := bufio.NewReader(conn)
		last := start
		for i := range 20 {
			expectFrame(t, r, "ping")
			if d := time.Since(last); d < 22500*time.Millisecond || d > 27500*time.Millisecond {
				t.Errorf("ping %d after %v", i, d)
			}
			time.Sleep(9 * time.Second)
			last = time.Now()
			switch i % 3 { // any sign of life will do
			case 0:
				send(t, conn, frame(fin|pong, ""))
			case 1:
				send(t, conn, frame(fin|text, "hello"))
			case 2:
				send(t, conn, frame(text, "")+frame(fin|cont, ""))
			}
		}
		expectFrame(t, r, "ping")
		last = time.Now()
		e := s.end(t)
		if d := time.Since(last); d != 10*time.Second {
			t.Errorf("given up after %v", d)
		}
		if e.Code != 1006 || e.Remote || e.Err == nil || e.Err.Error() != "no pong within 10s" {
			t.Errorf("end %+v", e)
		}
	})
}

func TestNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.PingInterval = -1
		s, conn := serve(t, c, nil)
		go frames(conn)
		time.Sleep(24 * time.Hour)
		select {
		case <-s.ended:
			t.Errorf("ended: %+v", s.end(t))
		default:
		}
	})
}

// The pong waits behind messages that we do not read because the handler is busy.
func TestHeartbeatOfStalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config()
		c.ReadAhead = 1000
		next, handler := blocking()
		s, conn := serve(t, c, handler)
		go conn.Write([]byte(strings.Repeat(frame(fin|text, strings.Repeat("a", 100)), 100)))
		var pings int
		go func() {
			for r := bufio.NewReader(conn); ; pings++ {
				if _, _, err := readFrame(r); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Hour)
		select {
		case <-s.ended:
			t.Fatalf("ended: %+v", s.end(t))
		default:
		}
		close(next)
		synctest.Wait()
		start := time.Now()
		e := s.end(t) // silent from here on
		if d := time.Since(start); e.Code != 1006 || d > 40*time.Second {
			t.Errorf("end %+v after %v", e, d)
		}
		if got := len(s.messages()); got != 100 {
			t.Errorf("%d messages came through", got)
		}
	})
}

func TestSlowControlFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, conn := serve(t, config(), nil)
		f := frame(fin|ping, "slow")
		send(t, conn, f[:7])
		time.Sleep(6 * time.Second)
		send(t, conn, f[7:])
		r := bufio.NewReader(conn)
		expectFrame(t, r, "pong slow")
		send(t, conn, f[:7])
		expectFrame(t, r, "ping")
		start := time.Now()
		expectFrame(t, r, "close 1008 a message was not complete within 30s")
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("given up %v after the ping", d)
		}
		conn.Close()
		if e := s.end(t); e.Code != 1008 {
			t.Errorf("end %+v", e)
		}
	})
}

// TestSlowHandlerReplies: replies that wait for the ones of messages behind them leave when the next handler takes its time, and what that sends then, at once.
func TestSlowHandlerReplies(t *testing.T) {
	for name, pings := range map[string]string{"messages": "", "behind a ping": frame(fin|ping, "p")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				_, conn := serve(t, config(), func(s *server, data []byte, _ bool) {
					if string(data) == "quick" {
						s.Write([]byte("one"), false)
						return
					}
					s.Write([]byte("two"), false)
					time.Sleep(10 * time.Millisecond)
					s.Write([]byte("three"), false)
					time.Sleep(10 * time.Millisecond)
				})
				send(t, conn, pings+frame(fin|text, "quick")+frame(fin|text, "slow"))
				r := bufio.NewReader(conn)
				if pings != "" {
					expectFrame(t, r, "pong p")
				}
				expectFrame(t, r, "text one")
				expectFrame(t, r, "text two")
				if d := time.Since(begun); d > 200*time.Microsecond {
					t.Errorf("replies were held back for %v", d)
				}
				expectFrame(t, r, "text three")
				if d := time.Since(begun); d != 10*time.Millisecond {
					t.Errorf("what the slow handler sent after 10 ms came after %v", d)
				}
			})
		})
	}
}
