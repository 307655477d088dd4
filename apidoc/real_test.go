package apidoc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

// The types of a router as an application declares them.
type (
	Member struct {
		Name   string     `json:"name" minLength:"1" maxLength:"40" doc:"As shown to others." example:"ada"`
		Since  *time.Time `json:"since,omitempty"`
		Boss   *Member    `json:"boss"`
		Guests []Member   `json:"guests,omitempty" maxItems:"9"`
	}
	Enter struct {
		_      struct{} `ws:"enter" doc:"Enter the room."`
		Member Member   `json:"member"`
		Tries  int      `json:"tries" minimum:"0" exclusiveMaximum:"10" default:"3"`
	}
	WhoIsThere struct {
		_ struct{} `ws:"who"`
	}
	Members struct {
		_       struct{} `ws:"members" doc:"Who is there."`
		Members []Member `json:"members"`
		Last    *Enter   `json:"last,omitempty" doc:"The last to enter."`
	}
	Pointer struct {
		_    struct{} `ws:"pointer,latest=user"`
		User string   `json:"user"`
		X, Y float64
	}
	Visit struct {
		Room  string `path:"room" doc:"The room." example:"lobby"`
		Level int    `query:"level" required:"false" minimum:"1"`
		Token string `query:"token" header:"X-Token" subprotocol:"bearer." required:"false" doc:"Who you are."`
	}
)

func (v *Visit) Resolve(ctx context.Context, r *http.Request) error { return nil }

func onEnter(ctx context.Context, c *wsrouter.Conn[Visit], m Enter) error     { return nil }
func onPointer(ctx context.Context, c *wsrouter.Conn[Visit], m Pointer) error { return nil }
func who(ctx context.Context, c *wsrouter.Conn[Visit], q WhoIsThere) (Members, error) {
	return Members{}, nil
}

func realDoc(t *testing.T) (*apidoc.Doc, *http.ServeMux) {
	mux := http.NewServeMux()
	doc := apidoc.New("Real", "1.0.0")
	// Mounted first, declared later: nothing is described before the first use.
	room := wsrouter.New[Visit](&wsrouter.Options{Name: "Room", Discriminator: "action", Subprotocols: []string{"room.v1"}})
	doc.Mount(mux, "/room/{room}", room)
	wrapped := wsrouter.New[struct{}](&wsrouter.Options{Payload: "data"})
	doc.Mount(mux, "/wrapped", wrapped)
	doc.Serve(mux, "/docs")
	room.Sends(Pointer{}, "")
	wsrouter.Receive(room, onEnter, wsrouter.Sends(Members{}))
	wsrouter.Receive(room, onPointer, wsrouter.Path(": WS pointer"))
	wsrouter.Respond(room, who)
	wsrouter.Receive(wrapped, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Enter) error { return nil }, wsrouter.Sends(Members{}))
	return doc, mux
}

func TestGoldenRealRouter(t *testing.T) {
	doc, mux := realDoc(t)
	golden.File(t, "testdata/real.json", doc.OpenAPI())
	golden.File(t, "testdata/real.yaml", doc.OpenAPIYAML())
	if w := request(mux, "GET", "/docs"); w.Code != 200 || !strings.Contains(w.Body.String(), "As shown to others.") {
		t.Errorf("the page: %d", w.Code)
	}
}

// Member looks alike wherever it stands, so it is one component.
func TestRealTypesAreOneComponent(t *testing.T) {
	doc, _ := realDoc(t)
	schemas := at(decode(t, doc.OpenAPI()), "components", "schemas").(map[string]any)
	checkRefs(t, schemas, schemas)
	var names []string
	for name := range schemas {
		if strings.HasPrefix(name, "Member_") || strings.HasPrefix(name, "List") {
			t.Errorf("there is a %s", name)
		}
		names = append(names, name)
	}
	want := "Enter Enter_2 Enter_value Error Error_2 Error_value Issue Member Members Members_2 Members_value Pointer Refusal WhoIsThere"
	if got := strings.Join(sorted(names), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRealRouterIsFrozenByTheFirstUse(t *testing.T) {
	r := wsrouter.New[struct{}](nil)
	doc := apidoc.New("T", "1")
	doc.Add("/ws", r)
	doc.OpenAPI()
	wantPanic(t, "Receive", func() {
		wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Enter) error { return nil })
	})
}
