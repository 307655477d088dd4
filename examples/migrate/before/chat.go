// Package chat is a chat behind gin.
package chat

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/gorilla/websocket"
)

type Join struct {
	Name string `json:"name" binding:"required,max=20"`
}

type Say struct {
	Text string `json:"text" binding:"required,max=200"`
}

type Joined struct {
	Name string `json:"name"`
}

type Said struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

type Left struct {
	Name string `json:"name"`
}

type Error struct {
	Message string `json:"message"`
}

// Message is the envelope of all of them.
type Message struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Client is one connection.
type Client struct {
	conn *websocket.Conn
	room string
	name string // empty until it has joined

	mu sync.Mutex // gorilla/websocket allows one writer
}

func (c *Client) send(typ string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	text, err := json.Marshal(Message{typ, raw})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteMessage(websocket.TextMessage, text)
}

// Chat knows who is where.
type Chat struct {
	mu    sync.Mutex
	rooms map[string]map[*Client]bool
}

func (h *Chat) broadcast(room, typ string, data any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.rooms[room] {
		if err := c.send(typ, data); err != nil {
			log.Println("send:", err)
		}
	}
	return nil
}

func (h *Chat) join(c *Client, m Join) error {
	c.name = m.Name
	h.mu.Lock()
	if h.rooms[c.room] == nil {
		h.rooms[c.room] = map[*Client]bool{}
	}
	h.rooms[c.room][c] = true
	h.mu.Unlock()
	return h.broadcast(c.room, "joined", Joined(m))
}

func (h *Chat) say(c *Client, m Say) error {
	if c.name == "" {
		return errors.New("join first")
	}
	return h.broadcast(c.room, "said", Said{Name: c.name, Text: m.Text})
}

func (h *Chat) leave(c *Client) {
	h.mu.Lock()
	delete(h.rooms[c.room], c)
	h.mu.Unlock()
	if c.name != "" {
		_ = h.broadcast(c.room, "left", Left{Name: c.name})
	}
}

// handle finds what a message is for.
func (h *Chat) handle(c *Client, m Message) error {
	switch m.Type {
	case "join":
		var v Join
		if err := binding.JSON.BindBody(m.Data, &v); err != nil {
			return errors.New("bad message")
		}
		return h.join(c, v)
	case "say":
		var v Say
		if err := binding.JSON.BindBody(m.Data, &v); err != nil {
			return errors.New("bad message")
		}
		return h.say(c, v)
	}
	return errors.New("bad message")
}

var upgrader websocket.Upgrader

func (h *Chat) serve(g *gin.Context) {
	conn, err := upgrader.Upgrade(g.Writer, g.Request, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	c := &Client{conn: conn, room: g.Param("room")}
	defer h.leave(c)
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var m Message
		if err = json.Unmarshal(data, &m); err != nil {
			err = errors.New("bad message")
		} else {
			err = h.handle(c, m)
		}
		if err != nil {
			if err := c.send("error", Error{Message: err.Error()}); err != nil {
				return
			}
		}
	}
}

// New returns the chat at /ws/:room.
func New() http.Handler {
	h := &Chat{rooms: map[string]map[*Client]bool{}}
	r := gin.New()
	r.GET("/ws/:room", h.serve)
	return r
}
