//go:build linux

package main

import (
	"bytes"
	"flag"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var rewrite = flag.Bool("update", false, "write docs/performance.md from results.json")

// TestMain lets the test binary be the processes that it starts.
func TestMain(m *testing.M) {
	if role, ok := os.LookupEnv(env); ok {
		if err := child(role); err != nil {
			log.Fatalf("%s: %v", role, err)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// tiny keeps every job alive, with too little work to measure anything.
var tiny = scale{
	rounds: 1, windows: 1, long: 1,
	warm: time.Millisecond, echo: 5 * time.Millisecond,
	few: 4, many: 8, million: 640,
	idle: [2]int{10, 20}, settle: time.Millisecond, ping: time.Millisecond, after: time.Millisecond,
	rate: 1000, latency: 20 * time.Millisecond, overload: 20 * time.Millisecond,
	members: 10, calls: 2, neighbours: 1, partsCount: 4,
}

func TestBench(t *testing.T) {
	for _, j := range tiny.jobs() {
		if !slices.Contains([]string{"echo-1", "broadcast"}, j.name) { // which have every server do all that it can
			j.servers = slices.DeleteFunc(slices.Clone(j.servers), func(name string) bool { return name != goroutines && name != idle && name != "gorilla" })
		}
		t.Run(j.name, func(t *testing.T) {
			var out bytes.Buffer
			var got result
			err := bench(&out, tiny, []job{j}, func(_ string, r result) error { got = r; return nil })
			if err != nil {
				t.Fatal(err)
			}
			t.Log(&out)
			for _, name := range j.servers {
				if len(got.Servers[name]) != j.rounds {
					t.Errorf("%s: %d rounds of %d", name, len(got.Servers[name]), j.rounds)
				}
				for _, m := range j.metrics {
					if !slices.Contains(sometimesZero, m.name) && slices.Contains(got.of(name, m.name), 0) {
						t.Errorf("%s: no %s", name, m.name)
					}
				}
			}
		})
	}
}

// sometimesZero is what a server may not do, or not in so short a time.
var sometimesZero = []string{"allocs", "bytes", "share", "settled", "collected", "pinged", "spoken", "loaded", "peak"}

// Every bar must be about something that is measured.
func TestBars(t *testing.T) {
	jobs := full.jobs()
	known := append(names(func(string) bool { return true }), idle, bestPeer, "")
	for _, b := range bars {
		i := slices.IndexFunc(jobs, func(j job) bool { return j.name == b.job })
		if i < 0 || !slices.ContainsFunc(jobs[i].metrics, func(m metric) bool { return m.name == b.metric }) {
			t.Errorf("nothing measures %+v", b)
		}
		if !slices.Contains(known, b.of) || !slices.Contains(known, b.than) {
			t.Errorf("no such servers: %+v", b)
		}
	}
}

func TestJudge(t *testing.T) {
	r := result{Servers: map[string][]values{
		goroutines: {{"p50": 10}, {"p50": 30}, {"p50": 12}},
		"gorilla":  {{"p50": 20}, {"p50": 40}, {"p50": 20}},
		"gws":      {{"p50": 21}, {"p50": 22}, {"p50": 8}},
		limit:      {{"p50": 1}, {"p50": 1}, {"p50": 1}},
	}}
	for _, tt := range []struct {
		than string
		most float64
		want string
		met  bool
	}{
		{"", 12, "12.00 (11.00–21.00)", true},
		{"", 11.9, "12.00 (11.00–21.00)", false},
		{"gorilla", 0.6, "0.60 (0.55–0.68)", true}, // of 0.5, 0.75 and 0.6
		{bestPeer, 1.3, "0.60 (0.55–0.68), gorilla", true},
		{"nbio", 1, "", false},
	} {
		b := bar{"", "j", "p50", goroutines, tt.than, tt.most}
		if got, met := b.judge(map[string]result{"j": r}); got != tt.want || met != tt.met {
			t.Errorf("than %q, at most %v: %q %v, want %q %v", tt.than, tt.most, got, met, tt.want, tt.met)
		}
	}
}

// What the load counts must not depend on how the stream is cut.
func TestTake(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	server := func(first byte, payload string) []byte { // unmasked
		b := frame(first, []byte(payload))
		head, _ := header(b)
		b = slices.Concat(b[:head-4], []byte(payload))
		b[1] &^= 0x80
		return b
	}
	stream := slices.Concat(
		server(fin|text, ""), server(fin|text, "hi"), server(text, "part"), server(fin|pong, "p"), server(fin, "rest"),
		server(fin|text, long[:200]), server(fin|text, long), frame(fin|text, []byte("comes back")), server(fin|text, "z"),
	)
	frames := len(stream) - len(server(fin|pong, "p"))
	for _, size := range []int{1, 2, 3, 5, 64, 1000, len(stream)} {
		l, c := newLoad(), &conn{}
		messages := 0
		for part := range slices.Chunk(stream, size) {
			messages += c.take(l, part)
		}
		if messages != 7 || l.bytes != frames || l.trouble != nil {
			t.Errorf("in pieces of %d: %d messages, %d bytes of %d, %v", size, messages, l.bytes, frames, l.trouble)
		}
	}
	l, c := newLoad(), &conn{}
	c.take(l, server(fin|shut, "\x03\xe9bye"))
	if l.trouble == nil || !strings.Contains(l.trouble.Error(), "bye") {
		t.Errorf("a close frame: %v", l.trouble)
	}
}

// A pong must not stand within a message that is sent in parts.
func TestPongBetweenMessages(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, c := newLoad(), &conn{fd: fds[0]}
	l.conns = []*conn{c}
	read := func() string {
		b := make([]byte, 100)
		n, _ := unix.Read(fds[1], b)
		return string(b[:n])
	}
	l.sends([]byte("message"))
	l.send(c, 4)
	c.take(l, []byte{fin | ping, 1, 'p'})
	if got := read(); got != "mess" {
		t.Errorf("within a message: %q", got)
	}
	l.send(c, 3)
	if got, want := read(), "age"+string(frame(fin|pong, []byte("p"))); got != want {
		t.Errorf("at its end: %q, want %q", got, want)
	}
	c.take(l, []byte{fin | ping, 0})
	if got, want := read(), string(frame(fin|pong, nil)); got != want {
		t.Errorf("between messages: %q, want %q", got, want)
	}
}

// The document says what was measured, and nobody edits it by hand.
func TestDocument(t *testing.T) {
	results, err := readResults("results.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := woven(got, full.jobs(), results)
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile("../../docs/performance.md", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/performance.md is not what results.json says: make performance writes both, -update the document alone")
	}
}

func TestUnknown(t *testing.T) {
	if _, err := choose(full.jobs(), []string{"ech"}, "", 0); err == nil {
		t.Error("an unknown job was chosen")
	}
	s := tiny
	if err := bench(io.Discard, s, []job{{name: "x", servers: []string{"nobody"}, rounds: 1, round: func(b *bed) (values, error) { return nil, b.open(1) }}}, nil); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an unknown server: %v", err)
	}
}
