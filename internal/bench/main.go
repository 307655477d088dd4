// Command bench measures wsrouter beside what people use today, in one run on one machine. Each server is a process
// of its own, so that what it costs can be read off it without the load's own cost: CPU time from getrusage, allocations
// from the runtime. Rounds of all servers take turns; medians are printed.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	serve := flag.String("serve", "", "be this server (used by the command itself)")
	count := flag.Int("count", 6, "rounds")
	conns := flag.Int("conns", 50, "connections that route messages")
	messages := flag.Int("messages", 100_000, "messages of a round, over all connections")
	members := flag.Int("members", 1000, "members of the room that is broadcast to")
	broadcasts := flag.Int("broadcasts", 200, "broadcasts of a round")
	only := flag.String("only", "", "run only jobs and servers whose name holds this")
	flag.Parse()
	if *serve != "" {
		log.Fatal(child(*serve))
	}
	if err := bench(os.Stdout, *count, *only, jobs(*conns, *messages, *members, *broadcasts)); err != nil {
		log.Fatal(err)
	}
}

// A job is one kind of load and the servers that bear it, of which the first is ours.
type job struct {
	name    string
	unit    string
	units   int // in one round
	servers []string
	load    func(addr string) (func() error, func(), error) // opens connections; the results run one round and close
}

func jobs(conns, messages, members, broadcasts int) []job {
	routers := []string{"wsrouter", "coder+jsonv2", "gorilla+json"}
	rooms := []string{"wsrouter", "melody", "gorilla-hub", "coder-loop"}
	route := func(depth int) func(string) (func() error, func(), error) {
		return func(addr string) (func() error, func(), error) { return routeLoad(addr, conns, depth, messages) }
	}
	broadcast := func(burst int) func(string) (func() error, func(), error) {
		return func(addr string) (func() error, func(), error) {
			return broadcastLoad(addr, members, burst, broadcasts)
		}
	}
	return []job{
		{"route, one at a time", "message", messages, routers, route(1)},
		{"route, 16 in flight", "message", messages, routers, route(16)},
		{fmt.Sprintf("broadcast to %d", members), "delivery", members * broadcasts, rooms, broadcast(1)},
		{fmt.Sprintf("broadcast to %d, bursts of 10", members), "delivery", members * broadcasts, rooms, broadcast(10)},
	}
}

// Usage is what a server has used so far.
type Usage struct {
	CPU    time.Duration
	Allocs uint64
	Bytes  uint64
}

// A result is one round: what one unit of work cost.
type result struct {
	cpu, allocs, bytes, rate float64
}

func bench(w io.Writer, count int, only string, jobs []job) error {
	fmt.Fprintf(w, "%s %s/%s, %d CPUs, medians of %d rounds\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), count)
	for _, j := range jobs {
		servers := slices.Clone(j.servers)
		if !strings.Contains(j.name, only) {
			servers = slices.DeleteFunc(servers, func(s string) bool { return !strings.Contains(s, only) })
		}
		if len(servers) == 0 {
			continue
		}
		results := map[string][]result{}
		for range count {
			for _, s := range servers {
				r, err := round(j, s)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", j.name, s, err)
				}
				results[s] = append(results[s], r)
			}
		}
		report(w, j, servers, results)
	}
	return nil
}

// round starts a server, warms it up with one round of load, and measures another.
func round(j job, server string) (result, error) {
	addr, end, err := start(server)
	if err != nil {
		return result{}, err
	}
	defer end()
	run, done, err := j.load(addr)
	if err != nil {
		return result{}, err
	}
	defer done()
	if err := run(); err != nil {
		return result{}, err
	}
	before, err := usage(addr)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	if err := run(); err != nil {
		return result{}, err
	}
	took := time.Since(began)
	after, err := usage(addr)
	if err != nil {
		return result{}, err
	}
	n := float64(j.units)
	return result{
		cpu:    float64(after.CPU-before.CPU) / n,
		allocs: float64(after.Allocs-before.Allocs) / n,
		bytes:  float64(after.Bytes-before.Bytes) / n,
		rate:   n / took.Seconds(),
	}, nil
}

func report(w io.Writer, j job, servers []string, results map[string][]result) {
	fmt.Fprintf(w, "\n%s\n", j.name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tCPU ns/%[1]s\t±\tratio\tallocs/%[1]s\tB/%[1]s\tper s\t\n", j.unit)
	ours, _ := median(results[servers[0]], func(r result) float64 { return r.cpu })
	for _, s := range servers {
		cpu, spread := median(results[s], func(r result) float64 { return r.cpu })
		allocs, _ := median(results[s], func(r result) float64 { return r.allocs })
		bytes, _ := median(results[s], func(r result) float64 { return r.bytes })
		rate, _ := median(results[s], func(r result) float64 { return r.rate })
		fmt.Fprintf(t, "%s\t%.0f\t%.0f %%\t%.2f\t%.2f\t%.0f\t%.0f\t\n", s, cpu, spread*100, cpu/ours, allocs, bytes, rate)
	}
	t.Flush()
}

// median returns the median and how far the extremes are from it, as a part of it.
func median(rs []result, of func(result) float64) (mid, spread float64) {
	values := make([]float64, len(rs))
	for i, r := range rs {
		values[i] = of(r)
	}
	slices.Sort(values)
	n := len(values)
	mid = (values[(n-1)/2] + values[n/2]) / 2
	if mid > 0 {
		spread = max(values[n-1]-mid, mid-values[0]) / mid
	}
	return mid, spread
}

// ---- a server as a process

// start runs this program as a server and returns its address.
func start(server string) (addr string, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, "-serve", server)
	cmd.Env = append(os.Environ(), "BENCH_SERVE="+server)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // closed when this process ends, however it does: then the child ends too
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() { stdin.Close(); cmd.Wait() }
	addr, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		end()
		return "", nil, fmt.Errorf("start %s: %w", server, err)
	}
	return strings.TrimSpace(addr), end, nil
}

// child serves until its standard input ends.
func child(name string) error {
	server, err := newServer(name)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", server)
	mux.HandleFunc("POST /broadcast", func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.URL.Query().Get("n"), &n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for range n {
			server.broadcast(update)
		}
	})
	mux.HandleFunc("GET /members", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, server.members()) })
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(used())
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(ln, mux)
}

func used() Usage {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		log.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), Allocs: m.Mallocs, Bytes: m.TotalAlloc}
}

func usage(addr string) (u Usage, err error) {
	resp, err := http.Get("http://" + addr + "/usage")
	if err != nil {
		return u, err
	}
	defer resp.Body.Close()
	return u, json.NewDecoder(resp.Body).Decode(&u)
}
