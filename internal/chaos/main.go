//go:build linux && (amd64 || arm64)

// Command chaos holds rooms over a broker to what docs/scaling.md promises: node processes and a NATS server process, clients that resume, and faults between
// them. An oracle says what was lost, doubled, reordered or left unannounced; the other commands measure.
//
// It needs Linux: epoll, /proc, and signals that stop a process.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"slices"
)

// roles of children; each has one argument, its configuration.
var roles = []string{"node", "broker", "load"}

// main is that of a child, too.
func main() {
	log.SetFlags(0)
	log.SetPrefix("chaos: ")
	if len(os.Args) == 3 && slices.Contains(roles, os.Args[1]) {
		if err := runChild(os.Args[1], os.Args[2], os.Stdin, os.Stdout); err != nil {
			log.Fatalf("%s: %v", os.Args[1], err)
		}
		return
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		usageText()
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// commands by name.
var commands = map[string]func(args []string) error{
	"soak": soakCommand,
}

func usageText() {
	fmt.Fprintln(os.Stderr, "usage: chaos soak|throughput|cutoff|reconnect|churn [flags]")
}

func soakCommand(args []string) error {
	s := fullSoak
	flags := flag.NewFlagSet("soak", flag.ExitOnError)
	flags.Uint64Var(&s.Seed, "seed", 0, "draws the faults; 0: another each time")
	flags.DurationVar(&s.For, "time", s.For, "of faults; what follows takes a little longer")
	flags.IntVar(&s.Nodes, "nodes", s.Nodes, "processes")
	flags.IntVar(&s.Rooms, "rooms", s.Rooms, "rooms")
	flags.IntVar(&s.Members, "members", s.Members, "clients in each room")
	flags.Float64Var(&s.Rate, "rate", s.Rate, "publishes a second over all rooms")
	flags.IntVar(&s.Crowd, "crowd", s.Crowd, "clients in one more room")
	flags.Float64Var(&s.CrowdRate, "crowd-rate", s.CrowdRate, "publishes a second to it")
	flags.BoolVar(&s.Calm, "calm", false, "no faults")
	flags.StringVar(&s.Log, "log", "", "append what nodes log to this file")
	bug := flags.String("bug", "", "plant this bug of testdata/bugs.tsv")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.Seed == 0 {
		s.Seed = rand.Uint64N(1 << 32)
	}
	_ = bug
	v, err := s.run(os.Stdout)
	if err != nil {
		return err
	}
	return v.err()
}
