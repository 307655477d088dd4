//go:build linux

package hostile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A server is the child as its parent sees it.
type server struct {
	addr   string
	hasty  string // the address that gives a request headerTime
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr lockedBuffer
}

// startServer runs this binary again as a server in the given mode.
func startServer(t *testing.T, mode string, poisoned bool) *server {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: exec.Command(exe)}
	s.cmd.Env = append(os.Environ(), childEnv+"="+mode)
	if poisoned {
		s.cmd.Env = append(s.cmd.Env, poisonEnv+"=1")
	}
	s.cmd.Stderr = &s.stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(stdout)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stdin.Close()
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
		if text := s.stderr.String(); text != "" {
			t.Errorf("the server wrote:\n%.8000s", text)
		}
	})
	for _, addr := range []*string{&s.addr, &s.hasty} { // a plain one has but the first
		if mode == plainMode && addr == &s.hasty {
			break
		}
		line, err := s.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("no address: %v", err)
		}
		*addr = strings.TrimSpace(line)
	}
	return s
}

// ask sends the child a command. A child that is gone ends the test.
func (s *server) ask(t *testing.T, command string) stat {
	t.Helper()
	var answer stat
	_, err := fmt.Fprintln(s.stdin, command)
	if err == nil {
		var line []byte
		if line, err = s.stdout.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &answer)
		}
	}
	if err != nil {
		t.Fatalf("the server is gone: %v\n%.8000s", err, s.stderr.String())
	}
	return answer
}

// resident returns how much memory the child holds, in bytes, and the most it held since resetPeak.
func (s *server) resident(t *testing.T) (now, peak int) {
	t.Helper()
	status := s.proc(t, "status")
	return field(t, status, "VmRSS:"), field(t, status, "VmHWM:")
}

// field returns the value of a line such as "VmRSS:   123 kB".
func field(t *testing.T, status []byte, name string) int {
	t.Helper()
	for line := range bytes.Lines(status) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == name {
			n, err := strconv.Atoi(string(f[1]))
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s in %s", name, status)
	return 0
}

func (s *server) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.procPath("clear_refs"), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// descriptors counts what the child has open.
func (s *server) descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(s.procPath("fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// used is the CPU that the server has used, of any mode.
func (s *server) used(t *testing.T) time.Duration {
	t.Helper()
	stat := s.proc(t, "stat")
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on
	return ticks(t, f[11]) + ticks(t, f[12])
}

// machineBusy is the CPU that everything on the machine has used.
func machineBusy(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := bytes.Fields(line) // cpu user nice system idle iowait irq softirq steal
	var sum time.Duration
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		sum += ticks(t, f[i])
	}
	return sum
}

// ticks is a time in hundredths of a second, as /proc tells it.
func ticks(t *testing.T, s []byte) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(string(s))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * 10 * time.Millisecond
}

func (s *server) proc(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(s.procPath(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *server) procPath(name string) string {
	return fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, name)
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// others are connections that nobody may hurt. Each sends a message again and again and compares what comes back.
type others struct {
	addr  string
	count int
	plain bool         // no WebSockets: bytes come back as they are
	gate  sync.RWMutex // held for writing while nothing of theirs is to run
	stop  chan struct{}
	done  sync.WaitGroup

	mu    sync.Mutex
	took  []time.Duration
	lost  int
	fault string // why the last was lost
}

const (
	otherCount = 50
	plainCount = 10
	otherPause = 25 * time.Millisecond
)

// startOthers connects them, with the gate closed.
func startOthers(t *testing.T, addr string, count int, plain bool) *others {
	o := &others{addr: addr, count: count, plain: plain, stop: make(chan struct{})}
	o.gate.Lock()
	for i := range count {
		o.done.Go(func() { o.serve(i) })
	}
	t.Cleanup(func() {
		close(o.stop)
		o.gate.Unlock()
		o.done.Wait()
	})
	return o
}

// serve is one of them. If its connection is lost it opens another.
func (o *others) serve(id int) {
	tick := time.NewTicker(otherPause)
	defer tick.Stop()
	var p *peer
	for n := 0; ; n++ {
		o.gate.RLock()
		select {
		case <-o.stop:
			o.gate.RUnlock()
			if p != nil {
				p.conn.Close()
			}
			return
		default:
		}
		var err error
		if p == nil {
			p, err = o.openOne(id)
		}
		begun := time.Now()
		if err == nil {
			err = o.echo(p, fmt.Sprintf("other %d says %d", id, n))
		}
		o.note(time.Since(begun), err)
		if err != nil {
			if p != nil {
				p.conn.Close()
			}
			p, _ = o.openOne(id) // at once: the server is to hold as many as before
		}
		o.gate.RUnlock()
		<-tick.C
	}
}

func (o *others) openOne(id int) (*peer, error) {
	if !o.plain {
		return openOther(o.addr, id)
	}
	conn, err := dial(o.addr, id, false)
	return &peer{conn: conn}, err
}

func (o *others) echo(p *peer, s string) error {
	if !o.plain {
		return p.echoes(s)
	}
	if err := p.write(s); err != nil {
		return err
	}
	p.wait()
	_, err := io.ReadFull(p.conn, make([]byte, len(s)))
	return err
}

// openOther opens a connection that means well.
func openOther(addr string, id int) (*peer, error) { return openAt(addr, "/calm", id) }

func openAt(addr, path string, id int) (*peer, error) {
	conn, err := dial(addr, id, false)
	if err != nil {
		return nil, err
	}
	p := &peer{in: &input{path: path}, addr: addr, id: id, conn: conn, r: bufio.NewReader(conn)}
	if !p.open("") {
		conn.Close()
		return nil, fmt.Errorf("refused: %v", p.seen)
	}
	return p, nil
}

// echoes sends s and fails unless exactly that comes back.
func (p *peer) echoes(s string) error {
	if err := p.write(say(s)); err != nil {
		return err
	}
	p.wait()
	op, got, err := readFrame(p.r)
	for err == nil && op == opPing {
		if err = p.write(frame(fin|opPong, string(got))); err == nil {
			op, got, err = readFrame(p.r)
		}
	}
	if err == nil && (op != opText || string(got) != sayJSON(s)) {
		err = fmt.Errorf("opcode %d %.100q came back for %q", op, got, s)
	}
	return err
}

func (o *others) note(d time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.lost++
		o.fault = err.Error()
		return
	}
	o.took = append(o.took, d)
}

// open lets them run.
func (o *others) open() { o.gate.Unlock() }

// close stops them when each has an echo in hand, and returns what was noted since open.
func (o *others) close() (took []time.Duration, lost int, fault string) {
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		o.mu.Lock()
		n := len(o.took) + o.lost
		o.mu.Unlock()
		if n >= o.count {
			tick.Stop()
			break
		}
	}
	o.gate.Lock()
	o.mu.Lock()
	defer o.mu.Unlock()
	took, lost, fault = o.took, o.lost, o.fault
	o.took, o.lost, o.fault = nil, 0, ""
	return took, lost, fault
}
