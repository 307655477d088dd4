//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// A client is in rooms for as long as a run lasts: it comes back whenever its connection ends, presents how far it had come, and writes down what it hears.
type client struct {
	name   string
	crowd  *crowd
	random *rand.Rand // of its own goroutine

	deaf   atomic.Int64 // Unix ns until which it reads nothing
	leaves atomic.Bool  // told to let go of its connection, without a word
	sleeps atomic.Int64 // Unix ns until which it stays away when its connection ends

	mu      sync.Mutex // also of its stays
	stays   []*stay    // all that there were
	rooms   map[string]*stay
	conn    *reliability.Client
	stopped bool
}

// A stay is a client's in one room.
type stay struct {
	hearing
	at       string // what to present
	expected bool   // a resync has to be the next
	gone     bool   // it asked to leave, and may still hear what was on its way
}

// A crowd is all clients of a run.
type crowd struct {
	ledger  *ledger
	address func(*rand.Rand) string // of a node, or of a proxy before one
	silence time.Duration           // after which a connection is given up
	gate    sync.RWMutex            // who holds it keeps clients from connecting

	wg sync.WaitGroup
	tally
}

// tally counts what happened to clients.
type tally struct {
	dials, opened, resumes                    atomic.Int64       // resumes: rooms that positions were presented for, and answered
	recovered, resyncs, induced               atomic.Int64       // induced: resyncs for which we are to blame
	messages, silences, refusals              atomic.Int64       // silences: connections that were given up
	closes                                    [5000]atomic.Int64 // by code; 0: without a close frame
	firstRefusal, firstUnspeakable, firstDial atomic.Pointer[string]
}

func newClient(c *crowd, name string, seed uint64, rooms ...int) *client {
	cl := &client{name: name, crowd: c, random: rand.New(rand.NewPCG(seed, 0)), rooms: map[string]*stay{}}
	for _, room := range rooms {
		cl.begin(room)
	}
	return cl
}

// begin begins a stay. The caller has the client for itself.
func (c *client) begin(room int) {
	s := &stay{hearing: hearing{client: c.name, room: room}}
	c.stays = append(c.stays, s)
	c.rooms[c.crowd.ledger.rooms[room]] = s
}

// say sends a message, if there is a connection.
func (c *client) say(text string) error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return net.ErrClosed
	}
	return conn.Write(reliability.OpText, []byte(text))
}

// enter asks for a room that the client is not in, or left a while ago.
func (c *client) enter(room int) error {
	c.mu.Lock()
	c.begin(room)
	c.mu.Unlock()
	return c.say(fmt.Sprintf(`{"type":"enter","room":%q}`, c.crowd.ledger.rooms[room]))
}

// leave asks to leave a room.
func (c *client) leave(room int) error {
	name := c.crowd.ledger.rooms[room]
	c.mu.Lock()
	s := c.rooms[name]
	s.gone = true
	s.mark(departed, 0)
	c.mu.Unlock()
	return c.say(fmt.Sprintf(`{"type":"leave","room":%q}`, name))
}

// live until stop.
func (c *client) live() {
	defer c.crowd.wg.Done()
	failures := 0
	for !c.over() {
		c.crowd.gate.RLock()
		c.crowd.gate.RUnlock()
		heard, err := c.visit()
		if heard {
			failures = 0
		}
		var closed *reliability.Closed
		var no *reliability.Refusal
		switch {
		case errors.As(err, &closed):
			c.crowd.closes[min(closed.Code, 4999)].Add(1)
		case errors.As(err, &no):
			c.crowd.refusals.Add(1)
			text := err.Error()
			c.crowd.firstRefusal.CompareAndSwap(nil, &text)
		default:
			c.crowd.closes[0].Add(1)
		}
		pause := time.Duration(c.random.Float64() * float64(time.Second) * float64(min(1<<failures, 32)) / 16)
		failures++
		pause = max(pause, time.Until(time.Unix(0, c.sleeps.Load())))
		for until := time.Now().Add(pause); !c.over() && time.Now().Before(until); {
			time.Sleep(min(time.Until(until), 500*time.Millisecond))
		}
	}
}

func (c *client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// stop ends the client; live returns soon.
func (c *client) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.conn != nil {
		c.conn.Reset()
	}
}

// reset drops the connection with an RST.
func (c *client) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Reset()
	}
}

// target of the handshake: rooms, and positions where there are any.
func (c *client) target() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rooms []string
	positions := map[string]string{}
	for room, s := range c.rooms {
		if s.gone {
			continue
		}
		rooms = append(rooms, room)
		if s.at != "" {
			positions[room] = s.at
		}
	}
	q := url.Values{"rooms": {strings.Join(rooms, ",")}}
	if len(positions) > 0 {
		text, err := json.Marshal(positions)
		if err != nil {
			return "", err
		}
		q.Set("resume", string(text))
	}
	return "/?" + q.Encode(), nil
}

// visit is one connection, from its handshake to its end. heard: something came.
func (c *client) visit() (heard bool, err error) {
	target, err := c.target()
	if err != nil {
		return false, err
	}
	c.crowd.dials.Add(1)
	conn, err := reliability.DialWithin(c.crowd.silence, c.crowd.address(c.random), target, "")
	if err != nil {
		text := err.Error()
		c.crowd.firstDial.CompareAndSwap(nil, &text)
		return false, err
	}
	c.mu.Lock()
	c.conn = conn
	stopped := c.stopped
	c.mu.Unlock()
	keep := false
	defer func() {
		c.mu.Lock()
		c.conn = nil
		c.mu.Unlock()
		if !keep {
			conn.Reset()
		}
	}()
	if stopped {
		return false, nil
	}
	c.crowd.opened.Add(1)
	for {
		c.listen(conn)
		if c.leaves.Swap(false) {
			keep = true // neither FIN nor RST: its machine is gone
			time.AfterFunc(3*c.crowd.silence, conn.Reset)
			return heard, nil
		}
		op, payload, err := conn.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.crowd.silences.Add(1)
		}
		if err != nil {
			return heard, err
		}
		heard = true
		switch op {
		case reliability.OpPing:
			err = conn.Write(reliability.OpPong, payload)
		case reliability.OpClose:
			err = reliability.ClosedBy(payload)
		case reliability.OpText:
			err = c.take(payload)
		}
		if err != nil {
			return heard, err
		}
	}
}

// listen waits while the client is deaf, and gives the connection time until it counts as dead.
func (c *client) listen(conn *reliability.Client) {
	for deaf := time.Until(time.Unix(0, c.deaf.Load())); deaf > 0 && !c.over(); deaf = time.Until(time.Unix(0, c.deaf.Load())) {
		time.Sleep(min(deaf, 500*time.Millisecond))
	}
	_ = conn.Conn.SetReadDeadline(time.Now().Add(c.crowd.silence)) // the read tells of an end
}

// incoming is whatever the router sends.
type incoming struct {
	Type      string    `json:"type"`
	Number    string    `json:"n"`
	Room      string    `json:"room"`
	Position  *position `json:"position"`
	Recovered *bool     `json:"recovered"`
	Missed    int       `json:"missed"`
	Reason    string    `json:"reason"`
}

type position struct {
	Room string `json:"room"`
	At   string `json:"at"`
}

// quick reads a note without a parser, which costs more than all else here; ok is false for what else there is.
func (in *incoming) quick(text []byte) (ok bool) {
	if !bytes.HasPrefix(text, []byte(`{"type":"note",`)) {
		return false
	}
	number, ok1 := member(text, `"n":"`)
	room, ok2 := member(text, `"room":"`)
	at, ok3 := member(text, `"at":"`)
	*in = incoming{Type: "note", Number: number, Position: &position{room, at}}
	return ok1 && ok2 && ok3
}

// member returns a string member that no other text looks like.
func member(text []byte, name string) (string, bool) {
	_, text, ok := bytes.Cut(text, []byte(name))
	end := bytes.IndexByte(text, '"')
	if !ok || end < 0 {
		return "", false
	}
	return string(text[:end]), true
}

// take writes down what came.
func (c *client) take(text []byte) error {
	var in incoming
	if !in.quick(text) {
		if err := json.Unmarshal(text, &in); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch in.Type {
	case "note":
		if in.Position == nil {
			return c.unspeakable(text)
		}
		s := c.rooms[in.Position.Room]
		n, err := strconv.ParseUint(in.Number, 10, 32)
		if s == nil || err != nil {
			return c.unspeakable(text)
		}
		return c.note(s, uint32(n), in.Position.At)
	case "joined":
		s := c.rooms[in.Room]
		if s == nil || in.Position == nil {
			return c.unspeakable(text)
		}
		return c.joined(s, in.Position.At, in.Recovered)
	case "resync":
		s := c.rooms[in.Room]
		if s == nil {
			return c.unspeakable(text)
		}
		at := ""
		if in.Position != nil {
			at = in.Position.At
		}
		return c.resync(s, at)
	}
	return c.unspeakable(text)
}

// unspeakable is what no router should say.
func (c *client) unspeakable(text []byte) error {
	said := string(text[:min(len(text), 300)])
	c.crowd.firstUnspeakable.CompareAndSwap(nil, &said)
	return fmt.Errorf("unexpected: %s", said)
}

func (c *client) note(s *stay, n uint32, at string) error {
	p, err := c.crowd.ledger.place(at)
	if err != nil || s.gone {
		return err
	}
	if s.expected {
		s.expected = false
		s.complain("unannounced", n, "recovered: false, and no resync follows")
	}
	c.crowd.messages.Add(1)
	s.at = at
	s.message(c.crowd.ledger, n, p)
	return nil
}

func (c *client) joined(s *stay, at string, recovered *bool) error {
	p, err := c.crowd.ledger.place(at)
	if err != nil {
		return err
	}
	before := s.last
	presented := s.at != ""
	s.at, s.expected = at, false
	switch {
	case recovered == nil:
		if presented {
			s.complain("unannounced", 0, "a position was presented and is not answered")
		}
		s.mark(entered, p)
		return nil
	case *recovered:
		c.crowd.recovered.Add(1)
		s.mark(resumed, p)
	default:
		s.expected = true
		c.blame(before)
		s.mark(unheard, p)
	}
	c.crowd.resumes.Add(1)
	c.sleeps.Store(0)
	return nil
}

func (c *client) resync(s *stay, at string) error {
	p, err := place(0), error(nil)
	if at != "" {
		if p, err = c.crowd.ledger.place(at); err != nil {
			return err
		}
		s.at = at
	}
	if !s.expected { // otherwise it is counted
		c.blame(s.last)
	}
	s.expected = false
	s.mark(unheard, p)
	return nil
}

// reached reports whether the client has come as far as a message, or was told that it missed what was up to there.
func (c *client) reached(s *stay, n uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.crowd.ledger.messages[n].place.Load()
	return at != 0 && s.last >= at
}

// where says how far the client has come in a room.
func (c *client) where(s *stay) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%s of %s at %s, %d messages", c.name, c.crowd.ledger.rooms[s.room], s.at, len(s.heard))
	if n := len(s.marks); n > 0 {
		m := s.marks[n-1]
		text += fmt.Sprintf(", the last mark %d at %s before message %d", m.kind, clock(m.at), m.before)
	}
	if c.conn != nil {
		text += fmt.Sprintf(", connected from %v to %v", c.conn.Conn.LocalAddr(), c.conn.Conn.RemoteAddr())
	}
	return text
}

// blame counts a resync of a client that had come to a place.
func (c *client) blame(at place) {
	c.crowd.resyncs.Add(1)
	if c.crowd.ledger.lostByUs(at) || c.sleeps.Load() != 0 {
		c.crowd.induced.Add(1)
	}
}
