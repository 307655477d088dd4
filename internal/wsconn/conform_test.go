package wsconn_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// cuts calls f with the pieces in which in may arrive: whole, byte by byte, and in 20 random splits.
func cuts(in []byte, f func(how string, pieces [][]byte)) {
	f("whole", [][]byte{slices.Clone(in)})
	var single [][]byte
	for i := range in {
		single = append(single, []byte{in[i]})
	}
	f("byte by byte", single)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var pieces [][]byte
		// Some splits are of few large pieces, others of many small ones.
		most := []int{3, 10, 60, 700, 9000}[seed%5]
		for rest := slices.Clone(in); len(rest) > 0; {
			n := 1 + r.IntN(min(len(rest), most))
			pieces = append(pieces, rest[:n:n])
			rest = rest[n:]
		}
		f(fmt.Sprint("split ", seed), pieces)
	}
}

// The parser alone finds what the cases say.
func TestConformanceParser(t *testing.T) {
	for _, c := range conformances(t) {
		t.Run(c.id, func(t *testing.T) {
			cuts(c.in, func(how string, pieces [][]byte) {
				if got, want := parsed(c, pieces), c.expected(); !slices.Equal(got, want) {
					t.Errorf("%s:\ngot  %.300q\nwant %.300q", how, got, want)
				}
			})
		})
	}
}

// expected are the items as lines.
func (c *conformance) expected() (lines []string) {
	for _, i := range c.want {
		lines = append(lines, i.String())
	}
	return lines
}

// parsed is what the parser makes of a case, as lines of c.expected. What is compressed is inflated here.
func parsed(c conformance, pieces [][]byte) (got []string) {
	p := wsconnParser(c)
	for _, piece := range pieces {
		events, code := p.Feed(piece)
		for _, ev := range events {
			i := item{kind: ev.Kind, payload: ev.Data, number: ev.Code}
			switch {
			case ev.Kind == "ping":
				i.kind = "pong"
			case ev.Kind == "pong":
				continue
			case ev.Compressed:
				var fail int
				if i.payload, fail = inflated(ev.Data, c.message, ev.Kind == "text"); fail != 0 {
					return append(got, fmt.Sprint("fail:", fail))
				}
			}
			got = append(got, i.String())
			if ev.Kind == "close" {
				return got
			}
		}
		if code != 0 {
			return append(got, fmt.Sprint("fail:", code))
		}
	}
	return got
}

// inflated undoes permessage-deflate without context takeover (RFC 7692, section 7.2.2), or says what to close with.
func inflated(data string, limit int, text bool) (string, int) {
	r := flate.NewReader(strings.NewReader(data + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case len(b) > limit:
		return "", 1009
	case err != nil:
		return "", 1007
	case text && !bytes.Equal(bytes.ToValidUTF8(b, nil), b):
		return "", 1007
	}
	return string(b), 0
}

// A mode is a way in which a server is reached.
type mode struct {
	name string
	idle bool
}

// The socket on an in-memory connection, where the time is the test's.
func TestConformancePipe(t *testing.T) {
	for _, c := range conformances(t) {
		if pending(c) {
			continue
		}
		t.Run(c.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := newConformLoop(c, false)
				cuts(c.in, func(how string, pieces [][]byte) {
					ours, theirs := net.Pipe()
					v := converse(loop, c, ours, theirs, pieces, func() {
						synctest.Wait()
						theirs.Close()
					})
					v.check(t, c, how)
				})
			})
		})
	}
}

func TestConformanceTCP(t *testing.T) { conformTCP(t, false) }

// Where there is no idle mode the option changes nothing.
func TestConformanceIdle(t *testing.T) { conformTCP(t, true) }

func conformTCP(t *testing.T, idle bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var dial sync.Mutex // pairs a connection with its other end
	work := make(chan conformance)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range work {
				loop := newConformLoop(c, idle)
				cuts(c.in, func(how string, pieces [][]byte) {
					dial.Lock()
					theirs, err := net.Dial("tcp", l.Addr().String())
					if err != nil {
						t.Error(err)
						dial.Unlock()
						return
					}
					ours, err := l.Accept()
					dial.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					v := converse(loop, c, ours, theirs, pieces, func() { theirs.(*net.TCPConn).CloseWrite() })
					_ = theirs.(*net.TCPConn).SetLinger(0) // leaves no port behind
					theirs.Close()
					v.check(t, c, c.id+", "+how)
				})
				loop.Stop()
			}
		})
	}
	for _, c := range conformances(t) {
		if !pending(c) {
			work <- c
		}
	}
	close(work)
	wg.Wait()
}

// A conversation is what came of a case.
type conversation struct {
	events  []string // what the handler was given
	replies []string // what the client was sent
	end     item     // how the server saw the end
	err     error
}

// converse sends the pieces and takes what comes. hangup is called when all is sent and the connection is to stay open.
func converse(loop conformLoop, c conformance, ours, theirs net.Conn, pieces [][]byte, hangup func()) (v conversation) {
	s := loop.serve(ours, &v)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		v.replies = replies(theirs)
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, p := range pieces {
			if _, err := theirs.Write(p); err != nil {
				return
			}
		}
	}()
	if c.end().kind == "hangup" {
		<-sent
		hangup()
	}
	<-answered
	<-sent
	s.wait()
	return v
}

// replies are frames until the close frame, as items print. Then the client hangs up, unless the server does so first.
func replies(conn net.Conn) (got []string) {
	for _, f := range frames(conn) {
		kind, payload, _ := strings.Cut(f, " ")
		switch kind {
		case "close":
			number := 1005
			_, _ = fmt.Sscan(payload, &number)
			got = append(got, item{kind: kind, number: number}.String())
		default:
			got = append(got, item{kind: kind, payload: payload}.String())
		}
	}
	return got
}

// check compares v with what c wants. Of several pings the last has to be answered, unless the end comes first (RFC 6455, sections
// 5.5.2 and 5.5.3), and a pong may overtake messages.
func (v *conversation) check(t *testing.T, c conformance, how string) {
	t.Helper()
	var events, messages, pongs []string
	for _, i := range c.want {
		switch i.kind {
		case "text", "binary":
			events = append(events, i.String())
		case "pong":
			pongs = append(pongs, i.String())
		}
	}
	messages = slices.Clone(events)
	end := c.end()
	if end.kind != "hangup" {
		messages = append(messages, item{kind: "close", number: end.number}.String())
	}
	if !slices.Equal(v.events, events) {
		t.Errorf("%s: the handler got %.300q, want %.300q", how, v.events, events)
	}
	isPong := func(s string) bool { return strings.HasPrefix(s, "pong:") }
	if got := slices.DeleteFunc(slices.Clone(v.replies), isPong); !slices.Equal(got, messages) {
		t.Errorf("%s: sent %.300q, want %.300q", how, got, messages)
	}
	last := ""
	for _, r := range v.replies {
		if !isPong(r) {
			continue
		}
		n := slices.Index(pongs, r)
		if n < 0 {
			t.Errorf("%s: %q, want one of %q", how, r, pongs)
			break
		}
		last, pongs = r, pongs[n+1:]
	}
	if len(pongs) > 0 && end.kind == "hangup" {
		t.Errorf("%s: the last pong is %q, want %q", how, last, pongs[len(pongs)-1])
	}
	if v.end.String() != end.String() || v.end.kind != end.kind || (v.err == nil) != (end.kind == "close") {
		t.Errorf("%s: end %s %d, error %v, want %s %d", how, v.end.kind, v.end.number, v.err, end.kind, end.number)
	}
}
