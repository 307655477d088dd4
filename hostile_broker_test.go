package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// fused is a text whose decoder has a bug.
type fused string

func (f *fused) UnmarshalJSON(data []byte) error {
	if string(data) == `"boom"` {
		panic("a bug of the application")
	}
	return json.Unmarshal(data, (*string)(f))
}

type (
	fusedNote struct {
		_    none  `ws:"note"`
		Text fused `json:"text"`
	}
	plainNote struct {
		_    none   `ws:"note"`
		Text string `json:"text"`
	}
)

// TestDecoderPanicsOnBrokerMessage: what another process publishes, maybe of another version, reaches decoders of the application in goroutines that
// no connection owns. One that panics costs that message, live and in a replay, and nothing else.
func TestDecoderPanicsOnBrokerMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		other := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Logger: quiet})
		other.Sends(plainNote{})
		rec := &recorder{}
		r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: rec.logger()})
		r.Sends(fusedNote{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })

		broadcast := func(text string) {
			if err := other.Room("a").Broadcast(t.Context(), plainNote{Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		c := wstest.Dial(t, r, "/")
		at := wstest.Expect[wsrouter.Joined](c).Position
		broadcast("boom")
		broadcast("calm")
		if m := wstest.Expect[fusedNote](c); m.Text != "calm" {
			t.Errorf("heard %q", m.Text)
		}
		if n := r.Stats().Malformed; n != 1 {
			t.Errorf("%d malformed, want 1", n)
		}
		c.Close()
		synctest.Wait()

		c = wstest.Dial(t, r, back("a", at.At)) // nothing is remembered: the broker is asked
		if j := wstest.Expect[wsrouter.Joined](c); j.Recovered == nil || !*j.Recovered {
			t.Errorf("joined as %+v", j)
		}
		if m := wstest.Expect[fusedNote](c); m.Text != "calm" {
			t.Errorf("replayed %q", m.Text)
		}
	})
}

// bomb is a broker of the application with a bug in one of its methods, until that is mended.
type bomb struct {
	b      broker.Broker
	broken atomic.Value // name of the method, a string
}

func newBomb(broken string) *bomb {
	b := &bomb{b: broker.New(nil)}
	b.broken.Store(broken)
	return b
}

func (b *bomb) tick(method string) {
	if b.broken.Load() == method {
		panic("a bug of the broker's " + method)
	}
}

func (b *bomb) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	b.tick("Publish")
	return b.b.Publish(ctx, topic, data, o)
}

func (b *bomb) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	b.tick("Subscribe")
	at, unsubscribe, err := b.b.Subscribe(ctx, topic, h)
	if b.broken.Load() == "late Subscribe" {
		panic("a bug of the broker's Subscribe, which goes on to deliver")
	}
	if b.broken.Load() == "nil unsubscribe" {
		return at, nil, err
	}
	return at, func() error { b.tick("unsubscribe"); return unsubscribe() }, err
}

func (b *bomb) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	b.tick("History")
	return b.b.(broker.Historian).History(ctx, topic, since, limit)
}

func (b *bomb) Recall(ctx context.Context, topic string, before broker.Position, limit, bytes int) ([]broker.Message, bool, error) {
	b.tick("Recall")
	return b.b.(broker.Recaller).Recall(ctx, topic, before, limit, bytes)
}

func (b *bomb) Notify(f func(broker.State)) {
	b.tick("Notify")
	b.b.(broker.Stateful).Notify(f)
}

func (b *bomb) Close(ctx context.Context) error {
	b.tick("Close")
	return b.b.Close(ctx)
}

// TestBrokerPanics: a bug of the application's broker costs the call that met it. Everybody else stays, and when it is mended all goes on.
func TestBrokerPanics(t *testing.T) {
	for _, method := range []string{"Publish", "Subscribe", "late Subscribe", "unsubscribe", "nil unsubscribe", "History", "Recall", "Notify", "Close"} {
		t.Run(method, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testBrokerPanics(t, method) }) })
	}
}

func testBrokerPanics(t *testing.T, method string) {
	b, rec := newBomb(""), &recorder{}
	if method == "Notify" {
		b.broken.Store(method)
	}
	r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Logger: rec.logger(), Resume: &wsrouter.Resume{}})
	r.Sends(said{})
	wsrouter.Presence(r, func(*wsrouter.Conn[inRoom], string) none { return none{} })
	joins := make(chan error, 10)
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error {
		joins <- errors.Join(c.SetUser(c.Session.Room), r.Room(c.Session.Room).Join(c))
		return nil
	})
	room := r.Room("a")
	// next is the next of what c hears that is not about who is where.
	next := func(c *wstest.Client) string {
		for {
			if data := string(c.Next().Data); !strings.HasPrefix(data, `{"type":"presence"`) {
				return data
			}
		}
	}
	works := func(c *wstest.Client, room string) {
		t.Helper()
		if err := r.Room(room).Broadcast(t.Context(), said{N: 1}); err != nil {
			t.Error(err)
		}
		if data := next(c); !strings.HasPrefix(data, `{"type":"said","n":1`) {
			t.Errorf("heard %s", data)
		}
	}

	bystander := wstest.Dial(t, r, "/?room=b")
	next(bystander)
	works(bystander, "b")
	c := wstest.Dial(t, r, "/?room=a")
	var joined wsrouter.Joined
	if err := errors.Join(<-joins, <-joins, json.Unmarshal([]byte(next(c)), &joined)); err != nil {
		t.Fatal(err)
	}
	works(c, "a")

	b.broken.Store(method)
	_, historyErr := room.History(t.Context(), nil)
	if err := historyErr; (err != nil) != (method == "Recall") {
		t.Errorf("History: %v", err)
	}
	for call, err := range map[string]error{
		"Broadcast": room.Broadcast(t.Context(), said{N: 2}), "SendTo": r.SendTo(t.Context(), "c", said{N: 2}), "CloseUser": r.CloseUser(t.Context(), "c", 4000, ""),
	} {
		if (method == "Publish") != errors.Is(err, broker.ErrUnknownOutcome) {
			t.Errorf("%s: %v", call, err)
		}
	}
	late := wstest.Dial(t, r, "/?room=d")
	if err := <-joins; (err != nil) != strings.HasSuffix(method, "Subscribe") {
		t.Errorf("Join: %v", err)
	}
	late.Close()
	c.Close()
	time.Sleep(30 * time.Second) // it has left, and presence has told of itself
	p, err := json.Marshal(map[string]string{"a": joined.Position.At})
	if err != nil {
		t.Fatal(err)
	}
	if method != "late Subscribe" { // who is not there any more hears nothing of it
		again := wstest.Dial(t, r, "/?room=a&resume="+url.QueryEscape(string(p)))
		if err := <-joins; (err != nil) != (method == "Subscribe" || method == "History") {
			t.Errorf("Join of who comes back: %v", err)
		}
		again.Close()
	}
	time.Sleep(time.Minute)

	b.broken.Store("")
	works(bystander, "b")
	c = wstest.Dial(t, r, "/?room=a")
	if err := <-joins; err != nil {
		t.Errorf("Join when all is mended: %v", err)
	}
	next(c)
	works(c, "a")
	if s := r.Stats(); s.Rooms != 2 || s.Members != 2 || r.Health() != nil {
		t.Errorf("%+v, %v", s, r.Health())
	}
	c.Close()
	bystander.Close()
	b.broken.Store(method)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	lines := 0
	for _, line := range rec.logs {
		if strings.Contains(line, "wsrouter: panic") {
			lines++
		}
	}
	if least := 1; method != "Close" && (lines < least || lines > 4) { // in two minutes
		t.Errorf("logged %d times: %q", lines, rec.logs)
	}
}
