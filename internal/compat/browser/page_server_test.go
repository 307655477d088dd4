package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// The README's chat.
type ChatMessage struct {
	_       struct{} `ws:"message" doc:"A text said in the chat."`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
}
type ChatActivity struct {
	_        struct{} `ws:"activity"`
	Activity string   `json:"activity" enum:"typing,idle"`
}

func minimal() http.Handler {
	chat := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action"})
	wsrouter.Receive(chat, onChatMessage, wsrouter.Sends(ChatMessage{}, ChatActivity{}))
	wsrouter.Receive(chat, onChatActivity, wsrouter.Sends(ChatActivity{}))
	mux := http.NewServeMux()
	doc := apidoc.New("Chat", "1.0.0")
	doc.Mount(mux, "/ws", chat)
	doc.Serve(mux, "/docs")
	return mux
}

func onChatMessage(ctx context.Context, c *wsrouter.Conn[struct{}], m ChatMessage) error {
	return c.Send(ctx, ChatMessage{Message: "Got message: " + m.Message})
}

func onChatActivity(ctx context.Context, c *wsrouter.Conn[struct{}], m ChatActivity) error {
	return c.Send(ctx, m)
}

// serve serves h at prefix, which it strips as a proxy would, and returns the address.
func serve(t *testing.T, h http.Handler, prefix string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.StripPrefix(prefix, h))
	server.Config.ReadHeaderTimeout = 10 * time.Second
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + prefix
}

// A gate is the session of an endpoint that refuses in every way.
type gate struct {
	Room  string `path:"room" example:"lobby" maxLength:"8" doc:"The room to join."`
	Level string `query:"level" enum:"low,high" default:"low"`
	Limit int    `query:"limit" required:"false" minimum:"1" maximum:"100"`
	Token string `query:"token" header:"Authorization" cookie:"token" subprotocol:"bearer." required:"false" doc:"Who you are."`
}

func (g *gate) Resolve(ctx context.Context, r *http.Request) error {
	switch {
	case g.Room == "gone":
		return wsrouter.Reject(http.StatusNotFound, "no such room")
	case g.Token != "let-me-in":
		return wsrouter.Reject(http.StatusUnauthorized, "a token is needed")
	}
	return nil
}

// A member is the session of an endpoint that wants a cookie, which only signing in gives.
type member struct {
	Session string `cookie:"session" required:"false"`
}

func (m *member) Resolve(ctx context.Context, r *http.Request) error {
	if m.Session == "" {
		return wsrouter.Reject(http.StatusUnauthorized, "members only")
	}
	return nil
}

// What the server of states says and hears.
type (
	Do struct {
		_    struct{} `ws:"do" doc:"Ask the server for something that should be seen."`
		What string   `json:"what" enum:"reply,close,panic,slow,undocumented,differs,broken,big,deep,flood,evil,numbers,text,binary" doc:"What to see."`
		N    int      `json:"n,omitempty" minimum:"0" doc:"How often, or how large."`
	}
	Done struct {
		_    struct{} `ws:"done" doc:"It was done."`
		What string   `json:"what"`
	}
	Heartbeat struct {
		_ struct{} `ws:"heartbeat"`
		N int64    `json:"n"`
	}
	Order struct {
		_     struct{} `ws:"order" doc:"Something nested."`
		Items []Item   `json:"items" minItems:"1"`
		Note  *string  `json:"note,omitempty"`
	}
	Item struct {
		SKU string `json:"sku" pattern:"^[A-Z]{3}-[0-9]{2}$" example:"ABC-12" doc:"Stock number."`
		Qty int    `json:"qty" minimum:"1"`
	}
	Profile struct {
		_      struct{}  `ws:"profile" doc:"All that a form can show."`
		Name   string    `json:"name" minLength:"2" maxLength:"24" example:"Ada" doc:"As others see it."`
		Mail   string    `json:"mail" format:"email"`
		Born   time.Time `json:"born"`
		Level  int       `json:"level" minimum:"1" maximum:"9"`
		Weight float64   `json:"weight,omitempty"`
		Admin  bool      `json:"admin,omitempty"`
		Color  string    `json:"color" enum:"red,green,blue"`
		Bio    string    `json:"bio,omitempty" maxLength:"2000"`
	}
	Question struct {
		_ struct{} `ws:"question"`
		Q string   `json:"q" example:"how many?"`
	}
	Answer struct {
		_ struct{} `ws:"answer"`
		N int      `json:"n"`
	}
)

const attack = `"></script><script>alert(1)</script><img src=x onerror=alert(1)> javascript:alert(1) ` + "\u2028 \u2029"

func states() http.Handler {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "states", Description: "Everything that a page must be able to show.", Subprotocols: []string{"states.v1"}, MaxMessage: 32 << 20, Overflow: wsrouter.OverflowWait})
	r.Sends(Heartbeat{})
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Do) error {
		switch m.What {
		case "close":
			return wsrouter.Close(4000, "as you asked")
		case "panic":
			panic("asked for")
		case "slow":
			return wsrouter.Close(1013, "you read too slowly")
		case "undocumented":
			return c.SendText(ctx, `{"type":"user_left","user":"Bob"}`)
		case "differs":
			return c.SendText(ctx, `{"type":"done","what":7,"more":true}`)
		case "broken":
			return c.SendText(ctx, `{"type":"done",`)
		case "numbers":
			return c.SendText(ctx, `{"type":"heartbeat","n":9007199254740993}`)
		case "text":
			return c.SendText(ctx, "plain words")
		case "binary":
			return c.SendBytes(ctx, []byte{0, 1, 2, 0xff})
		case "big":
			return c.SendText(ctx, `{"type":"done","what":"`+strings.Repeat("x", max(m.N, 1))+`"}`)
		case "deep":
			return c.SendText(ctx, `{"type":"done","what":`+strings.Repeat("[", m.N)+strings.Repeat("]", m.N)+`}`)
		case "evil":
			return errors.Join(c.Send(ctx, Done{What: attack}), c.SendText(ctx, `{"type":`+quote(attack)+`,`+quote(attack)+`:`+quote(attack)+`}`), c.SendText(ctx, attack))
		case "flood":
			for i := range m.N {
				if err := c.Send(ctx, Heartbeat{N: int64(i)}); err != nil {
					return err
				}
			}
			return c.Send(ctx, Done{What: "flood"})
		}
		return c.Send(ctx, Done{What: m.What})
	}, wsrouter.Sends(Done{}))
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Order) error { return nil })
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Profile) error {
		return c.Send(ctx, Done{What: m.Name})
	}, wsrouter.Sends(Done{}))
	wsrouter.Respond(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], q Question) (Answer, error) {
		return Answer{N: len(q.Q)}, nil
	})

	guarded := wsrouter.New[gate](&wsrouter.Options{Name: "guarded", Description: "It asks for a token."})
	wsrouter.Receive(guarded, func(ctx context.Context, c *wsrouter.Conn[gate], m ChatMessage) error {
		return c.Send(ctx, ChatMessage{Message: c.Session.Room + ": " + m.Message})
	}, wsrouter.Sends(ChatMessage{}))
	members := wsrouter.New[member](&wsrouter.Options{Name: "members", Description: "It asks for a session."})
	wsrouter.Receive(members, func(ctx context.Context, c *wsrouter.Conn[member], m ChatMessage) error { return c.Send(ctx, m) }, wsrouter.Sends(ChatMessage{}))
	feed := wsrouter.New[struct{}](&wsrouter.Options{Name: "feed", Description: "It only speaks."})
	feed.Sends(Heartbeat{})
	feed.OnConnect(func(ctx context.Context, c *wsrouter.Conn[struct{}]) error { return c.Send(ctx, Heartbeat{N: 1}) })

	mux := http.NewServeMux()
	doc := apidoc.New("States", "2.0.0")
	doc.Description = "A page under test."
	doc.Mount(mux, "/states", r)
	doc.Mount(mux, "/guarded/{room}", guarded)
	doc.Mount(mux, "/feed", feed)
	doc.Mount(mux, "/members", members)
	doc.Login = "login"
	doc.Serve(mux, "/docs")
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "ada", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,">Welcome.`)
	})
	return mux
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\u2028", `\u2028`, "\u2029", `\u2029`).Replace(s) + `"`
}
