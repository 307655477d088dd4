//go:build linux

// Command bench measures wsrouter beside what people use today, on one machine: its CPU, memory and latency, and raw TCP's as
// the limit. The server has one core, the load another, and both are processes of their own. All servers take turns, round by
// round, so that what disturbs the machine disturbs all, and ratios are taken between servers of the same round.
//
// It needs Linux: epoll, CPU affinity, /proc.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if role, ok := os.LookupEnv(env); ok {
		if err := child(role); err != nil {
			log.Fatalf("%s: %v", role, err)
		}
		return
	}
	fast := flag.Bool("quick", false, "little work, to try; its numbers mean little")
	count := flag.Int("count", 0, "rounds, if not those of the job")
	only := flag.String("server", "", "only servers whose name holds one of these, with commas between them")
	table := flag.Bool("table", false, "keep the results and write them into docs/performance.md")
	flag.IntVar(&priority, "nice", priority, "nice value of servers and load; below the present one, for a machine that is not quiet, it needs root")
	flag.StringVar(&profiles, "cpuprofile", "", "directory for a CPU profile of each server while it is measured")
	list := flag.Bool("list", false, "list the jobs")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: bench [flags] [job ...]\nWithout a job, all run.\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	s := full
	if *fast {
		s = quick
	}
	if *table && (*fast || *count > 0 || *only != "") {
		log.Fatal("bench: -table takes whole jobs")
	}
	jobs := s.jobs()
	if *list {
		for _, j := range jobs {
			fmt.Printf("%-10s %s\n", j.name, j.title)
		}
		return
	}
	chosen, err := choose(jobs, flag.Args(), *only, *count)
	if err != nil {
		log.Fatalf("bench: %v", err)
	}
	done := func(string, result) error { return nil }
	if *table {
		done = func(name string, r result) error { return record("../..", jobs, name, r) }
	}
	if err := bench(os.Stdout, s, chosen, done); err != nil {
		log.Fatalf("bench: %v", err)
	}
}

// choose returns the jobs of these names, cut to some servers and rounds.
func choose(jobs []job, wanted []string, only string, count int) (chosen []job, err error) {
	for _, name := range wanted {
		if !slices.ContainsFunc(jobs, func(j job) bool { return j.name == name }) {
			return nil, fmt.Errorf("there is no job %q", name)
		}
	}
	for _, j := range jobs {
		if len(wanted) > 0 && !slices.Contains(wanted, j.name) {
			continue
		}
		if count > 0 {
			j.rounds = count
		}
		if only != "" {
			j.servers = slices.DeleteFunc(slices.Clone(j.servers), func(name string) bool {
				return !slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(name, part) })
			})
		}
		chosen = append(chosen, j)
	}
	return chosen, nil
}

// bench runs jobs and prints what they measured; done is told each job's result.
func bench(w io.Writer, s scale, jobs []job, done func(string, result) error) error {
	results := map[string]result{}
	for _, j := range jobs {
		r := newResult()
		for range j.rounds {
			for _, name := range j.servers {
				v, err := s.round(j, name)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", j.name, name, err)
				}
				r.Servers[name] = append(r.Servers[name], v.kept(j.metrics))
			}
		}
		results[j.name] = r
		printJob(w, j, r)
		if err := done(j.name, r); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	printBars(w, jobs, results)
	return nil
}

// kept returns the values that are a job's metrics, with as many digits as mean something.
func (v values) kept(metrics []metric) values {
	kept := values{}
	for _, m := range metrics {
		x := v[m.name]
		if x != 0 {
			unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-4)
			x = math.Round(x/unit) * unit
		}
		kept[m.name] = x
	}
	return kept
}

// record keeps a job's result and writes the document anew. root is the repository.
func record(root string, jobs []job, name string, r result) error {
	kept, document := filepath.Join(root, "internal/bench/results.json"), filepath.Join(root, "docs/performance.md")
	if err := keep(kept, name, r); err != nil {
		return err
	}
	results, err := readResults(kept)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, err = woven(text, jobs, results)
	if err != nil {
		return err
	}
	return os.WriteFile(document, text, 0o644)
}
