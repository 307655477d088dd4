package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
)

type Say struct {
	_    struct{} `ws:"say" doc:"A text said in the chat."`
	Text string   `json:"text" minLength:"1"`
}
type Said struct {
	_    struct{} `ws:"said"`
	Text string   `json:"text"`
}
type Conn = wsrouter.Conn[struct{}]

func onSay(ctx context.Context, c *Conn, m Say) error {
	return c.Send(ctx, Said{Text: m.Text + "!"})
}

// talk connects to h, sends each message and prints the answer to it.
func talk(h http.Handler, messages ...string) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ws.CloseNow()
	for _, m := range messages {
		fmt.Println("→", m)
		if err := ws.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			fmt.Println(err)
		}
		_, answer, err := ws.Read(ctx)
		if err != nil {
			fmt.Println("←", websocket.CloseStatus(err))
			return
		}
		fmt.Printf("← %s\n", answer)
	}
}

// quiet keeps the log out of the output.
var quiet = slog.New(slog.DiscardHandler)

func Example() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, onSay, wsrouter.Sends(Said{}))

	talk(chat, `{"type":"say","text":"hi"}`, `{"type":"say","text":""}`)
	// Output:
	// → {"type":"say","text":"hi"}
	// ← {"type":"said","text":"hi!"}
	// → {"type":"say","text":""}
	// ← {"type":"error","code":"validation_failed","detail":"1 issue","issues":[{"path":"/text","code":"minLength","message":"must have at least 1 character","params":{"minLength":1},"input":""}]}
}

func ExampleNew() {
	chat := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "event", Payload: "data"})
	wsrouter.Receive(chat, onSay, wsrouter.Sends(Said{}))

	talk(chat, `{"event":"say","data":{"text":"hi"}}`)
	// Output:
	// → {"event":"say","data":{"text":"hi"}}
	// ← {"event":"said","data":{"text":"hi!"}}
}

func ExampleReceive() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, func(ctx context.Context, c *Conn, m Say) error {
		if m.Text == "bye" {
			return wsrouter.Close(1000, "see you")
		}
		return c.Send(ctx, Said{Text: m.Text})
	}, wsrouter.Sends(Said{}), wsrouter.Summary("Say something"))

	talk(chat, `{"type":"say","text":"hi"}`, `{"type":"say","text":"bye"}`)
	// Output:
	// → {"type":"say","text":"hi"}
	// ← {"type":"said","text":"hi"}
	// → {"type":"say","text":"bye"}
	// ← StatusNormalClosure
}

func ExampleRespond() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Respond(chat, func(_ context.Context, _ *Conn, q Say) (Said, error) {
		return Said{Text: strings.ToUpper(q.Text)}, nil
	})

	talk(chat, `{"type":"say","id":"q1","text":"hi"}`)
	// Output:
	// → {"type":"say","id":"q1","text":"hi"}
	// ← {"type":"said","id":"q1","text":"HI"}
}

func ExampleErrorf() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, func(context.Context, *Conn, Say) error {
		return wsrouter.Errorf("not_joined", "join before you speak")
	})

	talk(chat, `{"type":"say","text":"hi"}`)
	// Output:
	// → {"type":"say","text":"hi"}
	// ← {"type":"error","code":"not_joined","detail":"join before you speak"}
}

// Member is a session: its tags are decoded from the upgrade request, and Resolve decides who may connect.
type Member struct {
	Room  string `path:"room" doc:"The room to enter."`
	Level int    `query:"level" default:"1" minimum:"1"`
}

func (m *Member) Resolve(ctx context.Context, r *http.Request) error {
	if m.Room != "lobby" {
		return wsrouter.Reject(http.StatusNotFound, "no such room")
	}
	return nil
}

func ExampleReject() {
	mux := http.NewServeMux()
	mux.Handle("GET /ws/{room}", wsrouter.New[Member](&wsrouter.Options{Logger: quiet}))
	srv := httptest.NewServer(mux)
	defer srv.Close()

	for _, path := range []string{"/ws/cellar", "/ws/lobby?level=0"} { // a plain GET learns the same as an upgrade
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%d %s", resp.StatusCode, body)
	}
	// Output:
	// 404 {"code":"not_found","detail":"no such room"}
	// 400 {"code":"validation_failed","detail":"1 issue","issues":[{"path":"/query/level","code":"minimum","message":"must be at least 1","params":{"minimum":1},"input":0}]}
}

func ExampleRouter_OnConnect() {
	chat := wsrouter.New[struct{}](nil)
	chat.Sends(Said{})
	chat.OnConnect(func(ctx context.Context, c *Conn) error { return c.Send(ctx, Said{Text: "welcome"}) })

	talk(chat, `{"type":"say","text":"hi"}`)
	// Output:
	// → {"type":"say","text":"hi"}
	// ← {"type":"said","text":"welcome"}
}

func ExampleRouter_OnFallback() {
	chat := wsrouter.New[struct{}](nil)
	chat.Sends(Said{})
	chat.OnFallback(func(ctx context.Context, c *Conn, f wsrouter.Frame, err error) error {
		return c.Send(ctx, Said{Text: "what? " + err.Error()})
	})
	wsrouter.Receive(chat, onSay, wsrouter.Sends(Said{}))

	talk(chat, `{"type":"sey","text":"hi"}`)
	// Output:
	// → {"type":"sey","text":"hi"}
	// ← {"type":"said","text":"what? unknown_type: /type unknown type \"sey\", did you mean \"say\"?"}
}

func ExampleRouter_Use() {
	chat := wsrouter.New[struct{}](nil)
	chat.Use(func(next wsrouter.Handler[struct{}]) wsrouter.Handler[struct{}] {
		return func(ctx context.Context, c *Conn, in *wsrouter.Incoming) error {
			start := time.Now()
			err := next(ctx, c, in)
			fmt.Println(in.Name, "took less than a minute:", time.Since(start) < time.Minute)
			return err
		}
	})
	wsrouter.Receive(chat, func(_ context.Context, c *Conn, m Say) error { return wsrouter.Close(1000, "") })

	talk(chat, `{"type":"say","text":"hi"}`)
	// Output:
	// → {"type":"say","text":"hi"}
	// say took less than a minute: true
	// ← StatusNormalClosure
}

func ExampleRouter_Dispatch() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, onSay, wsrouter.Sends(Said{}))
	chat.Dispatch(func(ctx context.Context, c *Conn, routes *wsrouter.Routes[struct{}], f wsrouter.Frame) error {
		if name, body, ok := strings.Cut(string(f.Data), " "); ok && !strings.HasPrefix(name, "{") {
			return routes.Handle(ctx, c, name, []byte(body)) // a line protocol beside JSON
		}
		return routes.Default(ctx, c, f)
	})

	talk(chat, `say {"text":"a line"}`, `{"type":"say","text":"an object"}`)
	// Output:
	// → say {"text":"a line"}
	// ← {"type":"said","text":"a line!"}
	// → {"type":"say","text":"an object"}
	// ← {"type":"said","text":"an object!"}
}

func ExampleRoom_Broadcast() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, func(ctx context.Context, c *Conn, m Say) error {
		lobby := chat.Room("lobby")
		if err := lobby.Join(c); err != nil {
			return err
		}
		return lobby.Broadcast(ctx, Said{Text: m.Text}) // wsrouter.Except(c) leaves the speaker out
	}, wsrouter.Sends(Said{}))

	talk(chat, `{"type":"say","text":"hi, all"}`)
	// Output:
	// → {"type":"say","text":"hi, all"}
	// ← {"type":"said","text":"hi, all"}
}

// A token that is good for an hour opens a connection for an hour; a client that sends a new one stays.
func ExampleConn_ExpireAt() {
	type Renew struct {
		_     struct{} `ws:"renew"`
		Token string   `json:"token"`
	}
	expiry := func(token string) time.Time { // of a JWT, the claim exp
		if token == "good" {
			return time.Now().Add(time.Hour)
		}
		return time.Now()
	}
	r := wsrouter.New[struct{}](&wsrouter.Options{Logger: quiet})
	wsrouter.Respond(r, func(ctx context.Context, c *Conn, m Renew) (Said, error) {
		c.ExpireAt(expiry(m.Token))
		return Said{Text: "renewed"}, nil
	})
	wsrouter.Receive(r, onSay, wsrouter.Sends(Said{}))
	r.OnConnect(func(ctx context.Context, c *Conn) error { c.ExpireAt(time.Now().Add(time.Minute)); return nil })
	srv := httptest.NewServer(r)
	defer srv.Close()

	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ws.CloseNow()
	_ = ws.Write(ctx, websocket.MessageText, []byte(`{"type":"renew","token":"good"}`))
	_, answer, _ := ws.Read(ctx)
	fmt.Println(string(answer))
	_ = ws.Write(ctx, websocket.MessageText, []byte(`{"type":"renew","token":"bad"}`))
	for err == nil { // it may still be answered
		_, _, err = ws.Read(ctx)
	}
	fmt.Println(int(websocket.CloseStatus(err)))
	// Output:
	// {"type":"said","text":"renewed"}
	// 4401
}

// An Observer counts what its application wants to know; package wsotel has one that knows all.
func ExampleObserver() {
	r := wsrouter.New[struct{}](&wsrouter.Options{Logger: quiet, Observer: &wsrouter.Observer{
		Message: func(_ context.Context, e wsrouter.MessageEvent) {
			fmt.Printf("handled %q, %d bytes: %s\n", e.Name, e.Size, e.Outcome)
		},
		Upgrade: func(_ context.Context, e wsrouter.UpgradeEvent) { fmt.Printf("upgrade: %d %q\n", e.Status, e.Code) },
	}})
	wsrouter.Receive(r, func(context.Context, *Conn, Say) error { return wsrouter.Close(1000, "") })
	talk(r, `{"type":"say","text":"hi"}`)
	r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	_ = r.Shutdown(context.Background())
	// Unordered output:
	// upgrade: 101 ""
	// → {"type":"say","text":"hi"}
	// ← StatusNormalClosure
	// handled "say", 26 bytes: close
	// upgrade: 426 "upgrade_required"
}

func ExampleRouter_Stats() {
	r := wsrouter.New[struct{}](&wsrouter.Options{Logger: quiet})
	wsrouter.Receive(r, onSay, wsrouter.Sends(Said{}))
	talk(r, `{"type":"say","text":"hi"}`, `{"type":"say","text":"ho"}`)
	_ = r.Shutdown(context.Background())
	s := r.Stats()
	fmt.Println(s.Conns, "open,", s.Opened, "opened,", s.Received, "received,", s.Sent, "sent")
	// Output:
	// → {"type":"say","text":"hi"}
	// ← {"type":"said","text":"hi!"}
	// → {"type":"say","text":"ho"}
	// ← {"type":"said","text":"ho!"}
	// 0 open, 1 opened, 2 received, 2 sent
}

func ExampleRouter_Describe() {
	chat := wsrouter.New[struct{}](nil)
	wsrouter.Receive(chat, onSay, wsrouter.Sends(Said{}))

	for _, op := range chat.Describe().Receives {
		fmt.Println(op.Handler, op.Message.Name, op.Message.Description, op.Sends[0].Name)
	}
	// Output:
	// onSay say A text said in the chat. said
}

func ExampleRouter_Shutdown() {
	chat := wsrouter.New[struct{}](nil)
	srv := &http.Server{Handler: chat}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(srv.Shutdown(ctx))  // HTTP, which knows nothing of WebSockets
	fmt.Println(chat.Shutdown(ctx)) // their handlers finish, then they close with 1001
	// Output:
	// <nil>
	// <nil>
}

// Player joins the room of its Game and is known there by its Name.
type Player struct {
	Game string `query:"game"`
	Name string `query:"name"`
}
type Seat struct {
	Name string `json:"name" maxLength:"40"`
}

// Two servers share a broker; who plays on the one hears who plays on the other.
func ExamplePresence() {
	nodes := broker.New(nil) // of several processes: natsbroker.Connect
	start := func() *wsrouter.Router[Player] {
		r := wsrouter.New[Player](&wsrouter.Options{Broker: nodes})
		wsrouter.Presence(r, func(c *wsrouter.Conn[Player], room string) Seat { return Seat{Name: c.Session.Name} })
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[Player]) error { return r.Room(c.Session.Game).Join(c) })
		return r
	}
	one, two := start(), start()
	ann := sit(one, "ann")
	hear(ann)
	bob := sit(two, "bob")
	hear(ann)
	bob.Close(websocket.StatusNormalClosure, "")
	hear(ann)

	seats, _, err := wsrouter.WhoIs[Seat](context.Background(), one.Room("chess"), "", 10)
	for _, s := range seats {
		fmt.Println("there is", s.Info.Name)
	}
	fmt.Println(err)

	// Output:
	// chess: [ann] came, 0 left
	// chess: [bob] came, 0 left
	// chess: [] came, 1 left
	// there is ann
	// <nil>
}

// sit connects to a router as somebody.
func sit(h http.Handler, name string) *websocket.Conn {
	srv := httptest.NewServer(h)
	ws, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http")+"/?game=chess&name="+name, nil)
	if err != nil {
		panic(err)
	}
	return ws
}

// hear prints the next presence message.
func hear(ws *websocket.Conn) {
	_, data, err := ws.Read(context.Background())
	var m wsrouter.PresenceChanged[Seat]
	if err := errors.Join(err, json.Unmarshal(data, &m)); err != nil {
		panic(err)
	}
	names := []string{}
	for _, p := range m.Joined {
		names = append(names, p.Info.Name)
	}
	fmt.Printf("%s: %v came, %d left\n", m.Room, names, len(m.Left))
}

func ExampleResume() {
	chat := wsrouter.New[struct{}](&wsrouter.Options{Resume: &wsrouter.Resume{}, Logger: quiet})
	chat.Sends(Said{})
	chat.OnResume(func(ctx context.Context, c *Conn, room string) error {
		if room != "lobby" {
			return wsrouter.Errorf("forbidden", "no such room")
		}
		return nil
	})
	chat.OnConnect(func(ctx context.Context, c *Conn) error { return chat.Room("lobby").Join(c) })

	first := listen(chat, "")
	first.next() // joined
	chat.Room("lobby").Broadcast(context.Background(), Said{Text: "one"})
	var said struct{ Position wsrouter.RoomPosition }
	if err := json.Unmarshal(first.next(), &said); err != nil {
		fmt.Println(err)
	}
	first.close()
	chat.Room("lobby").Broadcast(context.Background(), Said{Text: "two"}) // nobody hears it

	positions, _ := json.Marshal(map[string]string{"lobby": said.Position.At})
	again := listen(chat, "?resume="+url.QueryEscape(string(positions)))
	defer again.close()
	for range 2 {
		// The epoch is another each time.
		fmt.Println(strings.ReplaceAll(string(again.next()), strings.Split(said.Position.At, "-")[0], "EPOCH"))
	}
	// Output:
	// {"type":"joined","room":"lobby","position":{"room":"lobby","at":"EPOCH-1"},"recovered":true,"missed":1}
	// {"type":"said","text":"two","position":{"room":"lobby","at":"EPOCH-2"}}
}

// Who comes to the room is shown what was said before, in the messages that the others got.
func ExampleRoom_History() {
	chat := wsrouter.New[struct{}](&wsrouter.Options{Resume: &wsrouter.Resume{}})
	chat.Sends(Said{})
	lobby := chat.Room("lobby")
	chat.OnConnect(func(ctx context.Context, c *Conn) error {
		if err := lobby.Join(c); err != nil { // first, so that nothing is missed in between
			return err
		}
		past, err := lobby.History(ctx, &wsrouter.HistoryOptions{Messages: 2, Types: []any{Said{}}})
		for _, p := range past {
			if err := c.Send(ctx, p); err != nil {
				return err
			}
		}
		return err
	})
	for _, text := range []string{"one", "two", "three"} {
		if err := lobby.Broadcast(context.Background(), Said{Text: text}); err != nil {
			fmt.Println(err)
		}
	}

	ann := listen(chat, "")
	defer ann.close()
	var joined wsrouter.Joined
	if err := json.Unmarshal(ann.next(), &joined); err != nil {
		fmt.Println(err)
	}
	epoch, _, _ := strings.Cut(joined.Position.At, "-") // another each time
	for range 2 {
		fmt.Println(strings.ReplaceAll(string(ann.next()), epoch, "EPOCH"))
	}
	// Output:
	// {"type":"said","text":"two","position":{"room":"lobby","at":"EPOCH-2"}}
	// {"type":"said","text":"three","position":{"room":"lobby","at":"EPOCH-3"}}
}

func ExampleRouter_SendTo() {
	chat := wsrouter.New[struct{}](nil)
	chat.Sends(Said{})
	chat.OnConnect(func(ctx context.Context, c *Conn) error {
		defer chat.SendTo(ctx, "ann", Said{Text: "for ann alone"})
		return c.SetUser("ann")
	})

	ann := listen(chat, "")
	defer ann.close()
	fmt.Println(string(ann.next()))
	// Output: {"type":"said","text":"for ann alone"}
}

// listener is a client of an example that only listens.
type listener struct {
	ws  *websocket.Conn
	srv *httptest.Server
}

// listen connects to chat with a query.
func listen(chat http.Handler, query string) *listener {
	srv := httptest.NewServer(chat)
	ws, _, err := websocket.Dial(context.Background(), srv.URL+"/"+query, nil)
	if err != nil {
		panic(err)
	}
	return &listener{ws, srv}
}

func (l *listener) next() []byte {
	_, data, err := l.ws.Read(context.Background())
	if err != nil {
		return []byte(err.Error())
	}
	return data
}

func (l *listener) close() {
	l.ws.Close(websocket.StatusNormalClosure, "")
	l.srv.Close()
}
