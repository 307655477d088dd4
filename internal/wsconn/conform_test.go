package wsconn_test

import (
	"bufio"
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
	"time"

	"github.com/wsrouter-go/wsrouter/internal/race"
)

// cuts calls f with the pieces in which in may arrive: whole, byte by byte, and in 20 random splits, of which the race detector sees 5.
func cuts(in []byte, f func(how string, pieces [][]byte)) {
	f("whole", [][]byte{slices.Clone(in)})
	var single [][]byte
	for i := range in {
		single = append(single, []byte{in[i]})
	}
	f("byte by byte", single)
	splits := uint64(20)
	if race.Enabled {
		splits = 5
	}
	for seed := range splits {
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
	defer p.Close()
	window := "" // what was compressed before
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
				if i.payload, fail = inflated(ev.Data, window, c.message, ev.Kind == "text"); fail != 0 {
					return append(got, fmt.Sprint("fail:", fail))
				}
				window += i.payload
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

// inflated undoes permessage-deflate (RFC 7692, section 7.2.2), or says what to close with. No data at all is taken for an empty message.
func inflated(data, window string, limit int, text bool) (string, int) {
	if data == "" {
		return "", 0
	}
	r := flate.NewReaderDict(strings.NewReader(data+"\x00\x00\xff\xff\x01\x00\x00\xff\xff"), []byte(window))
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

// The socket on an in-memory connection, where the time is the test's.
func TestConformancePipe(t *testing.T) {
	for _, c := range conformances(t) {
		t.Run(c.id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := newConformLoop(c, false)
				cuts(c.in, func(how string, pieces [][]byte) {
					ours, theirs := net.Pipe()
					v := converse(loop, c, ours, theirs, pieces, func(<-chan struct{}) {
						synctest.Wait()
						theirs.Close()
					})
					for _, f := range v.faults(c) {
						t.Errorf("%s: %s", how, f)
					}
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
	var dial sync.Mutex
	work := make(chan conformance)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range work {
				loop := newConformLoop(c, idle)
				failed := false
				cuts(c.in, func(how string, pieces [][]byte) {
					for try := 1; !failed; try++ {
						v, err := dialogue(l, &dial, loop, c, pieces)
						if err != nil {
							t.Error(err)
							return
						}
						faults := v.faults(c)
						if len(faults) > 0 && v.slow && try < 10 {
							continue // the end overtakes a handler that takes its time
						}
						for _, f := range faults {
							t.Errorf("%s, %s: %s", c.id, how, f)
							failed = true // the other ways may each take as long
						}
						return
					}
				})
				loop.Stop()
			}
		})
	}
	for _, c := range conformances(t) {
		work <- c
	}
	close(work)
	wg.Wait()
}

// dialogue is a conversation over TCP. The pieces are still there afterwards.
func dialogue(l net.Listener, dial *sync.Mutex, loop conformLoop, c conformance, pieces [][]byte) (v conversation, err error) {
	dial.Lock() // pairs a connection with its other end
	theirs, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		dial.Unlock()
		return v, err
	}
	defer theirs.Close()
	ours, err := l.Accept()
	dial.Unlock()
	if err != nil {
		return v, err
	}
	if err := theirs.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return v, err
	}
	v = converse(loop, c, ours, theirs, pieces, func(settled <-chan struct{}) {
		select {
		case <-settled:
		case <-time.After(10 * time.Second): // an answer is missing, which faults tells
		}
		_ = theirs.(*net.TCPConn).CloseWrite()
	})
	return v, nil
}

// A conversation is what came of a case.
type conversation struct {
	events  []string // what the handler was given
	replies []string // what the client was sent
	end     item     // how the server saw the end
	err     error
	slow    bool // the machine let a handler wait
}

// converse sends the pieces and takes what comes. When all is sent that the client has, and the connection is to stay open, hangup is called: what
// it is given is closed when the client has all that it is to get.
func converse(loop conformLoop, c conformance, ours, theirs net.Conn, pieces [][]byte, hangup func(settled <-chan struct{})) (v conversation) {
	s := loop.serve(ours, &v)
	settled, answered, sent := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answered)
		v.replies = replies(theirs, c, settled)
	}()
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
		hangup(settled)
	}
	<-answered
	<-sent
	s.wait()
	return v
}

// replies are frames until the close frame, as items print. Then the client hangs up, unless the server does so first.
func replies(conn net.Conn, c conformance, settled chan struct{}) (got []string) {
	defer conn.Close()
	messages, _, pongs := c.replies()
	lastPong := ""
	if len(pongs) > 0 {
		lastPong = pongs[len(pongs)-1]
	}
	n, ponged := 0, lastPong == ""
	for r := bufio.NewReader(conn); ; {
		if settled != nil && n == len(messages) && ponged {
			close(settled)
			settled = nil
		}
		op, p, err := readFrame(r)
		if err != nil {
			return got
		}
		if c.deflate && (op == rsv1|text || op == rsv1|binary_) { // we never refer back to earlier messages
			op &^= rsv1
			plain, fail := inflated(p, "", 1<<20, op == text)
			if p = plain; fail != 0 {
				p = fmt.Sprintf("compressed wrongly: %d", fail)
			}
		}
		i := item{kind: map[byte]string{text: "text", binary_: "binary", ping: "ping", pong: "pong", closed: "close"}[op], payload: p, number: 1005}
		if op == closed && len(p) >= 2 {
			i.number = int(p[0])<<8 | int(p[1])
		}
		switch got = append(got, i.String()); op {
		case closed:
			return got
		case pong:
			ponged = ponged || i.String() == lastPong
		default:
			n++
		}
	}
}

// replies are what the client is sent, what of it echoes what the handler is given, and the pongs apart.
func (c *conformance) replies() (messages, events, pongs []string) {
	for _, i := range c.want {
		switch i.kind {
		case "text", "binary":
			events = append(events, i.String())
		case "pong":
			pongs = append(pongs, i.String())
		}
	}
	messages = slices.Clone(events)
	if end := c.end(); end.kind != "hangup" {
		messages = append(messages, item{kind: "close", number: end.number}.String())
	}
	return messages, events, pongs
}

// faults are what v has that c does not want. Of several pings the last has to be answered, unless the end comes first (RFC 6455, sections
// 5.5.2 and 5.5.3), and a pong may overtake messages.
func (v *conversation) faults(c conformance) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	messages, events, pongs := c.replies()
	if !slices.Equal(v.events, events) {
		fault("the handler got %.300q, want %.300q", v.events, events)
	}
	isPong := func(s string) bool { return strings.HasPrefix(s, "pong:") }
	if got := slices.DeleteFunc(slices.Clone(v.replies), isPong); !slices.Equal(got, messages) {
		fault("sent %.300q, want %.300q", got, messages)
	}
	for _, r := range v.replies {
		if !isPong(r) {
			continue
		}
		n := slices.Index(pongs, r)
		if n < 0 {
			fault("%q, want one of %q", r, pongs)
			break
		}
		pongs = pongs[n+1:]
	}
	end := c.end()
	if len(pongs) > 0 && end.kind == "hangup" {
		fault("no %q", pongs[len(pongs)-1])
	}
	if v.end.kind != end.kind || v.end.number != end.number || (v.err == nil) != (end.kind == "close") {
		fault("end %s %d, error %v, want %s %d", v.end.kind, v.end.number, v.err, end.kind, end.number)
	}
	return faults
}
