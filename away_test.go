package wsrouter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestBrokerAway: who comes is sent away to come again, who stays is told, and no failure of the server's is logged. Errors name the call and the place.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		b := newFlaky(1, nil)
		r := node(&wsrouter.Options{Broker: b, Logger: rec.logger()})
		var user, closed, room error
		wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[inRoom], m echo) error {
			user, closed = c.SetUser("ann"), r.CloseUser(ctx, "ann", 4000, "")
			room = r.Room("a").Broadcast(ctx, said{})
			return room
		})
		stays := connect(t, r, "/?room=a", nil)
		synctest.Wait()
		b.subscribeFails, b.publishFails = 1, 1
		comes := connect(t, r, "/?room=b", nil)
		<-comes.done
		expect(t, "who comes", comes.got(), []string{"close 1013 try again later"})
		stays.send(`{"type":"echo","n":1,"id":7}`)
		synctest.Wait()
		expect(t, "who stays", stays.got(), []string{`{"type":"error","id":7,"code":"unavailable","detail":"the server cannot reach the others: try again later"}`})
		expect(t, "errors", []string{fmt.Sprint(user), fmt.Sprint(closed), fmt.Sprint(room)},
			[]string{`wsrouter: SetUser: user "ann": broker: unavailable`, `wsrouter: CloseUser: user "ann": broker: unavailable`, `wsrouter: Broadcast: room "a": broker: unavailable`})
		if all := strings.Join(rec.logs, "\n"); strings.Contains(all, "ERROR") || !strings.Contains(all, `Join: room \"b\": broker: unavailable`) {
			t.Errorf("logged %s", all)
		}
		stays.close()
	})
}

// TestResumeNever: a room that cannot be joined, now or later, is refused, and those behind it are resumed.
func TestResumeNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		r := wsrouter.New[visitor](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: quiet})
		wsrouter.Presence(r, func(c *visitorConn, room string) who {
			if room == "bad" {
				return who{Age: -1}
			}
			return who{}
		})
		r.OnConnect(func(ctx context.Context, c *visitorConn) error { return r.Room("own").Join(c) })
		r.OnResume(func(context.Context, *visitorConn, string) error { return nil })
		positions := map[string]string{"bad": "x-1"}
		for i := range 127 {
			positions[fmt.Sprintf("room %03d", i)] = "x-1"
		}
		text, err := json.Marshal(positions)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, r, "/?resume="+url.QueryEscape(string(text)), nil)
		synctest.Wait()
		refused, joined := []string{}, 0
		for _, frame := range c.got() {
			var m struct{ Type, Room, Reason string }
			if err := json.Unmarshal([]byte(frame), &m); err != nil {
				t.Fatalf("%v: %q", err, frame)
			}
			if m.Type == "resync" && m.Reason == "refused" {
				refused = append(refused, m.Room)
			} else if m.Type == "joined" {
				joined++
			}
		}
		expect(t, "refused", refused, []string{"bad"})
		if joined != 128 {
			t.Errorf("joined %d rooms", joined)
		}
		c.close()
		c = connect(t, r, "/?resume="+url.QueryEscape(strings.Replace(string(text), "bad", "good", 1)), nil)
		synctest.Wait()
		if all := strings.Join(c.got(), "\n"); strings.Count(all, `"reason":"refused"`) != 1 || strings.Contains(all, "close") {
			t.Errorf("with a room too many: %.500s", all)
		}
		c.close()
	})
}

// TestResumeLater: an OnResume that finds the broker away refuses nothing, the client comes again.
func TestResumeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resumable(broker.New(nil), wsrouter.Resume{})
		r.OnResume(func(context.Context, *wsrouter.Conn[inRoom], string) error {
			return fmt.Errorf("who may: %w", broker.ErrUnavailable)
		})
		c := connect(t, r, "/?resume="+url.QueryEscape(`{"a":"x-1"}`), nil)
		synctest.Wait()
		expect(t, "who comes back", c.got(), []string{"close 1013 try again later"})
	})
}

// TestMissedMalformed: what cannot be replayed is counted, as what cannot be delivered.
func TestMissedMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		at, err := b.Publish(t.Context(), "r/a", []byte("nothing of a router's"), broker.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(t.Context(), "r/a", []byte("nor this"), broker.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		r := node(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: quiet})
		c := wstest.Dial(t, r, back("a", fmt.Sprintf("%s-%d", at.Epoch, at.Seq)))
		if j := wstest.Expect[wsrouter.Joined](c); !*j.Recovered || r.Stats().Malformed != 1 {
			t.Errorf("%d malformed, joined %+v", r.Stats().Malformed, j)
		}
		c.Close()
	})
}
