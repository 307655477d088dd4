package natsbroker_test

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a broker and its server.
type proxy struct {
	t      testing.TB
	ln     net.Listener
	target string

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool          // refuses
	pass  chan struct{} // closed unless nothing passes
	back  chan struct{} // the same of what comes from the server
	wg    sync.WaitGroup

	victim []byte // a message with this is not passed on, once
	eaten  int
	stuck  int // reads that had to wait
}

func newProxy(t testing.TB, target string) *proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, ln: ln, target: target, conns: map[net.Conn]bool{}, pass: make(chan struct{}), back: make(chan struct{})}
	p.unfreeze()
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	p.ln.Close()
	p.cut()
	p.unfreeze()
	p.wg.Wait()
}

func (p *proxy) url() string { return "nats://" + p.ln.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		d, err := net.Dial("tcp", p.target)
		if err != nil {
			reset(c)
			continue
		}
		p.mu.Lock()
		if p.down {
			reset(c)
			reset(d)
		} else {
			p.conns[c], p.conns[d] = true, true
			p.wg.Go(func() { p.copy(d, c, func(b []byte) []byte { return b }, &p.pass) })
			p.wg.Go(func() { p.copy(c, d, (&eater{p: p}).eat, &p.back) })
		}
		p.mu.Unlock()
	}
}

func (p *proxy) copy(to, from net.Conn, filter func([]byte) []byte, gate *chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		pass := *gate
		select {
		case <-pass:
		default:
			p.stuck++
		}
		p.mu.Unlock()
		<-pass
		if err == nil {
			_, err = to.Write(filter(buf[:n]))
		}
		if err != nil {
			p.mu.Lock()
			delete(p.conns, to)
			delete(p.conns, from)
			p.mu.Unlock()
			to.Close()
			from.Close()
			return
		}
	}
}

// eater follows the protocol from server to client and leaves out the victim.
type eater struct {
	p    *proxy
	rest []byte // the beginning of what is not whole yet
}

func (e *eater) eat(b []byte) (out []byte) {
	e.rest = append(e.rest, b...)
	for {
		n := bytes.Index(e.rest, []byte("\r\n")) + 2
		if n < 2 {
			return out
		}
		live := bytes.HasPrefix(e.rest, []byte("HMSG ")) && bytes.Contains(e.rest[:n], []byte(".out."))
		if fields := strings.Fields(string(e.rest[:n])); bytes.HasPrefix(e.rest, []byte("HMSG ")) || bytes.HasPrefix(e.rest, []byte("MSG ")) {
			size, _ := strconv.Atoi(fields[len(fields)-1])
			n += size + 2
		}
		if n > len(e.rest) {
			return out
		}
		if !live || !e.p.isVictim(e.rest[:n]) {
			out = append(out, e.rest[:n]...)
		}
		e.rest = append([]byte(nil), e.rest[n:]...)
	}
}

func (p *proxy) isVictim(message []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.victim == nil || !bytes.Contains(message, p.victim) {
		return false
	}
	p.victim = nil
	p.eaten++
	return true
}

// swallow leaves out the next live message that has text in it.
func (p *proxy) swallow(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.victim = []byte(text)
}

func (p *proxy) swallowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eaten
}

func (p *proxy) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck
}

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// cut resets what is connected and refuses what comes.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		reset(c)
	}
	clear(p.conns)
}

// say sends text to the clients, as if it were the server's.
func (p *proxy) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if c.LocalAddr().String() == p.ln.Addr().String() {
			c.Write([]byte(text))
		}
	}
}

func (p *proxy) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// freeze lets nothing pass, and says so to nobody.
func (p *proxy) freeze() {
	p.freezeBack()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass = make(chan struct{})
}

// freezeBack is freeze for what comes from the server.
func (p *proxy) freezeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back = make(chan struct{})
}

// onlyBack lets pass what comes from the server, and nothing else.
func (p *proxy) onlyBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.back)
	p.pass = make(chan struct{})
}

func (p *proxy) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, gate := range []chan struct{}{p.pass, p.back} {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
}
