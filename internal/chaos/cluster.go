//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// A cluster is a broker and nodes, each a process of its own, with proxies between them and before the nodes.
type cluster struct {
	broker *brokerProcess // nil: the one node has its own
	nodes  []*nodeProcess
	dir    string
}

// A nodeProcess is a node of a run: it is killed, and comes back at another address, which its proxy knows.
type nodeProcess struct {
	cfg     nodeConfig
	program string
	link    *proxy // to the broker; nil: the node has its own
	front   *proxy // for clients

	mu      sync.Mutex
	process *reliability.Process
	address string
}

// programPath is this program, or the one that has a bug planted.
var programPath string

func program() (string, error) {
	if programPath != "" {
		return programPath, nil
	}
	return os.Executable()
}

// startCluster starts a broker and nodes of one configuration.
func startCluster(nodes int, cfg nodeConfig) (c *cluster, err error) {
	c = &cluster{}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	path, err := program()
	if err != nil {
		return c, err
	}
	if c.dir, err = os.MkdirTemp("", "wsrouter-chaos-"); err != nil {
		return c, err
	}
	if c.broker, err = startBroker(path, filepath.Join(c.dir, "store")); err != nil {
		return c, err
	}
	for i := range nodes {
		n := &nodeProcess{cfg: cfg, program: path}
		n.cfg.Name = fmt.Sprint("node-", i)
		if n.link, err = newProxy(c.broker.address); err != nil {
			return c, err
		}
		n.cfg.NATS = "nats://" + n.link.address()
		c.nodes = append(c.nodes, n)
		if err = n.start(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// startAlone starts one node with a broker of its own.
func startAlone(cfg nodeConfig) (*cluster, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	cfg.Name = "alone"
	n := &nodeProcess{cfg: cfg, program: path}
	return &cluster{nodes: []*nodeProcess{n}}, n.start()
}

// direct lets nodes reach the broker without a proxy, where what they cost is measured.
func (c *cluster) direct() error {
	for _, n := range c.nodes {
		n.kill()
		n.cfg.NATS = "nats://" + c.broker.address
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) stop() {
	for _, n := range c.nodes {
		n.stop()
	}
	if c.broker != nil && c.broker.Process != nil {
		c.broker.Kill()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir) // of a broker that is gone
	}
}

// start starts the process, again if it was killed.
func (n *nodeProcess) start() error {
	p, err := reliability.Start(n.program, "node", n.cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var address string
	if err := p.Ask(ctx, "address", struct{}{}, &address); err != nil {
		p.Kill()
		return err
	}
	if n.front == nil {
		if n.front, err = newProxy(address); err != nil {
			p.Kill()
			return err
		}
	}
	n.front.point(address)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.process, n.address = p, address
	return nil
}

// running returns the process, if it runs, and where it listens.
func (n *nodeProcess) running() (*reliability.Process, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil || !n.process.Alive() {
		return nil, n.address
	}
	return n.process, n.address
}

func (n *nodeProcess) kill() {
	if p, _ := n.running(); p != nil {
		p.Kill()
	}
}

func (n *nodeProcess) stop() {
	n.kill()
	for _, p := range []*proxy{n.link, n.front} {
		if p != nil {
			p.close()
		}
	}
}

var errGone = errors.New("the node does not run")

// ask asks the node.
func (n *nodeProcess) ask(verb string, in, out any) error {
	p, _ := n.running()
	if p == nil {
		return errGone
	}
	return p.Ask(context.Background(), verb, in, out)
}

func (n *nodeProcess) signal(s syscall.Signal) error {
	p, _ := n.running()
	if p == nil {
		return errGone
	}
	return p.Signal(s)
}

// healthy waits until every node says that it reaches the others.
func (c *cluster) healthy(within time.Duration) error {
	deadline := time.Now().Add(within)
	for _, n := range c.nodes {
		for {
			err := n.ask("health", struct{}{}, nil)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s: %w", n.cfg.Name, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// cpu sums what the processes have used.
func (c *cluster) cpu() (nodes, broker time.Duration, err error) {
	var u usage
	for _, n := range c.nodes {
		if err := n.ask("usage", struct{}{}, &u); err != nil {
			return 0, 0, err
		}
		nodes += u.CPU
	}
	if c.broker != nil {
		if err := c.broker.Ask(context.Background(), "usage", struct{}{}, &u); err != nil {
			return 0, 0, err
		}
		broker = u.CPU
	}
	return nodes, broker, nil
}
