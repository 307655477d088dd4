package pack_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/pack"
)

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("onetwo"), []byte{3, 3})
	f.Add([]byte{}, []byte{0})
	f.Add(bytes.Repeat([]byte("x"), 700), []byte{0, 200, 250, 250, 0})
	f.Fuzz(func(t *testing.T, bodies, lengths []byte) {
		var sizes []int
		var want [][]byte
		for rest := bodies; len(lengths) > 0; lengths = lengths[1:] {
			n := min(int(lengths[0]), len(rest))
			sizes, want, rest = append(sizes, n), append(want, rest[:n]), rest[n:]
		}
		got, ok := pack.Split(pack.Append(nil, sizes, bytes.Join(want, nil)), len(sizes))
		if ok != (len(sizes) > 0) || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("packed %q, split %q, %v", want, got, ok)
		}
	})
}

// FuzzSplit: anything is a pack of n, all of it, or none.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x03\x03onetwo"), 2)
	f.Add([]byte("\x03\x03onetwo!"), 2) // more
	f.Add([]byte("\x03\x04onetwo"), 2)  // less
	f.Add([]byte("\x03"), 2)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1) // 1<<64 - 1
	f.Add([]byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), 1)
	f.Add([]byte("\x00"), 1)
	f.Add([]byte(nil), 0)
	f.Add([]byte("x"), 1<<62)
	f.Add([]byte("x"), -1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		got, ok := pack.Split(data, n)
		if !ok {
			return
		}
		rest := data
		for _, m := range got {
			size, used := binary.Uvarint(rest)
			if size != uint64(len(m)) {
				t.Errorf("a message of %d bytes, its length says %d", len(m), size)
			}
			rest = rest[used:]
		}
		if len(got) != n || !bytes.Equal(bytes.Join(got, nil), rest) {
			t.Errorf("%q of %d is split into %q", data, n, got)
		}
	})
}
