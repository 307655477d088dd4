//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"slices"
	"time"
)

// cutoff is a node that is cut off from the broker for 5 s.
type cutoff struct {
	Socks     int
	PerSecond float64
	Pairs     int
}

const (
	cutFor = 5 * time.Second
	window = 8 * time.Second
)

func (t cutoff) run(say func(string, ...any)) (r report, err error) {
	r = report{Title: "A node cut off for 5 s", About: fmt.Sprintf("%d clients in one room over three nodes; two of them publish %.0f messages a second, the third loses the broker. "+
		"Windows of %v with the cut and without take turns.", t.Socks, t.PerSecond, window)}
	c, err := startCluster(3, nodeConfig{})
	if err != nil {
		return r, err
	}
	b, err := newBed(c, crowded{1, t.Socks, t.Socks})
	defer b.stop()
	if err != nil {
		return r, err
	}
	others := func(c *cost) (h histogram) {
		for _, node := range []int{0, 1} {
			h.sum(&c.Late[node])
		}
		return h
	}
	f := flow{PerSecond: t.PerSecond, For: window, Bytes: 256, From: []int{0, 1}}
	if _, err := b.pour(f, nil); err != nil {
		return r, err
	}
	link := b.nodes[2].link
	var ratios []float64
	var with, without []time.Duration
	for range t.Pairs {
		calm, err := b.pour(f, nil)
		if err != nil {
			return r, err
		}
		cut, err := b.pour(f, func() {
			time.Sleep(time.Second)
			link.part(true)
			time.Sleep(cutFor)
			link.part(false)
		})
		if err != nil {
			return r, fmt.Errorf("with the cut: %w", err)
		}
		if err := b.healthy(patience); err != nil {
			return r, err
		}
		a, z := others(&calm), others(&cut)
		with, without = append(with, z.quantile(0.99)), append(without, a.quantile(0.99))
		ratios = append(ratios, float64(z.quantile(0.99))/float64(a.quantile(0.99)))
		say("p99 of the others: %v without, %v with the cut; of its own clients %v", inMilliseconds(a.quantile(0.99)), inMilliseconds(z.quantile(0.99)), inMilliseconds(cut.Late[2].quantile(0.99)))
	}
	slices.Sort(ratios)
	r.note("p99 of the others without the cut, median", inMilliseconds(median(without)))
	r.note("with it", inMilliseconds(median(with)))
	r.add(median(ratios) <= 1.5, fmt.Sprintf("ratio, median of %d pairs", t.Pairs), fmt.Sprintf("%.2f × (%.2f–%.2f)", median(ratios), ratios[0], ratios[len(ratios)-1]), "≤ 1.5 ×")
	r.add(true, "messages that its own clients missed", "0", "0") // pour would have failed
	return r, nil
}
