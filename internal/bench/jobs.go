//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A job is one kind of load. It is borne by each of its servers in turn, round by round, each time by a new process.
type job struct {
	name    string // by which it is chosen
	title   string
	about   string
	servers []string
	rounds  int
	metrics []metric
	round   func(*bed) (values, error)
}

// A metric is one thing that a round of a job measures.
type metric struct {
	name    string
	title   string
	digits  int
	against []string // servers that the others are compared with, round by round
}

type values map[string]float64

// A scale says how much work jobs do.
type scale struct {
	rounds, windows, long  int           // of most jobs, of latency, of jobs that take minutes
	warm, echo             time.Duration // before and while an echo is measured
	few, many              int           // connections
	million                int
	idle                   [2]int // connections
	settle, ping, after    time.Duration
	rate                   float64
	latency, overload      time.Duration
	members, calls         int // of broadcasts
	neighbours, partsCount int
}

var (
	full = scale{
		rounds: 9, windows: 21, long: 1,
		warm: 300 * time.Millisecond, echo: time.Second,
		few: 100, many: 1000, million: 1_000_000,
		idle: [2]int{10_000, 19_000}, settle: 5 * time.Second, ping: 35 * time.Second, after: 60 * time.Second,
		rate: 5000, latency: 2 * time.Second, overload: 2 * time.Second,
		members: 5000, calls: 10, neighbours: 2, partsCount: 4,
	}
	quick = scale{
		rounds: 3, windows: 5, long: 1,
		warm: 100 * time.Millisecond, echo: 300 * time.Millisecond,
		few: 100, many: 1000, million: 100_000,
		idle: [2]int{2_000, 5_000}, settle: 2 * time.Second, ping: 35 * time.Second, after: 5 * time.Second,
		rate: 5000, latency: 500 * time.Millisecond, overload: 500 * time.Millisecond,
		members: 1000, calls: 5, neighbours: 2, partsCount: 4,
	}
)

func (s scale) jobs() []job {
	all := names(func(string) bool { return true })
	framed := names(func(name string) bool { return name != limit })
	ours := names(func(name string) bool { return name == goroutines || name == idle })
	withGorilla := append(slices.Clone(ours), "gorilla")
	cpu := metric{"cpu", "CPU µs/message", 2, []string{"gorilla", limit}}
	echoed := []metric{cpu, {"allocs", "allocs", 2, nil}, {"bytes", "B allocated", 0, nil}, {"rate", "messages/s", 0, nil},
		{"busy", "server busy %", 0, nil}, {"load", "load busy %", 0, nil}}
	echo := func(name string, conns, depth int) job {
		return job{name, fmt.Sprintf("Echo, %s connections, depth %d", grouped(conns), depth),
			"A typed message of two strings, 96 bytes, comes back. Each connection sends as many as its depth in one write and waits for all answers.",
			all, s.rounds, echoed, func(b *bed) (values, error) { return b.echo(conns, depth) }}
	}
	list := []job{
		echo("echo-1", s.few, 1),
		echo("echo-16", s.few, 16),
		echo("echo-many", s.many, 16),
		{"allocs", fmt.Sprintf("Allocations over %s messages", grouped(s.million)),
			fmt.Sprintf("The same echo, %d connections, depth 16, after a warm-up of the same size.", s.few),
			framed, 1, []metric{{"allocs", "allocs/message", 3, nil}, {"bytes", "B/message", 1, nil}},
			func(b *bed) (values, error) { return b.million() }},
	}
	for i, n := range s.idle {
		list = append(list, job{"idle-" + []string{"10k", "19k"}[i], fmt.Sprintf("Idle memory, %s connections", grouped(n)),
			fmt.Sprintf("Growth of RssAnon in KiB per connection after one message each: %v later, and after a collection.", s.settle),
			all, min(3, s.rounds), []metric{{"settled", fmt.Sprintf("after %v", s.settle), 2, []string{"gorilla"}}, {"collected", "after GC", 2, []string{"gorilla"}}},
			func(b *bed) (values, error) { return b.idle(n) }})
	}
	for i, n := range s.idle {
		list = append(list, job{"life-" + []string{"10k", "19k"}[i], fmt.Sprintf("Memory in the course of life, %s connections", grouped(n)),
			fmt.Sprintf("The same growth %v after each of: a round of pings, a broadcast of 256 bytes to all, and 16 KiB from every client within one second, in %d parts, so that all messages are under way at once. Nothing forces a collection. gorilla sends no pings.", s.after, s.partsCount),
			withGorilla, s.long, []metric{{"pinged", "pings", 2, nil}, {"share", "pinged %", 0, nil}, {"spoken", "broadcast", 2, nil}, {"loaded", "16 KiB each", 2, nil}, {"peak", "right after the 16 KiB", 2, nil}, {"took", "sent in s", 2, nil}},
			func(b *bed) (values, error) { return b.life(n) }})
	}
	return append(list,
		job{"latency", fmt.Sprintf("Latency at %s messages/s", grouped(int(s.rate))),
			fmt.Sprintf("%d connections; the load keeps its pace whatever the answers do, and counts from when a message was due. Windows of %v, interleaved.", s.few, s.latency),
			all, s.windows, []metric{cpu, {"p50", "p50 µs", 0, nil}, {"p90", "p90 µs", 0, nil}, {"p99", "p99 µs", 0, []string{"gorilla"}}},
			func(b *bed) (values, error) { return b.latency() }},
		job{"overload", "Latency under overload",
			fmt.Sprintf("%d spinning processes on the server's core; 1.2 times the messages that the server managed beside them just before, in bursts of 16 on each of %d connections, for %v.", s.neighbours, s.few, s.overload),
			withGorilla, s.windows, []metric{{"rate", "messages/s", 0, nil}, {"p50", "p50 ms", 1, nil}, {"p99", "p99 ms", 1, []string{goroutines}}},
			func(b *bed) (values, error) { return b.overload() }},
		job{"broadcast", fmt.Sprintf("Broadcast of 256 bytes to %s", grouped(s.members)),
			"CPU for each message and member: single calls (the next when all members have the last), ten calls in a loop, twenty in a loop. gorilla sends a prepared message, gws by its broadcaster, gobwas and raw TCP a frame compiled once.",
			all, s.rounds, []metric{{"1", "single µs", 2, []string{"gorilla"}}, {"10", "of ten µs", 2, []string{"gorilla"}}, {"20", "of twenty µs", 2, []string{"gorilla", "gws"}}},
			func(b *bed) (values, error) { return b.broadcast() }},
	)
}

// names lists the servers that this tree can run.
func names(want func(string) bool) (list []string) {
	for _, s := range servers {
		if want(s.name) {
			list = append(list, s.name)
		}
	}
	return list
}

// A bed is one server under one load, for one round.
type bed struct {
	scale
	server, load *process
	raw          bool
	serverCPU    int
	profile      string // where those of this round begin; "": none
	profiled     int
}

// profiles is where CPU profiles of servers go. "": none are made.
var profiles string

// round runs one round of j on one server.
func (s scale) round(j job, name string) (v values, err error) {
	loadCPU, serverCPU, err := cpus()
	if err != nil {
		return nil, err
	}
	b := &bed{scale: s, raw: name == limit, serverCPU: serverCPU}
	if profiles != "" {
		b.profile = filepath.Join(profiles, strings.ReplaceAll(j.name+"-"+name, " ", "-"))
	}
	if b.load, err = start("load", loadCPU); err != nil {
		return nil, err
	}
	defer b.load.end()
	if b.server, err = start(name, serverCPU); err != nil {
		return nil, err
	}
	defer b.server.end() // first, so that it sees no ends
	return j.round(b)
}

// open connects, waits until all are in the room, and looks at one answer.
func (b *bed) open(conns int) error {
	at, err := b.server.do(request{Do: "addr"})
	if err != nil {
		return err
	}
	if _, err := b.load.do(request{Do: "dial", dialing: dialing{at.Addr, conns, b.raw}}); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		got, err := b.server.do(request{Do: "members"})
		if err != nil {
			return err
		}
		if got.Members == conns {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d connections in the room", got.Members, conns)
		}
	}
	got, err := b.load.do(request{Do: "look", sending: sending{Text: say}})
	if err != nil {
		return err
	}
	return sameJSON(got.Sent.Text, say)
}

func sameJSON(got, want string) error {
	var g, w any
	if err := errors.Join(json.Unmarshal([]byte(got), &g), json.Unmarshal([]byte(want), &w)); err != nil || !reflect.DeepEqual(g, w) {
		return fmt.Errorf("the server answers %q, want %q (%v)", got, want, err)
	}
	return nil
}

// sends has the load do its part.
func (b *bed) sends(do string, s sending) (sent, error) {
	got, err := b.load.do(request{Do: do, sending: s})
	return got.Sent, err
}

// during returns what the server used while f ran.
func (b *bed) during(f func() error) (usage, error) {
	before, err := b.server.do(request{Do: "usage", Profile: b.nextProfile()})
	if err != nil {
		return usage{}, err
	}
	if err := f(); err != nil {
		return usage{}, err
	}
	after, err := b.server.do(request{Do: "usage"})
	return after.Usage.since(before.Usage), err
}

// nextProfile names a file for a CPU profile. "": none is wanted.
func (b *bed) nextProfile() string {
	if b.profile == "" {
		return ""
	}
	b.profiled++
	return fmt.Sprintf("%s-%d.pprof", b.profile, b.profiled)
}

// measured has the load do its part and returns what each message cost.
func (b *bed) measured(do string, s sending) (values, sent, error) {
	var got sent
	u, err := b.during(func() (err error) { got, err = b.sends(do, s); return err })
	if err != nil {
		return nil, got, err
	}
	n, took := float64(got.Messages), got.Took.Seconds()
	return values{
		"cpu":    u.CPU.Seconds() * 1e6 / n,
		"allocs": float64(u.Allocs) / n,
		"bytes":  float64(u.Bytes) / n,
		"rate":   n / took,
		"busy":   100 * u.CPU.Seconds() / took,
		"load":   100 * got.CPU.Seconds() / took,
	}, got, nil
}

func (b *bed) echo(conns, depth int) (values, error) {
	if err := b.open(conns); err != nil {
		return nil, err
	}
	if _, err := b.sends("echo", sending{Text: say, Depth: depth, For: b.warm}); err != nil {
		return nil, err
	}
	v, _, err := b.measured("echo", sending{Text: say, Depth: depth, For: b.scale.echo})
	return v, err
}

func (b *bed) million() (values, error) {
	if err := b.open(b.few); err != nil {
		return nil, err
	}
	all := sending{Text: say, Depth: 16, Each: b.scale.million / b.few / 16}
	if _, err := b.sends("echo", all); err != nil {
		return nil, err
	}
	v, _, err := b.measured("echo", all)
	return v, err
}

// ---- memory

// populate opens connections, has each say one thing, and returns a function that says by how many KiB each made the server grow.
func (b *bed) populate(conns int) (growth func() (float64, error), err error) {
	if _, err := b.server.do(request{Do: "collect"}); err != nil {
		return nil, err
	}
	base, err := b.server.rss()
	if err != nil {
		return nil, err
	}
	if err := b.open(conns); err != nil {
		return nil, err
	}
	if _, err := b.sends("echo", sending{Text: say, Depth: 1, Each: 1}); err != nil {
		return nil, err
	}
	return func() (float64, error) {
		now, err := b.server.rss()
		return (now - base) / 1024 / float64(conns), err
	}, nil
}

func (b *bed) idle(conns int) (values, error) {
	growth, err := b.populate(conns)
	if err != nil {
		return nil, err
	}
	v := values{}
	if _, err := b.sends("listen", sending{For: b.settle}); err != nil {
		return nil, err
	}
	if v["settled"], err = growth(); err != nil {
		return nil, err
	}
	if _, err := b.server.do(request{Do: "collect"}); err != nil {
		return nil, err
	}
	v["collected"], err = growth()
	return v, err
}

func (b *bed) life(conns int) (values, error) {
	growth, err := b.populate(conns)
	if err != nil {
		return nil, err
	}
	v := values{}
	calm := func(metric string) error {
		if _, err := b.sends("listen", sending{For: b.after}); err != nil {
			return err
		}
		v[metric], err = growth()
		return err
	}
	got, err := b.sends("listen", sending{Pings: true, For: b.ping})
	if err != nil {
		return nil, err
	}
	v["share"] = 100 * float64(got.Pinged) / float64(conns)
	if err := calm("pinged"); err != nil {
		return nil, err
	}
	if err := b.speak(conns, 1); err != nil {
		return nil, err
	}
	if err := calm("spoken"); err != nil {
		return nil, err
	}
	got, err = b.sends("parts", sending{Text: note, Parts: b.partsCount, For: time.Second})
	if err != nil {
		return nil, err
	}
	v["took"] = got.Took.Seconds()
	if v["peak"], err = growth(); err != nil {
		return nil, err
	}
	if err := calm("loaded"); err != nil {
		return nil, err
	}
	_, err = b.sends("echo", sending{Text: say, Depth: 1, Each: 1}) // all are still there
	return v, err
}

// ---- latency

func (b *bed) latency() (values, error) {
	if err := b.open(b.few); err != nil {
		return nil, err
	}
	if _, err := b.sends("rate", sending{Text: say, Depth: 1, Rate: b.rate, For: b.scale.latency / 4}); err != nil {
		return nil, err
	}
	v, got, err := b.measured("rate", sending{Text: say, Depth: 1, Rate: b.rate, For: b.scale.latency})
	if err != nil {
		return nil, err
	}
	v["p50"], v["p90"], v["p99"] = got.P50.Seconds()*1e6, got.P90.Seconds()*1e6, got.P99.Seconds()*1e6
	return v, nil
}

func (b *bed) overload() (values, error) {
	if err := b.open(b.few); err != nil {
		return nil, err
	}
	for range b.neighbours {
		p, err := start("spin", b.serverCPU)
		if err != nil {
			return nil, err
		}
		defer p.end()
	}
	capacity, err := b.sends("echo", sending{Text: say, Depth: 16, For: b.scale.overload / 2})
	if err != nil {
		return nil, err
	}
	rate := 1.2 * float64(capacity.Messages) / capacity.Took.Seconds()
	got, err := b.sends("rate", sending{Text: say, Depth: 16, Rate: rate, For: b.scale.overload})
	return values{"rate": rate, "p50": got.P50.Seconds() * 1e3, "p99": got.P99.Seconds() * 1e3}, err
}

// ---- broadcast

func (b *bed) broadcast() (values, error) {
	if err := b.open(b.members); err != nil {
		return nil, err
	}
	if err := b.speak(b.members, 5); err != nil { // to get warm
		return nil, err
	}
	v := values{}
	for _, calls := range []int{1, 10, 20} {
		times := max(b.calls/calls, 2)
		u, err := b.during(func() error {
			for range times {
				if err := b.speak(b.members, calls); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		v[fmt.Sprint(calls)] = u.CPU.Seconds() * 1e6 / float64(times*calls*b.members)
	}
	return v, nil
}

// speak has the server call its broadcast so often in a loop, and waits until all members have every message whole.
func (b *bed) speak(members, calls int) error {
	if err := b.load.begin(request{Do: "listen", sending: sending{Until: members * calls}}); err != nil {
		return err
	}
	_, err := b.server.do(request{Do: "broadcast", N: calls})
	got, loadErr := b.load.answer()
	if want := members * calls * (4 + 256); err == nil && loadErr == nil && got.Sent.Bytes != want {
		return fmt.Errorf("%d members got %d bytes of %d", members, got.Sent.Bytes, want)
	}
	return errors.Join(err, loadErr)
}

// grouped prints n as 10,000.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
