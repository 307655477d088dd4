package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// The test's binary is the program, and so are its children.
func TestMain(m *testing.M) {
	if os.Getenv("CLUSTER_TEST_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A program is the whole example as a visitor runs it.
type program struct {
	t    *testing.T
	ctx  context.Context
	base string // its address, without http://
	cmd  *exec.Cmd
	gone chan string // gets what was logged when every process of it has ended
}

// start starts the program and returns when it has said where it is. It ends at the test's end, if not before.
func start(t *testing.T) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &program{t: t, ctx: ctx, gone: make(chan string, 1)}
	p.cmd = exec.Command(os.Args[0], "-addr", "localhost:0")
	p.cmd.Env = append(os.Environ(), "CLUSTER_TEST_PROGRAM=1", "TMPDIR="+t.TempDir())
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	logs, stderr, err := os.Pipe() // which the children have too: its end is theirs
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	go func() {
		logged, _ := io.ReadAll(logs)
		p.gone <- string(logged)
	}()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.end(syscall.SIGTERM)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var docs string
	if _, err := fmt.Sscanf(line, "cluster: http://%s docs: %s", &p.base, &docs); err != nil || docs != "http://"+p.base+"/docs" {
		t.Fatalf("printed %q: %v", line, err)
	}
	return p
}

// end sends a signal to the program alone and returns how it ended, after every process of it has.
func (p *program) end(s syscall.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	err := p.cmd.Wait()
	select {
	case logged := <-p.gone:
		if p.t.Failed() {
			p.t.Log(logged)
		}
	case <-time.After(patience):
		p.t.Error("processes are left")
	}
	return err
}

// A client is one socket to the program.
type client struct {
	p    *program
	conn *websocket.Conn
	node string // from welcome
	at   string // its position
	last joined
}

// frame is what a client may hear.
type frame struct {
	Type, Node, Key, Text, Code, Name, Reason string
	State                                     State
	PID                                       int
	Why                                       string
	Position                                  struct{ Room, At string }
	joined
}

type joined struct {
	Recovered *bool
	Missed    int
}

func (p *program) dial(path string, query url.Values) *client {
	p.t.Helper()
	conn, resp, err := websocket.Dial(p.ctx, "ws://"+p.base+path+"?"+query.Encode(), nil)
	if err != nil {
		p.t.Fatalf("dial %s: %v, %v", path, err, resp)
	}
	p.t.Cleanup(func() { conn.CloseNow() })
	return &client{p: p, conn: conn}
}

// enter opens a socket to the chat's lobby, with the position at if there is one.
func (p *program) enter(name, at string) *client {
	p.t.Helper()
	query := url.Values{"name": {name}}
	if at != "" {
		resume, _ := json.Marshal(map[string]string{"lobby": at})
		query.Set("resume", string(resume))
	}
	c := p.dial("/ws/lobby", query)
	c.node = c.hear("welcome").Node
	c.last = c.hear("joined").joined
	return c
}

// hear returns the next message, which must be of that type.
func (c *client) hear(typ string) (f frame) {
	c.p.t.Helper()
	if f = c.next(); f.Type != typ {
		c.p.t.Fatalf("heard %+v, want %s", f, typ)
	}
	return f
}

func (c *client) next() (f frame) {
	c.p.t.Helper()
	if err := wsjson.Read(c.p.ctx, c.conn, &f); err != nil {
		c.p.t.Fatal(err)
	}
	if f.Position.At != "" {
		c.at = f.Position.At
	}
	return f
}

// say says text and waits until the broker has it and c hears it, in whichever order.
func (c *client) say(text string) {
	c.p.t.Helper()
	c.send("say", map[string]string{"key": text, "text": text})
	for heard, said := false, false; !heard || !said; {
		switch f := c.next(); {
		case f.Type == "heard" && f.Key == text:
			heard = true
		case f.Type == "said" && f.Text == text:
			said = true
		default:
			c.p.t.Fatalf("heard %+v", f)
		}
	}
}

func (c *client) send(typ string, members map[string]string) {
	c.p.t.Helper()
	members["type"] = typ
	if err := wsjson.Write(c.p.ctx, c.conn, members); err != nil {
		c.p.t.Fatal(err)
	}
}

// broke waits for the end of c's connection.
func (c *client) broke() {
	c.p.t.Helper()
	for {
		var f frame
		if wsjson.Read(c.p.ctx, c.conn, &f) != nil {
			return
		}
	}
}

// until waits on the control socket for a state of a process.
func (c *client) until(process string, s State) frame {
	c.p.t.Helper()
	for {
		if f := c.next(); f.Name == process && f.State == s {
			return f
		}
	}
}

// TestCluster: three nodes are one chat, and a client whose node is killed goes on at another.
func TestCluster(t *testing.T) {
	p := start(t)
	control := p.dial("/control", nil)
	for _, name := range append(nodeNames, brokerName) {
		if pid := control.until(name, Up).PID; pid <= 0 || pid == p.cmd.Process.Pid {
			t.Errorf("%s has pid %d", name, pid)
		}
	}
	ada, bob, cleo := p.enter("Ada", ""), p.enter("Bob", ""), p.enter("Cleo", "")
	if ada.node != "node-1" || bob.node != "node-2" || cleo.node != "node-3" {
		t.Fatalf("they are on %s, %s, %s", ada.node, bob.node, cleo.node)
	}
	ada.say("one")
	for _, c := range []*client{bob, cleo} {
		if f := c.hear("said"); f.Text != "one" || f.Node != "node-1" {
			t.Errorf("on %s: %+v", c.node, f)
		}
	}

	control.send("kill", map[string]string{"process": "node-3"})
	if f := control.until("node-3", Down); f.Why != "signal: killed" {
		t.Errorf("killed: %+v", f)
	}
	cleo.broke()
	ada.say("two")
	bob.hears("two")
	cleo = p.enter("Cleo", cleo.at)
	if cleo.node == "node-3" || cleo.last.Recovered == nil || !*cleo.last.Recovered || cleo.last.Missed != 1 {
		t.Errorf("on %s again: %+v", cleo.node, cleo.last)
	}
	if f := cleo.hear("said"); f.Text != "two" {
		t.Errorf("missed %+v", f)
	}

	control.send("restore", map[string]string{"process": "node-3"})
	control.until("node-3", Up)
	dan := p.enter("Dan", "") // the node with the fewest
	if dan.node != "node-3" {
		t.Errorf("Dan is on %s", dan.node)
	}
	dan.say("three")
	for _, c := range []*client{ada, bob, cleo} {
		c.hears("three")
	}
}

// hears hears what somebody else said.
func (c *client) hears(text string) {
	c.p.t.Helper()
	if f := c.hear("said"); f.Text != text {
		c.p.t.Errorf("on %s: %+v, want %q", c.node, f, text)
	}
}

// TestBroker: while the broker is down nobody is thrown out and nothing is promised; afterwards the same sockets go on.
func TestBroker(t *testing.T) {
	p := start(t)
	control := p.dial("/control", nil)
	ada, bob := p.enter("Ada", ""), p.enter("Bob", "")
	ada.say("before")
	bob.hears("before")

	control.send("kill", map[string]string{"process": "broker"})
	control.until("broker", Down)
	for control.until("node-1", Up).Why == "" { // it says what it lacks
	}
	ada.send("say", map[string]string{"key": "meanwhile", "text": "meanwhile"})
	if f := ada.hear("error"); f.Code != "unavailable" {
		t.Errorf("answered %+v", f)
	}

	control.send("restore", map[string]string{"process": "broker"})
	control.until("broker", Up)
	for control.until("node-1", Up).Why != "" {
	}
	ada.say("after")
	bob.hears("after")
	bob.conn.CloseNow()
	ada.say("later")
	if bob = p.enter("Bob", bob.at); bob.last.Recovered == nil || !*bob.last.Recovered || bob.last.Missed != 1 {
		t.Errorf("after the broker's death: %+v", bob.last)
	}
	bob.hears("later")
}

// TestEmptyRoom: whoever was in a room before anything was said there, and away while it was, is given it, also by a node that has had nobody in the room since.
func TestEmptyRoom(t *testing.T) {
	p := start(t)
	ada, bob := p.enter("Ada", ""), p.enter("Bob", "")
	bob.conn.Close(websocket.StatusNormalClosure, "")
	ada.say("one")
	ada.say("two")
	if bob = p.enter("Bob", bob.at); bob.last.Recovered == nil || !*bob.last.Recovered || bob.last.Missed != 2 {
		t.Fatalf("on %s again: %+v", bob.node, bob.last)
	}
	bob.hears("one")
	bob.hears("two")
}

// TestDrain: a node that ends in order says goodbye with 1001.
func TestDrain(t *testing.T) {
	p := start(t)
	control := p.dial("/control", nil)
	ada := p.enter("Ada", "")
	control.send("drain", map[string]string{"process": ada.node})
	if _, _, err := ada.conn.Read(p.ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Error("drained with", err)
	}
	if f := control.until(ada.node, Down); f.Why != "drained" {
		t.Errorf("%+v", f)
	}
	if ada = p.enter("Ada", ada.at); ada.last.Recovered == nil || !*ada.last.Recovered {
		t.Errorf("on %s again: %+v", ada.node, ada.last)
	}
}

// TestEnd: whatever ends the program ends every process of it.
func TestEnd(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			p := start(t)
			p.enter("Ada", "")
			if err := p.end(s); (err == nil) != (s != syscall.SIGKILL) {
				t.Error(err)
			}
		})
	}
}

// TestControl refuses what cannot be done, and whoever comes by another name.
func TestControl(t *testing.T) {
	p := start(t)
	control := p.dial("/control", nil)
	for _, refused := range []struct{ typ, process, code string }{
		{"kill", "node-4", "unknown_process"},
		{"restore", "node-1", "runs"},
		{"explode", "node-1", "unknown_type"},
	} {
		control.send(refused.typ, map[string]string{"process": refused.process})
		for {
			if f := control.next(); f.Type == "error" {
				if f.Code != refused.code {
					t.Errorf("%s %s: %+v", refused.typ, refused.process, f)
				}
				break
			}
		}
	}

	req, err := http.NewRequestWithContext(p.ctx, "GET", "http://"+p.base+"/control", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by another name: %s", resp.Status)
	}
}

// TestPage: everything that the page needs is there, and its documents show both sockets.
func TestPage(t *testing.T) {
	p := start(t)
	for path, want := range map[string]string{
		"/":              "<!doctype html>",
		"/cluster.js":    "WebSocket",
		"/cluster.css":   "{",
		"/docs":          "<html",
		"/openapi.json":  `"/ws/{room}"`,
		"/asyncapi.json": `"/control"`,
	} {
		resp, err := http.Get("http://" + p.base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %s, without %q (%v)", path, resp.Status, want, err)
		}
		if path == "/" && !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Error("the page has no strict policy")
		}
	}
}
