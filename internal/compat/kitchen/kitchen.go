// Package kitchen is one of everything: routers that use every tag, option and kind of message there is, for other
// people's validators and generators to choke on.
package kitchen

import (
	"context"
	"net/http"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen/other"
)

// Session has a parameter from every source.
type Session struct {
	Room   string   `path:"room" minLength:"1" maxLength:"8" doc:"Room of the house." example:"kitchen"`
	Shelf  int      `path:"shelf" minimum:"1" maximum:"9" example:"2"`
	Level  string   `query:"level" enum:"low,high" default:"low"`
	Tags   []string `query:"tag" required:"false" maxItems:"3"`
	Since  int64    `query:"since" required:"false" deprecated:"true"`
	Trace  string   `header:"X-Trace" required:"false" doc:"Trace of the caller."`
	Theme  string   `cookie:"theme" required:"false" enum:"light,dark"`
	Token  string   `query:"token" header:"Authorization" cookie:"t" subprotocol:"bearer." required:"false" doc:"Who you are."`
	caller string
}

func (s *Session) Resolve(ctx context.Context, r *http.Request) error {
	if s.Room == "cellar" {
		return wsrouter.Reject(http.StatusNotFound, "there is no cellar")
	}
	s.caller = s.Token
	return nil
}

type Conn = wsrouter.Conn[Session]

// Doc returns a document of all routers, and the mux they are mounted on.
func Doc(mode apidoc.Mode) (*apidoc.Doc, *http.ServeMux) {
	mux := http.NewServeMux()
	doc := apidoc.New("Kitchen sink", "1.2.3")
	doc.Description = "One of everything, with <angle> & \"quotes\"."
	doc.Mode = mode
	doc.Mount(mux, "/kitchen/{room}/{shelf}", sink())
	doc.Mount(mux, "GET /other/{shelf...}", twin())
	doc.Mount(mux, "/payload", payload())
	doc.Mount(mux, "/binary", binary())
	doc.Mount(mux, "/raw", raw())
	doc.Mount(mux, "/feed/{$}", feed())
	doc.Mount(mux, "/patch", patch())
	doc.Mount(mux, "/own/{name}", dispatched())
	doc.Mount(mux, "/reshaped", reshaped())
	doc.Mount(mux, "/gone", gone())
	doc.Mount(mux, "/resume/rooms", rooms())
	doc.Mount(mux, "/resume/renamed", renamed())
	doc.Mount(mux, "/hidden", hidden())
	doc.Serve(mux, "/docs")
	return doc, mux
}

// take is a handler that has nothing to say.
func take[S, M any](ctx context.Context, c *wsrouter.Conn[S], m M) error { return nil }

func sink() *wsrouter.Router[Session] {
	r := wsrouter.New[Session](&wsrouter.Options{
		Name:         "kitchen",
		Description:  "Every tag, every source, every kind of handler.",
		Tags:         []string{"kitchen", "all"},
		Names:        map[string]any{"foreign": Foreign{}},
		Subprotocols: []string{"kitchen.v2", "kitchen.v1"},
		Origins:      []string{"app.example.com"},
		MaxMessage:   1 << 20,
	})
	r.Sends(Note{}, Cursor{}, Tick{}, Foreign{})
	wsrouter.Receive(r, onStrings, wsrouter.Sends(Strings{}))
	wsrouter.Receive(r, onFormats, wsrouter.Sends(Formats{}))
	wsrouter.Receive(r, onNumbers, wsrouter.Sends(Numbers{}))
	wsrouter.Receive(r, onShapes, wsrouter.Sends(Shapes{}, Empty{}))
	wsrouter.Receive(r, onNote, wsrouter.Path("/notes"), wsrouter.Summary("Leave a note"), wsrouter.Description("It stays *there*."), wsrouter.Tags("notes"))
	wsrouter.Receive(r, onMoves)
	wsrouter.Receive(r, onPing, wsrouter.Deprecated())
	wsrouter.Receive(r, onSecret, wsrouter.Hidden())
	wsrouter.Receive(r, onOrder, wsrouter.Path(""), wsrouter.Sends(Note{}))
	wsrouter.Receive(r, onChecked, wsrouter.Path(""))
	wsrouter.Receive(r, func(ctx context.Context, c *Conn, m Empty) error { return nil })
	wsrouter.Respond(r, onAsk)
	wsrouter.Receive(r, take[Session, Foreign], wsrouter.As("stranger"))
	return r
}

func onStrings(ctx context.Context, c *Conn, m Strings) error { return c.Send(ctx, m) }
func onFormats(ctx context.Context, c *Conn, m Formats) error { return c.Send(ctx, m) }
func onNumbers(ctx context.Context, c *Conn, m Numbers) error { return c.Send(ctx, m) }
func onShapes(ctx context.Context, c *Conn, m Shapes) error   { return c.Send(ctx, m) }
func onNote(ctx context.Context, c *Conn, m Note) error       { return nil }
func onMoves(ctx context.Context, c *Conn, m Moves) error     { return nil }
func onPing(ctx context.Context, c *Conn, m Ping) error       { return nil }
func onSecret(ctx context.Context, c *Conn, m Secret) error   { return nil }
func onOrder(ctx context.Context, c *Conn, m Order) error     { return c.Send(ctx, m.Note) }
func onChecked(ctx context.Context, c *Conn, m Checked) error { return nil }
func onAsk(ctx context.Context, c *Conn, q Ask) (Answer, error) {
	return Answer{N: len(q.Q)}, nil
}

// twin has a type of the same name as sink's, from another package.
func twin() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{
		Tags:  []string{"twin"},
		Names: map[string]any{"page": Page[other.Place]{}},
	})
	r.Sends(Page[other.Place]{})
	wsrouter.Receive(r, take[struct{}, other.Note], wsrouter.Sends(other.Note{}))
	return r
}

func payload() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "payload", Discriminator: "event", Payload: "data", IDMember: "ref", ErrorName: "failed"})
	r.Sends(Tick{})
	// Behind a path parameter such a suffix is no pattern of a ServeMux, and a generated server panics.
	wsrouter.Receive(r, take[struct{}, Note], wsrouter.Path(": WS leave a note"))
	wsrouter.Receive(r, take[struct{}, []int], wsrouter.As("numbers"))
	wsrouter.Receive(r, take[struct{}, string], wsrouter.As("text"))
	wsrouter.Receive(r, take[struct{}, Empty])
	wsrouter.Respond(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], q Ask) (Answer, error) { return Answer{N: 1}, nil })
	return r
}

func binary() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "binary", Binary: true, RejectUnknownMembers: true})
	wsrouter.Receive(r, take[struct{}, Note], wsrouter.Sends(Note{}))
	return r
}

func raw() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "raw"})
	r.Sends("", []byte(nil))
	wsrouter.Receive(r, take[struct{}, Note])
	return r
}

func feed() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "feed", Description: "Only speaks."})
	r.Sends(Tick{}, Numbers{})
	return r
}

func patch() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "patch", Discriminator: "-", IDMember: "-"})
	wsrouter.Receive(r, take[struct{}, Add], wsrouter.Sends(Done{}))
	wsrouter.Receive(r, take[struct{}, Remove], wsrouter.Sends(Done{}))
	return r
}

func dispatched() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "own"})
	r.Dispatch(func(ctx context.Context, c *wsrouter.Conn[struct{}], routes *wsrouter.Routes[struct{}], f wsrouter.Frame) error {
		if len(f.Data) > 0 && f.Data[0] == '/' {
			return routes.Call(ctx, c, string(f.Data))
		}
		return routes.Default(ctx, c, f)
	})
	wsrouter.Receive(r, take[struct{}, string], wsrouter.As("command"))
	wsrouter.Receive(r, take[struct{}, Note])
	return r
}

// Problem is the shape of errors in an API that has had another one before.
type Problem struct {
	_      struct{} `ws:"problem"`
	Title  string   `json:"title"`
	Errors []string `json:"errors,omitempty"`
}

func reshaped() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{
		Name:       "reshaped",
		ReportOnly: true,
		ErrorMessage: func(e *wsrouter.Error) any {
			p := Problem{Title: e.Detail}
			for _, i := range e.Issues {
				p.Errors = append(p.Errors, i.Message)
			}
			return p
		},
	})
	wsrouter.Receive(r, take[struct{}, Note])
	return r
}

func gone() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "gone", Deprecated: true})
	wsrouter.Receive(r, take[struct{}, Note])
	return r
}

func hidden() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "hidden", Hidden: true})
	wsrouter.Receive(r, take[struct{}, Secret])
	return r
}

// rooms lets clients have what they missed.
func rooms() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "rooms", Resume: &wsrouter.Resume{}})
	r.Sends(Cursor{})
	wsrouter.Receive(r, take[struct{}, Note], wsrouter.Sends(Note{}))
	wsrouter.Presence(r, func(c *wsrouter.Conn[struct{}], room string) Place { return Place{} })
	return r
}

// renamed does that under names of its own, with messages in a member.
func renamed() *wsrouter.Router[struct{}] {
	r := wsrouter.New[struct{}](&wsrouter.Options{
		Name: "renamed", Payload: "data", Resume: &wsrouter.Resume{Param: "since", Member: "place"},
		Names: map[string]any{"entered": wsrouter.Joined{}, "start_over": wsrouter.Resync{}},
	})
	r.Sends(Tick{})
	return r
}
