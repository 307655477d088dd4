package wsrouter_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/wsrouter-go/wsrouter"
)

// FuzzEnvelope: whatever comes from a broker is refused, or read as what is written as the same, but for exceptions of other nodes.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("\x01\x01\x04said\x00{}"))
	f.Add([]byte("\x01\x01\x04said\x01" + "0123456789abcdef" + "\x07{}"))
	f.Add([]byte("\x01\x01\x04said\x02" + "0123456789abcdef" + "\x07" + "fedcba9876543210" + "\x80\x01{}"))
	f.Add([]byte("\x01\x02\xa3\x1fbanned"))
	f.Add([]byte("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01said"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		once, err := wsrouter.ParseEnvelope(data)
		if !bytes.Equal(before, data) {
			t.Fatal("it was changed")
		}
		if err != nil {
			return
		}
		twice, err := wsrouter.ParseEnvelope(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q is written %q, and then %q: %v", data, once, twice, err)
		}
		if len(once) > len(data) {
			t.Errorf("%q grew to %q", data, once)
		}
	})
}

// FuzzPositions: what is taken is within the limits, and a position that counts is written as it was read.
func FuzzPositions(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"x-1"}`, `{"a":"x-01","b":"-1","c":"x-18446744073709551615"}`, `{"a":1}`, `null`, `{"a":"x-1"} `, `{"a":"x-1","a":"x-2"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		valid, all, err := wsrouter.ParsePositions(text)
		if err != nil {
			return
		}
		var plain map[string]string
		if json.Unmarshal([]byte(text), &plain) != nil || len(plain) != all {
			t.Fatalf("%q is %d positions", text, all)
		}
		if len(text) > 8<<10 || all > 128 {
			t.Errorf("%d bytes, %d rooms are taken", len(text), all)
		}
		for room, at := range valid {
			if plain[room] != at || room == "" || len(room) > 255 {
				t.Errorf("%q is %q, was %q", room, at, plain[room])
			}
		}
	})
}
