//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A process is this program run again in another role: a server, the load or a neighbour that spins. It is asked over its
// standard input and answers over its standard output, a line of JSON each, and ends with its input, however this
// program ends.
type process struct {
	role string
	cmd  *exec.Cmd
	in   io.Closer
	ask  *json.Encoder
	tell *json.Decoder
}

// A request names what to do, and whatever it is done with.
type request struct {
	Do string
	dialing
	sending
	N       int
	Profile string // file for a CPU profile until the next request of the same kind
}

// A reply carries whatever was asked for. Error says that it failed.
type reply struct {
	Error   string
	Addr    string
	Members int
	Usage   usage
	Sent    sent
}

// env tells this program its role: a test binary knows no flags of ours.
const env = "WSROUTER_BENCH"

// start runs this program in a role on one CPU.
func start(role string, cpu int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := onCPU(cpu, func() error { return atPriority(priority, cmd.Start) }); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &process{role, cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// onCPU runs f on one CPU. A process that f starts stays there, and its GOMAXPROCS is 1.
func onCPU(cpu int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return err
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &before))
}

// priority is the nice value of all processes.
var priority = niceness()

// niceness is this program's own nice value.
func niceness() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - n // the system call's answer is never negative
}

// atPriority runs f at a nice value, on a thread that the caller has locked. A process that f starts inherits it.
func atPriority(nice int, f func() error) error {
	before := niceness()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil {
		return fmt.Errorf("nice %d: %w", nice, err)
	}
	return errors.Join(f(), unix.Setpriority(unix.PRIO_PROCESS, 0, before))
}

// cpus returns the first and the last CPU that this program may use.
func cpus() (first, last int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, err
	}
	first = -1
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	return first, last, nil
}

func (p *process) end() {
	p.in.Close()
	p.cmd.Wait()
}

// do asks and waits for the answer.
func (p *process) do(r request) (reply, error) {
	if err := p.begin(r); err != nil {
		return reply{}, err
	}
	return p.answer()
}

// begin asks; the answer is to be taken later.
func (p *process) begin(r request) error { return p.ask.Encode(r) }

func (p *process) answer() (reply, error) {
	var got reply
	if err := p.tell.Decode(&got); err != nil {
		return got, fmt.Errorf("%s ended: %w", p.role, err)
	}
	if got.Error != "" {
		return got, fmt.Errorf("%s: %s", p.role, got.Error)
	}
	return got, nil
}

// rss is the memory that the process has for itself, without files and shared pages, in bytes.
func (p *process) rss() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kib float64
			_, err := fmt.Sscanf(rest, "%f kB", &kib)
			return kib * 1024, err
		}
	}
	return 0, errors.New("the kernel does not say RssAnon")
}

// ---- inside a child

// serve answers requests until standard input ends.
func serve(handle func(request) (reply, error)) error {
	ask, tell := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var r request
		if err := ask.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		got, err := handle(r)
		if err != nil {
			got.Error = err.Error()
		}
		if err := tell.Encode(got); err != nil {
			return err
		}
	}
}

var spins atomic.Uint64

// child is a process's whole life in its role.
func child(role string) error {
	switch {
	case role == "load":
		return newLoad().serve()
	case role == "spin":
		go func() {
			for { // this is its work
				spins.Add(1)
			}
		}()
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case slices.ContainsFunc(servers, func(s server) bool { return s.name == role }):
		return serveAs(role)
	}
	return fmt.Errorf("no role %q", role)
}

// usage is what a process has used since it began.
type usage struct {
	CPU    time.Duration
	Allocs uint64
	Bytes  uint64
}

func used() (usage, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return usage{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), m.Mallocs, m.TotalAlloc}, nil
}

func (u usage) since(before usage) usage {
	return usage{u.CPU - before.CPU, u.Allocs - before.Allocs, u.Bytes - before.Bytes}
}

// profile ends the CPU profile that is being made, and begins one in a file unless that is "".
func profile(file string) error {
	pprof.StopCPUProfile()
	if file == "" {
		return nil
	}
	w, err := os.Create(file)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(w)
}

// collect frees what is garbage. Stacks shrink while a collection scans them, so that what they leave goes with the next.
func collect() error {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	return nil
}
