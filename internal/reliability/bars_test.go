//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// full is for the machine of docs/reliability.md, with nothing else running; without it the same bars hold for less.
var full = flag.Bool("full", false, "measure at full size: about 25 minutes for each mode")

// judge fails the test unless the bar is met, and says in both cases what was measured.
func judge(t *testing.T, met bool, format string, args ...any) {
	t.Helper()
	if met {
		t.Logf(format, args...)
	} else {
		t.Errorf(format, args...)
	}
}

// child is the program that servers and clients run. It is built without -race, whose memory and time are not the router's.
var child string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "reliability")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	child = filepath.Join(dir, "child")
	if out, err := exec.Command("go", "build", "-o", child, "./child").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ./child: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// inModes runs one test for each mode.
func inModes(t *testing.T, test func(t *testing.T, mode reliability.Mode)) {
	for _, mode := range []reliability.Mode{reliability.Goroutines, reliability.Idle} {
		t.Run(string(mode), func(t *testing.T) {
			test(t, mode)
		})
	}
}

// process is a child under test.
type process struct {
	t *testing.T
	*reliability.Process
}

func start(t *testing.T, role string, config any) process {
	t.Helper()
	p, err := reliability.Start(child, role, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return process{t, p}
}

// longest is how long any one question may take.
func longest() time.Duration {
	if *full {
		return 20 * time.Minute
	}
	return 2 * time.Minute
}

// ask stops the test if the child does not answer.
func ask[Out any](p process, verb string, in any) Out {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), longest())
	defer cancel()
	var out Out
	if err := p.Ask(ctx, verb, in, &out); err != nil {
		p.t.Fatal(err)
	}
	return out
}

type nothing struct{}

// serve starts a server and returns it with its address.
func serve(t *testing.T, config reliability.ServerConfig) (process, string) {
	t.Helper()
	p := start(t, "server", config)
	return p, ask[string](p, "address", nothing{})
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	port, err2 := strconv.Atoi(text)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return port
}

// eventually asks again until ok, for at most as long as given. It reports whether it came to that.
func eventually(within time.Duration, ok func() bool) bool {
	late := time.After(within)
	for {
		if ok() {
			return true
		}
		select {
		case <-late:
			return ok()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// seconds prints what matters of a duration.
func seconds(ns int64) string {
	return time.Duration(ns).Round(time.Millisecond).String()
}

// stop sends the SIGSTOP that makes a process as dead as a machine without power.
func (p process) stop() { p.t.Helper(); p.signal(syscall.SIGSTOP) }

func (p process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}
