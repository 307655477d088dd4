// Package frameworks mounts one router under four frameworks, each in as few lines as it takes.
package frameworks

import (
	"context"

	"github.com/wsrouter-go/wsrouter"
)

// A Session takes its room from the path, however the framework spells that.
type Session struct {
	Room string `path:"room" minLength:"2" doc:"Room to speak in." example:"lobby"`
}

type Say struct {
	_    struct{} `ws:"say" doc:"Say something."`
	Text string   `json:"text" example:"hi"`
}

type Said struct {
	_    struct{} `ws:"said" doc:"What was said, and where."`
	Room string   `json:"room" example:"lobby"`
	Text string   `json:"text" example:"hi"`
}

func newRouter() *wsrouter.Router[Session] {
	router := wsrouter.New[Session](nil)
	wsrouter.Receive(router, say, wsrouter.Sends(Said{}))
	return router
}

func say(ctx context.Context, c *wsrouter.Conn[Session], m Say) error {
	return c.Send(ctx, Said{Room: c.Session.Room, Text: m.Text})
}
