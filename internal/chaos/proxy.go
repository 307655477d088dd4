//go:build linux && (amd64 || arm64)

package main

import (
	"net"
	"sync"
	"sync/atomic"
)

// A proxy stands between two ends of TCP and does to them what networks do.
type proxy struct {
	l       net.Listener
	refuses atomic.Bool

	mu     sync.Mutex
	target string
	hole   chan struct{} // while it is a hole; closed when it is none any more
	pairs  map[*pair]bool
	wg     sync.WaitGroup
}

// pair is one connection through a proxy.
type pair struct {
	p      *proxy
	client *net.TCPConn
	server *net.TCPConn
	silent atomic.Bool // nothing is forwarded for good
	over   sync.Once
	ended  chan struct{}
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{l: l, target: target, pairs: map[*pair]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.l.Addr().String() }

// point makes new connections go elsewhere.
func (p *proxy) point(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) accept() {
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		client := conn.(*net.TCPConn)
		if p.refuses.Load() {
			reset(client)
			continue
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // an end of its own if the peer has dropped it
	_ = c.Close()
}

func (p *proxy) serve(client *net.TCPConn) {
	p.wait(nil)
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		reset(client)
		return
	}
	c := &pair{p: p, client: client, server: conn.(*net.TCPConn), ended: make(chan struct{})}
	p.mu.Lock()
	p.pairs[c] = true
	p.mu.Unlock()
	if p.refuses.Load() { // since it was accepted
		c.reset()
	}
	p.wg.Go(func() { c.forward(c.client, c.server) })
	c.forward(c.server, c.client)
}

// forward copies until an end ends, which ends the other, unless the pair has fallen silent.
func (c *pair) forward(to, from *net.TCPConn) {
	buf := make([]byte, 8<<10)
	for {
		n, err := from.Read(buf)
		c.p.wait(c.ended)
		if c.silent.Load() {
			return
		}
		if n > 0 {
			_, werr := to.Write(buf[:n])
			if err == nil {
				err = werr
			}
		}
		if err != nil {
			c.reset()
			return
		}
	}
}

func (c *pair) reset() {
	c.over.Do(func() {
		c.p.mu.Lock()
		delete(c.p.pairs, c)
		c.p.mu.Unlock()
		close(c.ended)
		reset(c.client)
		reset(c.server)
	})
}

// wait returns when the proxy is no hole, or its connection has ended.
func (p *proxy) wait(ended <-chan struct{}) {
	for {
		p.mu.Lock()
		hole := p.hole
		p.mu.Unlock()
		if hole == nil {
			return
		}
		select {
		case <-hole:
		case <-ended:
			return
		}
	}
}

func (p *proxy) all() (pairs []*pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		pairs = append(pairs, c)
	}
	return pairs
}

// resetAll drops all connections, both ends, within whatever they were saying.
func (p *proxy) resetAll() (n int) {
	for _, c := range p.all() {
		c.reset()
		n++
	}
	return n
}

// halfOpen drops the clients' ends. The servers hear nothing of it and nothing any more, until mend.
func (p *proxy) halfOpen() (n int) {
	for _, c := range p.all() {
		if !c.silent.Swap(true) {
			reset(c.client)
			n++
		}
	}
	return n
}

// mend ends what halfOpen left.
func (p *proxy) mend() {
	for _, c := range p.all() {
		if c.silent.Load() {
			c.reset()
		}
	}
}

// swallow makes the proxy a hole, or none again: what is said meanwhile arrives afterwards.
func (p *proxy) swallow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.hole == nil:
		p.hole = make(chan struct{})
	case !on && p.hole != nil:
		close(p.hole)
		p.hole = nil
	}
}

// part drops all connections and refuses new ones, or takes them again.
func (p *proxy) part(on bool) {
	p.refuses.Store(on)
	if on {
		p.resetAll()
	}
}

func (p *proxy) close() {
	_ = p.l.Close() // it listens to nobody any more, either way
	p.part(true)
	p.swallow(false)
	p.resetAll()
	p.wg.Wait()
}
