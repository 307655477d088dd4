//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// throughput is what the bars of that name ask for.
type throughput struct {
	Socks     int
	PerSecond float64
	For       time.Duration // of the flow into one room; others take a third
	Rounds    int           // of pairs
	Idle      bool
	Only      string // one part
	Profile   string // prefix of files for CPU profiles of the nodes; "": none
}

// A side of a comparison.
type side string

const (
	overNATS  side = "three nodes over NATS"
	inProcess side = "three routers in one process"
	alone     side = "one router"
)

// bed is a side under a load.
func (t throughput) bed(s side, cr crowded) (*bed, error) {
	cfg := nodeConfig{Idle: t.Idle}
	if s != overNATS {
		cfg.Routers = map[side]int{inProcess: 3, alone: 1}[s]
		c, err := startAlone(cfg)
		if err != nil {
			return nil, err
		}
		return newBed(c, cr)
	}
	c, err := startCluster(3, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.direct(); err != nil {
		c.stop()
		return nil, err
	}
	return newBed(c, cr)
}

// once is one flow on a bed of its own, after a warm-up.
func (t throughput) once(s side, cr crowded, f flow) (c cost, err error) {
	b, err := t.bed(s, cr)
	if b != nil {
		defer b.stop()
	}
	if err != nil {
		return c, err
	}
	warm := f
	warm.For = min(f.For/4, 3*time.Second)
	if _, err := b.pour(warm, nil); err != nil {
		return c, fmt.Errorf("warm-up: %w", err)
	}
	return b.pour(f, func() {
		if t.Profile != "" {
			b.profile(fmt.Sprintf("%s%d-%s-", t.Profile, cr.Rooms, strings.Fields(string(s))[1]), f.For)
		}
	})
}

// profile has the first node, the broker and the load write profiles.
func (b *bed) profile(prefix string, d time.Duration) {
	node, _ := b.nodes[0].running()
	of := map[string]*reliability.Process{"node": node, "load": b.load.Process}
	if b.broker != nil {
		of["broker"] = b.broker.Process
	}
	var wg sync.WaitGroup
	for name, p := range of {
		wg.Go(func() {
			if err := p.Ask(context.Background(), "profile", profiling{prefix + name + ".prof", d}, nil); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	wg.Wait()
}

// pairs are rounds of the same rooms, clients and routers over NATS and in one process, so that nothing but the broker differs: the last over NATS, and
// the median of the ratios of what a delivery costs. one is the cost where one router has all clients.
func (t throughput) pairs(cr crowded, f flow, say func(string, ...any)) (nats, one cost, ratio float64, err error) {
	measure := func(s side) (c cost) {
		if err == nil {
			c, err = t.once(s, cr, f)
			say("%d rooms, %s: %v", cr.Rooms, s, &c)
		}
		return c
	}
	var ratios []float64
	for range t.Rounds {
		nats = measure(overNATS)
		ratios = append(ratios, nats.perDelivery/measure(inProcess).perDelivery)
	}
	return nats, measure(alone), median(ratios), err
}

func (c *cost) String() string {
	return fmt.Sprintf("%.3f µs/delivery (nodes %.3f, broker %.3f), p50 %v, p99 %v, %d deliveries in %.1f s, load %.1f s CPU, publishers behind by %v at most",
		c.perDelivery, c.nodesPerDelivery, c.brokerPerThat, inMilliseconds(c.P50), inMilliseconds(c.P99), c.Deliveries, c.Took.Seconds(), c.Load.Seconds(), inMilliseconds(c.Behind))
}

// split is what a delivery costs, and where.
func (c *cost) split() string {
	return fmt.Sprintf("%.2f µs (nodes %.2f, broker %.2f)", c.perDelivery, c.nodesPerDelivery, c.brokerPerThat)
}

func (t throughput) run(say func(string, ...any)) (r report, err error) {
	r = report{Title: "Throughput", About: fmt.Sprintf("%d clients over three nodes and a NATS server on files, each a process of its own; messages of 256 bytes. "+
		"The cost is the CPU of nodes and broker for each message that a client hears, kernel included. In-process: the same three routers, rooms and clients in one process, with the in-process broker. "+
		"Ratios are medians of %d pairs.", t.Socks, t.Rounds)}
	for _, part := range []struct {
		name, title string
		run         func(*report, func(string, ...any)) error
	}{{"room", "one room", t.room}, {"rooms", "small rooms", t.rooms}, {"many", "many rooms", t.many}, {"slow", "a quiet room", t.slow}} {
		if t.Only == part.name {
			r.Title += ", " + part.title // so that it is kept beside the others
		}
		if t.Only == "" || t.Only == part.name {
			if err := part.run(&r, say); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// room is one room with all clients.
func (t throughput) room(r *report, say func(string, ...any)) error {
	nats, one, ratio, err := t.pairs(crowded{1, t.Socks, t.Socks}, t.flow(t.For), say)
	if err != nil {
		return err
	}
	r.add(true, fmt.Sprintf("one room, %.1f M deliveries/s offered for %v: lost", float64(t.Socks)*t.PerSecond/1e6, t.For), "0", "0") // pour would have failed
	r.add(nats.P99 <= 400*time.Millisecond, "its p99", inMilliseconds(nats.P99), "≤ 400 ms")
	r.add(nats.perDelivery <= 0.45, "its cost", nats.split(), "≤ 0.45 µs")
	r.add(ratio <= 1.10, "NATS against in-process", fmt.Sprintf("%.2f ×", ratio), "≤ 1.10 ×")
	r.note("cost where one router has all clients", fmt.Sprintf("%.2f µs", one.perDelivery))
	return nil
}

// rooms are of 10 clients each, at a rate at which four processes are woken for each message, and at one at which they are mostly awake.
func (t throughput) rooms(r *report, say func(string, ...any)) error {
	cr := crowded{t.Socks / 10, 10, t.Socks}
	for _, busier := range []float64{1, 5} {
		f := t.flow(t.For / 3)
		f.PerSecond *= busier
		nats, one, ratio, err := t.pairs(cr, f, say)
		if err != nil {
			return err
		}
		r.note(fmt.Sprintf("%d rooms of 10, %.0f publishes/s: cost", cr.Rooms, f.PerSecond), nats.split())
		r.add(ratio <= 1.8, "NATS against in-process", fmt.Sprintf("%.2f ×", ratio), "≤ 1.8 ×")
		r.note("cost where one router has all clients", fmt.Sprintf("%.2f µs", one.perDelivery))
	}
	return nil
}

// many rooms cost more than few.
func (t throughput) many(r *report, say func(string, ...any)) error {
	var ratios []float64
	for range t.Rounds {
		few, err := t.once(overNATS, crowded{100, 10, t.Socks}, t.flow(t.For/3))
		if err != nil {
			return err
		}
		say("100 rooms: %v", &few)
		many, err := t.once(overNATS, crowded{10_000, 10, t.Socks}, t.flow(t.For/3))
		if err != nil {
			return err
		}
		say("10,000 rooms: %v", &many)
		ratios = append(ratios, many.perDelivery/few.perDelivery)
	}
	r.add(median(ratios) <= 1.3, "cost in 10,000 rooms of 10 against 100 of them", fmt.Sprintf("%.2f ×", median(ratios)), "≤ 1.3 ×")
	return nil
}

// slow is how late messages are that nothing hurries.
func (t throughput) slow(r *report, say func(string, ...any)) error {
	c, err := t.once(overNATS, crowded{1, 10, 10}, flow{PerSecond: 10, For: t.For / 2, Bytes: 256})
	if err != nil {
		return err
	}
	say("10 publishes/s: %v", &c)
	r.add(c.P50 <= 5*time.Millisecond, "p50 at 10 publishes/s", inMilliseconds(c.P50), "≤ 5 ms")
	return nil
}

func (t throughput) flow(d time.Duration) flow {
	return flow{PerSecond: t.PerSecond, For: d, Bytes: 256}
}
