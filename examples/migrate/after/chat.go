// Package chat is a chat behind gin.
package chat

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

type Join struct {
	Name string `json:"name" binding:"required,max=20" minLength:"1" maxLength:"20"`
}

type Say struct {
	Text string `json:"text" binding:"required,max=200" minLength:"1" maxLength:"200"`
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

// Client is one connection.
type Client struct {
	Room string `path:"room"`
	name string // empty until it has joined
}

type Conn = wsrouter.Conn[Client]

// Chat knows who is where.
type Chat struct {
	*wsrouter.Router[Client]
}

func (h *Chat) join(ctx context.Context, c *Conn, m Join) error {
	c.Session.name = m.Name
	if err := h.Room(c.Session.Room).Join(c); err != nil {
		return err
	}
	return h.Room(c.Session.Room).Broadcast(ctx, Joined(m))
}

func (h *Chat) say(ctx context.Context, c *Conn, m Say) error {
	if c.Session.name == "" {
		return wsrouter.Errorf("not_joined", "join first")
	}
	return h.Room(c.Session.Room).Broadcast(ctx, Said{Name: c.Session.name, Text: m.Text})
}

func (h *Chat) leave(ctx context.Context, c *Conn, _ wsrouter.CloseInfo) {
	if c.Session.name != "" {
		_ = h.Room(c.Session.Room).Broadcast(ctx, Left{Name: c.Session.name})
	}
}

// failure answers as ever. Return e itself one day, and clients learn what is wrong with a message.
func failure(e *wsrouter.Error) any {
	if len(e.Issues) > 0 {
		return Error{Message: "bad message"}
	}
	return Error{Message: e.Detail}
}

// New returns the chat at /ws/:room.
func New() http.Handler {
	h := &Chat{wsrouter.New[Client](&wsrouter.Options{Payload: "data", ErrorMessage: failure})}
	h.Sends(Joined{}, Said{}, Left{})
	h.OnDisconnect(h.leave)
	wsrouter.Receive(h.Router, h.join)
	wsrouter.Receive(h.Router, h.say)
	doc := apidoc.New("Chat", "1.0.0")
	doc.Add("/ws/{room}", h)
	r := gin.New()
	r.GET("/ws/:room", func(c *gin.Context) {
		c.Request.SetPathValue("room", c.Param("room"))
		h.ServeHTTP(c.Writer, c.Request)
	})
	r.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", doc.OpenAPI()) })
	return r
}
