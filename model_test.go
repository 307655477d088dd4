package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
)

var modelSeed = flag.Uint64("model.seed", 0, "seed of the model test of resuming clients; 0: some fixed ones")

// roomTold is whatever a client of the model hears.
type roomTold struct {
	Type      string                 `json:"type"`
	N         int                    `json:"n"`
	Room      string                 `json:"room"`
	Position  *wsrouter.RoomPosition `json:"position"`
	Recovered *bool                  `json:"recovered"`
	Missed    int                    `json:"missed"`
}

// follower checks what one client hears of one room, over all its connections: after a joined that begins anew or a resync, each message that the
// broker has taken, once and in order.
type follower struct {
	at      string // what it presents. "": nothing
	seq     uint64 // of at
	missed  int    // that are to follow before anything else
	resyncs int
}

func (f *follower) hear(t roomTold, published []uint64) error {
	if t.Position == nil {
		return errors.New("there is no position")
	}
	_, text, _ := strings.Cut(t.Position.At, "-")
	seq, _ := strconv.ParseUint(text, 10, 64)
	before := f.seq
	switch t.Type {
	case "joined":
		switch {
		case t.Recovered == nil && f.at != "", t.Recovered != nil && f.at == "":
			return fmt.Errorf("recovered does not fit what was presented, %q", f.at)
		case t.Recovered == nil:
		case *t.Recovered:
			if f.missed = t.Missed; t.Position.At != f.at {
				return fmt.Errorf("recovered from %q, not %q", t.Position.At, f.at)
			}
		default:
			return nil // a resync has to follow, whose position counts
		}
	case "resync":
		f.resyncs++
		f.missed = 0
	case "said":
		next := uint64(0)
		for _, p := range published {
			if p > before {
				next = p
				break
			}
		}
		if seq != next {
			return fmt.Errorf("message %d at %d comes after %d, where %d is next", t.N, seq, before, next)
		}
		f.missed = max(f.missed-1, 0)
	}
	f.at, f.seq = t.Position.At, seq
	return nil
}

// TestResumeModel: clients of several rooms drop and come back to any of three nodes, while the broker loses messages and says so, is slow, and
// fails. Whatever it has taken each client hears once, in order, or a resync covers it.
func TestResumeModel(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { runModel(t, seed) }) })
	}
}

func runModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	b := newFlaky(seed, &broker.Options{Messages: 40 + rnd.IntN(400)})
	b.subscribeSlow, b.subscribeFails, b.publishFails, b.publishUnknown, b.loses, b.historyFails = 0.3, 0.03, 0.05, 0.05, 0.002*float64(seed%3), 0.05
	nodes := make([]*wsrouter.Router[inRooms], 3)
	for i := range nodes {
		nodes[i] = wsrouter.New[inRooms](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{Messages: 20 + rnd.IntN(100)}, Logger: quiet})
		nodes[i].Sends(said{})
		joinRooms(nodes[i])
	}
	stop := make(chan struct{})
	published := make(chan struct{})
	go func() { // the broker's sequence is the order
		defer close(published)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rnd.IntN(4)) * time.Millisecond):
			}
			room := nodes[rnd.IntN(3)].Room(fmt.Sprint("room", rnd.IntN(4)))
			if err := room.Broadcast(t.Context(), said{N: n}); err != nil && !errors.Is(err, broker.ErrUnavailable) && !errors.Is(err, broker.ErrUnknownOutcome) {
				t.Error(err)
			}
		}
	}()
	done := make(chan *modelClient)
	const clients = 16
	for i := range clients {
		c := &modelClient{t: t, b: b, nodes: nodes, rand: rand.New(rand.NewPCG(seed, 100+uint64(i))), rooms: map[string]*follower{}}
		for range 1 + c.rand.IntN(3) {
			c.rooms[fmt.Sprint("room", c.rand.IntN(4))] = &follower{}
		}
		go func() {
			for range 15 {
				c.visit(time.Duration(c.rand.IntN(400)) * time.Millisecond)
				time.Sleep(time.Duration(c.rand.IntN(200)) * time.Millisecond)
			}
			done <- c
		}()
	}
	var all []*modelClient
	for range clients {
		all = append(all, <-done)
	}
	close(stop)
	<-published
	b.mu.Lock()
	b.subscribeFails, b.historyFails, b.loses = 0, 0, 0
	b.mu.Unlock()
	time.Sleep(time.Second)
	resyncs, visits := 0, 0
	for _, c := range all {
		c.visit(time.Second)
		for name, f := range c.rooms {
			list := b.published["r/"+name]
			if n := len(list); n > 0 && f.seq < list[n-1] || f.missed > 0 {
				t.Errorf("a client ends at %d in %s, the last is %d, and %d are still to come", f.seq, name, list[len(list)-1], f.missed)
			}
			resyncs += f.resyncs
		}
		visits += c.visits
	}
	replays := uint64(0)
	for _, r := range nodes {
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		s := r.Stats()
		replays += s.Replays
		if s.Rooms != 0 || s.Members != 0 || s.BytesBuffered != 0 {
			t.Errorf("after the end: %+v", s)
		}
	}
	if b.subs != 0 {
		t.Errorf("%d subscriptions are left", b.subs)
	}
	for topic, times := range b.histories {
		for i := 3; i < len(times); i++ { // of three nodes
			if times[i].Sub(times[i-3]) < 100*time.Millisecond && !t.Failed() {
				t.Errorf("%s: 4 requests for its history in %v", topic, times[i].Sub(times[i-3]))
			}
		}
	}
	t.Logf("%d visits, %d replays, %d resyncs, %d lost", visits, replays, resyncs, b.lost)
	if replays < 100 {
		t.Errorf("only %d replays: the test tests nothing", replays)
	}
}

// inRooms is a session that joins some rooms, and resumes others.
type inRooms struct {
	Rooms []string `query:"room" required:"false"`
}

// joinRooms lets r's clients join what they ask for: in OnConnect, or by OnResume.
func joinRooms(r *wsrouter.Router[inRooms]) {
	r.OnConnect(func(_ context.Context, c *wsrouter.Conn[inRooms]) error {
		for _, room := range c.Session.Rooms {
			if err := r.Room(room).Join(c); err != nil {
				return err
			}
		}
		return nil
	})
	r.OnResume(func(context.Context, *wsrouter.Conn[inRooms], string) error { return nil })
}

type modelClient struct {
	t      *testing.T
	b      *flaky
	nodes  []*wsrouter.Router[inRooms]
	rand   *rand.Rand
	rooms  map[string]*follower
	visits int
}

// visit connects somewhere, hears for some time, and leaves.
func (c *modelClient) visit(stay time.Duration) {
	c.visits++
	query := url.Values{}
	positions := map[string]string{}
	for name, f := range c.rooms {
		f.missed = 0
		if f.at == "" || c.rand.IntN(2) == 0 {
			query.Add("room", name)
		}
		if f.at != "" {
			positions[name] = f.at
		}
	}
	if len(positions) > 0 {
		text, _ := json.Marshal(positions)
		query.Set("resume", string(text))
	}
	p := dial(c.t, c.nodes[c.rand.IntN(3)], "/?"+query.Encode(), nil)
	go p.read()
	time.Sleep(stay)
	if c.rand.IntN(2) == 0 {
		p.close()
	} else {
		p.conn.Close()
	}
	<-p.done
	for _, text := range p.got() {
		var m roomTold
		if strings.HasPrefix(text, "close ") {
			continue
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			c.t.Error(err)
			return
		}
		if m.Room == "" && m.Position != nil {
			m.Room = m.Position.Room
		}
		c.b.mu.Lock()
		published := c.b.published["r/"+m.Room]
		c.b.mu.Unlock()
		if err := c.rooms[m.Room].hear(m, published); err != nil {
			c.t.Errorf("%s: %v\nheard: %s", m.Room, err, text)
			return
		}
	}
}
