package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// nodeNames are the nodes of the cluster; brokerName is what their broker is called.
var nodeNames = []string{"node-1", "node-2", "node-3"}

const brokerName = "broker"

// patience is how long a child may take to be ready, and to end when it is asked to.
const patience = 20 * time.Second

var (
	errUnknown = errors.New("there is no such process")
	errRuns    = errors.New("it runs")
	errDown    = errors.New("it does not run")
)

// A cluster runs the broker and the nodes as processes of their own, so that they can really be killed.
type cluster struct {
	command func(args ...string) *exec.Cmd
	store   string        // folder of the broker's files
	changed chan struct{} // holds a token when something may be shown

	mu     sync.Mutex
	closed bool
	broker *process
	nodes  []*process
}

// A process is one child of the cluster, or the place for one. Its fields are guarded by cluster.mu.
type process struct {
	Process
	last    report        // of the one that runs, or ran last
	conns   *int          // that are led to the one that runs now
	stdin   io.Closer     // its end asks the child to end; nil: there is no child
	cmd     *exec.Cmd     // nil: there is none
	settled chan struct{} // closed when the child is ready or has ended
	ended   chan struct{} // closed when it has ended
}

func newCluster(store string, command func(args ...string) *exec.Cmd) *cluster {
	c := &cluster{command: command, store: store, changed: make(chan struct{}, 1), broker: newProcess(brokerName)}
	for _, name := range nodeNames {
		c.nodes = append(c.nodes, newProcess(name))
	}
	return c
}

func newProcess(name string) *process {
	return &process{Process: Process{Name: name, State: Down, Since: time.Now()}}
}

// start starts the broker, then the nodes, and returns when all are up.
func (c *cluster) start() error {
	for _, names := range [][]string{{brokerName}, nodeNames} {
		for _, name := range names {
			if err := c.restore(name); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := c.ready(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready waits until a process is up. It fails if that has ended instead.
func (c *cluster) ready(name string) error {
	c.mu.Lock()
	p := c.find(name)
	settled := p.settled
	c.mu.Unlock()
	select {
	case <-settled:
	case <-time.After(patience):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.State != Up {
		return fmt.Errorf("%s is %s: %s", name, p.State, p.Why)
	}
	return nil
}

// stop ends the nodes, then the broker, and returns when all have ended.
func (c *cluster) stop() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for _, group := range [][]*process{c.nodes, {c.broker}} {
		for _, p := range group {
			_ = c.drain(p.Name) // an error says that it has ended
		}
		deadline := time.After(patience)
		for _, p := range group {
			c.await(p, deadline)
		}
	}
}

// await returns when p has ended, which it does by SIGKILL after the deadline.
func (c *cluster) await(p *process, deadline <-chan time.Time) {
	c.mu.Lock()
	ended := p.ended
	c.mu.Unlock()
	if ended == nil {
		return // it never began
	}
	select {
	case <-ended:
	case <-deadline:
		_ = c.kill(p.Name)
		<-ended
	}
}

// kill ends a process by SIGKILL.
func (c *cluster) kill(name string) error {
	return c.with(name, func(p *process) error {
		if p.cmd == nil {
			return errDown
		}
		return p.cmd.Process.Kill()
	})
}

// drain asks a process to end.
func (c *cluster) drain(name string) error {
	return c.with(name, func(p *process) error {
		if p.cmd == nil {
			return errDown
		}
		p.become(Draining, "")
		return p.stdin.Close()
	})
}

// restore starts a process that has ended.
func (c *cluster) restore(name string) error {
	return c.with(name, func(p *process) error {
		if p.cmd != nil || c.closed {
			return errRuns
		}
		return c.launch(p)
	})
}

// with calls f for a process, under the lock.
func (c *cluster) with(name string, f func(*process) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.change()
	p := c.find(name)
	if p == nil {
		return errUnknown
	}
	return f(p)
}

// find returns the process of that name, or nil. The caller holds c.mu.
func (c *cluster) find(name string) *process {
	for _, p := range append(c.nodes, c.broker) {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// change says that there is something new to show.
func (c *cluster) change() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// launch starts p's program. The caller holds c.mu.
func (c *cluster) launch(p *process) error {
	cmd := c.command(c.args(p)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.stdin, p.PID = cmd, stdin, cmd.Process.Pid
	p.settled, p.ended, p.conns = make(chan struct{}), make(chan struct{}), new(int)
	p.become(Starting, "")
	go c.watch(p, cmd, stdout)
	return nil
}

// args are the arguments of p's program. A broker that is started again listens where its clients look for it. The caller holds c.mu.
func (c *cluster) args(p *process) []string {
	if p != c.broker {
		return []string{"node", "-name", p.Name, "-broker", "nats://" + c.broker.last.Addr}
	}
	addr := c.broker.last.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	return []string{"broker", "-addr", addr, "-store", c.store}
}

// watch reads the reports of p's child until it has ended.
func (c *cluster) watch(p *process, cmd *exec.Cmd, stdout io.Reader) {
	in := json.NewDecoder(stdout)
	for {
		var r report
		if in.Decode(&r) != nil {
			break
		}
		c.mu.Lock()
		p.last, p.Why = r, r.Why
		if p.State == Starting {
			p.become(Up, r.Why)
			close(p.settled)
		}
		c.mu.Unlock()
		c.change()
	}
	err := cmd.Wait()

	c.mu.Lock()
	defer c.mu.Unlock()
	why := "ended by itself"
	if p.State == Draining {
		why = "drained"
	}
	if err != nil {
		why = err.Error()
	}
	if p.State == Starting {
		close(p.settled)
	}
	p.cmd, p.stdin, p.PID = nil, nil, 0
	p.become(Down, why)
	close(p.ended)
	c.change()
}

// become changes p's state. The caller holds the cluster's lock.
func (p *process) become(s State, why string) {
	if s != p.State {
		p.Since = time.Now().UTC()
	}
	p.State, p.Why = s, why
}

// snapshot returns what the page shows.
func (c *cluster) snapshot() (BrokerState, []NodeState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := BrokerState{Process: c.broker.Process, Messages: c.broker.last.Messages, Bytes: c.broker.last.Bytes}
	var nodes []NodeState
	for _, p := range c.nodes {
		n := NodeState{Process: p.Process}
		if p.State != Down {
			n.Conns, n.Rooms, n.Members, n.Deliveries = p.last.Conns, p.last.Rooms, p.last.Members, p.last.Deliveries
		}
		nodes = append(nodes, n)
	}
	return b, nodes
}

// take picks the node that is up and has the fewest connections for one more. It returns its address and what gives the place back;
// ok is false if no node is up.
func (c *cluster) take() (addr string, give func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *process
	for _, p := range c.nodes {
		if p.State == Up && (best == nil || *p.conns < *best.conns) {
			best = p
		}
	}
	if best == nil {
		return "", nil, false
	}
	conns := best.conns
	*conns++
	return best.last.Addr, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		*conns--
	}, true
}
