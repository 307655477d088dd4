package wsconn_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand"
	"strings"
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
