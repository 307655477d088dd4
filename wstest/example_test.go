package wstest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// The tests of this file are the examples of the package's documentation, which has their text.

type ChatMessage struct {
	_       struct{} `ws:"message"`
	Message string   `json:"message" minLength:"1" maxLength:"500"`
}

type UserLeft struct {
	_    struct{} `ws:"user_left"`
	Name string   `json:"name"`
}

type User struct {
	Name string `query:"name"`
}

// newChat is a room in which everybody hears everybody else, for ten minutes.
func newChat() http.Handler {
	chat := wsrouter.New[User](nil)
	everybody := chat.Room("everybody")
	chat.Sends(UserLeft{})
	chat.OnConnect(func(ctx context.Context, c *wsrouter.Conn[User]) error {
		time.AfterFunc(10*time.Minute, func() { c.Close(1000, "time is up") })
		return everybody.Join(c)
	})
	chat.OnDisconnect(func(ctx context.Context, c *wsrouter.Conn[User], _ wsrouter.CloseInfo) {
		_ = everybody.Broadcast(ctx, UserLeft{Name: c.Session.Name})
	})
	wsrouter.Receive(chat, func(ctx context.Context, c *wsrouter.Conn[User], m ChatMessage) error {
		if err := everybody.Broadcast(ctx, m, wsrouter.Except(c)); err != nil {
			return err
		}
		return c.Send(ctx, ChatMessage{Message: "Got message: " + m.Message})
	}, wsrouter.Sends(ChatMessage{}))
	mux := http.NewServeMux()
	mux.Handle("GET /ws", chat)
	return mux
}

func TestChat(t *testing.T) {
	c := wstest.Dial(t, newChat(), "/ws?name=ann")
	c.Send(ChatMessage{Message: "hi"})
	if got := wstest.Expect[ChatMessage](c); got.Message != "Got message: hi" {
		t.Errorf("answer %q", got.Message)
	}
}

func TestChatRoom(t *testing.T) {
	chat := newChat()
	ann, bob := wstest.Dial(t, chat, "/ws?name=ann"), wstest.Dial(t, chat, "/ws?name=bob")
	bob.Send(ChatMessage{Message: "I"}) // once answered, he is in
	wstest.Expect[ChatMessage](bob)

	ann.Send(ChatMessage{Message: "hi"})
	if got := wstest.Expect[ChatMessage](bob); got.Message != "hi" {
		t.Errorf("Bob got %q", got.Message)
	}
	ann.Close()
	if got := wstest.Expect[UserLeft](bob); got.Name != "ann" {
		t.Errorf("Bob heard that %q left", got.Name)
	}
}

func TestChatRefuses(t *testing.T) {
	resp := wstest.Refused(t, newChat(), "/ws") // no name
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", resp.StatusCode)
	}
	c := wstest.Dial(t, newChat(), "/ws?name=ann")
	c.Send(ChatMessage{Message: strings.Repeat("a", 501)})
	if got := wstest.Expect[wsrouter.Error](c); len(got.Issues) != 1 || got.Issues[0].Path != "/message" {
		t.Errorf("answer %+v", got)
	}
}

func TestChatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := wstest.Dial(t, newChat(), "/ws?name=ann")
		if reason := c.ExpectClose(1000); reason != "time is up" {
			t.Errorf("reason %q", reason)
		}
		if d := time.Since(start); d != 10*time.Minute {
			t.Errorf("after %v", d)
		}
	})
}
