//go:build linux

package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

// childEnv holds the mode of the server that this process is to be.
const childEnv = "WSROUTER_HOSTILE_CHILD"

// poisonEnv is set for a server whose pools are poisoned.
const poisonEnv = "WSROUTER_HOSTILE_POISON"

// plainMode is a server of TCP that sends back what it gets, to tell what the machine takes from what the router does.
const plainMode = "plain"

func bePlain() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childEnv); mode {
	case "":
		os.Exit(m.Run())
	case plainMode:
		bePlain()
	default:
		beServer(mode)
	}
}

// limit is how long a message may be, but on /big; outbox is what may wait for one connection, as it comes.
const (
	limit    = 64 << 10
	bigLimit = 512 << 10
	outbox   = 256 << 10
)

// Short times, so that a peer that costs time does not cost the test much of it.
const (
	headerTime  = 500 * time.Millisecond // for a request, at the second address
	quickPing   = 200 * time.Millisecond // on /quick: pings, the wait for a pong
	quickWrite  = 300 * time.Millisecond // on /quick: of one message to a peer that does not read
	slowWhole   = 300 * time.Millisecond // on /slow: for a message to be complete
	allowedHost = "chat.example"         // on /hosts, beside 127.0.0.1
)

// session has a parameter, so that hostile ones have somewhere to go.
type session struct {
	Level int `query:"level" required:"false" minimum:"0" maximum:"10"`
}

type conn = wsrouter.Conn[session]

// An echo is answered by itself.
type echo struct {
	_    struct{}  `ws:"echo"`
	Text string    `json:"text"`
	N    int64     `json:"n,omitzero"`
	F    float64   `json:"f,omitzero"`
	List []float64 `json:"list,omitzero"`
}

// A later is answered at once, and again and again by another goroutine, at last when its connection has ended.
type later struct {
	_    struct{} `ws:"later"`
	Text string   `json:"text"`
}

// A block keeps its handler until the connection ends.
type block struct {
	_ struct{} `ws:"block"`
}

// A flood is answered by as many echoes as a peer can make us keep.
type flood struct {
	_ struct{} `ws:"flood"`
}

func newRouter(mode string, logger *slog.Logger, change func(*wsrouter.Options)) *wsrouter.Router[session] {
	o := &wsrouter.Options{Logger: logger, Idle: mode == "idle"}
	if change != nil {
		change(o)
	}
	r := wsrouter.New[session](o)
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m echo) error { return c.Send(ctx, m) }, wsrouter.Sends(echo{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m later) error {
		go func() {
			for range 20 {
				if c.Send(ctx, m) != nil {
					break
				}
				runtime.Gosched()
			}
			<-ctx.Done()
			_ = c.Send(context.Background(), m) // on a connection that has ended
		}()
		return c.Send(ctx, m)
	}, wsrouter.Sends(later{}))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m block) error {
		<-ctx.Done()
		return nil
	})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m flood) error {
		for e := (echo{Text: strings.Repeat("f", 16<<10)}); ; {
			if err := c.Send(ctx, e); err != nil {
				return err
			}
		}
	}, wsrouter.Sends(echo{}))
	return r
}

var endpoints = []string{"/ws", "/calm", "/big", "/quick", "/slow", "/wait", "/hosts", "/deflate"}

// routes are the endpoints of the child.
func routes(mode string, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux() // whose paths stand in endpoints too
	mux.Handle("/ws", newRouter(mode, logger, nil))
	mux.Handle("/calm", newRouter(mode, logger, func(o *wsrouter.Options) { o.PingInterval = -1 })) // for others, who read only now and then
	mux.Handle("/big", newRouter(mode, logger, func(o *wsrouter.Options) { o.MaxMessage = bigLimit }))
	mux.Handle("/quick", newRouter(mode, logger, func(o *wsrouter.Options) {
		o.PingInterval, o.PongTimeout, o.WriteTimeout = quickPing, quickPing, quickWrite
	}))
	mux.Handle("/slow", newRouter(mode, logger, func(o *wsrouter.Options) { o.MessageTimeout = slowWhole }))
	mux.Handle("/wait", newRouter(mode, logger, func(o *wsrouter.Options) {
		o.WriteTimeout, o.Overflow = quickWrite, wsrouter.OverflowWait
	}))
	mux.Handle("/hosts", newRouter(mode, logger, func(o *wsrouter.Options) { o.Hosts = []string{allowedHost, "127.0.0.1"} }))
	mux.Handle("/deflate", newRouter(mode, logger, func(o *wsrouter.Options) { o.Compression = &wsrouter.Compression{} }))
	return mux
}

// stat is what the child knows of itself.
type stat struct {
	Goroutines int
	CPU        time.Duration
	LogLines   int
	Errors     []string // lines of level error, a few of them, since the last stat
	Stacks     string   `json:",omitempty"`
}

// beServer serves until stdin ends, and answers a line there by one on stdout. The first two lines it writes are its addresses.
func beServer(mode string) {
	testhook.Poison = os.Getenv(poisonEnv) != ""
	debug.SetTraceback("all")
	lines := &logLines{}
	handler := routes(mode, slog.New(slog.NewTextHandler(lines, nil)))
	for _, patience := range []time.Duration{time.Minute, headerTime} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		srv := wsrouter.Server(handler)
		srv.ReadHeaderTimeout, srv.ErrorLog = patience, log.New(lines, "", 0)
		go func() { log.Fatal(srv.Serve(l)) }()
		fmt.Println(l.Addr())
	}

	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var s stat
		switch in.Text() {
		case "settle":
			debug.FreeOSMemory()
		case "stacks":
			b := make([]byte, 1<<20)
			s.Stacks = string(b[:runtime.Stack(b, true)])
		}
		s.Goroutines, s.CPU = runtime.NumGoroutine(), usedCPU()
		s.LogLines, s.Errors = lines.take()
		if err := out.Encode(s); err != nil {
			log.Fatal(err)
		}
	}
}

func usedCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// logLines counts what is logged, and keeps what should never be.
type logLines struct {
	mu     sync.Mutex
	n      int
	errors []string
}

var _ io.Writer = (*logLines)(nil)

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if bytes.Contains(p, []byte("level=ERROR")) || bytes.Contains(p, []byte("panic")) {
		if len(l.errors) < 3 {
			l.errors = append(l.errors, string(p[:min(len(p), 2000)]))
		}
	}
	return len(p), nil
}

func (l *logLines) take() (n int, errors []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, errors = l.n, l.errors
	l.errors = nil
	return n, errors
}
