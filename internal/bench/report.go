//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A result is all that a job measured.
type result struct {
	When    string
	Machine string
	Servers map[string][]values // a value for each round, in the order of rounds
}

// ---- numbers

// spread is a median with its quartiles.
type spread struct{ low, mid, high float64 }

func spreadOf(list []float64) spread {
	list = slices.Sorted(slices.Values(list))
	at := func(q float64) float64 {
		i := q * float64(len(list)-1)
		low, part := math.Floor(i), i-math.Floor(i)
		return list[int(low)]*(1-part) + list[int(math.Ceil(i))]*part
	}
	return spread{at(0.25), at(0.5), at(0.75)}
}

func (s spread) print(digits int) string {
	f := func(x float64) string {
		if digits == 0 && x >= 1000 {
			return grouped(int(math.Round(x)))
		}
		return strconv.FormatFloat(x, 'f', digits, 64)
	}
	if s.low == s.high {
		return f(s.mid)
	}
	return fmt.Sprintf("%s (%s–%s)", f(s.mid), f(s.low), f(s.high))
}

// of returns a metric of a server over all rounds; none if it was not measured.
func (r result) of(server, metric string) (list []float64) {
	for _, v := range r.Servers[server] {
		list = append(list, v[metric])
	}
	return list
}

// ratio returns a metric of a server divided by another's in the same round.
func (r result) ratio(server, than, metric string) (list []float64) {
	theirs := r.of(than, metric)
	for i, x := range r.of(server, metric) {
		if i < len(theirs) {
			list = append(list, x/theirs[i])
		}
	}
	return list
}

// peers are the other libraries.
func (r result) peers() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Servers)), func(name string) bool {
		return name == goroutines || name == idle || name == socket || name == socketIdle || name == limit
	})
}

// best is the peer that is lowest in a metric.
func (r result) best(metric string) string {
	peers := r.peers()
	if len(peers) == 0 {
		return ""
	}
	return slices.MinFunc(peers, func(a, b string) int {
		return int(math.Copysign(1, spreadOf(r.of(a, metric)).mid-spreadOf(r.of(b, metric)).mid))
	})
}

// ---- bars

// A bar is what must be true: the median of a metric, or of its paired ratio with another server's, is at most this.
type bar struct {
	what        string
	job, metric string
	of          string
	than        string // "": the metric itself
	most        float64
}

// bestPeer stands for the peer that is lowest in a bar's metric.
const bestPeer = "the best peer"

var bars = []bar{
	{"KiB per idle connection, 5 s after a message", "idle-10k", "settled", idle, "", 2},
	{"KiB per idle connection, 5 s after a message", "idle-19k", "settled", idle, "", 2},
	{"KiB per idle connection, after GC", "idle-10k", "collected", idle, "", 1.25},
	{"KiB per idle connection, after GC", "idle-19k", "collected", idle, "", 1.25},
	{"KiB per idle connection, 5 s after a message", "idle-10k", "settled", goroutines, "", 8},
	{"KiB per idle connection, 5 s after a message", "idle-19k", "settled", goroutines, "", 8},
	{"KiB per idle connection, after GC", "idle-10k", "collected", goroutines, "", 7},
	{"KiB per idle connection, after GC", "idle-19k", "collected", goroutines, "", 7},
	{"KiB per connection, 60 s after pings", "life-10k", "pinged", idle, "", 2.5},
	{"KiB per connection, 60 s after pings", "life-19k", "pinged", idle, "", 2.5},
	{"KiB per connection, 60 s after a broadcast", "life-10k", "spoken", idle, "", 2.5},
	{"KiB per connection, 60 s after a broadcast", "life-19k", "spoken", idle, "", 2.5},
	{"KiB per connection, 60 s after 16 KiB each", "life-10k", "loaded", idle, "", 2.5},
	{"KiB per connection, 60 s after 16 KiB each", "life-19k", "loaded", idle, "", 2.5},

	{"CPU per message", "echo-1", "cpu", goroutines, "gorilla", 0.8},
	{"CPU per message", "echo-1", "cpu", idle, "gorilla", 0.8},
	{"CPU per message", "echo-1", "cpu", goroutines, limit, 1.25},
	{"CPU per message", "echo-1", "cpu", idle, limit, 1.25},
	{"CPU per message", "echo-16", "cpu", goroutines, "gorilla", 0.2},
	{"CPU per message", "echo-16", "cpu", idle, "gorilla", 0.2},
	{"CPU per message", "echo-16", "cpu", goroutines, limit, 4.5},
	{"CPU per message", "echo-16", "cpu", idle, limit, 4.5},
	{"CPU per message", "echo-many", "cpu", goroutines, "gorilla", 0.22},
	{"CPU per message", "echo-many", "cpu", idle, "gorilla", 0.22},
	{"CPU per message", "echo-1", "cpu", socket, limit, 1.1},
	{"CPU per message", "echo-16", "cpu", socket, limit, 1.3},
	{"allocations per message", "allocs", "allocs", socket, "", 0.01},
	{"allocations per message", "allocs", "allocs", goroutines, "", 3},
	{"allocations per message", "allocs", "allocs", idle, "", 3},

	{"CPU per message", "latency", "cpu", goroutines, "gorilla", 0.6},
	{"CPU per message", "latency", "cpu", idle, "gorilla", 0.6},
	{"p50", "latency", "p50", goroutines, bestPeer, 1.15},
	{"p50", "latency", "p50", idle, bestPeer, 1.15},
	{"p90", "latency", "p90", goroutines, bestPeer, 1.15},
	{"p90", "latency", "p90", idle, bestPeer, 1.15},
	{"p99", "latency", "p99", goroutines, "gorilla", 1.5},
	{"p99", "latency", "p99", idle, "gorilla", 1.5},
	{"p99", "overload", "p99", idle, goroutines, 2},

	{"CPU per delivery, single calls", "broadcast", "1", idle, "gorilla", 0.85},
	{"CPU per delivery, single calls", "broadcast", "1", goroutines, "gorilla", 0.95},
	{"CPU per delivery, ten calls in a loop", "broadcast", "10", idle, "gorilla", 0.25},
	{"CPU per delivery, ten calls in a loop", "broadcast", "10", goroutines, "gorilla", 0.25},
	{"CPU per delivery, twenty back to back", "broadcast", "20", idle, "gws", 0.5},
	{"CPU per delivery, twenty back to back", "broadcast", "20", goroutines, "gws", 0.5},
}

// judge returns what a bar's measure is, and whether it is met; "" and false if nothing is known.
func (b bar) judge(results map[string]result) (measured string, met bool) {
	r := results[b.job]
	list := r.of(b.of, b.metric)
	than := b.than
	if than == bestPeer {
		than = r.best(b.metric)
	}
	if than != "" {
		list = r.ratio(b.of, than, b.metric)
	}
	if len(list) == 0 {
		return "", false
	}
	s := spreadOf(list)
	digits := 2
	if b.most < 0.1 {
		digits = 4
	}
	measured = s.print(digits)
	if b.than == bestPeer {
		measured += ", " + than
	}
	return measured, s.mid <= b.most
}

func (b bar) limit() string {
	most := strconv.FormatFloat(b.most, 'f', -1, 64)
	if b.than == "" {
		return "≤ " + most
	}
	return "≤ " + most + "× " + b.than
}

// ---- printing, as Markdown

func printBars(w io.Writer, jobs []job, results map[string]result) {
	fmt.Fprintf(w, "| job | what | server | bar | measured | met |\n|---|---|---|---|---|---|\n")
	for _, b := range bars {
		if !slices.ContainsFunc(jobs, func(j job) bool { return j.name == b.job }) {
			continue
		}
		measured, met := b.judge(results)
		verdict := "**no**"
		switch {
		case measured == "":
			measured, verdict = "not measured", ""
		case met:
			verdict = "yes"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", b.job, b.what, b.of, b.limit(), measured, verdict)
	}
}

func printJob(w io.Writer, j job, r result) {
	fmt.Fprintf(w, "\n### %s (`%s`)\n\n%s\n\n", j.title, j.name, j.about)
	if len(r.Servers) == 0 {
		fmt.Fprintln(w, "Not measured.")
		return
	}
	head, line := "| server |", "|---|"
	for _, m := range j.metrics {
		head += " " + m.title + " |"
		for _, than := range m.against {
			head += " × " + than + " |"
		}
		line += strings.Repeat("--:|", 1+len(m.against))
	}
	fmt.Fprintf(w, "%s\n%s\n", head, line)
	rounds := 0
	for _, server := range j.servers {
		if len(r.Servers[server]) == 0 {
			continue
		}
		rounds = len(r.Servers[server])
		fmt.Fprintf(w, "| %s |", server)
		for _, m := range j.metrics {
			fmt.Fprintf(w, " %s |", spreadOf(r.of(server, m.name)).print(m.digits))
			for _, than := range m.against {
				cell := ""
				if list := r.ratio(server, than, m.name); len(list) > 0 && than != server {
					cell = spreadOf(list).print(2)
				}
				fmt.Fprintf(w, " %s |", cell)
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%d rounds, %s, %s.\n", rounds, r.When, r.Machine)
}

// printBehind lists where a library's median is lower than ours.
func printBehind(w io.Writer, jobs []job, results map[string]result) {
	fmt.Fprintf(w, "\n### Where another library is ahead\n\n")
	none := true
	for _, j := range jobs {
		for _, m := range j.metrics {
			if slices.Contains(unranked, m.name) {
				continue
			}
			for _, us := range []string{goroutines, idle} {
				if ahead := results[j.name].ahead(us, m); len(ahead) > 0 {
					fmt.Fprintf(w, "- `%s`, %s, %s: %s\n", j.name, m.title, us, strings.Join(ahead, ", "))
					none = false
				}
			}
		}
	}
	if none {
		fmt.Fprintln(w, "Nowhere in these jobs.")
	}
}

// unranked are the metrics of which less is not better.
var unranked = []string{"rate", "busy", "load", "share", "took"}

// ahead lists the peers that are lower than a server in a metric.
func (r result) ahead(server string, m metric) (list []string) {
	ours := r.of(server, m.name)
	if len(ours) == 0 {
		return nil
	}
	for _, name := range r.peers() {
		if theirs := spreadOf(r.of(name, m.name)).mid; theirs < spreadOf(ours).mid {
			list = append(list, fmt.Sprintf("%s %.*f", name, m.digits, theirs))
		}
	}
	if len(list) > 0 {
		list[0] = fmt.Sprintf("%.*f, behind ", m.digits, spreadOf(ours).mid) + list[0]
	}
	return list
}

// machine is what a result depends on besides the code, and what else went on when the job began.
func machine() string {
	var u unix.Utsname
	unix.Uname(&u)
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	model := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if rest, ok := strings.CutPrefix(line, "model name"); ok {
			model = strings.TrimLeft(strings.TrimSpace(rest), ": ")
			break
		}
	}
	return fmt.Sprintf("%s %s/%s, Linux %s, %d CPUs (%s), nice %d, load average %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), model, priority, average)
}

// ---- keeping

// readResults reads what was measured before; a file that is not there is empty.
func readResults(path string) (map[string]result, error) {
	results := map[string]result{}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	return results, json.Unmarshal(data, &results)
}

// keep adds one job's result to the file, so that jobs can be run one at a time.
func keep(path, name string, r result) error {
	results, err := readResults(path)
	if err != nil {
		return err
	}
	results[name] = r
	data, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// Where the command writes in the document.
const (
	begin = "<!-- begin: written by make performance -->\n"
	end   = "<!-- end: written by make performance -->\n"
)

// woven returns the document with what was measured between the marks.
func woven(document []byte, jobs []job, results map[string]result) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("the document has no marks %q and %q", begin, end)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin)
	fmt.Fprintf(&out, "\n## Bars\n\n")
	printBars(&out, jobs, results)
	printBehind(&out, jobs, results)
	fmt.Fprintf(&out, "\n## Jobs\n")
	for _, j := range jobs {
		printJob(&out, j, results[j.name])
	}
	fmt.Fprintln(&out)
	out.WriteString(end)
	out.Write(after)
	return out.Bytes(), nil
}

func newResult() result {
	return result{time.Now().UTC().Format(time.DateOnly), machine(), map[string][]values{}}
}
