//go:build linux && (amd64 || arm64)

package reliability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Habit is how a client of a crowd behaves.
type Habit string

const (
	Reads    Habit = "reads"    // and answers pings
	Late     Habit = "late"     // answers pings, when most of the time for it has passed
	Talks    Habit = "talks"    // reads, sends often, and answers no ping
	Swallows Habit = "swallows" // reads, and answers nothing
	Deaf     Habit = "deaf"     // reads nothing, and says nothing
)

// CrowdConfig of a process of clients.
type CrowdConfig struct {
	Address string
	Pause   time.Duration // of the habits that take their time
}

// crowd is a process of clients.
type crowd struct {
	cfg     CrowdConfig
	samples []int64 // latencies in ns, of clients that have not been stopped
	sampled atomic.Int64

	mu     sync.Mutex
	groups map[string][]*runner
}

// runner is one client of a crowd.
type runner struct {
	id     string
	c      *Client
	habit  Habit
	crowd  *crowd
	paused atomic.Bool
	gone   chan struct{} // closed by drop
	ended  chan struct{} // closed when run has returned
	fate   Fate          // of run, until it has ended
}

// Fate is what became of one client.
type Fate struct {
	ID      string
	Port    int
	Replies int    // messages received
	Code    int    // of the server's close frame; 0: none
	At      int64  // when that, or the end, came; 0: it lives
	Err     string // how it ended, if not by a close frame
}

// most latencies of one window.
const mostSamples = 4 << 20

func newCrowd(config string) (Verbs, error) {
	w := &crowd{groups: map[string][]*runner{}, samples: make([]int64, mostSamples)}
	if err := json.Unmarshal([]byte(config), &w.cfg); err != nil {
		return nil, err
	}
	return Verbs{
		"dial":      Verb(w.dial),
		"say":       Verb(w.say),
		"stop":      Verb(w.stop),
		"ports":     Verb(w.ports),
		"drop":      Verb(w.drop),
		"fates":     Verb(w.fates),
		"latencies": Verb(w.latencies),
		"cycles":    Verb(w.cycles),
		"kernel":    Verb(func(struct{}) (int, error) { return kernelMemory() }),
	}, nil
}

// Dialling is a question for more clients.
type Dialling struct {
	Group string // id and room of each are made of it
	Room  string
	N     int
	Habit Habit

	Buffer int // how much their kernel takes for each that does not read, in bytes; 0: as much as it likes, which is more for who has read fast
}

// dial opens N connections, a few at a time, and says when the last was open.
func (w *crowd) dial(d Dialling) (at int64, err error) {
	group := make([]*runner, d.N)
	err = inParallel(64, d.N, func(i int) error {
		id := fmt.Sprintf("%s-%d", d.Group, i)
		c, err := Dial(w.cfg.Address, fmt.Sprintf("/?id=%s&room=%s", id, d.Room), "")
		if err != nil {
			return err
		}
		if d.Buffer > 0 {
			if err := c.Conn.SetReadBuffer(d.Buffer); err != nil {
				return err
			}
		}
		group[i] = &runner{id: id, c: c, habit: d.Habit, crowd: w, gone: make(chan struct{}), ended: make(chan struct{}), fate: Fate{ID: id, Port: c.Port()}}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, r := range group {
		go r.run()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[d.Group] = group
	return time.Now().UnixNano(), nil
}

// inParallel calls fn for each of n, and stops after an error.
func inParallel(workers, n int, fn func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for k := range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[k] == nil; i = int(next.Add(1)) - 1 {
				errs[k] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// run lives as its habit says until the connection ends.
func (r *runner) run() {
	defer close(r.ended)
	var err error
	switch r.habit {
	case Deaf:
		<-r.gone
	case Talks:
		over := make(chan struct{})
		go r.talk(over)
		err = r.read()
		close(over)
	default:
		err = r.read()
	}
	var closed *Closed
	if errors.As(err, &closed) {
		r.fate.Code = closed.Code
	} else if err != nil {
		r.fate.Err = err.Error()
	}
	r.fate.At = time.Now().UnixNano()
	_ = r.c.Conn.Close()
}

// talk sends more often than pings come.
func (r *runner) talk(over <-chan struct{}) {
	for r.c.Write(OpText, []byte(`{"type":"do","what":"echo"}`)) == nil {
		select {
		case <-over:
			return
		case <-time.After(r.crowd.cfg.Pause):
		}
	}
}

func (r *runner) read() error {
	for {
		if r.paused.Load() {
			<-r.gone
			return nil
		}
		op, payload, err := r.c.Read()
		if err != nil {
			return err
		}
		switch op {
		case OpText:
			r.fate.Replies++
			r.sample(payload)
		case OpPing:
			err = r.pong(payload)
		case OpClose:
			_ = r.c.Write(OpClose, payload[:min(len(payload), 2)]) // the server may be gone
			return ClosedBy(payload)
		}
		if err != nil {
			return err
		}
	}
}

func (r *runner) pong(payload []byte) error {
	switch r.habit {
	case Late:
		<-time.After(r.crowd.cfg.Pause)
	case Swallows, Talks:
		return nil
	}
	return r.c.Write(OpPong, payload)
}

// sample notes how late a message came.
func (r *runner) sample(message []byte) {
	now := time.Now().UnixNano()
	if r.paused.Load() {
		return
	}
	_, rest, ok := bytes.Cut(message[:min(len(message), 64)], []byte(`"at":`))
	if !ok {
		return
	}
	digits, _, _ := bytes.Cut(rest, []byte(","))
	due, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || due == 0 {
		return
	}
	if i := r.crowd.sampled.Add(1) - 1; i < mostSamples {
		r.crowd.samples[i] = now - due
	}
}

// Latencies of the messages since they were last asked for.
type Latencies struct {
	Count               int
	P50, P90, P99, Most time.Duration
}

func (w *crowd) latencies(struct{}) (Latencies, error) {
	n := int(w.sampled.Load())
	if n > mostSamples {
		return Latencies{}, fmt.Errorf("%d messages, there is room for %d", n, mostSamples)
	}
	s := slices.Clone(w.samples[:n])
	w.sampled.Store(0)
	if n == 0 {
		return Latencies{}, nil
	}
	slices.Sort(s)
	at := func(q float64) time.Duration { return time.Duration(s[int(math.Ceil(q*float64(n)))-1]) }
	return Latencies{n, at(0.5), at(0.9), at(0.99), time.Duration(s[n-1])}, nil
}

// Saying is a text for clients of a group to send; %d in it is the client's number modulo Vary.
type Saying struct {
	Group string
	Text  string
	Vary  int
}

func (w *crowd) say(s Saying) (any, error) {
	group := w.group(s.Group)
	return nil, inParallel(64, len(group), func(i int) error {
		text := s.Text
		if s.Vary > 0 {
			text = fmt.Sprintf(text, i%s.Vary)
		}
		return group[i].c.Write(OpText, []byte(text))
	})
}

func (w *crowd) group(name string) []*runner {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.groups[name]
}

// stop makes the clients of a group stop reading, for good, and says when.
func (w *crowd) stop(group string) (int64, error) {
	for _, r := range w.group(group) {
		r.paused.Store(true)
	}
	return time.Now().UnixNano(), nil
}

// ports are those of the clients of a group.
func (w *crowd) ports(group string) ([]int, error) {
	var list []int
	for _, r := range w.group(group) {
		list = append(list, r.c.Port())
	}
	return list, nil
}

// drop ends the clients of a group with an RST and forgets them.
func (w *crowd) drop(group string) (any, error) {
	for _, r := range w.group(group) {
		r.c.Reset()
		close(r.gone)
		<-r.ended
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, group)
	return nil, nil
}

// Fates asks what became of a group's clients. Within is how long those that live may take to end.
type Fates struct {
	Group  string
	Within time.Duration
}

func (w *crowd) fates(q Fates) ([]Fate, error) {
	late := time.After(q.Within)
	var list []Fate
	for _, r := range w.group(q.Group) {
		select {
		case <-r.ended:
			list = append(list, r.fate)
			continue
		default:
		}
		select {
		case <-r.ended:
			list = append(list, r.fate)
		case <-late:
			late = past
			list = append(list, Fate{ID: r.id, Port: r.c.Port()})
		}
	}
	return list, nil
}

// past is a time that has come.
var past = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()
