package wsconn_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// sample is JSON of n bytes like that of many services.
func sample(n int) []byte {
	r := rand.New(rand.NewSource(1))
	words := strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec")
	b := []byte(`{"type":"snapshot","items":[`)
	for len(b) < n {
		b = fmt.Appendf(b, `{"id":%d,"user":"%s %s","price":%d.%02d,"ok":%v},`, r.Intn(1e6), words[r.Intn(len(words))], words[r.Intn(len(words))],
			r.Intn(1000), r.Intn(100), r.Intn(2) == 0)
	}
	return b[:n]
}

// zip is what a client with compress/flate at that level sends: the payload of p alone.
func zip(p []byte, level int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	w.Write(p)
	w.Flush()
	return b.Bytes()[:b.Len()-4]
}

// tail is what a sender leaves out.
const tail = "\x00\x00\xff\xff"

// reference decodes a payload by compress/flate as RFC 7692 section 7.2.2 says, at most limit+1 bytes of it. ok is false if
// it is no valid payload: then the output is what stands before the error.
func reference(src, window []byte, limit int) (out []byte, ok bool) {
	if len(src) == 0 {
		return nil, true
	}
	// At the end of a block, and only there, whatever block is put behind is decoded as it is.
	end := string(src) + tail
	a, whole, ok := decode(end+"\x01\x00\x00\xff\xff", len(src), window, limit+1)
	if !ok || !whole {
		return a, ok
	}
	b, _, ok := decode(end+"\x01\x03\x00\xfc\xffxyz", len(src), window, limit+4)
	return a, ok && bytes.Equal(b, append(a[:len(a):len(a)], "xyz"...))
}

// decode goes on behind final blocks. It stops at most bytes, and at a final block that ends at stop; whole says that it did neither.
func decode(src string, stop int, window []byte, most int) (out []byte, whole, ok bool) {
	for rest := src; rest != ""; {
		in := strings.NewReader(rest)
		dict := append(window[:len(window):len(window)], out...)
		r := flate.NewReaderDict(in, dict[max(0, len(dict)-32<<10):])
		more, err := io.ReadAll(io.LimitReader(r, int64(most-len(out))))
		out = append(out, more...)
		if err != nil {
			return out, false, false
		}
		if len(out) >= most {
			return out, false, true
		}
		rest = rest[len(rest)-in.Len():]
		if len(src)-len(rest) == stop {
			return out, false, true
		}
	}
	return out, true, true
}

// check inflates src and holds the result against the reference's.
func check(t *testing.T, src, window []byte, limit int) {
	t.Helper()
	d := new(wsconn.Inflater)
	d.Poison()
	out, err := d.Inflate(nil, src, limit, window)
	want, ok := reference(src, window, limit)
	switch {
	case err == nil:
		if !ok || !bytes.Equal(out, want) {
			t.Fatalf("%x with a window of %d inflates to %q; compress/flate says %q, %v", src, len(window), out, want, ok)
		}
		if cap(out) > limit {
			t.Fatalf("%d bytes are held with a limit of %d", cap(out), limit)
		}
	case errors.Is(err, wsconn.ErrInflateLimit):
		if len(want) <= limit {
			t.Fatalf("%x: %v of %d; compress/flate says %d bytes, %v", src, err, limit, len(want), ok)
		}
	case ok && len(want) <= limit:
		t.Fatalf("%x: %v; compress/flate says %q", src, err, want)
	}
	// A buffer that has room for more does not raise the limit.
	if large, err2 := d.Inflate(make([]byte, 3, limit+1000), src, limit, window); err2 != err || !bytes.Equal(large[3:], out) {
		t.Fatalf("%x: %q, %v with a large buffer, %q, %v without", src, large, err2, out, err)
	}
	if out != nil && err != nil || d.Held() {
		t.Fatalf("%x: something is kept of a message that is done", src)
	}
}

func TestInflateRFCExamples(t *testing.T) {
	for section, c := range map[string]struct {
		payload, window, want string
	}{
		"7.2.3.1":                         {"\xf2\x48\xcd\xc9\xc9\x07\x00", "", "Hello"},
		"7.2.3.2":                         {"\xf2\x00\x11\x00\x00", "Hello", "Hello"},
		"7.2.3.2, without its context":    {"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello", "Hello"},
		"7.2.3.3":                         {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "", "Hello"},
		"7.2.3.4":                         {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "", "Hello"},
		"7.2.3.5":                         {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "", "Hello"},
		"7.2.3.6":                         {"\x00", "", ""},
		"7.2.1, final blocks in a row":    {strings.Repeat("\xf3\x48\xcd\xc9\xc9\x07\x00", 3) + "\x00", "", "HelloHelloHello"},
		"7.2.1, context over final block": {"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "", "HelloHello"},
		"not in it: no data":              {"", "", ""},
		"not in it: final block, no end":  {"\xf3\x48\xcd\xc9\xc9\x07\x00", "", "Hello"},
	} {
		out, err := wsconn.Inflate([]byte("before "), []byte(c.payload), 15, []byte(c.window))
		if err != nil || string(out) != "before "+c.want {
			t.Errorf("%s: %q, %v", section, out, err)
		}
		check(t, []byte(c.payload), []byte(c.window), 15)
	}
}

func TestInflateBroken(t *testing.T) {
	for name, payload := range map[string]string{
		"reserved block type":             "\x06\x00",
		"stored, length and check differ": "\x00\x05\x00\xfa\xfeHello\x00",
		"stored, cut":                     "\x00\x05\x00\xfa\xff",
		"distance before the beginning":   "\xf2\x00\x11\x00\x00",
		"length symbol 286":               "\x1a\x03\x00",
		"distance symbol 30":              "\x4a\x04\x3e\x00",
		"garbage behind the last block":   "\xf2\x48\xcd\xc9\xc9\x07\x00\xff",
		"garbage behind a final block":    "\xf3\x48\xcd\xc9\xc9\x07\x00\xff",
		"the tail not left out":           "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
		"no block":                        "\xff",
		"more than 286 lengths":           "\xfc\x00\x00\x00\x00\x00",
		"repeat before the first length":  "\x04\x00\x10\x09\x00\x00\x00\x00\x00\x00",
	} {
		if out, err := wsconn.Inflate([]byte("x"), []byte(payload), 100, nil); !errors.Is(err, wsconn.ErrInflate) || string(out) != "x" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		check(t, []byte(payload), nil, 100)
	}
}

// Any cut and any wrong bit of a payload is found or not as compress/flate finds it.
func TestInflateAgreesWithFlate(t *testing.T) {
	window := sample(3000)[2000:]
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
		src := zip(sample(300), level)
		for n := range len(src) + 1 {
			check(t, src[:n], nil, 300)
		}
		for i := range len(src) * 8 {
			bad := bytes.Clone(src)
			bad[i/8] ^= 1 << (i % 8)
			check(t, bad, window, 400)
		}
		for _, n := range []int{1, 257, 258, 259, 32 << 10, 32<<10 + 1, 100_000} {
			p := sample(n)
			for _, limit := range []int{n, n - 1, n + 1} {
				check(t, zip(p, level), nil, limit)
			}
		}
		noise := make([]byte, 70_000) // and codes of 15 bits
		r := rand.New(rand.NewSource(2))
		for i := range noise {
			noise[i] = byte(r.ExpFloat64() * 8)
		}
		check(t, zip(noise, level), nil, len(noise))
	}
}

// What no compressor writes is found or not as compress/flate finds it.
func TestInflateStrangeCodes(t *testing.T) {
	one := []int{1}
	var long bitWriter // ends in the tail, at its last bit but one
	ladder := map[int]int{256: 15}
	for i := range 15 {
		ladder[i] = i + 1
	}
	long.block(lengths(256, ladder), one)
	for long.n != 0 {
		long.put(0, 1)
	}
	var two, half bitWriter // a distance that has a code, then none
	for w, dist := range map[*bitWriter][]int{&two: {1, 1}, &half: {1}} {
		w.block(lengths(257, map[int]int{7: 1, 256: 2, 257: 2}), dist)
		w.put(0, 1) // 7
		w.put(0, 1) // 7
		w.put(3, 2) // length 3
		w.put(1, 1) // distance 2
		w.put(1, 2) // end
		w.put(0, 3) // empty block
	}
	cases := map[string]string{"ends in the tail": long.String(), "two distances": two.String(), "half a distance": half.String()}
	for name, c := range map[string]struct{ lit, dist []int }{
		"286 literals":   {lengths(285, map[int]int{7: 1, 256: 1}), one},
		"287 literals":   {lengths(286, map[int]int{7: 1, 256: 1}), one},
		"288 literals":   {lengths(287, map[int]int{7: 1, 256: 1}), one},
		"30 distances":   {lengths(256, map[int]int{7: 1, 256: 1}), lengths(29, map[int]int{0: 1})},
		"31 distances":   {lengths(256, map[int]int{7: 1, 256: 1}), lengths(30, map[int]int{0: 1})},
		"32 distances":   {lengths(256, map[int]int{7: 1, 256: 1}), lengths(31, map[int]int{0: 1})},
		"no distance":    {lengths(256, map[int]int{7: 1, 256: 1}), []int{0}},
		"no literal":     {lengths(256, nil), one},
		"only the end":   {lengths(256, map[int]int{256: 1}), one},
		"no end":         {lengths(256, map[int]int{7: 1}), one},
		"too few codes":  {lengths(256, map[int]int{7: 1, 256: 2}), one},
		"too many codes": {lengths(256, map[int]int{7: 1, 8: 1, 256: 1}), one},
		"one code of 2":  {lengths(256, map[int]int{7: 1, 256: 1}), []int{2}},
	} {
		for data := range 1 << 4 {
			var w bitWriter
			w.block(c.lit, c.dist)
			w.put(data, 4)
			w.put(0, 3)
			cases[fmt.Sprint(name, data)] = w.String()
		}
	}
	for name, src := range cases {
		t.Run(name, func(t *testing.T) { check(t, []byte(src), []byte("window"), 100) })
	}
	if out, err := wsconn.Inflate(nil, []byte(two.String()), 100, nil); err != nil || string(out) != "\a\a\a\a\a" {
		t.Fatalf("%q, %v", out, err)
	}
	for data := range 1 << 9 { // whatever follows, the missing code is not one of the table before
		var w bitWriter
		w.block(lengths(257, map[int]int{7: 1, 256: 2, 257: 2}), one)
		w.put(3, 2) // length 3
		w.put(1, 1) // no distance
		w.put(data, 9)
		w.put(0, 3)
		check(t, []byte(w.String()), sample(300), 100)
	}
}

func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("Hello"), uint16(5))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"), []byte{}, uint16(10))
	f.Add([]byte("\x00\x05\x00\xfa\xffHello\x00"), []byte{}, uint16(4))
	f.Add(storm(100, finalBlock), []byte("x"), uint16(9))
	f.Add(storm(100, ownCodes), []byte("x"), uint16(9))
	for _, level := range []int{flate.HuffmanOnly, 1, 9} {
		f.Add(zip(sample(500), level), sample(40), uint16(499))
		f.Add(zip(make([]byte, 5000), level), []byte{}, uint16(5000))
	}
	f.Fuzz(func(t *testing.T, src, window []byte, limit uint16) {
		check(t, src, window[max(0, len(window)-32<<10):], int(limit))
	})
}

func FuzzDeflate(f *testing.F) {
	f.Add([]byte(""), []byte(""))
	f.Add(sample(1000), sample(2000))
	f.Add([]byte(strings.Repeat("a", 300)), []byte("b"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, p := range [][]byte{a, b, a} { // each alone, whoever had the deflater before
			z, ok := wsconn.Deflate([]byte("before"), p)
			if !ok {
				if string(z) != "before" {
					t.Fatalf("a message that is not compressed left %q", z)
				}
				continue
			}
			z = z[len("before"):]
			if len(z) >= len(p) {
				t.Fatalf("%d bytes were compressed to %d", len(p), len(z))
			}
			out, err := wsconn.Inflate(nil, z, len(p), nil)
			if err != nil || !bytes.Equal(out, p) {
				t.Fatalf("%q came back as %q, %v", p, out, err)
			}
			if out, ok := reference(z, nil, len(p)); !ok || !bytes.Equal(out, p) {
				t.Fatalf("compress/flate reads %q as %q, %v", p, out, ok)
			}
		}
	})
}

// finalBlock is empty and the last of its stream: compress/flate must be started anew behind each.
const finalBlock = "\x03\x00"

// ownCodes is a final block with codes of its own and no data: the least that makes an inflater build tables.
var ownCodes = func() string {
	var w bitWriter
	w.put(5, 3)    // final, own codes
	w.put(0, 10)   // 257 literals, 1 distance
	w.put(18-4, 4) // lengths for all that says how long the codes are, but 15
	for _, sym := range codeOrder[:18] {
		if sym == 18 || sym == 1 {
			w.put(1, 3)
		} else {
			w.put(0, 3)
		}
	}
	w.put(0, 1)             // literal 0: 1 bit
	w.put(1|(138-11)<<1, 8) // 138 times nothing
	w.put(1|(117-11)<<1, 8) // 117 times nothing
	w.put(0, 2)             // end of block and distance 0: 1 bit each
	w.put(1, 1)             // end of block
	return w.String()
}()

// A bitWriter writes what compress/flate never would. Its value is padded to bytes by zeros.
type bitWriter struct {
	b   []byte
	acc int
	n   int
}

func (w *bitWriter) put(v, bits int) {
	for w.acc, w.n = w.acc|v<<w.n, w.n+bits; w.n >= 8; w.acc, w.n = w.acc>>8, w.n-8 {
		w.b = append(w.b, byte(w.acc))
	}
}

func (w *bitWriter) String() string {
	if w.n > 0 {
		return string(w.b) + string([]byte{byte(w.acc)})
	}
	return string(w.b)
}

var codeOrder = []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// block begins a block that is not final with codes of these lengths, which all take 4 bits to write.
func (w *bitWriter) block(lit, dist []int) {
	w.put(4, 3)
	w.put(len(lit)-257, 5)
	w.put(len(dist)-1, 5)
	w.put(19-4, 4)
	for _, sym := range codeOrder {
		if sym < 16 {
			w.put(4, 3)
		} else {
			w.put(0, 3)
		}
	}
	for _, n := range append(lit[:len(lit):len(lit)], dist...) {
		w.put(int(bits.Reverse8(uint8(n))>>4), 4)
	}
}

// lengths of the symbols up to last, zero where none is given.
func lengths(last int, of map[int]int) []int {
	all := make([]int, last+1)
	for sym, n := range of {
		all[sym] = n
	}
	return all
}

func storm(n int, block string) []byte { return []byte(strings.Repeat(block, n/len(block)) + "\x00") }

// What is hostile costs memory by the limit and time by what was sent.
func TestInflateBomb(t *testing.T) {
	const limit = 64 << 10
	bomb := zip(make([]byte, 64<<20), 9)
	d := new(wsconn.Inflater)
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	got := allocated(func() {
		if _, err := d.Inflate(nil, bomb, limit, nil); !errors.Is(err, wsconn.ErrInflateLimit) {
			t.Errorf("a bomb: %v", err)
		}
	})
	if got > 2*limit+1<<10 { // buffers that double up to the limit
		t.Errorf("a bomb made %d bytes of garbage with a limit of %d", got, limit)
	}
	if n := d.Used(); n > 128 {
		t.Errorf("%d bytes of a bomb of %d were read for %d bytes", n, len(bomb), limit)
	}
	held := make([]byte, 0, limit/2)
	if got := allocated(func() { d.Inflate(held, bomb, cap(held), nil) }); got > 1<<10 {
		t.Errorf("%d bytes were allocated although the buffer holds the limit", got)
	}
	for name, block := range map[string]string{"final blocks": finalBlock, "own codes": ownCodes, "empty blocks": "\x00\x00\x00\xff\xff"} {
		src := storm(limit, block)
		if got := allocated(func() {
			if out, err := d.Inflate(nil, src, limit, make([]byte, 0)); err != nil || len(out) != 0 {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}); got > 1<<10 {
			t.Errorf("%s made %d bytes of garbage", name, got)
		}
		check(t, src[len(src)-1000/len(block)*len(block)-1:], sample(9), limit)
	}
}

// An inflater keeps nothing of one message that another could see, and nor does the buffer that it fills.
func TestInflatePoisoned(t *testing.T) {
	d := new(wsconn.Inflater)
	poison := bytes.Repeat([]byte{0xAA}, 4096)
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 6} {
		for _, n := range []int{1, 10, 300, 3000} {
			p := sample(n)
			src := zip(p, level)
			for cut := range len(src) {
				d.Inflate(nil, src[:cut], n, poison) // anything may be left
				d.Poison()
				buf := bytes.Clone(poison)
				out, err := d.Inflate(buf[:7], src, n, nil)
				if err != nil || !bytes.Equal(out[7:], p) || !bytes.Equal(out[:7], poison[:7]) {
					t.Fatalf("level %d, %d bytes after %d of them: %q, %v", level, n, cut, out, err)
				}
				if cut > 100 {
					break
				}
			}
		}
	}
	// A distance beyond what this connection received finds nothing.
	for before := range 4 { // it needs 4
		if out, err := d.Inflate(bytes.Clone(poison)[:100], []byte("\xf2\x00\x11\x00\x00"), 100, poison[:before]); !errors.Is(err, wsconn.ErrInflate) {
			t.Fatalf("%q, %v", out, err)
		}
	}
}

func TestInflateSteadyStateAllocatesNothing(t *testing.T) {
	d, dst := new(wsconn.Inflater), make([]byte, 0, 1024)
	for _, level := range []int{flate.HuffmanOnly, 1, 6} {
		src := zip(sample(1024), level)
		if n := testing.AllocsPerRun(100, func() { d.Inflate(dst, src, 1024, nil) }); n != 0 {
			t.Errorf("level %d: %v allocations", level, n)
		}
	}
	response, c := agree(t, "permessage-deflate", &wsconn.CompressionConfig{Windows: wsconn.NewWindows(32 << 10)})
	src := zip(sample(1024), 1)
	for range 64 {
		c.Inflate(dst, src, 1024)
	}
	if n := testing.AllocsPerRun(100, func() { c.Inflate(dst, src, 1024) }); n > 1 { // under -race pools lose things
		t.Errorf("%s: %v allocations", response, n)
	}
}

// A client that keeps its context is understood, however long its messages are, and no more is held than was agreed.
func TestContextTakeover(t *testing.T) {
	windows := wsconn.NewWindows(32 << 10)
	_, c := agree(t, "permessage-deflate; client_max_window_bits", &wsconn.CompressionConfig{Windows: windows})
	if size, held := c.Context(); size != 32<<10 || held != 0 || windows.Free() != 0 {
		t.Fatalf("before the first message: %d of %d held, %d free", held, size, windows.Free())
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	r := rand.New(rand.NewSource(4))
	stream := sample(300_000)
	for _, n := range []int{0, 1, 100, 100, 1000, 0, 31_000, 700, 32 << 10, 1, 32<<10 + 1, 33_000, 5, 70_000} {
		at := r.Intn(len(stream) - n)
		p := stream[at : at+n]
		b.Reset()
		w.Write(p)
		w.Flush()
		out, err := c.Inflate([]byte("x"), b.Bytes()[:b.Len()-4], n)
		if err != nil || !bytes.Equal(out[1:], p) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, held := c.Context(); held > 32<<10 {
			t.Fatalf("%d bytes are held", held)
		}
	}
	c.Close()
	c.Close()
	if _, held := c.Context(); held != 0 || windows.Free() != 32<<10 {
		t.Fatalf("after the end %d bytes are held, %d free", held, windows.Free())
	}
}

// A client that says how far back it refers makes us hold no more than that.
func TestSmallWindow(t *testing.T) {
	_, c := agree(t, "permessage-deflate; client_max_window_bits=9", &wsconn.CompressionConfig{Windows: wsconn.NewWindows(1 << 20)})
	text := sample(5000)
	for i := range 9 {
		p := text[i*500:][:500]
		if out, err := c.Inflate(nil, zip(p, 1), 500); err != nil || !bytes.Equal(out, p) {
			t.Fatal(err)
		}
	}
	last := text[:4500]
	last = last[len(last)-512:]
	var b bytes.Buffer
	w, _ := flate.NewWriterDict(&b, 9, last)
	w.Write(last[:100]) // 512 bytes back
	w.Flush()
	if out, err := c.Inflate(nil, b.Bytes()[:b.Len()-4], 100); err != nil || !bytes.Equal(out, last[:100]) {
		t.Fatalf("%q, %v", out, err)
	}
	if size, held := c.Context(); size != 512 || held != 512 {
		t.Fatalf("%d of %d bytes are held", held, size)
	}
}

func TestWindowsBudget(t *testing.T) {
	windows := wsconn.NewWindows(64<<10 + 100)
	config := &wsconn.CompressionConfig{Windows: windows}
	const with, without = "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	var held []*wsconn.Compression
	for _, want := range []string{with, with, without, without} {
		response, c := agree(t, "permessage-deflate", config)
		if response != want {
			t.Fatalf("connection %d: %s", len(held), response)
		}
		held = append(held, c)
	}
	if response, c := agree(t, "permessage-deflate; client_no_context_takeover", config); response != without || windows.Free() != 100 {
		t.Fatalf("a client without context: %s, %d free", response, windows.Free())
	} else {
		c.Close()
	}
	held[2].Close() // held nothing
	if response, _ := agree(t, "permessage-deflate", config); response != without {
		t.Fatal(response)
	}
	held[0].Close()
	if response, c := agree(t, "permessage-deflate", config); response != with {
		t.Fatal(response)
	} else {
		c.Close()
	}
	held[1].Close()

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				_, c, _ := wsconn.Negotiate([]string{"permessage-deflate"}, config)
				if windows.Free() > 64<<10+100 {
					t.Error("more is free than there is")
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	if windows.Free() != 64<<10+100 {
		t.Fatalf("%d free at the end", windows.Free())
	}
}

func TestSends(t *testing.T) {
	for _, c := range []struct {
		offer, sizes string
	}{
		{"permessage-deflate", "256 257 32768 32769 1000000"},
		{"permessage-deflate; server_max_window_bits=15", "256 257 32768 32769 1000000"},
		{"permessage-deflate; server_max_window_bits=10", "256 257"},
		{"permessage-deflate; server_max_window_bits=8", "256"},
	} {
		_, agreed := agree(t, c.offer, &wsconn.CompressionConfig{MinSize: 256})
		var sizes []string
		for _, n := range []int{0, 1, 255, 256, 257, 32768, 32769, 1e6} {
			if agreed.Sends(n) {
				sizes = append(sizes, fmt.Sprint(n))
			}
		}
		if got := strings.Join(sizes, " "); got != c.sizes {
			t.Errorf("%s: messages of %s bytes are compressed, not of %s", c.offer, got, c.sizes)
		}
	}
	if (*wsconn.Compression)(nil).Sends(1000) {
		t.Error("a connection without the extension takes a compressed message")
	}
}

// Nothing that is sent reaches back farther than the window that a client has asked for.
func TestSmallServerWindow(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		_, c := agree(t, fmt.Sprintf("permessage-deflate; server_max_window_bits=%d", bits), &wsconn.CompressionConfig{})
		far := append(append(sample(100), make([]byte, 1<<bits-200)...), sample(100)...) // repeats what is as far back as can be
		for _, p := range [][]byte{far, append(far, 0)} {
			m := wsconn.FrameOf(p)
			if _, compressed := m.Payload(c); compressed != (len(p) <= 1<<bits || bits == 15) {
				t.Errorf("%d bits: %d bytes are sent compressed: %v", bits, len(p), compressed)
			}
		}
	}
}

func TestMessageIsCompressedOnce(t *testing.T) {
	config := &wsconn.CompressionConfig{MinSize: 256}
	_, a := agree(t, "permessage-deflate", config)
	_, narrow := agree(t, "permessage-deflate; server_max_window_bits=8", config)
	m := wsconn.FrameOf(sample(2000))
	var wg sync.WaitGroup
	payloads := make([][]byte, 8)
	for i := range payloads {
		wg.Go(func() { payloads[i], _ = m.Payload(a) })
	}
	wg.Wait()
	for _, p := range payloads {
		if &p[0] != &payloads[0][0] {
			t.Fatal("two receivers have two compressed copies")
		}
	}
	if out, err := wsconn.Inflate(nil, payloads[0], 2000, nil); err != nil || !bytes.Equal(out, m.Data()) {
		t.Fatal(err)
	}
	for _, c := range []*wsconn.Compression{nil, narrow} {
		if p, compressed := m.Payload(c); compressed || &p[0] != &m.Data()[0] {
			t.Fatalf("%v does not get the message as it is", c)
		}
	}
	noise := make([]byte, 1000)
	rand.New(rand.NewSource(5)).Read(noise)
	if p, compressed := wsconn.FrameOf(noise).Payload(a); compressed || !bytes.Equal(p, noise) {
		t.Fatal("noise is sent compressed")
	}
}

// A message is sent compressed exactly if that is shorter.
func TestDeflateShorter(t *testing.T) {
	text := append(sample(300), make([]byte, 100)...)
	rand.New(rand.NewSource(6)).Read(text[300:])
	same := 0
	for n := range 90 {
		for at := 0; at+n <= len(text); at += 23 {
			p := text[at:][:n]
			want := zip(p, 1)
			if z, ok := wsconn.Deflate(nil, p); ok != (len(want) < n) || ok && !bytes.Equal(z, want) {
				t.Fatalf("%d bytes, which compress/flate makes %d, are compressed: %v, to %d", n, len(want), ok, len(z))
			}
			if len(want) == n {
				same++
			}
		}
	}
	if same == 0 {
		t.Fatal("no message is as long as its compressed form")
	}
}

// Many goroutines share few deflaters, and no message has anything of another in it.
func TestDeflateConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			p := append([]byte(strings.Repeat(fmt.Sprint("goroutine ", g), 30)), sample(1000+100*g)...)
			for range 20 {
				z, ok := wsconn.Deflate(nil, p)
				if out, err := wsconn.Inflate(nil, z, len(p), nil); !ok || err != nil || !bytes.Equal(out, p) {
					t.Errorf("goroutine %d: %v, %v", g, ok, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkInflate(b *testing.B) {
	for _, level := range []int{1, 6, flate.HuffmanOnly} {
		src := zip(sample(1024), level)
		b.Run(fmt.Sprintf("level%d", level), func(b *testing.B) {
			dst := make([]byte, 0, 2048)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := wsconn.Inflate(dst, src, 1024, nil); err != nil || len(out) != 1024 {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("level%d/std", level), func(b *testing.B) {
			dst := make([]byte, 1024)
			src := append(bytes.Clone(src), "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)
			var in bytes.Reader
			r := flate.NewReader(&in)
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(src)
				r.(flate.Resetter).Reset(&in, nil)
				for n := 0; n < 1024; {
					k, err := r.Read(dst[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += k
				}
			}
		})
	}
}

func BenchmarkDeflate(b *testing.B) {
	src, dst := sample(1024), make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := wsconn.Deflate(dst, src); !ok {
			b.Fatal("not shorter")
		}
	}
}

// What costs most for its length: 64 KiB each.
func BenchmarkInflateStorm(b *testing.B) {
	for name, block := range map[string]string{"final": finalBlock, "codes": ownCodes} {
		b.Run(name, func(b *testing.B) {
			src, window := storm(64<<10, block), make([]byte, 32<<10)
			for b.Loop() {
				if _, err := wsconn.Inflate(nil, src, 64<<10, window); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
