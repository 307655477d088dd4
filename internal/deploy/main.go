// Command deploy holds the proxy recipes of docs/scaling.md, which are files in recipes, against two nodes: it runs each proxy that it is asked for with its
// recipe, in which only addresses and paths are exchanged, and writes what held into the document.
//
//	go run . -table nginx haproxy caddy
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

const document = "../../docs/scaling.md"

// Where the command writes in the document.
const (
	begin = "<!-- begin: written by make proxies -->\n"
	end   = "<!-- end: written by make proxies -->\n"
)

func main() {
	table := flag.Bool("table", false, "write what held into docs/scaling.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Args(), *table); err != nil {
		log.Fatal(err)
	}
}

// run checks the proxies side by side: most of the time is waiting.
func run(ctx context.Context, names []string, table bool) error {
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	nodeBin := filepath.Join(dir, "node")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", nodeBin, "./node").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := certificate(dir); err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"nginx", "haproxy", "caddy"}
	}
	reports := make([]report, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		p, ok := proxies[name]
		if !ok {
			return fmt.Errorf("there is no recipe for %q", name)
		}
		all.Go(func() { reports[i], errs[i] = check(ctx, dir, nodeBin, p) })
	}
	all.Wait()
	failed := false
	for i, r := range reports {
		if errs[i] != nil {
			return fmt.Errorf("%s: %w", names[i], errs[i])
		}
		for _, l := range r.lines {
			fmt.Printf("%-8s %-6v %s: %s\n", names[i], l.held, l.what, l.seen)
			failed = failed || !l.held
		}
	}
	if table {
		if err := write(reports); err != nil {
			return err
		}
	}
	if failed {
		return fmt.Errorf("not all held")
	}
	return nil
}

// A report is what one proxy did.
type report struct {
	proxy string // with its version
	lines []line
}

type line struct {
	what, seen string
	held       bool
}

// write puts the reports into the document, a column for each proxy.
func write(reports []report) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", document, begin, end)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin + "\n| what |")
	for _, r := range reports {
		fmt.Fprintf(&out, " %s |", r.proxy)
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(reports)) + "\n")
	for i, l := range reports[0].lines {
		fmt.Fprintf(&out, "| %s |", l.what)
		for _, r := range reports {
			if r.lines[i].held {
				fmt.Fprintf(&out, " %s |", r.lines[i].seen)
			} else {
				fmt.Fprintf(&out, " **no**: %s |", r.lines[i].seen)
			}
		}
		out.WriteString("\n")
	}
	out.WriteString("\n" + end)
	out.Write(after)
	return os.WriteFile(document, out.Bytes(), 0o644)
}
