//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// presence is nodes that go, and who is told.
type presence struct {
	Members int // on each node
}

// presenceTTL is the router's.
const presenceTTL = time.Minute

func (t presence) run(say func(string, ...any)) (r report, err error) {
	r = report{Title: "Presence", About: fmt.Sprintf("A room with %d members on each of three nodes over NATS. One node is shut down, another is killed; a client on the third is told who is there.", t.Members)}
	c, err := startCluster(3, nodeConfig{Presence: true})
	if err != nil {
		return r, err
	}
	defer c.stop()
	_, address := c.nodes[0].running()
	w, err := watch(address) // before the others: who comes to a large room is not told of all of them
	if err != nil {
		return r, err
	}
	defer w.conn.Reset()
	load, err := startLoad()
	if err != nil {
		return r, err
	}
	defer load.Kill()
	for _, node := range c.nodes {
		d := dialling{}
		_, d.Address = node.running()
		for range t.Members {
			d.Targets = append(d.Targets, targetOf([]int{0}))
		}
		if err := load.Ask(context.Background(), "dial", d, nil); err != nil {
			return r, err
		}
	}
	for _, node := range c.nodes[1:] {
		if _, err := w.until(node.cfg.Name, t.Members, 10*time.Second); err != nil {
			return r, err
		}
	}
	went := time.Now()
	shut := make(chan error, 1)
	go func() { shut <- c.nodes[1].ask("shutdown", struct{}{}, nil) }()
	told, err := w.until(c.nodes[1].cfg.Name, 0, 10*time.Second)
	if err != nil {
		return r, err
	}
	if err := <-shut; err != nil {
		return r, fmt.Errorf("shutdown: %w", err)
	}
	clean := told.Sub(went)
	say("the members of the node that was shut down are gone after %v", clean)
	went = time.Now()
	c.nodes[2].kill()
	if told, err = w.until(c.nodes[2].cfg.Name, 0, presenceTTL+10*time.Second); err != nil {
		return r, err
	}
	killed := told.Sub(went)
	say("those of the one that was killed after %v", killed)
	r.add(clean <= time.Second, "members of a node that is shut down are gone after", inMilliseconds(clean), "≤ 1 s")
	r.add(killed <= presenceTTL+time.Second, "those of one that is killed", fmt.Sprintf("%.1f s", killed.Seconds()), "≤ 61 s")
	return r, nil
}

// watcher is a client that knows who is in its room.
type watcher struct {
	conn *reliability.Client

	mu      sync.Mutex
	nodes   map[string]string // by the member's id
	changed chan struct{}     // closed by the next message
	err     error             // why there is none
}

func watch(address string) (*watcher, error) {
	conn, err := reliability.Dial(address, targetOf([]int{0}), "")
	if err != nil {
		return nil, err
	}
	w := &watcher{conn: conn, nodes: map[string]string{}, changed: make(chan struct{})}
	go w.listen() // until the connection ends
	return w, nil
}

func (w *watcher) listen() {
	for {
		text, err := w.conn.ReadMessage()
		var m struct {
			Joined []struct{ ID, Info string }
			Left   []string
		}
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		w.mu.Lock()
		for _, j := range m.Joined {
			w.nodes[j.ID] = j.Info
		}
		for _, id := range m.Left {
			delete(w.nodes, id)
		}
		w.err = err
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// until waits until so many members of a node are known, and says when they were.
func (w *watcher) until(node string, want int, within time.Duration) (time.Time, error) {
	late := time.After(within)
	for {
		w.mu.Lock()
		n, changed, err := 0, w.changed, w.err
		for _, of := range w.nodes {
			if of == node {
				n++
			}
		}
		w.mu.Unlock()
		switch {
		case err != nil:
			return time.Time{}, err
		case n == want:
			return time.Now(), nil
		}
		select {
		case <-changed:
		case <-late:
			return time.Time{}, fmt.Errorf("%d members of %s are known after %v, not %d", n, node, within, want)
		}
	}
}
