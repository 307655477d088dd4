//go:build linux

package hostile

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

var connections = flag.Int("connections", 5000/raceShare, "how many connections the descriptor churn makes")

// What must hold for every row of inputs.
const (
	peakBar    = atOnce*(limit+64<<10) + 16<<20    // of memory, beyond what the server held before
	bigPeakBar = atOnce*(bigLimit+64<<10) + 16<<20 // of rows that go to /big
	echoBar    = 100 * time.Millisecond            // 90 % of the others' echoes, meanwhile, beyond those of a plain server
	backIn     = 2 * time.Second                   // goroutines and descriptors are as before
	cpuBar     = 5 * time.Millisecond              // for one peer, unless the row names its cost
	logBar     = 2                                 // lines for one peer, unless the row says less
)

// modes are how a server may hold its connections. One table drives them all.
var modes = []string{"goroutine", "idle"}

// An input is what a hostile peer does.
type input struct {
	name string

	path    string // "": /ws
	line    string // of the request. "": GET path
	header  string // changes a good handshake, see upgradeRequest
	request string // the whole request instead. HOST in any of these is the server's address
	hasty   bool   // the server gives the request headerTime only
	narrow  bool   // the peer's window is as small as can be
	early   bool   // send travels with the request, not behind the 101
	send    string // after the 101
	play    func(p *peer)

	// want is what the peer sees: the status if it is not 101; "ext:" and the name of an extension that is agreed on; the type of each
	// message, for an error reply its code; ping, pong; the code of the close frame, or "gone" if the connection ends without; "open" if nothing
	// comes; "dropped" if the server let go of a peer that does not read. The same twice in a row counts once. A 1000 at the end: the peer says goodbye after what stands before it, so the input was survived.
	want string

	cost  time.Duration // of CPU for one peer, where it is more than cpuBar; why says for what
	holds int           // bytes for one peer that are named in why, beside limit + 64 KiB
	why   string
	reply int  // bytes of the longest frame or body that is sent back; 0: any
	quiet bool // one log line for all peers together
	count int  // of peers in all, atOnce at a time; 0: atOnce
}

// isRefused reports whether the row ends with an HTTP status.
func (in *input) isRefused() bool {
	_, err := strconv.Atoi(in.want)
	return err == nil && len(in.want) == 3
}

// A result is one line of the report.
type result struct {
	name       string
	seen       string
	peak       int
	cpu        time.Duration // of one peer
	echo       time.Duration // 90 % of the others took no longer
	plain      time.Duration // the same of a plain server
	lines      int           // logged
	took, back time.Duration
	foreign    time.Duration // of the machine's CPU, that others took
}

func TestHostile(t *testing.T) {
	turn := rand.IntN(len(modes))
	for i, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			testMode(t, mode, turn+i)
		})
	}
}

// testMode plays the rows in a mode. Under the race detector those of one mode are the other's by turns, and turn says which begins: it takes
// three times as long, and the run without it plays all in both.
func testMode(t *testing.T, mode string, turn int) {
	r := newRunner(t, mode, !costsCount)
	table := inputs()
	var late []*input
	for i := range table {
		in := &table[i]
		if in.isRefused() && mode != modes[0] {
			continue // nothing of it depends on the mode
		}
		if !costsCount && !in.isRefused() && (turn+i)%len(modes) == 0 {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			faults, slow := r.run(t, in)
			for _, f := range faults {
				t.Error(f)
			}
			if len(faults) == 0 && len(slow) > 0 && costsCount {
				late = append(late, in)
			}
		})
	}
	for _, in := range late {
		t.Run("again/"+in.name, func(t *testing.T) {
			r.runAgain(t, in)
		})
	}
	t.Logf("%d inputs, %d at once:\n%s", len(table), atOnce, report(r.results))
}

// TestInputs: there are enough of them, and a name is one row's.
func TestInputs(t *testing.T) {
	known := map[string]bool{}
	for _, in := range inputs() {
		if known[in.name] {
			t.Errorf("two rows are called %q", in.name)
		}
		known[in.name] = true
		if (in.cost > 0 || in.holds > 0) != (in.why != "") {
			t.Errorf("%q costs more than the bar and does not say why, or the reverse", in.name)
		}
	}
	if n := len(inputs()); n < 100 {
		t.Errorf("%d inputs", n)
	}
}

// A runner plays inputs against one server.
type runner struct {
	server *server
	others *others
	plain  *others // of a plain server beside it

	plainServer *server
	perEcho     time.Duration // CPU of one echo of the others

	goroutines, descriptors int // before
	results                 []result
}

func newRunner(t *testing.T, mode string, poisoned bool) *runner {
	s := startServer(t, mode, poisoned)
	r := &runner{server: s, others: startOthers(t, s.addr, otherCount, false)}
	r.plainServer = startServer(t, plainMode, false)
	r.plain = startOthers(t, r.plainServer.addr, plainCount, true)
	r.others.open()
	r.others.close() // connected
	before := s.ask(t, "settle")
	r.others.open()
	<-time.After(300 * time.Millisecond)
	took, _, _ := r.others.close()
	after := s.ask(t, "stat")
	r.perEcho = (after.CPU - before.CPU) / time.Duration(max(len(took), 1))
	s.warm(t)
	r.measureBase(t)
	return r
}

// warm lets every router begin what it keeps, which is its workers and its epoll set.
func (s *server) warm(t *testing.T) {
	var all sync.WaitGroup
	for _, path := range endpoints {
		for id := range 16 {
			all.Go(func() {
				p, err := openAt(s.addr, path, id)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				for range 10 {
					_ = p.echoes("warm")
				}
				_ = p.write(bye)
				p.frame()
				p.conn.Close()
			})
		}
	}
	all.Wait()
	<-time.After(workersEnd)
}

// workersEnd is when workers that are not needed any more have ended, with some time to spare.
const workersEnd = 500 * time.Millisecond

// TestPoisoned plays the messages that are survived, against a server that fills memory as it frees it: what it answers is its own. Under -race
// TestHostile does so for every row.
func TestPoisoned(t *testing.T) {
	if !costsCount {
		return
	}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			r := newRunner(t, mode, true)
			table := inputs()
			for i := range table {
				in := &table[i]
				if !strings.HasSuffix(in.want, "1000") && in.want != "own" || in.line != "" || in.header != "" && in.header != offer {
					continue
				}
				t.Run(in.name, func(t *testing.T) {
					faults, _ := r.run(t, in)
					for _, f := range faults {
						t.Error(f)
					}
				})
			}
		})
	}
}

// measureBase notes what the server holds with the others connected and idle.
func (r *runner) measureBase(t *testing.T) {
	r.goroutines, r.descriptors = r.server.ask(t, "settle").Goroutines, r.server.descriptors(t)
}

// A row that only took too long, or too much memory, is played again behind all others, and fails if it always does: whatever else runs on the
// machine, or beside it on its host, takes its share for a while.
const (
	maxPlays   = 6
	maxForeign = 0.25 // of the machine over all plays, beyond which times and CPU say nothing: a cache and a core are shared
)

func (r *runner) runAgain(t *testing.T, in *input) {
	var took, foreign time.Duration
	for play := 1; ; play++ {
		faults, slow := r.run(t, in)
		for _, f := range faults {
			t.Error(f)
		}
		if len(faults) > 0 || len(slow) == 0 {
			return
		}
		last := r.results[len(r.results)-1]
		took, foreign = took+last.took, foreign+last.foreign
		if play < maxPlays {
			continue
		}
		if share := shareOf(foreign, took); share > maxForeign {
			t.Logf("not judged, others took %.0f %% of the machine: %s", 100*share, strings.Join(slow, "; "))
			return
		}
		for _, f := range slow {
			t.Error(f)
		}
		return
	}
}

// shareOf is the share of the machine's cores that was used.
func shareOf(used, took time.Duration) float64 {
	return float64(used) / float64(took*time.Duration(runtime.NumCPU()))
}

// ours is the CPU that the servers and this process have used.
func (r *runner) ours(t *testing.T) time.Duration {
	return r.server.used(t) + r.plainServer.used(t) + usedCPU()
}

// run plays one input and returns what is wrong, and what took more time or memory than it may.
func (r *runner) run(t *testing.T, in *input) (faults, slow []string) {
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	late := func(format string, args ...any) { slow = append(slow, fmt.Sprintf(format, args...)) }
	s := r.server
	before := s.ask(t, "settle")
	s.resetPeak(t)
	rest, _ := s.resident(t)

	begun := time.Now()
	r.others.open()
	r.plain.open()
	addr := s.addr
	if in.hasty {
		addr = s.hasty
	}
	busyBefore, oursBefore := machineBusy(t), r.ours(t)
	seen, largest := play(in, addr, func() bool { return s.descriptors(t) <= r.descriptors })
	took, lost, fault := r.others.close()
	plain, _, _ := r.plain.close()
	res := result{name: in.name, seen: summary(seen), took: time.Since(begun)}
	res.foreign = machineBusy(t) - busyBefore - (r.ours(t) - oursBefore)

	back, isBack := r.settle(t)
	_, peak := s.resident(t)
	after := s.ask(t, "stat")
	count := max(in.count, atOnce)
	res.back, res.peak = back, peak-rest
	res.cpu = max(0, after.CPU-before.CPU-r.perEcho*time.Duration(len(took))) / time.Duration(count)
	res.lines = after.LogLines - before.LogLines
	res.echo, res.plain = percentile(took, 90), percentile(plain, 90)
	r.results = append(r.results, res)

	if len(seen) != 1 || seen[in.want] == 0 {
		wrong("saw %s, want %q", res.seen, in.want)
	}
	if in.reply > 0 && largest > in.reply {
		wrong("a reply of %d bytes, want at most %d", largest, in.reply)
	}
	bar := peakBar + atOnce*in.holds
	if in.path == "/big" {
		bar = bigPeakBar + atOnce*in.holds
	}
	if res.peak > bar {
		late("%.1f MiB more at the peak, want at most %.1f", mib(res.peak), mib(bar)) // which depends on when the collector ran
	}
	if lost > 0 {
		wrong("%d echoes of the others were lost: %s", lost, fault)
	}
	if res.echo-res.plain > echoBar {
		late("echoes of the others took %v (90 %%), those of a plain server %v, want at most %v more", res.echo, res.plain, echoBar)
	}
	if !isBack {
		wrong("after %v: %d goroutines, %d before; %d descriptors, %d before\n%s", backIn, after.Goroutines, r.goroutines, s.descriptors(t), r.descriptors, crowd(s.ask(t, "stacks").Stacks))
		r.measureBase(t) // the next row is not to blame
	}
	if cost := max(cpuBar, in.cost); res.cpu > cost {
		late("%v of CPU for one peer, want at most %v", res.cpu, cost)
	}
	if in.quiet && res.lines > 1 || res.lines > logBar*count {
		wrong("%d lines were logged for %d peers", res.lines, count)
	}
	for _, line := range after.Errors {
		wrong("a peer made the server log %s", line)
	}
	if p, err := openOther(s.addr, 0); err != nil {
		wrong("not alive: %v", err)
	} else {
		if err := p.echoes("alive"); err != nil {
			wrong("not alive: %v", err)
		}
		p.conn.Close()
		r.settle(t)
	}
	return faults, slow
}

// settle waits until the server holds no more than before.
func (r *runner) settle(t *testing.T) (took time.Duration, ok bool) {
	begun := time.Now()
	for tick := time.NewTicker(2 * time.Millisecond); ; <-tick.C {
		ok = r.server.ask(t, "idle").Goroutines <= r.goroutines && r.server.descriptors(t) <= r.descriptors
		if took = time.Since(begun); ok || took > backIn {
			tick.Stop()
			return took, ok
		}
	}
}

// play runs the peers of an input and counts what they saw.
func play(in *input, addr string, dropped func() bool) (seen map[string]int, largest int) {
	var (
		mu    sync.Mutex
		peers sync.WaitGroup
		next  atomic.Int64
	)
	seen = map[string]int{}
	count := int64(max(in.count, atOnce))
	for range atOnce {
		peers.Go(func() {
			for id := next.Add(1); id <= count; id = next.Add(1) {
				p := &peer{in: in, id: int(id), addr: addr, dropped: dropped}
				what := p.run()
				mu.Lock()
				seen[what]++
				largest = max(largest, p.largest)
				mu.Unlock()
			}
		})
	}
	peers.Wait()
	return seen, largest
}

// summary is what was seen, most often first.
func summary(seen map[string]int) string {
	all := make([]string, 0, len(seen))
	for what := range seen {
		all = append(all, what)
	}
	slices.SortFunc(all, func(a, b string) int { return seen[b] - seen[a] })
	for i, what := range all {
		if len(all) > 1 {
			all[i] = fmt.Sprintf("%q ×%d", what, seen[what])
		} else {
			all[i] = fmt.Sprintf("%q", what)
		}
	}
	return fmt.Sprintf("%.120s", strings.Join(all, ", "))
}

func report(results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "input\tpeak MiB\tCPU ms/peer\techo p90 ms\tplain\tforeign %\tlog\ttook ms\tback ms\tseen")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%.1f\t%.2f\t%.1f\t%.1f\t%.0f\t%d\t%.0f\t%.0f\t%s\n", r.name, mib(r.peak), ms(r.cpu), ms(r.echo), ms(r.plain), 100*shareOf(r.foreign, r.took), r.lines, ms(r.took), ms(r.back), r.seen)
	}
	w.Flush()
	return b.String()
}

func mib(n int) float64          { return float64(n) / (1 << 20) }
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*p/100]
}

// crowd lists the goroutines of a stack dump by where they began, most of them first.
func crowd(stacks string) string {
	count := map[string]int{}
	for g := range strings.SplitSeq(stacks, "\n\n") {
		lines := strings.Split(g, "\n")
		if len(lines) > 2 {
			count[lines[1]+" in "+lines[len(lines)-2]]++
		}
	}
	var all []string
	for where, n := range count {
		all = append(all, fmt.Sprintf("%5d %s", n, where))
	}
	slices.Sort(all)
	slices.Reverse(all)
	return strings.Join(all[:min(len(all), 8)], "\n")
}
