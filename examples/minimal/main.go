package main

import (
	"context"
	"log"
	"net/http"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

type ChatMessage struct {
	_       struct{} `ws:"message" doc:"A text said in the chat."`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
}
type ChatActivity struct {
	_        struct{} `ws:"activity"`
	Activity string   `json:"activity" enum:"typing,idle"`
}
type Conn = wsrouter.Conn[struct{}]

func onChatMessage(ctx context.Context, c *Conn, m ChatMessage) error {
	return c.Send(ctx, ChatMessage{Message: "Got message: " + m.Message})
}
func onChatActivity(ctx context.Context, c *Conn, m ChatActivity) error {
	return c.Send(ctx, m)
}

func newMux() *http.ServeMux {
	chat := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action"})
	wsrouter.Receive(chat, onChatMessage, wsrouter.Sends(ChatMessage{}, ChatActivity{}))
	wsrouter.Receive(chat, onChatActivity, wsrouter.Sends(ChatActivity{}))

	mux := http.NewServeMux()
	doc := apidoc.New("Chat", "1.0.0")
	doc.Mount(mux, "/ws", chat) // the route and its place in the documents, in one call
	doc.Serve(mux, "/docs")     // the page, /openapi.json, /openapi.yaml, /asyncapi.json, /asyncapi.yaml
	return mux
}

func main() {
	log.Fatal(http.ListenAndServe("localhost:8080", newMux()))
}
