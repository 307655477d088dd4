//go:build linux && (amd64 || arm64)

// Command chaos holds rooms over a broker to what docs/scaling.md promises: node processes and a NATS server process, clients that resume, and faults between
// them. An oracle says what was lost, doubled, reordered or left unannounced; the other commands measure.
//
// It needs Linux: epoll, /proc, and signals that stop a process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// roles of children; each has one argument, its configuration.
var roles = []string{"node", "broker", "load"}

// A command measures something.
type command struct {
	name, about string
	flags       func(*flag.FlagSet)
	run         func(say func(string, ...any)) (report, error)
}

var (
	soakFlags  = fullSoak
	planted    string
	through    = throughput{Socks: 3000, PerSecond: 700, For: 30 * time.Second, Rounds: 3}
	cutOff     = cutoff{Socks: 300, PerSecond: 100, Pairs: 5}
	comesBack  = reconnect{Clients: 5000, Missed: 10}
	comesGoes  = churn{Clients: 200, Rooms: 10_000, PerSecond: 1000, Stay: 5 * time.Second, Publishes: 200, For: time.Minute}
	whoIsThere = presence{Members: 100}
	commandSet = []command{
		{"soak", "clients that resume, while everything fails", func(f *flag.FlagSet) {
			s := &soakFlags
			f.Uint64Var(&s.Seed, "seed", 0, "draws the faults; 0: another each time")
			f.DurationVar(&s.For, "time", s.For, "of faults; what follows takes a little longer")
			f.IntVar(&s.Nodes, "nodes", s.Nodes, "processes")
			f.IntVar(&s.Rooms, "rooms", s.Rooms, "rooms")
			f.IntVar(&s.Members, "members", s.Members, "clients in each room")
			f.Float64Var(&s.Rate, "rate", s.Rate, "publishes a second over all rooms")
			f.IntVar(&s.Crowd, "crowd", s.Crowd, "clients in one more room")
			f.Float64Var(&s.CrowdRate, "crowd-rate", s.CrowdRate, "publishes a second to it")
			f.BoolVar(&s.Calm, "calm", false, "no faults")
			f.StringVar(&s.Log, "log", "", "append what nodes log to this file")
			f.StringVar(&planted, "bug", "", "plant this bug of testdata/bugs.tsv: the soak has to turn red")
		}, func(func(string, ...any)) (report, error) { return runSoak(os.Stdout) }},
		{"bugs", "the soak with each bug of testdata/bugs.tsv planted, which has to turn it red", func(f *flag.FlagSet) {
			s := &soakFlags
			f.Uint64Var(&s.Seed, "seed", 0, "draws the faults; 0: another each time")
			f.DurationVar(&s.For, "time", s.For, "of faults, for each")
		}, func(func(string, ...any)) (report, error) { return runBugs(os.Stdout) }},
		{"throughput", "CPU for a delivery, and how late it is", func(f *flag.FlagSet) {
			f.IntVar(&through.Socks, "clients", through.Socks, "connections")
			f.Float64Var(&through.PerSecond, "rate", through.PerSecond, "publishes a second")
			f.DurationVar(&through.For, "time", through.For, "of the flow into one room")
			f.IntVar(&through.Rounds, "rounds", through.Rounds, "of pairs")
			f.BoolVar(&through.Idle, "idle", false, "nodes with Options.Idle")
			f.StringVar(&through.Profile, "profile", "", "begin names of files for CPU profiles with this")
			f.StringVar(&through.Only, "only", "", "one of room, rooms, many, slow")
		}, func(say func(string, ...any)) (report, error) { return through.run(say) }},
		{"cutoff", "what others hear while a node is cut off for 5 s", func(f *flag.FlagSet) {
			f.IntVar(&cutOff.Pairs, "pairs", cutOff.Pairs, "of windows")
			f.IntVar(&cutOff.Socks, "clients", cutOff.Socks, "connections")
			f.Float64Var(&cutOff.PerSecond, "rate", cutOff.PerSecond, "publishes a second")
		}, func(say func(string, ...any)) (report, error) { return cutOff.run(say) }},
		{"reconnect", "thousands of clients that come back at once", func(f *flag.FlagSet) {
			f.IntVar(&comesBack.Clients, "clients", comesBack.Clients, "connections")
			f.IntVar(&comesBack.Rooms, "rooms", 0, "only so many rooms; 0: 100, then 5,000")
			f.IntVar(&comesBack.Missed, "missed", comesBack.Missed, "messages of each room that they missed")
		}, func(say func(string, ...any)) (report, error) { return comesBack.run(say) }},
		{"churn", "joins and leaves all the time", func(f *flag.FlagSet) {
			f.Uint64Var(&comesGoes.Seed, "seed", 1, "draws the rooms")
			f.IntVar(&comesGoes.PerSecond, "rate", comesGoes.PerSecond, "joins a second, and as many leaves")
			f.Float64Var(&comesGoes.Publishes, "publishes", comesGoes.Publishes, "a second")
			f.DurationVar(&comesGoes.For, "time", comesGoes.For, "of joins")
			f.BoolVar(&comesGoes.Idle, "idle", false, "a node with Options.Idle")
			f.StringVar(&comesGoes.Profile, "profile", "", "write a CPU profile of the node to this file")
		}, func(say func(string, ...any)) (report, error) { return comesGoes.run(say) }},
		{"presence", "how long members of a node are believed to be there that is not", func(f *flag.FlagSet) {
			f.IntVar(&whoIsThere.Members, "members", whoIsThere.Members, "of each node")
		}, func(say func(string, ...any)) (report, error) { return whoIsThere.run(say) }},
	}
)

// main is that of a child, too.
func main() {
	log.SetFlags(0)
	log.SetPrefix("chaos: ")
	if len(os.Args) == 3 && slices.Contains(roles, os.Args[1]) {
		if err := runChild(os.Args[1], os.Args[2], pollable(os.Stdin), pollable(os.Stdout)); err != nil {
			log.Fatalf("%s: %v", os.Args[1], err)
		}
		return
	}
	i := slices.IndexFunc(commandSet, func(c command) bool { return len(os.Args) > 1 && c.name == os.Args[1] })
	if i < 0 {
		fmt.Fprintln(os.Stderr, "usage: chaos COMMAND [flags]")
		for _, c := range commandSet {
			fmt.Fprintf(os.Stderr, "  %-11s %s\n", c.name, c.about)
		}
		os.Exit(2)
	}
	if err := commandSet[i].main(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// pollable is a pipe of a child that is waited for as sockets are: a thread that blocks in it would cost more at each question than what is asked for.
func pollable(f *os.File) *os.File {
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil {
		return f
	}
	return os.NewFile(f.Fd(), f.Name())
}

func (c *command) main(args []string) error {
	flags := flag.NewFlagSet(c.name, flag.ExitOnError)
	table := flags.Bool("table", false, "keep what is measured and write it into docs/scaling.md; in internal/chaos")
	c.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	where := machine()
	began := time.Now()
	r, err := c.run(func(format string, args ...any) {
		fmt.Printf("%8.3f %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	})
	if len(r.Rows) > 0 {
		r.When, r.Machine = today(), where
		r.print(os.Stdout)
	}
	if err == nil && *table {
		err = record("../..", r)
	}
	if err == nil && slices.ContainsFunc(r.Rows, func(r row) bool { return !r.Met }) {
		err = errors.New("a bar is missed")
	}
	return err
}

// runSoak soaks as the flags say.
func runSoak(out io.Writer) (r report, err error) {
	cfg := soakFlags
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	if planted != "" {
		remove, err := plantBug(planted)
		if err != nil {
			return r, err
		}
		defer remove()
	}
	v, s, err := cfg.run(out)
	if err != nil {
		return r, err
	}
	return s.report(v), v.err()
}

// runBugs soaks with each bug planted.
func runBugs(out io.Writer) (r report, err error) {
	r = report{Title: "Planted bugs", About: fmt.Sprintf("What the oracle of the soak says in %v when a bug is planted in the product.", soakFlags.For)}
	bugs, err := readBugs()
	if err != nil {
		return r, err
	}
	for _, b := range bugs {
		cfg := soakFlags
		if cfg.Seed == 0 {
			cfg.Seed = rand.Uint64N(1 << 32)
		}
		fmt.Fprintf(out, "planted: %s\n", b.name)
		remove, err := plantBug(b.name)
		if err != nil {
			return r, err
		}
		v, _, err := cfg.run(out)
		remove()
		if err != nil {
			return r, fmt.Errorf("%s: %w", b.name, err)
		}
		kinds := v.kinds()
		var said []string
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			said = append(said, fmt.Sprintf("%d %s", kinds[kind], kind))
		}
		r.add(len(v.wrongs) > 0, b.name, strings.Join(said, ", "), "red")
	}
	return r, nil
}

// plantBug makes children those of a program with a bug.
func plantBug(name string) (remove func(), err error) {
	bugs, err := readBugs()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(bugs, func(b bug) bool { return b.name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no bug %q", name)
	}
	dir, err := os.MkdirTemp("", "wsrouter-bug-")
	if err != nil {
		return nil, err
	}
	if programPath, err = bugs[i].plant(dir); err != nil {
		_ = os.RemoveAll(dir) // err says more
		return nil, err
	}
	return func() { programPath = ""; _ = os.RemoveAll(dir) }, nil
}
