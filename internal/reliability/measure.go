//go:build linux && (amd64 || arm64)

package reliability

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Stats are what a server holds.
type Stats struct {
	Goroutines  int
	Descriptors int
	Members     int            // of its rooms
	Objects     int            // live, after garbage collection
	Timers      int            // live objects that package time allocated for timers; only with ServerConfig.Profile
	Sites       map[string]int // live objects by the function of the module that allocated them; only with ServerConfig.Profile
	Running     map[string]int // goroutines by the function that they began with; only with ServerConfig.Profile
}

// measure fills in all but Members.
func measure(profile bool) (s Stats, err error) {
	forgetTimers()
	for range 3 { // pools live for two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.Objects = int(m.Mallocs - m.Frees)
	s.Goroutines = runtime.NumGoroutine()
	if s.Descriptors, err = descriptors(); err != nil {
		return s, err
	}
	if profile {
		s.liveSites()
		s.Running = goroutines()
	}
	return s, nil
}

// Holding is memory as it stands, without garbage collection.
type Holding struct {
	RssAnon int // bytes that the process wrote to and that are no file's
	Kernel  int // bytes that the kernel holds for the process's sockets, with its own overhead
}

func holding() (h Holding, err error) {
	if h.RssAnon, err = rssAnon(); err != nil {
		return h, err
	}
	h.Kernel, err = kernelMemory()
	return h, err
}

// forgetTimers makes the runtime drop timers that have been stopped, which it otherwise keeps, with all they refer to, until they are
// due: with one processor they are all in one heap, which is cleared of them when they are more than a quarter of it.
func forgetTimers() {
	n := runtime.GOMAXPROCS(1)
	var more [256]*time.Timer // one by one they would be gone before they are many
	for i := range more {
		more[i] = time.AfterFunc(time.Hour, func() {})
	}
	for _, t := range more {
		t.Stop()
	}
	runtime.Gosched()
	runtime.GOMAXPROCS(n)
}

func rssAnon() (int, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(l, "RssAnon:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")))
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no RssAnon")
}

func descriptors() (int, error) {
	list, err := os.ReadDir("/proc/self/fd")
	return len(list) - 1, err // without the one that reads the list
}

// kernelMemory is what the kernel holds for this process's sockets: what waits to be sent or read.
func kernelMemory() (sum int, err error) {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return 0, err
		}
		sum += socketMemory(fd)
	}
	return sum, nil
}

// socketMemory is getsockopt(SO_MEMINFO): SK_MEMINFO_RMEM_ALLOC and SK_MEMINFO_WMEM_QUEUED. 0 for what is no socket.
func socketMemory(fd int) int {
	const meminfo, rmemAlloc, wmemQueued = 55, 0, 5
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, meminfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return int(info[rmemAlloc] + info[wmemQueued])
}

// tiny is how many bytes the runtime's blocks for small objects without pointers have.
const tiny = 16

const module = "github.com/wsrouter-go/wsrouter"

// liveSites counts live objects and the timers among them, also by the innermost function of the module in the stack that allocated
// them. It is exact if runtime.MemProfileRate has been 1 from the start. What the scheduler allocates, and keeps for the next
// goroutine that runs or waits, does not count, nor do objects that are so small that several share a block: they live as long as
// any of their block.
func (s *Stats) liveSites() {
	records := make([]runtime.MemProfileRecord, 1<<10)
	n, ok := runtime.MemProfile(records, false)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+n/2)
		n, ok = runtime.MemProfile(records, false)
	}
	s.Sites, s.Objects = map[string]int{}, 0
	for _, r := range records[:n] {
		site := siteOf(r.Stack())
		if site.scheduler || r.AllocBytes <= tiny*r.AllocObjects {
			continue
		}
		live := int(r.InUseObjects())
		s.Objects += live
		if site.timer {
			s.Timers += live
		}
		if site.function != "" {
			s.Sites[site.String()] += live
		}
	}
}

func goroutines() map[string]int {
	records := make([]runtime.StackRecord, 1<<10)
	n, ok := runtime.GoroutineProfile(records)
	for !ok {
		records = make([]runtime.StackRecord, n+n/2)
		n, ok = runtime.GoroutineProfile(records)
	}
	running := map[string]int{}
	for _, r := range records[:n] {
		frames, first := runtime.CallersFrames(r.Stack()), ""
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); f.Function != "runtime.goexit" {
				first = f.Function
			}
		}
		running[first]++
	}
	return running
}

// site is who allocated something.
type site struct {
	function  string // of the module; "": none
	timer     bool   // package time did, for a timer
	grows     bool   // a map did, which keeps it
	scheduler bool
}

func (s site) String() string {
	switch {
	case s.timer:
		return s.function + " (timer)"
	case s.grows:
		return s.function + " (map)"
	}
	return s.function
}

func siteOf(stack []uintptr) (s site) {
	frames := runtime.CallersFrames(stack)
	first := ""
	for {
		f, more := frames.Next()
		switch f.Function {
		case "runtime.acquireSudog", "runtime.newproc1", "runtime.malg", "runtime.allocm":
			s.scheduler = true
		}
		s.grows = s.grows || strings.HasPrefix(f.Function, "internal/runtime/maps.")
		if first == "" && !strings.HasPrefix(f.Function, "runtime.") {
			first = f.Function
			s.timer = first == "time.AfterFunc" || first == "time.newTimer"
		}
		if s.function == "" && strings.HasPrefix(f.Function, module) {
			s.function = f.Function
		}
		if !more {
			return s
		}
	}
}

// Queues are what the kernel has taken and the peer's program has not, by the client's port: what waits on the server's side to be
// acknowledged and on the client's to be read. Both ends are on this machine.
func Queues(serverPort int) (map[int]int, error) {
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	queues, seen := map[int]int{}, map[[2]string]bool{}
	rows := bufio.NewScanner(bytes.NewReader(text))
	rows.Scan() // titles
	for rows.Scan() {
		f := strings.Fields(rows.Text()) // sl local remote state tx:rx …
		if len(f) < 5 {
			return nil, fmt.Errorf("/proc/net/tcp: %q", rows.Text())
		}
		ends := [2]string{f[1], f[2]}
		if seen[ends] {
			continue // while other sockets of the machine come and go, the kernel tells of some again
		}
		seen[ends] = true
		local, err1 := hexAfterColon(f[1])
		remote, err2 := hexAfterColon(f[2])
		rx, err3 := hexAfterColon(f[4])
		tx, err4 := strconv.ParseInt(strings.Split(f[4], ":")[0], 16, 64)
		if err := firstOf(err1, err2, err3, err4); err != nil {
			return nil, err
		}
		switch {
		case f[3] == "0A": // listens: its queue counts connections
		case local == serverPort:
			queues[remote] += int(tx)
		case remote == serverPort:
			queues[local] += rx
		}
	}
	return queues, rows.Err()
}

func hexAfterColon(s string) (int, error) {
	_, s, _ = strings.Cut(s, ":")
	n, err := strconv.ParseInt(s, 16, 64)
	return int(n), err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TCPMemory is what the kernel holds for all TCP sockets of the machine.
func TCPMemory() (int, error) {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(text)) {
		if !strings.HasPrefix(l, "TCP:") {
			continue
		}
		if _, v, ok := strings.Cut(l, " mem "); ok {
			pages, err := strconv.Atoi(strings.TrimSpace(v))
			return pages * os.Getpagesize(), err
		}
	}
	return 0, fmt.Errorf("/proc/net/sockstat: %q", text)
}
