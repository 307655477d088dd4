package wsrouter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
)

type (
	none = struct{}
	conn = wsrouter.Conn[none]

	greeting struct {
		_    none   `ws:"hello"`
		Name string `json:"name"`
	}
	otherGreeting struct {
		_    none   `ws:"hello"`
		Name string `json:"name"`
		Age  int    `json:"age"`
	}
	sameGreeting struct {
		Name string `json:"name" doc:"Whoever it is."`
	}
	page[T any] struct {
		Items []T `json:"items"`
	}
	kinded struct {
		Type string `json:"type" const:"kinded"`
	}
	contradicting struct {
		_    none   `ws:"one"`
		Type string `json:"type" const:"two"`
	}
	nearMiss struct {
		_    none   `ws:"near"`
		Name string `json:"name" minLenght:"1"`
	}
	bound struct {
		_    none   `ws:"bound"`
		Name string `json:"name" binding:"required,max=5"`
	}
	validated struct {
		_     none   `ws:"validated"`
		Email string `json:"email" validate:"email"`
	}
	channels struct {
		_ none     `ws:"channels"`
		C chan int `json:"c"`
	}
	functions struct {
		_ none   `ws:"functions"`
		F func() `json:"f"`
	}
	durations struct {
		_   none          `ws:"durations"`
		TTL time.Duration `json:"ttl"`
	}
	caseless struct {
		_    none   `ws:"caseless"`
		Name string `json:"name" pattern:"(?i)abc" example:"abc"`
	}
	anchored struct {
		_    none   `ws:"anchored"`
		Name string `json:"name" pattern:"\\Aabc" example:"abc"`
	}
	unexemplary struct {
		_    none   `ws:"unexemplary"`
		Name string `json:"name" pattern:"^a+$"`
	}
	impossible struct {
		_    none   `ws:"impossible"`
		Name string `json:"name" minLength:"many"`
	}
	misplaced struct {
		_   none `ws:"misplaced"`
		Age int  `json:"age" maxLength:"3"`
	}
	crossed struct {
		_    none   `ws:"crossed"`
		Name string `json:"name" minLength:"5" maxLength:"3"`
	}
	twice struct {
		_ none   `ws:"twice"`
		A string `json:"B"`
		B string
	}
	wrongDefault struct {
		_   none `ws:"wrong_default"`
		Age int  `json:"age" minimum:"18" default:"7"`
	}
	delivered struct {
		_ none `ws:"delivered,lastest=user"`
	}
	conflated struct {
		_ none `ws:"conflated,latest=user"`
	}

	wrongResolve struct{}
	noSuchSource struct {
		Level int `qeury:"level"`
	}
	unexportedParm struct {
		level int `query:"level"`
	}
	structParam struct {
		Filter greeting `query:"filter"`
	}
	emptyParam struct {
		Level int `query:""`
	}
	optionalPath struct {
		Room string `path:"room" required:"false"`
	}
	pathAndQuery struct {
		Room string `path:"room" query:"room"`
	}
	sharedParam struct {
		A string `query:"level"`
		B string `query:"level"`
	}
	badParam struct {
		Level int `query:"level" minimum:"low"`
	}
	pathed struct {
		Room string `path:"room"`
	}
)

var _ = unexportedParm{}.level // only its tag matters

func (*wrongResolve) Resolve(r *http.Request) error { return nil }

func nothing[M any](context.Context, *conn, M) error { return nil }

func onGreeting(context.Context, *conn, greeting) error { return nil }

// declarations are mistakes; the golden file says what each one panics with.
var declarations = []struct {
	name string
	fn   func(r *wsrouter.Router[none])
}{
	{"second handler of a type", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, onGreeting)
		wsrouter.Receive(r, nothing[greeting])
	}},
	{"second handler of a name", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, onGreeting)
		wsrouter.Receive(r, nothing[otherGreeting])
	}},
	{"second handler of a name by As", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, onGreeting)
		wsrouter.Receive(r, nothing[sameGreeting], wsrouter.As("hello"))
	}},
	{"one name for two sent types", func(r *wsrouter.Router[none]) {
		r.Sends(greeting{}, otherGreeting{})
		r.Describe()
	}},
	{"name of the error reply taken", func(r *wsrouter.Router[none]) {
		r.Sends(struct {
			_ none `ws:"error"`
		}{})
		r.Describe()
	}},
	{"nil option", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[greeting], nil) }},
	{"nil handler", func(r *wsrouter.Router[none]) { wsrouter.Receive[none, greeting](r, nil) }},
	{"message by pointer", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[*greeting]) }},
	{"generic type without a name", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[page[int]]) }},
	{"unnamed type", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[struct{ A int }]) }},
	{"generic type sent without a name", func(r *wsrouter.Router[none]) {
		r.Sends(page[int]{})
		r.Describe()
	}},
	{"ws name and const differ", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[contradicting]) }},
	{"As and const differ", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[kinded], wsrouter.As("other")) }},
	{"near-miss tag", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[nearMiss]) }},
	{"binding tag", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[bound]) }},
	{"validate tag", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[validated]) }},
	{"channel", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[channels]) }},
	{"function", func(r *wsrouter.Router[none]) { r.Sends(functions{}) }},
	{"duration without a format", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[durations]) }},
	{"pattern with a flag", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[caseless]) }},
	{"pattern unknown to JavaScript", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[anchored]) }},
	{"pattern without an example", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[unexemplary]) }},
	{"tag value that is no number", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[impossible]) }},
	{"keyword of another type", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[misplaced]) }},
	{"bounds that cross", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[crossed]) }},
	{"two fields of one name", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[twice]) }},
	{"default that breaks its rules", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[wrongDefault]) }},
	{"unknown delivery", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[delivered]) }},
	{"latest by a member that is not there", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, nothing[conflated]) }},
	{"discriminator beside no object", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, nothing[[]int])
		r.Describe()
	}},
	{"raw text without a dispatcher", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, nothing[string])
		r.Describe()
	}},
	{"two handlers of a type without a dispatcher", func(r *wsrouter.Router[none]) {
		wsrouter.Receive(r, nothing[sameGreeting], wsrouter.As("a"))
		wsrouter.Receive(r, nothing[sameGreeting], wsrouter.As("b"))
		r.Describe()
	}},
	{"sent under several names", func(r *wsrouter.Router[none]) {
		r.Dispatch(func(context.Context, *conn, *wsrouter.Routes[none], wsrouter.Frame) error { return nil })
		wsrouter.Receive(r, nothing[sameGreeting], wsrouter.As("a"))
		wsrouter.Receive(r, nothing[sameGreeting], wsrouter.As("b"), wsrouter.Sends(sameGreeting{}))
		r.Describe()
	}},
	{"Sends of nil", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, onGreeting, wsrouter.Sends(nil)) }},
	{"Sends of a bad type", func(r *wsrouter.Router[none]) { wsrouter.Receive(r, onGreeting, wsrouter.Sends(nearMiss{})) }},
	{"answer of a bad type", func(r *wsrouter.Router[none]) {
		wsrouter.Respond(r, func(context.Context, *conn, greeting) (channels, error) { return channels{}, nil })
	}},
	{"hook set twice", func(r *wsrouter.Router[none]) {
		r.OnConnect(func(context.Context, *conn) error { return nil })
		r.OnConnect(func(context.Context, *conn) error { return nil })
	}},
	{"nil hook", func(r *wsrouter.Router[none]) { r.OnFallback(nil) }},
	{"nil middleware", func(r *wsrouter.Router[none]) { r.Use(nil) }},
	{"declared after a document", func(r *wsrouter.Router[none]) {
		r.Describe()
		wsrouter.Receive(r, onGreeting)
	}},
	{"declared after a request", func(r *wsrouter.Router[none]) {
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		r.Sends(greeting{})
	}},
	{"no discriminator, equal types", func(*wsrouter.Router[none]) {
		r := wsrouter.New[none](&wsrouter.Options{Discriminator: "-"})
		wsrouter.Receive(r, onGreeting)
		wsrouter.Receive(r, nothing[sameGreeting])
		r.Describe()
	}},
	{"Payload without a discriminator", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{Discriminator: "-", Payload: "data"})
	}},
	{"Payload equal to the discriminator", func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Payload: "type"}) }},
	{"IDMember equal to the discriminator", func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{IDMember: "type"}) }},
	{"broker that is nil", func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Broker: (*flaky)(nil)}) }},
	{"negative Outbox", func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Outbox: -1}) }},
	{"no such Overflow", func(*wsrouter.Router[none]) { wsrouter.New[none](&wsrouter.Options{Overflow: 9}) }},
	{"subprotocol that is no token", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{Subprotocols: []string{"chat v1"}})
	}},
	{"origin with a path", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{Origins: []string{"https://example.com/app"}})
	}},
	{"Names of nil", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{Names: map[string]any{"x": nil}})
	}},
	{"two Names of a type", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{Names: map[string]any{"x": greeting{}, "y": greeting{}}})
	}},
	{"ErrorMessage that returns nil", func(*wsrouter.Router[none]) {
		wsrouter.New[none](&wsrouter.Options{ErrorMessage: func(*wsrouter.Error) any { return nil }}).Describe()
	}},
	{"session that is no struct", func(*wsrouter.Router[none]) { wsrouter.New[int](nil) }},
	{"Resolve of another signature", func(*wsrouter.Router[none]) { wsrouter.New[wrongResolve](nil) }},
	{"embedded Resolve of another signature", func(*wsrouter.Router[none]) { wsrouter.New[struct{ wrongResolve }](nil) }},
	{"near-miss source", func(*wsrouter.Router[none]) { wsrouter.New[noSuchSource](nil) }},
	{"unexported parameter", func(*wsrouter.Router[none]) { wsrouter.New[unexportedParm](nil) }},
	{"parameter that is a struct", func(*wsrouter.Router[none]) { wsrouter.New[structParam](nil) }},
	{"parameter without a name", func(*wsrouter.Router[none]) { wsrouter.New[emptyParam](nil) }},
	{"optional path parameter", func(*wsrouter.Router[none]) { wsrouter.New[optionalPath](nil) }},
	{"path and query", func(*wsrouter.Router[none]) { wsrouter.New[pathAndQuery](nil) }},
	{"two fields of one parameter", func(*wsrouter.Router[none]) { wsrouter.New[sharedParam](nil) }},
	{"parameter with an impossible tag", func(*wsrouter.Router[none]) { wsrouter.New[badParam](nil) }},
	{"path tag without its parameter", func(*wsrouter.Router[none]) {
		apidoc.New("Chat", "1").Mount(http.NewServeMux(), "/ws/{rom}", wsrouter.New[pathed](nil))
	}},
	{"Close with 1006", func(*wsrouter.Router[none]) { _ = wsrouter.Close(1006, "") }},
	{"Close with a long reason", func(*wsrouter.Router[none]) { _ = wsrouter.Close(1000, strings.Repeat("x", 124)) }},
	{"Reject with 200", func(*wsrouter.Router[none]) { _ = wsrouter.Reject(200, "") }},
}

// TestDeclarations: what is declared wrong stops the program, and the text names the call, the type and the field.
func TestDeclarations(t *testing.T) {
	var got strings.Builder
	for _, d := range declarations {
		text := panicOf(func() { d.fn(wsrouter.New[none](nil)) })
		if text == "" {
			t.Errorf("%s: no panic", d.name)
		}
		fmt.Fprintf(&got, "%s\n\t%s\n", d.name, text)
	}
	golden.File(t, "testdata/declarations.golden", []byte(got.String()))
}

// panicOf returns what fn panics with, "" if it does not.
func panicOf(fn func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	fn()
	return ""
}
