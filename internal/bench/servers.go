//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	nbio "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/lxzan/gws"
	"github.com/olahol/melody"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// A server echoes and takes every connection into one room.
type server struct {
	name  string
	start func(ln net.Listener) (room, error) // serves ln from then on
}

// A room is what a server is told to do with all its connections.
type room struct {
	members   func() int
	broadcast func(calls int) // so many of the server's own kind, one behind the other
}

// Names that jobs and bars refer to.
const (
	goroutines = "wsrouter"
	idle       = "wsrouter, idle mode"
	socket     = "wsconn alone"
	socketIdle = "wsconn alone, idle mode"
	limit      = "raw TCP"
)

var servers = []server{
	{goroutines, func(ln net.Listener) (room, error) { return routerServer(ln, false) }},
	{idle, func(ln net.Listener) (room, error) { return routerServer(ln, true) }},
	{socket, func(ln net.Listener) (room, error) { return socketServer(ln, false) }},
	{socketIdle, func(ln net.Listener) (room, error) { return socketServer(ln, true) }},
	{limit, rawServer},
	{"gorilla", gorillaServer},
	{"coder", coderServer},
	{"gws", gwsServer},
	{"nbio", nbioServer},
	{"gobwas", gobwasServer},
	{"melody", melodyServer},
}

// serveAs is the life of a server's process.
func serveAs(name string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var in room
	for _, s := range servers {
		if s.name == name {
			if in, err = s.start(ln); err != nil {
				return err
			}
		}
	}
	return serve(func(r request) (reply, error) {
		switch r.Do {
		case "addr":
			return reply{Addr: ln.Addr().String()}, nil
		case "members":
			return reply{Members: in.members()}, nil
		case "broadcast":
			in.broadcast(r.N)
			return reply{}, nil
		case "usage":
			u, err := used()
			return reply{Usage: u}, errors.Join(err, profile(r.Profile))
		case "collect":
			return reply{}, collect()
		}
		return reply{}, fmt.Errorf("cannot %q", r.Do)
	})
}

// overHTTP serves upgrades on net/http's server as it is.
func overHTTP(ln net.Listener, h http.HandlerFunc) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", h)
	go func() {
		fmt.Fprintln(os.Stderr, http.Serve(ln, mux))
		os.Exit(1)
	}()
}

// ---- the messages

type Say struct {
	_    struct{} `ws:"say"`
	Room string   `json:"room"`
	Text string   `json:"text"`
}

type Note struct {
	_    struct{} `ws:"note"`
	Text string   `json:"text"`
}

type Noted struct {
	_      struct{} `ws:"noted"`
	Length int      `json:"length"`
}

type Update struct {
	_    struct{} `ws:"update"`
	User string   `json:"user"`
	Text string   `json:"text"`
}

// What is sent: 96 bytes that come back, 16 KiB that are answered by a few, and 256 that are broadcast.
var (
	say    = padded(`{"type":"say","room":"lobby","text":"`, `"}`, 96)
	note   = padded(`{"type":"note","text":"`, `"}`, 16<<10)
	update = Update{User: "ada", Text: strings.Repeat("n", 256-len(`{"type":"update","user":"ada","text":""}`))}
)

func padded(before, after string, n int) string {
	words := strings.Repeat("how is everybody today? ", n/24+1)
	return before + words[:n-len(before)-len(after)] + after
}

// ---- wsrouter

// Session is what a connection brings.
type Session struct {
	User  string `query:"user" minLength:"1"`
	Level int    `query:"level" minimum:"1"`
	Agent string `header:"User-Agent"`
}

func routerServer(ln net.Listener, inIdleMode bool) (room, error) {
	r := wsrouter.New[Session](&wsrouter.Options{Idle: inIdleMode}) // its pings and limits
	all := r.Room("all")
	r.OnConnect(func(_ context.Context, c *wsrouter.Conn[Session]) error { return all.Join(c) })
	r.OnDisconnect(func(_ context.Context, _ *wsrouter.Conn[Session], info wsrouter.CloseInfo) {
		fmt.Fprintf(os.Stderr, "%+v\n", info) // no job has an end
	})
	r.Sends(Update{})
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[Session], m Say) error {
		return c.Send(ctx, m)
	}, wsrouter.Sends(Say{}))
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[Session], m Note) error {
		return c.Send(ctx, Noted{Length: len(m.Text)})
	}, wsrouter.Sends(Noted{}))
	overHTTP(ln, r.ServeHTTP)
	return room{
		members: func() (n int) {
			for range all.Members() {
				n++
			}
			return n
		},
		broadcast: func(calls int) {
			for range calls {
				if err := all.Broadcast(context.Background(), update); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		},
	}, nil
}

// ---- wsconn alone: frames, no JSON

// echoing is a socket's whole handler.
type echoing struct {
	socket *wsconn.Socket
	all    *members[*echoing]
}

func (e *echoing) Open() {}
func (e *echoing) Message(data []byte, binary bool) {
	b := wsconn.NewBuffer()
	b.B = append(b.B, data...)
	_ = e.socket.Send(context.Background(), b, binary, wsconn.Delivery{})
	b.Free()
}
func (e *echoing) Limited([]byte, bool) {}
func (e *echoing) Ended(wsconn.End)     { e.all.remove(e) }
func (e *echoing) Finish(wsconn.End)    {}
func (e *echoing) Released()            {}
func (e *echoing) Dropped(wsconn.Drops) {}

func socketServer(ln net.Listener, inIdleMode bool) (room, error) {
	all := newMembers[*echoing]()
	loop := wsconn.NewLoop(wsconn.Config{
		MaxMessage: 64 << 10, MaxFrames: 4096, ReadAhead: 64 << 10, Outbox: 256 << 10, PingInterval: 25 * time.Second,
		PongTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MessageTimeout: 30 * time.Second, CloseTimeout: time.Second,
		Idle: inIdleMode,
	})
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{})
		if err != nil {
			return
		}
		e := &echoing{all: all}
		e.socket = loop.New(conn, early, nil, e)
		all.add(e)
		e.socket.Start()
	})
	return room{all.count, func(calls int) {
		for range calls {
			b := wsconn.NewBuffer()
			b.B = append(b.B, encoded()...)
			f := wsconn.NewFrame(b, false)
			var flush []*wsconn.Socket
			all.each(func(e *echoing) {
				if yes, _, _ := e.socket.Queue(f, wsconn.Delivery{}); yes {
					flush = append(flush, e.socket)
				}
			})
			loop.FlushAll(flush, nil)
		}
	}}, nil
}

// ---- the limit: bytes come back as they came, one write for each read

func rawServer(ln net.Listener) (room, error) {
	all := newMembers[net.Conn]()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			all.add(c)
			go func() {
				defer all.remove(c)
				buf := make([]byte, 32<<10)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return room{all.count, func(calls int) {
		for range calls {
			data := gobwas.MustCompileFrame(gobwas.NewTextFrame(encoded()))
			all.each(func(c net.Conn) { c.Write(data) })
		}
	}}, nil
}

// ---- what people write by hand around other libraries

// route is the envelope and the switch.
func route(data []byte) ([]byte, error) {
	var envelope struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, err
	}
	switch envelope.Type {
	case "say":
		var m Say
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, err
		}
		return json.Marshal(struct {
			Type string `json:"type"`
			Room string `json:"room"`
			Text string `json:"text"`
		}{"say", m.Room, m.Text})
	case "note":
		var m Note
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, err
		}
		return json.Marshal(struct {
			Type   string `json:"type"`
			Length int    `json:"length"`
		}{"noted", len(m.Text)})
	}
	return nil, fmt.Errorf("unknown type %q", envelope.Type)
}

// encoded is the update as it travels.
func encoded() []byte {
	data, err := json.Marshal(struct {
		Type string `json:"type"`
		User string `json:"user"`
		Text string `json:"text"`
	}{"update", update.User, update.Text})
	if err != nil {
		panic(err)
	}
	return data
}

// members is a hand-written room.
type members[C comparable] struct {
	mu  sync.Mutex
	set map[C]struct{}
}

func newMembers[C comparable]() *members[C] { return &members[C]{set: map[C]struct{}{}} }

func (m *members[C]) add(c C)    { m.mu.Lock(); defer m.mu.Unlock(); m.set[c] = struct{}{} }
func (m *members[C]) remove(c C) { m.mu.Lock(); defer m.mu.Unlock(); delete(m.set, c) }
func (m *members[C]) count() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.set) }

func (m *members[C]) each(f func(C)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.set {
		f(c)
	}
}

func gorillaServer(ln net.Listener) (room, error) {
	type conn struct {
		mu sync.Mutex // of writes
		ws *gorilla.Conn
	}
	all := newMembers[*conn]()
	var upgrader gorilla.Upgrader
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		c := &conn{ws: ws}
		all.add(c)
		defer all.remove(c)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			answer, err := route(data)
			if err != nil {
				return
			}
			c.mu.Lock()
			err = ws.WriteMessage(gorilla.TextMessage, answer)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return room{all.count, func(calls int) {
		for range calls {
			message, err := gorilla.NewPreparedMessage(gorilla.TextMessage, encoded())
			if err != nil {
				panic(err)
			}
			all.each(func(c *conn) {
				c.mu.Lock()
				c.ws.WritePreparedMessage(message)
				c.mu.Unlock()
			})
		}
	}}, nil
}

func coderServer(ln net.Listener) (room, error) {
	all := newMembers[*coder.Conn]()
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		all.add(c)
		defer all.remove(c)
		for ctx := r.Context(); ; {
			_, data, err := c.Read(ctx)
			if err != nil {
				return
			}
			answer, err := route(data)
			if err != nil || c.Write(ctx, coder.MessageText, answer) != nil {
				return
			}
		}
	})
	return room{all.count, func(calls int) {
		for range calls {
			data := encoded()
			all.each(func(c *coder.Conn) { c.Write(context.Background(), coder.MessageText, data) })
		}
	}}, nil
}

// gwsEvents is gws's handler.
type gwsEvents struct {
	gws.BuiltinEventHandler
	all *members[*gws.Conn]
}

func (e *gwsEvents) OnOpen(c *gws.Conn)           { e.all.add(c) }
func (e *gwsEvents) OnClose(c *gws.Conn, _ error) { e.all.remove(c) }

func (e *gwsEvents) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	answer, err := route(message.Bytes())
	if err != nil {
		c.WriteClose(1007, nil)
		return
	}
	c.WriteMessage(gws.OpcodeText, answer)
}

func gwsServer(ln net.Listener) (room, error) {
	all := newMembers[*gws.Conn]()
	upgrader := gws.NewUpgrader(&gwsEvents{all: all}, nil)
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop()
	})
	return room{all.count, func(calls int) {
		for range calls {
			b := gws.NewBroadcaster(gws.OpcodeText, encoded())
			all.each(func(c *gws.Conn) { b.Broadcast(c) })
			b.Close()
		}
	}}, nil
}

func nbioServer(ln net.Listener) (room, error) {
	logging.SetLevel(logging.LevelError)
	all := newMembers[*nbio.Conn]()
	upgrader := nbio.NewUpgrader()
	upgrader.OnOpen(all.add)
	upgrader.OnClose(func(c *nbio.Conn, _ error) { all.remove(c) })
	upgrader.OnMessage(func(c *nbio.Conn, _ nbio.MessageType, data []byte) {
		answer, err := route(data)
		if err != nil {
			c.Close()
			return
		}
		c.WriteMessage(nbio.TextMessage, answer)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) { upgrader.Upgrade(w, r, nil) })
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp",
		Addrs:   []string{ln.Addr().String()},
		Listen:  func(string, string) (net.Listener, error) { return ln, nil },
		Handler: mux,
	})
	return room{all.count, func(calls int) {
		for range calls {
			data := encoded()
			all.each(func(c *nbio.Conn) { c.WriteMessage(nbio.TextMessage, data) })
		}
	}}, engine.Start()
}

func gobwasServer(ln net.Listener) (room, error) {
	all := newMembers[net.Conn]()
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, _, _, err := gobwas.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		all.add(c)
		go func() {
			defer c.Close()
			defer all.remove(c)
			for {
				data, _, err := wsutil.ReadClientData(c)
				if err != nil {
					return
				}
				answer, err := route(data)
				if err != nil || wsutil.WriteServerText(c, answer) != nil {
					return
				}
			}
		}()
	})
	return room{all.count, func(calls int) {
		for range calls {
			data := gobwas.MustCompileFrame(gobwas.NewTextFrame(encoded()))
			all.each(func(c net.Conn) { c.Write(data) })
		}
	}}, nil
}

func melodyServer(ln net.Listener) (room, error) {
	m := melody.New()
	m.Config.MaxMessageSize = 64 << 10 // 512 bytes unless said
	m.HandleMessage(func(s *melody.Session, data []byte) {
		answer, err := route(data)
		if err != nil {
			s.Close()
			return
		}
		s.Write(answer)
	})
	overHTTP(ln, func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
	return room{m.Len, func(calls int) {
		for range calls {
			m.Broadcast(encoded())
		}
	}}, nil
}
