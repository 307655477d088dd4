package wsconn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/race"
)

// clientFrame is a masked frame. Its payload has the length that is written in the header.
func clientFrame(first byte, payload string) string {
	return clientHead(first, uint64(len(payload))) + mask(payload)
}

func mask(payload string) string {
	b := []byte(payload)
	for i := range b {
		b[i] ^= "\x37\xfa\x21\x3d"[i%4]
	}
	return string(b)
}

func clientHead(first byte, n uint64) string {
	var b []byte
	switch {
	case n <= 125:
		b = []byte{first, 0x80 | byte(n)}
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n)
	}
	return string(b) + "\x37\xfa\x21\x3d"
}

func newParser(t *testing.T, deflated bool) *parser {
	p := parserOf(deflated)
	t.Cleanup(p.release)
	return p
}

// pieces feeds in, cut at random if r is not nil and never if it is nil, and returns the events as lines. The parser must be given
// back what it was given: each piece is overwritten afterwards, as buffers of a pool are.
func pieces(t *testing.T, p *parser, in string, l *limits, r *rand.Rand) (lines []string) {
	t.Helper()
	for len(in) > 0 {
		size := len(in)
		if r != nil {
			size = 1 + r.IntN(min(len(in), 1+r.IntN(200)))
		}
		piece := []byte(in[:size])
		in = in[size:]
		for rest := piece; len(rest) > 0; {
			ev, n, err := p.next(rest, l)
			if err != nil {
				return append(lines, fmt.Sprintf("error %d %s", err.code, err.text))
			}
			if n <= 0 || n > len(rest) || ev.kind == eventNone && n != len(rest) {
				t.Fatalf("took %d of %d bytes, event %d", n, len(rest), ev.kind)
			}
			rest = rest[n:]
			if ev.kind == eventNone {
				break
			}
			lines = append(lines, line(ev))
			ev.buf.free()
			if ev.kind == eventClosing {
				return lines
			}
		}
		for i := range piece {
			piece[i] = 0xAA
		}
	}
	if p.part != nil {
		lines = append(lines, "unfinished")
	}
	return lines
}

func line(ev event) string {
	name := [...]string{eventText: "text", eventBinary: "binary", eventPing: "ping", eventPong: "pong", eventClosing: "close"}[ev.kind]
	if ev.compressed {
		name = "compressed " + name
	}
	if ev.kind == eventClosing {
		return fmt.Sprintf("close %d %q", ev.code, ev.reason)
	}
	return fmt.Sprintf("%s %q", name, ev.data)
}

// ways are how a stream may arrive: whole, byte by byte, and at random.
func ways(t *testing.T, deflated bool, in string, l *limits) (whole []string) {
	t.Helper()
	whole = pieces(t, newParser(t, deflated), in, l, nil)
	var single []string
	p := newParser(t, deflated)
	for i := range len(in) {
		got := pieces(t, p, in[i:i+1], l, nil)
		single = append(slices.DeleteFunc(single, func(s string) bool { return s == "unfinished" }), got...)
		if len(got) > 0 && (strings.HasPrefix(got[0], "error") || strings.HasPrefix(got[0], "close")) {
			break
		}
	}
	if !slices.Equal(whole, single) {
		t.Errorf("whole: %.300q\nbyte by byte: %.300q", whole, single)
	}
	for seed := range uint64(20) {
		if got := pieces(t, newParser(t, deflated), in, l, rand.New(rand.NewPCG(seed, 0))); !slices.Equal(whole, got) {
			t.Errorf("whole: %.300q\nseed %d: %.300q", whole, seed, got)
		}
	}
	return whole
}

func TestParser(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB
	for _, c := range []struct {
		name, in string
		deflated bool
		limits   limits
		want     []string
	}{
		{name: "nothing"},
		{name: "empty text", in: clientFrame(0x81, ""), want: []string{`text ""`}},
		{name: "text", in: clientFrame(0x81, "hello, world"), want: []string{`text "hello, world"`}},
		{name: "binary", in: clientFrame(0x82, "\xff\x00"), want: []string{`binary "\xff\x00"`}},
		{name: "two messages", in: clientFrame(0x81, "a") + clientFrame(0x82, "b"), want: []string{`text "a"`, `binary "b"`}},
		{name: "126 bytes", in: clientFrame(0x81, long[:126]), want: []string{fmt.Sprintf("text %q", long[:126])}},
		{name: "64 KiB", in: clientFrame(0x81, long[:1<<16]), want: []string{fmt.Sprintf("text %q", long[:1<<16])}},
		{name: "fragments", in: clientFrame(0x01, "a") + clientFrame(0, "") + clientFrame(0, "b") + clientFrame(0x80, "c"), want: []string{`text "abc"`}},
		{name: "empty fragments", in: clientFrame(0x01, "") + clientFrame(0x80, ""), want: []string{`text ""`}},
		{name: "control between fragments", in: clientFrame(0x02, "a") + clientFrame(0x89, "p") + clientFrame(0x8a, "") + clientFrame(0x80, "b"),
			want: []string{`ping "p"`, `pong ""`, `binary "ab"`}},
		{name: "character over fragments", in: clientFrame(0x01, "\xf0\x9f") + clientFrame(0x89, "") + clientFrame(0, "\x98") + clientFrame(0x80, "\x80"),
			want: []string{`ping ""`, `text "😀"`}},
		{name: "unfinished header", in: clientFrame(0x81, "a")[:5], want: []string{"unfinished"}},
		{name: "unfinished message", in: clientFrame(0x01, "a"), want: []string{"unfinished"}},
		{name: "close", in: clientFrame(0x88, "") + "rest", want: []string{`close 1005 ""`}},
		{name: "close with reason", in: clientFrame(0x88, "\x0f\xa0bye"), want: []string{`close 4000 "bye"`}},

		{name: "bad byte of an unfinished frame", in: clientHead(0x81, 100) + mask("ab\xff"), want: []string{"error 1007 text message is not valid UTF-8"}},
		{name: "bad second byte", in: clientHead(0x81, 100) + mask("ab\xed\xa0"), want: []string{"error 1007 text message is not valid UTF-8"}},
		{name: "bad byte over frames", in: clientFrame(1, "\xf4") + clientHead(0, 100) + mask("\x90"), want: []string{"error 1007 text message is not valid UTF-8"}},
		{name: "ASCII within a character", in: clientFrame(1, "\xc3") + clientFrame(0, "a"), want: []string{"error 1007 text message is not valid UTF-8"}},
		{name: "character unfinished at the end", in: clientFrame(1, "a") + clientFrame(0x80, "\xc3"), want: []string{"error 1007 text message is not valid UTF-8"}},
		{name: "the same before an empty frame", in: clientFrame(1, "\xc3") + clientFrame(0x80, ""), want: []string{"error 1007 text message is not valid UTF-8"}},

		{name: "limit", in: clientFrame(0x82, long[:100]), limits: limits{100, -1}, want: []string{fmt.Sprintf("binary %q", long[:100])}},
		{name: "over the limit, by the header's length", in: clientHead(0x82, 101)[:2], limits: limits{100, -1}, want: []string{"error 1009 message over 100 bytes: 101"}},
		{name: "over the limit, by 63 bits", in: clientHead(0x82, 1<<63-1)[:10], limits: limits{100, -1}, want: []string{"error 1009 message over 100 bytes: 9223372036854775807"}},
		{name: "over the limit, by the sum", in: clientFrame(0x02, long[:100]) + clientHead(0, 1)[:2], limits: limits{100, -1}, want: []string{"error 1009 message over 100 bytes: 101"}},
		{name: "no limit and a sum of 64 bits", in: clientFrame(0x02, "a") + clientHead(0, 1<<63-1)[:10], limits: limits{-1, -1}, want: []string{"error 1009 message over -1 bytes: 9223372036854775808"}},
		{name: "frames", in: clientFrame(0x02, "") + clientFrame(0, "") + clientFrame(0x80, ""), limits: limits{0, 3}, want: []string{`binary ""`}},
		{name: "a frame too many", in: clientFrame(0x02, "") + clientFrame(0x89, "") + clientFrame(0, "") + clientHead(0x80, 0)[:2], limits: limits{0, 2},
			want: []string{`ping ""`, "error 1008 message in more than 2 frames"}},

		{name: "compressed", in: clientFrame(0xc1, "\xff"), deflated: true, want: []string{`compressed text "\xff"`}},
		{name: "compressed fragments", in: clientFrame(0x42, "\xff") + clientFrame(0x80, "\xfe"), deflated: true, want: []string{`compressed binary "\xff\xfe"`}},
		{name: "uncompressed beside", in: clientFrame(0xc1, "\xff") + clientFrame(0x81, "a"), deflated: true, want: []string{`compressed text "\xff"`, `text "a"`}},
		{name: "compressed continuation", in: clientFrame(0x41, "a") + "\xc0", deflated: true, want: []string{`error 1002 a reserved bit (rsv) is set`}},
		{name: "compressed ping", in: "\xc9", deflated: true, want: []string{`error 1002 a reserved bit (rsv) is set`}},
		{name: "compressed without having agreed", in: "\xc1", want: []string{`error 1002 a reserved bit (rsv) is set`}},
		{name: "compressed and incompressible", in: clientFrame(0xc2, long[:189]), deflated: true, limits: limits{100, -1}, want: []string{fmt.Sprintf("compressed binary %q", long[:189])}},
		{name: "compressed over the limit", in: clientHead(0xc2, 190)[:8], deflated: true, limits: limits{100, -1}, want: []string{"error 1009 message over 100 bytes: 190"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.limits == (limits{}) {
				c.limits = limits{-1, -1}
			}
			if got := ways(t, c.deflated, c.in, &c.limits); !slices.Equal(got, c.want) {
				t.Errorf("got %.300q\nwant %.300q", got, c.want)
			}
		})
	}
}

// A whole frame is not copied: its payload is where it came, and nothing is left behind.
func TestParserInPlace(t *testing.T) {
	in := []byte(clientFrame(0x81, "hello") + clientFrame(0x89, "ping") + "\x81")
	p := new(parser)
	ev, n, err := p.next(in, &limits{-1, -1})
	if err != nil || ev.buf != nil || &ev.data[0] != &in[6] || n != 11 || p.part != nil {
		t.Errorf("%+v, %d, %v; part %v", ev, n, err, p.part)
	}
	if cap(ev.data) != 5 {
		t.Errorf("an append to data would write over the next frame: capacity %d", cap(ev.data))
	}
}

// What is claimed and does not come costs nothing.
func TestParserBuffersWhatCame(t *testing.T) {
	for _, sent := range []int{0, 1, 1000, 5000, 100_000, 1_000_000} {
		p := new(parser)
		in := []byte(clientHead(0x82, 1<<40) + strings.Repeat("a", sent))
		for piece := range slices.Chunk(in, 700) {
			if _, _, err := p.next(piece, &limits{-1, -1}); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		if p.part.data != nil {
			got = cap(p.part.data.B)
		}
		if got > max(minBuffer, 2*sent) {
			t.Errorf("%d bytes for %d", got, sent)
		}
		p.release()
	}
}

// The last buffer of a message is not larger than the message.
func TestParserBuffersNoMoreThanClaimed(t *testing.T) {
	const size = 1_000_000
	p := new(parser)
	in := []byte(clientFrame(0x82, strings.Repeat("a", size)))
	for piece := range slices.Chunk(in, 8<<10) {
		ev, _, err := p.next(piece, &limits{-1, -1})
		if err != nil {
			t.Fatal(err)
		}
		if ev.kind == eventBinary && cap(ev.data) > size+size/8 {
			t.Errorf("%d bytes for %d", cap(ev.data), size)
		}
		ev.buf.free()
	}
}

func TestParserAllocations(t *testing.T) {
	small := clientFrame(0x81, strings.Repeat("a", 90))
	for name, in := range map[string]string{
		"whole":       small,
		"ping":        clientFrame(0x89, "abc"),
		"20 KiB":      clientFrame(0x81, strings.Repeat("a", 20<<10)),
		"not ASCII":   clientFrame(0x81, strings.Repeat("é", 40)),
		"fragments":   clientFrame(0x01, "a") + clientFrame(0x80, "b"),
		"split frame": small,
	} {
		t.Run(name, func(t *testing.T) {
			cut := len(in)
			if name == "split frame" {
				cut = 4
			} else if cut > 8<<10 {
				cut = 8 << 10
			}
			buf, p, l := make([]byte, len(in)), new(parser), &limits{1 << 20, 4096}
			got := testing.AllocsPerRun(1000, func() {
				copy(buf, in)
				for rest, end := buf[:cut], cut; ; {
					ev, n, err := p.next(rest, l)
					if err != nil {
						t.Fatal(err)
					}
					ev.buf.free()
					if rest = rest[n:]; len(rest) > 0 {
						continue
					}
					if end == len(buf) {
						break
					}
					next := min(end+8<<10, len(buf))
					rest, end = buf[end:next], next
				}
			})
			most := 0.1       // a garbage collection empties the pools
			if race.Enabled { // sync.Pool drops one in four
				most = 2
			}
			if got >= most {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

func TestParserWhole(t *testing.T) {
	p := new(parser)
	for _, n := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		f := []byte(clientFrame(0x82, strings.Repeat("a", n)))
		for _, less := range []int{1, 2, 5, 6, 9, 13, n, len(f) - 1} {
			if less > 0 && less <= len(f) && p.whole(f[:len(f)-less]) {
				t.Errorf("%d bytes of payload, %d bytes missing: whole", n, less)
			}
		}
		if !p.whole(f) || !p.whole(append(f, 0)) {
			t.Errorf("%d bytes of payload: not whole", n)
		}
	}
	for _, n := range []uint64{1 << 62, 1<<63 - 1, 1<<64 - 1} {
		if p.whole([]byte(clientHead(0x82, n) + strings.Repeat("a", 100))) {
			t.Errorf("%d bytes of payload: whole", n)
		}
	}
}

func TestUnmask(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte(r.Uint32()) & 0x7f
		}
		for at := -1; at < n; at++ { // where the byte that is not ASCII stands
			want := slices.Clone(plain)
			if at >= 0 {
				want[at] |= 0x80
			}
			got := []byte(mask(string(want)))
			if ascii := unmask(got, binary.LittleEndian.Uint32([]byte("\x37\xfa\x21\x3d"))); ascii != (at < 0) {
				t.Fatalf("%d bytes, not ASCII at %d: ascii %t", n, at, ascii)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: wrong", n)
			}
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for n, want := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 0xffff: "\x81\x7e\xff\xff", 0x10000: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		if got := appendHeader([]byte("-"), 0x81, n); string(got) != "-"+want {
			t.Errorf("%d: %x", n, got)
		}
	}
}

func TestBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1025, 2048, 2049, 65535, 65536, 65537, 1 << 20} {
		b := getBuffer(n)
		if len(b.B) != 0 || cap(b.B) < n || cap(b.B) >= 2*max(n, minBuffer) {
			t.Errorf("%d: %d of %d", n, len(b.B), cap(b.B))
		}
		b.B = append(b.B, "abc"...)
		b = b.grow(n+5, getBuffer)
		if string(b.B) != "abc" || cap(b.B) < n+8 {
			t.Errorf("%d: grown to %q of %d", n, b.B, cap(b.B))
		}
		b.free()
	}
	(*Buffer)(nil).free()
}

func BenchmarkParser(b *testing.B) {
	for _, c := range []struct {
		name, in string
		cut      int
	}{
		{"96 B", clientFrame(0x81, strings.Repeat("a", 96)), 0},
		{"96 B, not ASCII", clientFrame(0x81, strings.Repeat("aé", 32)), 0},
		{"16 KiB", clientFrame(0x82, strings.Repeat("a", 16<<10)), 0},
		{"16 KiB in two reads", clientFrame(0x81, strings.Repeat("a", 16<<10)), 8 << 10},
		{"96 B in two reads", clientFrame(0x81, strings.Repeat("a", 96)), 50},
		{"ping", clientFrame(0x89, ""), 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := []byte(c.in)
			p, l := new(parser), &limits{64 << 10, 4096}
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			// A masking key of zero leaves the bytes as they are, so that they can be given again.
			head := headSize(in)
			copy(in[head-keySize:], "\x00\x00\x00\x00")
			unmask(in[head:], binary.LittleEndian.Uint32([]byte("\x37\xfa\x21\x3d")))
			for b.Loop() {
				rest := in
				if c.cut > 0 {
					if _, _, err := p.next(in[:c.cut], l); err != nil {
						b.Fatal(err)
					}
					rest = in[c.cut:]
				}
				ev, _, err := p.next(rest, l)
				if err != nil || ev.kind == eventNone {
					b.Fatal(err, ev)
				}
				ev.buf.free()
			}
		})
	}
}

func headSize(b []byte) int {
	switch b[1] & 0x7f {
	case 126:
		return 8
	case 127:
		return 14
	}
	return 6
}
