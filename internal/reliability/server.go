//go:build linux && (amd64 || arm64)

package reliability

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

// A Mode is how the router waits for what idle connections receive.
type Mode string

const (
	Goroutines Mode = "goroutines"
	Idle       Mode = "idle"
)

// ServerConfig says how to serve. Zero values are the router's defaults.
type ServerConfig struct {
	Mode       Mode
	Outbox     int
	Overflow   wsrouter.Overflow
	Ping, Pong time.Duration
	MaxMessage int
	SendBuffer int    // SO_SNDBUF of each connection, so that a slow reader costs little
	Panic      string // name of a [Position]
	Profile    bool   // know where every live object was allocated; slow
}

func (cfg *ServerConfig) options(log slog.Handler) *wsrouter.Options {
	return &wsrouter.Options{
		Outbox: cfg.Outbox, Overflow: cfg.Overflow, PingInterval: cfg.Ping, PongTimeout: cfg.Pong, MaxMessage: cfg.MaxMessage,
		Idle: cfg.Mode == Idle, Logger: slog.New(log),
	}
}

// An End is one call of OnDisconnect.
type End struct {
	ID   string
	Code int
	At   int64 // time.Now().UnixNano(), like all times here
}

// Visitor is the session of the server's router.
type Visitor struct {
	ID     string `query:"id" required:"false"`
	Room   string `query:"room" required:"false"` // joined at once
	Refuse bool   `query:"refuse" required:"false"`
	Panics byText `query:"panics" required:"false"` // in its decoder, or in Resolve
}

// Resolve refuses who asks for it.
func (v *Visitor) Resolve(_ context.Context, r *http.Request) error {
	if r.URL.Query().Has("resolve") {
		panic("as you like")
	}
	if v.Refuse {
		return wsrouter.Reject(http.StatusForbidden, "as you like")
	}
	return nil
}

type (
	// Do is what clients ask for.
	Do struct {
		_    struct{} `ws:"do"`
		What string   `json:"what" enum:"echo,close,panic,flood,queue,rooms,wait"`
		N    int      `json:"n" required:"false"`
		Room string   `json:"room" required:"false"`
	}
	// Note is what they get.
	Note struct {
		_   struct{} `ws:"note"`
		At  int64    `json:"at"` // when it was due
		N   int      `json:"n"`
		Pad string   `json:"pad"`
	}
)

type conn = wsrouter.Conn[Visitor]

// server is the process that holds the router.
type server struct {
	cfg     ServerConfig
	router  *wsrouter.Router[Visitor]
	address string
	gate    chan struct{} // holds back the handlers of "wait"
	log     *capture

	mu    sync.Mutex
	ends  []End
	began []string // who waits, or has waited
	rooms map[string]bool
}

func newServer(config string) (Verbs, error) {
	s := &server{gate: make(chan struct{}), log: &capture{}, rooms: map[string]bool{}}
	if err := json.Unmarshal([]byte(config), &s.cfg); err != nil {
		return nil, err
	}
	if s.cfg.Profile {
		runtime.MemProfileRate = 1
	}
	if err := s.declare(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return Verbs{
		"address":   Verb(func(struct{}) (string, error) { return s.address, nil }),
		"stats":     Verb(func(struct{}) (Stats, error) { return s.stats() }),
		"held":      Verb(func(struct{}) (Holding, error) { return holding() }),
		"collect":   Verb(func(struct{}) (any, error) { debug.FreeOSMemory(); return nil, nil }),
		"ends":      Verb(func(struct{}) ([]End, error) { return s.takeEnds(), nil }),
		"began":     Verb(func(struct{}) ([]string, error) { return s.whoBegan(), nil }),
		"release":   Verb(func(struct{}) (any, error) { close(s.gate); return nil, nil }),
		"broadcast": Verb(s.broadcast),
		"fill":      Verb(s.fill),
		"shutdown":  Verb(s.shutdown),
		"logs":      Verb(func(struct{}) ([]string, error) { return s.log.take(), nil }),
		"bomb":      Verb(func(struct{}) (string, error) { return s.bomb(), nil }),
	}, nil
}

// declare makes the router.
func (s *server) declare() error {
	if s.cfg.Panic != "" {
		return s.declarePanic()
	}
	s.router = wsrouter.New[Visitor](s.cfg.options(s.log))
	s.router.Sends(Note{})
	s.router.OnConnect(func(_ context.Context, c *conn) error {
		if c.Session.Room == "" {
			return nil
		}
		return s.room(c.Session.Room).Join(c)
	})
	s.router.OnDisconnect(func(_ context.Context, c *conn, info wsrouter.CloseInfo) { s.ended(c, info) })
	wsrouter.Receive(s.router, s.do)
	s.router.Describe()
	return nil
}

// listen serves on a port of its own.
func (s *server) listen() error {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if s.cfg.SendBuffer == 0 {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, s.cfg.SendBuffer)
		})
		return firstOf(err, failed)
	}}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	srv := &http.Server{Handler: s.router, ErrorLog: slog.NewLogLogger(s.log, slog.LevelError)}
	go func() { _ = srv.Serve(l) }() // until the process ends
	return nil
}

// room also notes the name, so that members can be counted.
func (s *server) room(name string) wsrouter.Room[Visitor] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(name, "slow ") { // which are many
		s.rooms[name] = true
	}
	return s.router.Room(name)
}

func (s *server) ended(c *conn, info wsrouter.CloseInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, End{c.Session.ID, info.Code, time.Now().UnixNano()})
}

// do is the handler.
func (s *server) do(ctx context.Context, c *conn, m Do) error {
	switch m.What {
	case "echo":
		return c.Send(ctx, Note{N: m.N})
	case "close":
		return wsrouter.Close(4000, "as you like")
	case "panic":
		panic("as you like")
	case "flood": // until every member's outbox has been full
		room := s.router.Room(m.Room)
		for slices.Collect(room.Members()) != nil {
			if err := room.Broadcast(ctx, Note{Pad: strings.Repeat("x", 4<<10)}); err != nil {
				return err
			}
		}
		return c.Send(ctx, Note{})
	case "queue": // a close frame behind a queue
		for i := range m.N {
			if err := c.Send(ctx, Note{N: i}); err != nil {
				return err
			}
		}
		c.Close(4001, "behind the queue")
		return nil
	case "rooms": // the client ends while it is a member
		for i := range m.N {
			room := s.room(fmt.Sprint("room ", i))
			if err := room.Join(c); err != nil {
				return err
			}
			if i%2 == 0 {
				room.Leave(c)
			}
		}
		return c.Send(ctx, Note{N: m.N})
	case "wait":
		return s.wait(ctx, c, m)
	}
	return fmt.Errorf("reliability: what is %q", m.What)
}

// wait holds its answer back until "release", and then N ms.
func (s *server) wait(ctx context.Context, c *conn, m Do) error {
	s.begins(c)
	<-s.gate
	<-time.After(time.Duration(m.N) * time.Millisecond)
	return c.Send(ctx, Note{N: m.N})
}

// begins notes that c's handler has begun to wait.
func (s *server) begins(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = append(s.began, c.Session.ID)
}

func (s *server) takeEnds() []End {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := s.ends
	s.ends = nil
	return ends
}

func (s *server) whoBegan() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.began...)
}

func (s *server) stats() (Stats, error) {
	members := 0
	s.mu.Lock()
	for name := range s.rooms {
		for range s.router.Room(name).Members() {
			members++
		}
	}
	s.mu.Unlock()
	st, err := measure(s.cfg.Profile)
	st.Members = members
	return st, err
}

// Broadcast is a steady stream to a room.
type Broadcast struct {
	Room      string
	Size      int // of the padding, bytes
	PerSecond int
	For       time.Duration
}

// broadcast sends each message when it is due, or late, but none is left out and none forgets when it was due.
func (s *server) broadcast(b Broadcast) (sent int, err error) {
	room := s.room(b.Room)
	pad := padding(b.Size)
	pause := time.Second / time.Duration(b.PerSecond)
	began := time.Now()
	for due := began; due.Sub(began) < b.For; due = due.Add(pause) {
		<-time.After(time.Until(due))
		if err := room.Broadcast(context.Background(), Note{At: due.UnixNano(), Pad: pad}); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

// fill sends every member messages of its own, as the overflow policy lets it, and returns how many bytes were taken.
func (s *server) fill(b Broadcast) (taken int, err error) {
	pad := padding(b.Size)
	for c := range s.room(b.Room).Members() {
		for {
			if err := c.Send(context.Background(), Note{Pad: pad}); err != nil {
				break
			}
			taken += len(pad)
		}
	}
	return taken, nil
}

// padding is text that no compression makes small.
func padding(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rand.IntN(26))
	}
	return string(b)
}

// Stopped is what came of a shutdown.
type Stopped struct {
	Began, Done int64
	Err         string
}

// shutdown stops the router within seconds.
func (s *server) shutdown(within time.Duration) (Stopped, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	st := Stopped{Began: time.Now().UnixNano()}
	if err := s.router.Shutdown(ctx); err != nil {
		st.Err = err.Error()
	}
	st.Done = time.Now().UnixNano()
	return st, nil
}

// capture is a log that keeps what is not for debugging.
type capture struct {
	mu    sync.Mutex
	lines []string
	trap  func(slog.Record) // may panic
}

func (*capture) Enabled(_ context.Context, l slog.Level) bool { return l > slog.LevelDebug }
func (h *capture) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h *capture) WithGroup(string) slog.Handler              { return h }

func (h *capture) Handle(_ context.Context, r slog.Record) error {
	if h.trap != nil {
		h.trap(r)
	}
	if r.Level < slog.LevelWarn && strings.Contains(r.Message, "refused") { // asked for
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.lines) < 1000 {
		h.lines = append(h.lines, r.Message)
	}
	return nil
}

func (h *capture) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return lines
}
