package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"
	jsonv2 "github.com/go-json-experiment/json"
	gorilla "github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"github.com/wsrouter-go/wsrouter"
)

// ---- the messages, in each server the same: one of ten is asked for, the others stand in the table

type Say struct {
	_      struct{} `ws:"say"`
	Room   string   `json:"room" minLength:"1" maxLength:"50"`
	Text   string   `json:"text" minLength:"1" maxLength:"500"`
	Urgent bool     `json:"urgent"`
}

type Said struct {
	_      struct{} `ws:"said"`
	Room   string   `json:"room"`
	Text   string   `json:"text"`
	Length int      `json:"length"`
}

type Update struct {
	_    struct{} `ws:"update"`
	User string   `json:"user"`
	Text string   `json:"text"`
}

type Other struct {
	ID string `json:"id"`
	N  int    `json:"n"`
}

// typed are the answer and the update for servers that write the type themselves.
type typedSaid struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	Text   string `json:"text"`
	Length int    `json:"length"`
}

type typedUpdate struct {
	Type string `json:"type"`
	User string `json:"user"`
	Text string `json:"text"`
}

// valid checks by hand what the tags of Say say.
func (m *Say) valid() error {
	if m.Room == "" || len(m.Room) > 50 {
		return errors.New("room must have 1 to 50 characters")
	}
	if m.Text == "" || len(m.Text) > 500 {
		return errors.New("text must have 1 to 500 characters")
	}
	return nil
}

// A server answers questions and takes every connection into one room, which broadcast speaks to.
type server struct {
	http.Handler
	broadcast func(Update)
	members   func() int // of the room
}

func newServer(name string) (server, error) {
	switch name {
	case "wsrouter":
		return wsrouterServer(), nil
	case "gorilla+json", "gorilla-hub":
		return gorillaServer(), nil
	case "coder+jsonv2", "coder-loop":
		return coderServer(), nil
	case "melody":
		return melodyServer(), nil
	}
	return server{}, fmt.Errorf("no server %q", name)
}

func wsrouterServer() server {
	type conn = wsrouter.Conn[struct{}]
	r := wsrouter.New[struct{}](nil)
	r.Sends(Update{})
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m Say) error {
		return c.Send(ctx, Said{Room: m.Room, Text: m.Text, Length: len(m.Text)})
	}, wsrouter.Sends(Said{}))
	room := r.Room("all")
	r.OnConnect(func(ctx context.Context, c *conn) error { return room.Join(c) })
	registerOthers(r)
	return server{r,
		func(u Update) { room.Broadcast(context.Background(), u) },
		func() (n int) {
			for range room.Members() {
				n++
			}
			return n
		},
	}
}

// answerTo is the envelope and switch that people write today, with either version of encoding/json.
func answerTo(data []byte, unmarshal func([]byte, any) error) (any, error) {
	var envelope struct {
		Type string `json:"type"`
	}
	if err := unmarshal(data, &envelope); err != nil {
		return nil, err
	}
	switch envelope.Type {
	case "say":
		var m Say
		if err := unmarshal(data, &m); err != nil {
			return nil, err
		}
		if err := m.valid(); err != nil {
			return nil, err
		}
		return typedSaid{Type: "said", Room: m.Room, Text: m.Text, Length: len(m.Text)}, nil
	case "join", "leave", "typing", "seen", "edit", "delete", "react", "invite", "kick":
		var m Other
		return nil, unmarshal(data, &m)
	}
	return nil, errors.New("unknown type")
}

func gorillaServer() server {
	type conn struct {
		mu sync.Mutex
		ws *gorilla.Conn
	}
	var mu sync.Mutex
	room := map[*conn]bool{}
	up := gorilla.Upgrader{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		c := &conn{ws: ws}
		mu.Lock()
		room[c] = true
		mu.Unlock()
		defer func() { mu.Lock(); delete(room, c); mu.Unlock() }()
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			answer, err := answerTo(data, json.Unmarshal)
			if err != nil || answer == nil {
				return
			}
			c.mu.Lock()
			err = ws.WriteJSON(answer)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	broadcast := func(u Update) {
		data, _ := json.Marshal(typedUpdate{"update", u.User, u.Text})
		message, err := gorilla.NewPreparedMessage(gorilla.TextMessage, data)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for c := range room {
			c.mu.Lock()
			c.ws.WritePreparedMessage(message)
			c.mu.Unlock()
		}
	}
	members := func() int { mu.Lock(); defer mu.Unlock(); return len(room) }
	return server{h, broadcast, members}
}

func coderServer() server {
	var mu sync.Mutex
	room := map[*coder.Conn]bool{}
	unmarshal := func(data []byte, v any) error { return jsonv2.Unmarshal(data, v) }
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		mu.Lock()
		room[c] = true
		mu.Unlock()
		defer func() { mu.Lock(); delete(room, c); mu.Unlock() }()
		ctx := r.Context()
		for {
			_, data, err := c.Read(ctx)
			if err != nil {
				return
			}
			answer, err := answerTo(data, unmarshal)
			if err != nil || answer == nil {
				return
			}
			data, err = jsonv2.Marshal(answer)
			if err != nil || c.Write(ctx, coder.MessageText, data) != nil {
				return
			}
		}
	})
	broadcast := func(u Update) {
		data, _ := jsonv2.Marshal(typedUpdate{"update", u.User, u.Text})
		mu.Lock()
		defer mu.Unlock()
		for c := range room {
			c.Write(context.Background(), coder.MessageText, data)
		}
	}
	members := func() int { mu.Lock(); defer mu.Unlock(); return len(room) }
	return server{h, broadcast, members}
}

func melodyServer() server {
	m := melody.New()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
	broadcast := func(u Update) {
		data, _ := json.Marshal(typedUpdate{"update", u.User, u.Text})
		m.Broadcast(data)
	}
	return server{h, broadcast, m.Len}
}

// The other nine messages.
type (
	Join   struct{ Other }
	Leave  struct{ Other }
	Typing struct{ Other }
	Seen   struct{ Other }
	Edit   struct{ Other }
	Delete struct{ Other }
	React  struct{ Other }
	Invite struct{ Other }
	Kick   struct{ Other }
)

func registerOthers(r *wsrouter.Router[struct{}]) {
	wsrouter.Receive(r, ignore[Join])
	wsrouter.Receive(r, ignore[Leave])
	wsrouter.Receive(r, ignore[Typing])
	wsrouter.Receive(r, ignore[Seen])
	wsrouter.Receive(r, ignore[Edit])
	wsrouter.Receive(r, ignore[Delete])
	wsrouter.Receive(r, ignore[React])
	wsrouter.Receive(r, ignore[Invite])
	wsrouter.Receive(r, ignore[Kick])
}

func ignore[M any](ctx context.Context, c *wsrouter.Conn[struct{}], m M) error { return nil }
