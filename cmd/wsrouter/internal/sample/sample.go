// Package sample is documented by its comments: tests of the command look for them in its document.
package sample

import (
	"context"

	"github.com/wsrouter-go/wsrouter"
)

//go:generate go run github.com/wsrouter-go/wsrouter/cmd/wsrouter comments

// A Session is one visitor.
type Session struct {
	// Room that the visitor is in.
	Room string `path:"room" example:"lobby"`
	// Token of the visitor.
	Token string `query:"token" doc:"The tag wins." required:"false"`
}

// Say is a text that a visitor says.
// It is shown to everybody.
type Say struct {
	_ struct{} `ws:"say"`

	// Text is what is said, see [CommonMark].
	//
	// [CommonMark]: https://commonmark.org
	Text string `json:"text" example:"hi"`
	Loud bool   `json:"loud" doc:"The tag wins."` // said in a loud voice
	By   Author `json:"by"`
}

// An Author has a name.
type Author struct {
	Name string `json:"name" example:"Ada"` // Name in the room.
}

// Never shown: the tag wins.
type Said struct {
	_ struct{} `ws:"said" doc:"What was said."`
	Author
}

// Ask asks who is there.
type Ask struct {
	_ struct{} `ws:"ask"`
}

// Service has handlers.
type Service[T any] struct{}

// say repeats a text, e.g. "hi". It answers the visitor who said it.
//
// Nobody else hears it.
func (*Service[T]) say(ctx context.Context, c *wsrouter.Conn[Session], m Say) error {
	return c.Send(ctx, Said{Author: m.By})
}

// ask answers who is there.
func ask(ctx context.Context, c *wsrouter.Conn[Session], m Ask) (Author, error) {
	return Author{Name: "Ada"}, nil
}

// In a variable of the package, which is set before any init runs.
var router = newRouter()

func newRouter() *wsrouter.Router[Session] {
	r := wsrouter.New[Session](&wsrouter.Options{Names: map[string]any{"author": Author{}}})
	wsrouter.Receive(r, new(Service[int]).say, wsrouter.Sends(Said{}))
	wsrouter.Respond(r, ask, wsrouter.Summary("The option wins."))
	return r
}

// Router returns the router.
func Router() *wsrouter.Router[Session] { return router }
