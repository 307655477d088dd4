package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

const (
	crowd     = 50               // clients where one is not enough
	idleFor   = 80 * time.Second // longer than the 60 s of the recipes
	memory    = 2000             // connections whose memory is looked at
	sizeLimit = 8 << 10          // of ?resume=, before it is URL-encoded
)

// check holds p with its recipe against two nodes of its own.
func check(ctx context.Context, dir, bin string, p proxy) (report, error) {
	name, err := p.shown()
	if err != nil {
		return report{}, err
	}
	var nodes [2]*node
	var ports [2]int
	for i := range nodes {
		ports[i] = freePort()
		if nodes[i], err = startNode(ctx, bin, ports[i], 10*time.Second); err != nil {
			return report{}, err
		}
		defer func() { nodes[i].kill() }()
	}
	dir2 := filepath.Join(dir, p.recipe+".d")
	r, err := p.start(ctx, dir, filepath.Join(dir2, "as-it-is"), "60s", ports)
	if err != nil {
		return report{}, err
	}
	defer r.stop()
	c := checks{report: report{proxy: name}, ctx: ctx, base: r.base}

	c.handshake()
	waiting := dial(ctx, r.base, r.base, "")
	if waiting.err != nil {
		return report{}, waiting.err
	}
	began := time.Now()
	cut, err := p.cuts(ctx, dir, dir2, ports)
	if err != nil {
		return report{}, err
	}
	c.balance()
	c.drain(nodes[0])
	if nodes[0], err = startNode(ctx, bin, ports[0], 10*time.Second); err != nil {
		return report{}, err
	}
	time.Sleep(3 * time.Second) // until the proxy has asked it
	c.fills()
	nodes[0].kill()
	c.survives()
	if nodes[0], err = startNode(ctx, bin, ports[0], 10*time.Second); err != nil {
		return report{}, err
	}
	if err := c.memory(r); err != nil {
		return report{}, err
	}

	// What waited was on a node that is gone, or has waited since the beginning.
	if waiting.ended() {
		if waiting = dial(ctx, r.base, r.base, ""); waiting.err != nil {
			return report{}, waiting.err
		}
		began = time.Now()
	}
	select {
	case <-waiting.done:
	case <-time.After(time.Until(began.Add(idleFor))):
	}
	idle := time.Since(began).Round(time.Second)
	c.add("idle connection, nothing but pings", fmt.Sprintf("alive after %v", idle), waiting.says("still here"))
	c.add("the same with a timeout of 20 s, which is shorter than the pings' 25 s", cut, true)
	if err := c.reload(p, r); err != nil {
		return report{}, err
	}
	return c.report, nil
}

// cuts runs p with an idle time shorter than the pings, to see that the time counts and pings are what keeps a connection.
func (p proxy) cuts(ctx context.Context, certs, dir string, nodes [2]int) (string, error) {
	if p.cutsAt60 == "" {
		return "has no timeout for WebSockets", nil
	}
	r, err := p.start(ctx, certs, filepath.Join(dir, "short"), "20s", nodes)
	if err != nil {
		return "", err
	}
	defer r.stop()
	c := dial(ctx, r.base, r.base, "")
	if c.err != nil {
		return "", c.err
	}
	began := time.Now()
	select {
	case <-c.done:
	case <-time.After(60 * time.Second):
		return "", errors.New("a timeout of 20 s has not closed a connection within 60 s")
	}
	return fmt.Sprintf("closed after %v", time.Since(began).Round(time.Second)), nil
}

// checks are held against one proxy.
type checks struct {
	report
	ctx  context.Context
	base string
}

func (c *checks) add(what, seen string, held bool) {
	c.lines = append(c.lines, line{what, seen, held})
}

// dial connects as the page of the proxy's own origin.
func (c *checks) dial() *client { return dial(c.ctx, c.base, c.base, "") }

func (c *checks) dialMany(n int) []*client {
	list := make([]*client, n)
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { list[i] = c.dial() })
	}
	all.Wait()
	return list
}

// handshake: what goes before the 101.
func (c *checks) handshake() {
	own := c.dial()
	defer own.leave()
	c.add("a page of the proxy's own origin may connect: Host arrives as it was sent", own.shown(), own.err == nil && own.says("hello"))
	other := dial(c.ctx, c.base, "https://elsewhere.example", "")
	defer other.leave()
	c.add("a page of another origin may not", other.shown(), other.status == http.StatusForbidden)
	query := "?resume=" + url.QueryEscape(positions())
	long := dial(c.ctx, c.base, c.base, query)
	defer long.leave()
	c.add(fmt.Sprintf("`?resume=` of %d bytes, %d when URL-encoded", len(positions()), len(query)), long.shown(), long.err == nil)
}

// positions are as many as a client may present.
func positions() string {
	at := map[string]string{}
	for i := 0; len(at) < 128; i++ {
		at[fmt.Sprintf("room-%05d-%s", i, strings.Repeat("x", 19))] = "0123456789abcdef-1844674407"
	}
	data, err := json.Marshal(at)
	if err != nil || len(data) > sizeLimit {
		panic(fmt.Sprint(err, len(data)))
	}
	return string(data)
}

// balance: connections are spread with nothing that binds a client to a node.
func (c *checks) balance() {
	list := c.dialMany(crowd)
	defer leaveAll(list)
	per := perNode(list)
	c.add(fmt.Sprintf("%d connections over two nodes, no stickiness", crowd), counts(per), even(per))
}

// drain: clients of a node that is told to go come back at once, and are on the other.
func (c *checks) drain(n *node) {
	list := c.dialMany(crowd)
	defer leaveAll(list)
	leaving := fmt.Sprint("127.0.0.1:", n.port)
	moved, refused, codes := 0, 0, map[websocket.StatusCode]int{}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.add("drain", err.Error(), false)
		return
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, old := range list {
		if !strings.HasSuffix(old.node, leaving) {
			continue
		}
		all.Go(func() {
			<-old.done
			fresh := c.dial()
			mu.Lock()
			defer mu.Unlock()
			codes[websocket.CloseStatus(old.end)]++
			list[i] = fresh
			switch {
			case fresh.err != nil:
				refused++
			case !strings.HasSuffix(fresh.node, leaving):
				moved++
			}
		})
	}
	all.Wait()
	_ = n.cmd.Wait() // its end is seen by its clients
	c.add("a node drains: its clients see 1001 and connect again at once", fmt.Sprintf("%d closed with %v, %d moved, %d refused", codes[1001], keys(codes), moved, refused),
		moved > 0 && refused == 0 && len(codes) == 1 && codes[1001] == moved)
	stayed := 0
	for _, o := range list {
		if !o.ended() {
			stayed++
		}
	}
	c.add("nobody else is closed by that", fmt.Sprintf("%d of %d there", stayed, crowd), stayed == crowd)
}

// fills: a node that comes back is given what comes.
func (c *checks) fills() {
	list := c.dialMany(crowd)
	defer leaveAll(list)
	per := perNode(list)
	c.add(fmt.Sprintf("the node is back: the next %d connections", crowd), counts(per), even(per))
}

// survives: a node died without a word; those who come are served by the other.
func (c *checks) survives() {
	list := c.dialMany(crowd)
	defer leaveAll(list)
	refused := 0
	for _, o := range list {
		if o.err != nil {
			refused++
		}
	}
	c.add("a node is killed: whoever connects right after is served by the other", fmt.Sprintf("%d of %d refused", refused, crowd), refused == 0)
}

// memory that the proxy's processes hold for connections that wait.
func (c *checks) memory(r *running) error {
	before, err := groupMemory(r.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var list []*client
	for len(list) < memory {
		list = append(list, c.dialMany(100)...)
	}
	defer leaveAll(list)
	refused := 0
	for _, o := range list {
		if o.err != nil {
			refused++
		}
	}
	time.Sleep(5 * time.Second)
	after, err := groupMemory(r.cmd.Process.Pid)
	if err != nil {
		return err
	}
	c.add(fmt.Sprintf("anonymous memory of the proxy for each of %d connections by TLS", memory), fmt.Sprintf("%.0f KiB", float64(after-before)/1024/memory), refused == 0)
	return nil
}

// groupMemory is the anonymous memory of all processes of a group.
func groupMemory(group int) (total int, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if g, err := syscall.Getpgid(pid); err != nil || g != group {
			continue
		}
		text, err := os.ReadFile(d + "/smaps_rollup")
		if err != nil {
			return 0, err
		}
		for l := range strings.Lines(string(text)) {
			if kb, ok := strings.CutPrefix(l, "Pss_Anon:"); ok {
				n, err := strconv.Atoi(strings.Fields(kb)[0])
				if err != nil {
					return 0, err
				}
				total += n * 1024
			}
		}
	}
	return total, nil
}

// reload: the proxy reads its configuration again.
func (c *checks) reload(p proxy, r *running) error {
	list := c.dialMany(crowd)
	defer leaveAll(list)
	if err := p.reload(r); err != nil {
		return err
	}
	time.Sleep(5 * time.Second)
	fresh := c.dial()
	defer fresh.leave()
	alive := 0
	for _, o := range list {
		if o.says("after reload") {
			alive++
		}
	}
	c.add("reload of the configuration", fmt.Sprintf("%d of %d connections stay", alive, crowd), fresh.err == nil && (alive == crowd) == p.keeps)
	return nil
}

// A client reads what comes, so that it answers pings.
type client struct {
	conn   *websocket.Conn
	node   string // by its welcome
	status int    // of the handshake
	err    error  // of the handshake
	heard  chan string
	done   chan struct{}
	end    error // set when done is closed
}

func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // of a certificate made a minute ago
}

func dial(ctx context.Context, base, origin, query string) *client {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c := &client{heard: make(chan string, 1000), done: make(chan struct{})}
	http := newHTTP()
	conn, resp, err := websocket.Dial(ctx, base+"/ws"+query, &websocket.DialOptions{HTTPClient: http, HTTPHeader: map[string][]string{"Origin": {origin}}})
	if resp != nil {
		c.status = resp.StatusCode
	}
	if err != nil {
		c.err = err
		close(c.done)
		return c
	}
	c.conn = conn
	var welcome struct{ Node string }
	if _, data, err := conn.Read(ctx); err != nil {
		c.err = fmt.Errorf("no welcome: %w", err)
		conn.CloseNow()
		close(c.done)
		return c
	} else if err := json.Unmarshal(data, &welcome); err != nil {
		c.err = err
		conn.CloseNow()
		close(c.done)
		return c
	}
	c.node = welcome.Node
	go c.listen()
	return c
}

func (c *client) listen() {
	defer close(c.done)
	for {
		_, data, err := c.conn.Read(context.Background())
		if err != nil {
			c.end = err
			return
		}
		var m struct{ Text string }
		if json.Unmarshal(data, &m) == nil {
			select {
			case c.heard <- m.Text:
			default: // only the newest are asked for
			}
		}
	}
}

// says reports whether text comes back within 5 s.
func (c *client) says(text string) bool {
	if c.err != nil || c.ended() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	data, err := json.Marshal(map[string]string{"type": "say", "text": text})
	if err != nil || c.conn.Write(ctx, websocket.MessageText, data) != nil {
		return false
	}
	for {
		select {
		case t := <-c.heard:
			if t == text {
				return true
			}
		case <-c.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (c *client) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *client) shown() string {
	if c.status == 0 {
		return c.err.Error()
	}
	return strconv.Itoa(c.status)
}

func (c *client) leave() {
	if c.conn != nil {
		c.conn.CloseNow()
		<-c.done
	}
}

func leaveAll(list []*client) {
	for _, c := range list {
		c.leave()
	}
}

func perNode(list []*client) map[string]int {
	per := map[string]int{}
	for _, c := range list {
		if c.err == nil {
			per[c.node]++
		}
	}
	return per
}

// even: both nodes have their share, or what remains when something waits on one of them.
func even(per map[string]int) bool {
	for _, n := range per {
		if n < crowd/5 {
			return false
		}
	}
	return len(per) == 2
}

func counts(per map[string]int) string {
	var out []string
	for _, n := range per {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, " + ")
}

func keys(m map[websocket.StatusCode]int) (list []int) {
	for k := range m {
		list = append(list, int(k))
	}
	return list
}
