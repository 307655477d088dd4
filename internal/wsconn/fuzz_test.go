package wsconn

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// seedStreams are what a client might send; fuzzing starts from them.
func seedStreams() []string {
	seeds := []string{
		"",
		clientFrame(0x81, "hello"),
		clientFrame(0x81, strings.Repeat("ä", 70)),
		clientFrame(0x82, strings.Repeat("b", 300)),
		clientFrame(0x01, "\xf0\x9f") + clientFrame(0x89, "p") + clientFrame(0x00, "\x98") + clientFrame(0x80, "\x80"),
		clientFrame(0xc1, "\xf2\x48\x05\x00"),
		clientFrame(0x41, "\xf2\x48") + clientFrame(0x80, "\x05\x00"),
		clientFrame(0x88, "\x03\xe8bye"),
		clientFrame(0x88, ""),
		clientFrame(0x88, "\x03"),
		clientFrame(0x88, "\x03\xed"),
		clientFrame(0x8a, "") + clientFrame(0x81, "\xc0"),
		clientHead(0x82, 1<<62),
		clientHead(0x82, 1<<63),
		"\x81\xfe\x00\x05\x00\x00\x00\x00hello",
		"\x81\x05hello",
	}
	var long strings.Builder
	long.WriteString(clientFrame(0x02, ""))
	for range 20 {
		long.WriteString(clientFrame(0x00, "x"))
	}
	return append(seeds, long.String())
}

// fuzzLimits are small, so that inputs reach them.
var fuzzLimits = limits{message: 400, frames: 16}

// However a stream is cut, the events are those of the whole.
func FuzzParserSplits(f *testing.F) {
	for i, s := range seedStreams() {
		f.Add([]byte(s), i%2 == 0, uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, deflated bool, seed uint64) {
		whole := pieces(t, newParser(deflated), string(in), &fuzzLimits, nil)
		split := pieces(t, newParser(deflated), string(in), &fuzzLimits, rand.New(rand.NewPCG(seed, 0)))
		if !slices.Equal(whole, split) {
			t.Errorf("whole %.500q\nsplit %.500q", whole, split)
		}
	})
}

func FuzzParserReference(f *testing.F) {
	for i, s := range seedStreams() {
		f.Add([]byte(s), i%2 == 0)
		f.Add([]byte(s), i%2 == 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, deflated bool) {
		got := pieces(t, newParser(deflated), string(in), &fuzzLimits, nil)
		if want := reference(in, deflated, fuzzLimits); !slices.Equal(got, want) {
			t.Errorf("parser    %.500q\nreference %.500q", got, want)
		}
	})
}

// A parser holds no more than twice what came, whatever was claimed, and never more than the limit.
func FuzzParserMemory(f *testing.F) {
	for i, s := range seedStreams() {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		p, r, l := newParser(true), rand.New(rand.NewPCG(seed, 0)), limits{1 << 20, 4096}
		came := 0
		for len(in) > 0 {
			piece := in[:1+r.IntN(len(in))]
			in = in[len(piece):]
			came += len(piece)
			for len(piece) > 0 {
				ev, n, err := p.next(piece, &l)
				if err != nil {
					return
				}
				piece = piece[n:]
				if held := len(ev.data); held > came || held > l.compressed() {
					t.Fatalf("%d bytes of %d that came", held, came)
				}
				if ev.buf != nil && cap(ev.buf.B) > max(minBuffer, 2*came) {
					t.Fatalf("a buffer of %d bytes for %d", cap(ev.buf.B), came)
				}
				ev.buf.free()
				if ev.kind == eventClosing {
					return
				}
			}
			if p.part != nil && p.part.data != nil && cap(p.part.data.B) > max(minBuffer, 2*came) {
				t.Fatalf("a buffer of %d bytes for %d", cap(p.part.data.B), came)
			}
		}
		p.release()
	})
}
