//go:build linux

package hostile

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// dumb connects and waits.
func dumb(p *peer) { p.toEnd() }

// slowRequest sends a byte now and then.
func slowRequest(p *peer) {
	go p.drip(strings.TrimSuffix(p.request(), "\r\n")+"X-Slow: "+strings.Repeat("a", 1000), 1)
	p.toEnd()
}

// slowHeaders sends a whole header now and then.
func slowHeaders(p *peer) {
	_ = p.write(strings.TrimSuffix(p.request(), "\r\n"))
	go p.drip(strings.Repeat("X-A: b\r\n", 1000), len("X-A: b\r\n"))
	p.toEnd()
}

func cutRequest(p *peer) { _ = p.write(half(p.request())) }

func resetRequest(p *peer) {
	_ = p.write(half(p.request()))
	p.reset()
}

func halfRequest(p *peer) {
	_ = p.write(half(p.request()))
	_ = p.conn.CloseWrite()
	p.opened()
}

func half(s string) string { return s[:len(s)/2] }

func resetUnread(p *peer) {
	_ = p.write(p.request())
	p.reset()
}

func halfBehindRequest(p *peer) {
	_ = p.write(p.request())
	_ = p.conn.CloseWrite()
	if p.opened() {
		p.toEnd()
	}
}

// slowly is a play that opens, sends begin, and then piece after piece of more for ever.
func slowly(begin, more string, piece int) func(*peer) {
	return func(p *peer) {
		if p.open("") {
			_ = p.write(begin)
			go p.drip(strings.Repeat(more, 1000), piece)
			p.frames()
		}
	}
}

var (
	slowMessage   = slowly(head(fin|opText, limit), masked("aaaa"), 1)
	slowFragments = slowly(frame(opText, "a"), frame(opCont, ""), len(frame(opCont, "")))
	slowPings     = slowly(frame(opText, "a"), frame(fin|opPing, ""), len(frame(fin|opPing, "")))
)

// byteByByte sends a message in as many segments as it has bytes.
func byteByByte(p *peer) {
	if !p.open("") {
		return
	}
	s := say("slow")
	for i := range len(s) {
		_ = p.write(s[i : i+1])
	}
	p.frames()
}

// unknownTypes sends a thousand messages of as many types, which no other peer sends, as fast as they are answered.
func unknownTypes(p *peer) {
	if !p.open("") {
		return
	}
	const batches, batch = 4, 250
	for i := range batches {
		var b strings.Builder
		for j := range batch {
			b.WriteString(text(fmt.Sprintf(`{"type":"type%d_%d"}`, p.id, i*batch+j)))
		}
		if err := p.write(b.String()); err != nil {
			p.sawError(err)
			return
		}
		for range batch {
			if p.frame() {
				return
			}
		}
	}
	_ = p.write(bye)
	p.frame()
}

// pingFlood never reads.
func pingFlood(p *peer) {
	p.unread(strings.Repeat(frame(fin|opPing, strings.Repeat("p", 125)), 10_000))
}

// echoFlood never reads what it asks for.
func echoFlood(p *peer) { p.unread(strings.Repeat(say(strings.Repeat("e", 60<<10)), 100)) }

func floodUnread(p *peer) { p.unread(floods) }

var floods = text(`{"type":"flood"}`)

// floodTrickle reads a byte now and then.
func floodTrickle(p *peer) {
	if p.open("") {
		_ = p.write(floods)
		p.untilDropped(func() { _, _ = p.r.ReadByte() })
	}
}

// readPings wants the last of 10,000 pings answered.
func readPings(p *peer) {
	if !p.open("") {
		return
	}
	go p.write(numberedPings())
	for last := ""; last != fmt.Sprint(pingCount); {
		p.wait()
		op, payload, err := readFrame(p.r)
		if err != nil {
			p.sawError(err)
			return
		}
		if op == opPong {
			last = string(payload)
		}
		p.saw(word(op, payload))
	}
	_ = p.write(bye)
	p.frame()
}

const pingCount = 10_000

var numberedPings = sync.OnceValue(func() string {
	var b strings.Builder
	for i := range pingCount {
		b.WriteString(frame(fin|opPing, fmt.Sprint(i+1)))
	}
	return b.String()
})

// silent answers no ping.
func silent(p *peer) {
	if p.open("") {
		p.countPings = true
		p.frames()
	}
}

// halfClosed sends a message and its end, and reads what comes. Whether the message is still answered is the server's choice.
func halfClosed(p *peer) { p.sendHalf(say("half")) }

func halfInMessage(p *peer) { p.sendHalf(head(fin|opText, 1000) + masked("abc")) }

func halfWhileBlocked(p *peer) { p.sendHalf(blocking) }

var blocking = text(`{"type":"block"}`)

func (p *peer) sendHalf(s string) {
	if !p.open("") {
		return
	}
	_ = p.write(s)
	_ = p.conn.CloseWrite()
	p.frames()
	p.seen = p.seen[len(p.seen)-1:]
}

// resetAfter is a play that opens, has a message answered, sends s and resets the connection.
func resetAfter(s string) func(*peer) {
	return func(p *peer) {
		if !p.open("") {
			return
		}
		if err := p.echoes("first"); err != nil {
			p.saw(err.Error())
		}
		_ = p.conn.SetWriteDeadline(time.Now().Add(patience / 6))
		_ = p.write(s)
		p.reset()
	}
}

// staysAfter is a play that sends s and waits for the server to end the connection.
func staysAfter(s string) func(*peer) {
	return func(p *peer) {
		if p.open("") {
			_ = p.write(s)
			p.frames()
			p.toEnd()
			p.untilDropped(func() {}) // a half that is closed looks like the end
		}
	}
}

// sendsAfterRefusal never stops sending.
func sendsAfterRefusal(p *peer) {
	if !p.open("") {
		return
	}
	go func() {
		for s := strings.Repeat("\xff", 4<<10); p.write(s) == nil; {
		}
	}()
	p.frames()
	p.toEnd()
}

// churn takes part in the descriptor churn: what comes on a connection is its own.
func churn(p *peer) {
	if !p.open("") {
		return
	}
	mine := fmt.Sprintf(`{"type":"later","text":"connection %d %s"}`, p.id, strings.Repeat("x", p.id%300))
	_ = p.write(text(mine))
	p.saw("own")
	read := func(n int) {
		for range n {
			p.wait()
			op, payload, err := readFrame(p.r)
			if err != nil || op == opClose {
				return
			}
			if string(payload) != mine {
				p.saw(fmt.Sprintf("foreign:%.60q", payload))
			}
		}
	}
	read(1 + p.id%4)
	switch p.id / 4 % 5 {
	case 0:
		_ = p.write(bye)
		read(1000)
	case 1:
		p.reset()
	case 2: // closed with bytes unread
	case 3:
		_ = p.write(head(fin|opText, 1000) + masked("abc"))
		p.reset()
	case 4:
		_ = p.conn.CloseWrite()
		read(1000)
	}
}

// toEnd reads until nothing comes.
func (p *peer) toEnd() {
	p.wait()
	_, err := io.Copy(io.Discard, p.r)
	if err == nil {
		err = io.EOF
	}
	p.sawError(err)
}

// unread sends s and reads nothing.
func (p *peer) unread(s string) {
	if !p.open("") {
		return
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience / 3))
	_ = p.write(s)
	p.untilDropped(func() {})
}

// untilDropped does something now and then until the server has let go of the connection. What the network still holds of it hides the
// end from a peer that does not read, so it is the server that is looked at.
func (p *peer) untilDropped(now func()) {
	tick := time.NewTicker(dripPause)
	defer tick.Stop()
	for begun := time.Now(); !p.dropped(); <-tick.C {
		if time.Since(begun) > patience {
			p.saw("held")
			return
		}
		now()
	}
	p.saw("dropped")
}

// reset ends the connection without a FIN.
func (p *peer) reset() {
	_ = p.conn.SetLinger(0)
	p.conn.Close()
}

const dripPause = 20 * time.Millisecond

// drip sends s in pieces, one now and then, until the connection ends.
func (p *peer) drip(s string, piece int) {
	tick := time.NewTicker(dripPause)
	defer tick.Stop()
	for ; len(s) >= piece; s = s[piece:] {
		if p.write(s[:piece]) != nil {
			return
		}
		<-tick.C
	}
}

// inFrames is a text message in frames of n bytes, with something between them.
func inFrames(s string, n int, between string) string { return inFramesOf(opText, s, n, between) }

func inFramesOf(first byte, s string, n int, between string) string {
	var b strings.Builder
	for ; len(s) > n; s = s[n:] {
		b.WriteString(frame(first, s[:n]))
		b.WriteString(between)
		first = opCont
	}
	b.WriteString(frame(fin|first, s))
	return b.String()
}

// masked is a part of a payload that begins at its start.
func masked(s string) string {
	f := frame(fin|opText, s)
	return f[len(f)-len(s):]
}

// squeezed is a compressed text message.
func squeezed(s string) string { return frame(fin|rsv1|opText, deflate(s)) }

// flushed is what ends a block that is flushed, and is left out at the end of a message.
const flushed = "\x00\x00\xff\xff"

func deflate(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level exists
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), flushed)
}

// zeros is n zeros, compressed: the same block again and again.
func zeros(n int) string {
	const block = 1 << 20
	s := deflate(strings.Repeat("0", block)) + flushed
	return strings.TrimSuffix(strings.Repeat(s, n/block), flushed)
}

// members are n members of different names.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return b.String()
}

func named(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(`,"` + n + `":0`)
	}
	return b.String()
}

// colliding31 are n members whose names have one hash where a hash is h*31 + byte.
func colliding31(n int) string { return named(combine([][2]string{}, "Aa", "BB", n)) }

// combine makes n strings, each choosing one of two parts at every place: pairs, or as many places of a and b as n needs.
func combine(pairs [][2]string, a, b string, n int) []string {
	for 1<<len(pairs) < n {
		pairs = append(pairs, [2]string{a, b})
	}
	all := make([]string, n)
	for i := range all {
		var s strings.Builder
		for bit, pair := range pairs {
			s.WriteString(pair[i>>bit&1])
		}
		all[i] = s.String()
	}
	return all
}

// collidingFNV are n members whose names have one hash under 32-bit FNV-1a: wherever the state is, two parts that lead to the
// same next state are found among a hundred thousand, and each such pair doubles the number of names.
func collidingFNV(n int) string {
	const (
		offset   = 2166136261
		prime    = 16777619
		alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	var pairs [][2]string
	random := rand.New(rand.NewPCG(1, 2))
	for state := uint32(offset); 1<<len(pairs) < n; {
		before := make(map[uint32][5]byte, 1<<17)
		for {
			var part [5]byte
			h := state
			for i := range part {
				part[i] = alphabet[random.IntN(len(alphabet))]
				h = (h ^ uint32(part[i])) * prime
			}
			if other, ok := before[h]; ok && other != part {
				pairs, state = append(pairs, [2]string{string(other[:]), string(part[:])}), h
				break
			}
			before[h] = part
		}
	}
	return named(combine(pairs, "", "", n))
}

// alike are n members whose names differ in the middle only.
func alike(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%05d%s", strings.Repeat("a", 20), i, strings.Repeat("z", 20))
	}
	return named(names)
}
