//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain is also the main of children, which are this program again.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && slices.Contains(roles, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

// echo is a server that says everything twice until its clients end; ended is told how.
func echo(t *testing.T) (address string, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ends := make(chan error, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(c, c)
				ends <- err
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String(), ends
}

// said reports what comes back within a time.
func said(t *testing.T, c net.Conn, text string, within time.Duration) (back string, err error) {
	t.Helper()
	if text != "" {
		if _, err := c.Write([]byte(text)); err != nil {
			return "", err
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func TestProxy(t *testing.T) {
	address, ended := echo(t)
	p, err := newProxy(address)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if got, err := said(t, c, "hello", patience); got != "hello" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		return c
	}
	const silence = 50 * time.Millisecond

	c := dial()
	p.swallow(true)
	if got, err := said(t, c, "into the hole", silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a hole answers %q, %v", got, err)
	}
	p.swallow(false)
	if got, err := said(t, c, "", patience); got != "into the hole" || err != nil {
		t.Errorf("after the hole: %q, %v", got, err)
	}

	p.resetAll()
	if got, err := said(t, c, "", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a reset connection: %q, %v", got, err)
	}
	if err := <-ended; err == nil {
		t.Error("the server saw no reset")
	}

	c = dial()
	p.part(true)
	if got, err := said(t, c, "", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection at the partition: %q, %v", got, err)
	}
	<-ended
	if c, err := net.Dial("tcp", p.address()); err == nil {
		if got, err := said(t, c, "", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection within the partition: %q, %v", got, err)
		}
		_ = c.Close()
	}
	p.part(false)

	c = dial()
	p.halfOpen()
	if got, err := said(t, c, "", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's end of a half-open connection: %q, %v", got, err)
	}
	select {
	case err := <-ended:
		t.Errorf("the server heard of a half-open connection: %v", err)
	case <-time.After(silence):
	}
	p.mend()
	<-ended

	dial()
	p.swallow(true)
	p.close() // returns
	<-ended
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * 100 * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0: 100 * time.Microsecond, 0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond} {
		if got := h.quantile(q); got < want || got > want+want/8 {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	var sum histogram
	sum.sum(&h)
	sum.add(-time.Second)
	sum.add(1000 * time.Hour)
	if sum.count() != 1002 || sum.quantile(0) != time.Microsecond {
		t.Errorf("%d times, the least %v", sum.count(), sum.quantile(0))
	}
}

// frames of a server, which does not mask.
func frames(payloads ...string) (b []byte) {
	for _, p := range payloads {
		switch n := len(p); {
		case n < 126:
			b = append(b, 0x81, byte(n))
		default:
			b = append(b, 0x81, 126, byte(n>>8), byte(n))
		}
		b = append(b, p...)
	}
	return b
}

func TestLoadCountsNotes(t *testing.T) {
	text := func(number uint64, position string) string {
		b, err := json.Marshal(newNote(number, time.Now(), strings.Repeat("x", 191)))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(b), "{", `{"type":"note",`+position, 1)
	}
	if n := len(text(1, "")); n != noteBytes+191 {
		t.Fatalf("a note of %d bytes", n)
	}
	stream := frames(`{"type":"joined","room":"room-0"}`, text(1, ""), text(2, ""), text(30, `"position":{"room":"room-0","at":"e-1"},`), text(4, ""))
	for _, size := range []int{1, 2, 3, 100, 259, len(stream)} {
		l, s := &load{}, &sock{}
		var kept []byte
		for part := range slices.Chunk(stream, size) {
			kept = append(slices.Clone(s.part), part...) // as read does
			l.take(s, kept)
		}
		if l.heard != 5 || s.count != 4 || s.sum != 37 || l.late[0].count() != 4 || l.late[0].quantile(1) > time.Minute || len(s.part) > 0 {
			t.Errorf("in parts of %d: %d messages, %d notes, sum %d, %d bytes left", size, l.heard, s.count, s.sum, len(s.part))
		}
	}
}

func TestClientWritesDown(t *testing.T) {
	l := newLedger([]string{"a", "b"}, 20)
	for range 9 {
		_, m := l.begin(0)
		m.end(acknowledged)
	}
	note := func(n int) string {
		return fmt.Sprintf(`{"type":"note","n":"%010d","due":"0000000000000000","pad":"x","position":{"room":"a","at":"e-%d"}}`, n, n)
	}
	joined := func(at int, more string) string {
		return fmt.Sprintf(`{"type":"joined","room":"a","position":{"room":"a","at":"e-%d"}%s}`, at, more)
	}
	resync := `{"type":"resync","room":"a","reason":"overrun","position":{"room":"a","at":"e-4"}}`
	for _, c := range []struct {
		name           string
		texts          []string
		at             string
		heard, resyncs int
		wrong          string
	}{
		{"fresh", []string{joined(0, ""), note(1)}, "e-1", 1, 0, ""},
		{"recovered", []string{joined(0, ""), note(1), joined(1, `,"recovered":true,"missed":1`), note(2)}, "e-2", 2, 0, ""},
		{"cut before the replay", []string{joined(0, ""), note(1), joined(1, `,"recovered":true,"missed":1`)}, "e-1", 1, 0, ""},
		{"not recovered", []string{joined(0, ""), note(1), joined(4, `,"recovered":false`), resync, note(5)}, "e-5", 2, 1, ""},
		{"not recovered, no resync", []string{joined(0, ""), note(1), joined(4, `,"recovered":false`), note(5)}, "e-5", 2, 1, "unannounced"},
		{"a live resync", []string{joined(0, ""), note(1), resync, note(5)}, "e-5", 2, 1, ""},
		{"not answered", []string{joined(0, ""), note(1), joined(1, "")}, "e-1", 1, 0, "unannounced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &crowd{ledger: l}
			cl := newClient(w, "c", 1, 0)
			for _, text := range c.texts {
				if err := cl.take([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			s := cl.rooms["a"]
			if target, err := cl.target(); err != nil || !strings.Contains(target, c.at) {
				t.Errorf("the next handshake is for %s, %v", target, err)
			}
			wrong := newOracle(l).judge([]*hearing{&s.hearing})
			got := ""
			for _, w := range wrong {
				if w.kind != "lost" { // the rest of the run
					got = w.kind
				}
			}
			if s.at != c.at || len(s.heard) != c.heard || int(w.resyncs.Load()) != c.resyncs || got != c.wrong {
				t.Errorf("at %s, %d heard, %d resyncs, %q; want %+v", s.at, len(s.heard), w.resyncs.Load(), got, c)
			}
		})
	}
	cl := newClient(&crowd{ledger: l}, "c", 1, 0)
	for _, text := range []string{"x", `{"type":"error"}`, `{"type":"note","n":"1"}`, `{"type":"joined","room":"b"}`, `{"type":"note","n":"x","position":{"room":"a","at":"e-1"}}`} {
		if cl.take([]byte(text)) == nil {
			t.Errorf("a client takes %s", text)
		}
	}
}

func TestStormIsItsSeeds(t *testing.T) {
	draw := func(seed uint64) (text string) {
		s := newStorm(&cluster{}, nil, make([]*client, 100), seed, nil)
		for range 10 {
			text += fmt.Sprint(s.between(2, 5), s.random.IntN(3), len(s.some(10)))
		}
		return text
	}
	if draw(1) != draw(1) || draw(1) == draw(2) {
		t.Error("a storm is not drawn by its seed")
	}
}

// TestBugs: each bug can still be planted in the source.
func TestBugs(t *testing.T) {
	bugs, err := readBugs()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			if _, err := b.overlay(t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWoven(t *testing.T) {
	r := report{Title: "Churn", About: "So.", When: "2026-11-23", Machine: "this one"}
	r.add(false, "cores", "0.4", "≤ 0.3")
	got, err := woven([]byte("before\n"+begin+"old\n"+end+"after\n"), []report{r})
	want := "before\n" + begin + "\n### Churn\n\nSo.\n\n2026-11-23, this one.\n\n| | measured | bar | |\n| --- | ---: | ---: | --- |\n| cores | 0.4 | ≤ 0.3 | **missed** |\n\n" + end + "after\n"
	if err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("%s\n%v", got, err)
	}
	if _, err := woven([]byte("no marks"), nil); err == nil {
		t.Error("a document without marks is written")
	}
}
