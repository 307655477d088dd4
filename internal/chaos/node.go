//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// nodeConfig of a process that holds a router. Zero values are the router's defaults.
type nodeConfig struct {
	Name       string
	NATS       string // where the broker is; "": it is in this process
	Ping, Pong time.Duration
	Outbox     int
	Idle       bool
	Presence   bool   // rooms tell who is in them, by the names of their nodes
	Routers    int    // that share the broker, and get connections and publishes in turn; 0: one
	History    int    // messages that the broker keeps
	Log        string // a file, which is appended to; "": none
}

// visitor is the session of a node's router: it is in the rooms that it names.
type visitor struct {
	Rooms string `query:"rooms" required:"false"` // with commas between them
}

type (
	// note is what rooms hear. Numbers are of so many digits that all are of one length.
	note struct {
		_      struct{} `ws:"note"`
		Number string   `json:"n"`
		Due    string   `json:"due"` // Unix µs
		Pad    string   `json:"pad"`
	}
	// enter and leave are what clients ask for.
	enter struct {
		_    struct{} `ws:"enter"`
		Room string   `json:"room"`
	}
	leave struct {
		_    struct{} `ws:"leave"`
		Room string   `json:"room"`
	}
)

func newNote(number uint64, due time.Time, pad string) note {
	return note{Number: fmt.Sprintf("%010d", number), Due: fmt.Sprintf("%016d", due.UnixMicro()), Pad: pad}
}

// node is the process that holds a router, or several.
type node struct {
	cfg     nodeConfig
	broker  *watched
	routers []*wsrouter.Router[visitor]
	turn    atomic.Uint64
	address string
}

// router is the next one in turn.
func (n *node) router() *wsrouter.Router[visitor] {
	return n.routers[n.turn.Add(1)%uint64(len(n.routers))]
}

func newNode(config string) (reliability.Verbs, error) {
	n := &node{}
	if err := json.Unmarshal([]byte(config), &n.cfg); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if n.cfg.Log != "" {
		f, err := os.OpenFile(n.cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		log = slog.New(slog.NewTextHandler(f, nil)).With("node", n.cfg.Name, "pid", os.Getpid())
	}
	b, err := dialBroker(n.cfg, log)
	if err != nil {
		return nil, err
	}
	n.broker = &watched{Broker: b}
	for range max(n.cfg.Routers, 1) {
		n.routers = append(n.routers, n.declare(log))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.address = l.Addr().String()
	turns := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.router().ServeHTTP(w, r) })
	srv := &http.Server{Handler: turns, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}
	go func() { _ = srv.Serve(l) }() // until the process ends
	return reliability.Verbs{
		"address": reliability.Verb(func(struct{}) (string, error) { return n.address, nil }),
		"usage":   reliability.Verb(func(struct{}) (usage, error) { return used() }),
		"health":  reliability.Verb(func(struct{}) (any, error) { return nil, n.router().Health() }),
		"publish": reliability.Verb(n.publish),
		"shutdown": reliability.Verb(func(struct{}) (any, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return nil, n.router().Shutdown(ctx)
		}),
		"stream":  reliability.Verb(n.stream),
		"profile": reliability.Verb(profile),
		"broker":  reliability.Verb(func(struct{}) (brokerUse, error) { return n.broker.take(), nil }),
	}, nil
}

func (n *node) declare(log *slog.Logger) *wsrouter.Router[visitor] {
	router := wsrouter.New[visitor](&wsrouter.Options{
		Broker: n.broker, Resume: &wsrouter.Resume{}, Logger: log, Idle: n.cfg.Idle,
		PingInterval: n.cfg.Ping, PongTimeout: n.cfg.Pong, Outbox: n.cfg.Outbox,
	})
	router.Sends(note{})
	if n.cfg.Presence {
		wsrouter.Presence(router, func(*wsrouter.Conn[visitor], string) string { return n.cfg.Name })
	}
	router.OnConnect(func(_ context.Context, c *wsrouter.Conn[visitor]) error {
		if c.Session.Rooms == "" {
			return nil
		}
		for room := range strings.SplitSeq(c.Session.Rooms, ",") {
			if err := router.Room(room).Join(c); err != nil {
				return wsrouter.Close(1013, "come back later") // the broker is away
			}
		}
		return nil
	})
	wsrouter.Receive(router, func(_ context.Context, c *wsrouter.Conn[visitor], m enter) error {
		return router.Room(m.Room).Join(c)
	})
	wsrouter.Receive(router, func(_ context.Context, c *wsrouter.Conn[visitor], m leave) error {
		router.Room(m.Room).Leave(c)
		return nil
	})
	return router
}

// publication is one message to be published.
type publication struct {
	Room   string
	Number uint32
	Pad    string
}

// published is what came of it.
type published struct {
	Outcome outcome
	Err     string
}

func (n *node) publish(p publication) (published, error) {
	err := n.router().Room(p.Room).Broadcast(context.Background(), newNote(uint64(p.Number), time.Now(), p.Pad))
	return outcomeOf(err), nil
}

// profiling is a CPU profile to be written.
type profiling struct {
	Path string
	For  time.Duration
}

func profile(p profiling) (any, error) {
	f, err := os.Create(p.Path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	time.Sleep(p.For)
	pprof.StopCPUProfile()
	return nil, f.Close()
}

func outcomeOf(err error) published {
	switch {
	case err == nil:
		return published{Outcome: acknowledged}
	case errors.Is(err, broker.ErrUnknownOutcome):
		return published{Outcome: unknown, Err: err.Error()}
	case errors.Is(err, broker.ErrUnavailable):
		return published{Outcome: refused, Err: err.Error()}
	}
	return published{Outcome: failed, Err: err.Error()}
}

// streaming is a steady stream to rooms in turn.
type streaming struct {
	Rooms     int // their names are roomName's
	First     int // number of the first message; each is First + i × Step, and goes to room number % Rooms
	Step      int
	N         int // messages
	PerSecond float64
	Pad       string
	Start     time.Time
}

// streamed is what came of it.
type streamed struct {
	Outcomes [failed + 1]int
	Err      string // the first
	Late     time.Duration
}

func roomName(i int) string { return fmt.Sprintf("room-%d", i) }

// stream begins each message when it is due, or late; none waits for the outcome of another, as far as the broker lets it.
func (n *node) stream(s streaming) (out streamed, err error) {
	due := make(chan int, s.N)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(64, s.N) {
		wg.Go(func() {
			for i := range due {
				number := s.First + i*s.Step
				at := s.at(i)
				p := outcomeOf(n.router().Room(roomName(number%s.Rooms)).Broadcast(context.Background(), newNote(uint64(number), at, s.Pad)))
				mu.Lock()
				out.Outcomes[p.Outcome]++
				if out.Err == "" {
					out.Err = p.Err
				}
				mu.Unlock()
			}
		})
	}
	for i := range s.N {
		if wait := time.Until(s.at(i)); wait > 0 {
			time.Sleep(wait)
		} else {
			out.Late = max(out.Late, -wait)
		}
		due <- i
	}
	close(due)
	wg.Wait()
	return out, nil
}

func (s *streaming) at(i int) time.Time {
	return s.Start.Add(time.Duration(float64(i) / s.PerSecond * float64(time.Second)))
}

// watched counts what a router asks of its broker.
type watched struct {
	broker.Broker
	topics atomic.Int64

	mu        sync.Mutex
	histories []historyCall
}

// historyCall is one call of History.
type historyCall struct {
	Topic string
	At    int64
}

// brokerUse is what a router has asked.
type brokerUse struct {
	Subscriptions int
	Histories     []historyCall // since it was asked before
}

func (w *watched) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	return w.count(w.Broker.Subscribe(ctx, topic, h))
}

func (w *watched) SubscribeBatches(ctx context.Context, topic string, h func([]broker.Message)) (broker.Position, func() error, error) {
	return w.count(w.Broker.(broker.Batcher).SubscribeBatches(ctx, topic, h))
}

// count counts a subscription until it ends.
func (w *watched) count(at broker.Position, unsubscribe func() error, err error) (broker.Position, func() error, error) {
	if err != nil {
		return at, unsubscribe, err
	}
	w.topics.Add(1)
	return at, sync.OnceValue(func() error {
		w.topics.Add(-1)
		return unsubscribe()
	}), nil
}

func (w *watched) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	w.mu.Lock()
	w.histories = append(w.histories, historyCall{topic, time.Now().UnixNano()})
	w.mu.Unlock()
	return w.Broker.(broker.Historian).History(ctx, topic, since, limit)
}

func (w *watched) Notify(f func(broker.State)) { w.Broker.(broker.Stateful).Notify(f) }

func (w *watched) take() brokerUse {
	w.mu.Lock()
	defer w.mu.Unlock()
	use := brokerUse{int(w.topics.Load()), w.histories}
	w.histories = nil
	return use
}

// runChild is the main of a child.
func runChild(role, config string, in io.Reader, out io.Writer) error {
	var v reliability.Verbs
	var err error
	switch role {
	case "node":
		v, err = newNode(config)
	case "broker":
		v, err = newBroker(config)
	case "load":
		v, err = newLoad(config)
	default:
		err = fmt.Errorf("there is no role %q", role)
	}
	if err != nil {
		return err
	}
	return v.Answer(in, out)
}
