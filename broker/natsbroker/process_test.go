package natsbroker_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// natsServer builds the server of go.mod's version once.
func natsServer(t testing.TB) string {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "natsbroker-test-"); built.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "nats-server"), "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "nats-server")
}

// process is a NATS server in a process of its own, which can be killed and started again at the same address.
type process struct {
	t    testing.TB
	path string
	addr string
	dir  string // of the store
	args []string
	cmd  *exec.Cmd
}

func startProcess(t testing.TB, args ...string) *process {
	p := &process{t: t, path: natsServer(t), addr: freeAddr(t), dir: t.TempDir(), args: args}
	p.start()
	t.Cleanup(p.kill)
	return p
}

// freeAddr is one that nobody listens on now.
func freeAddr(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (p *process) url() string { return "nats://" + p.addr }

// start returns when the server takes connections.
func (p *process) start() {
	p.t.Helper()
	host, port, _ := net.SplitHostPort(p.addr)
	p.cmd = exec.Command(p.path, append([]string{"-a", host, "-p", port, "-js", "-sd", p.dir}, p.args...)...)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	await(p.t, "the server listens", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill is SIGKILL.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// forget kills the server and starts it without its store.
func (p *process) forget() {
	p.t.Helper()
	p.kill()
	p.dir = p.t.TempDir()
	p.start()
}

const patience = 30 * time.Second

// await asks done again and again.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
