package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// dial connects to a room and reads its details.
func dial(t *testing.T, h http.Handler, id string) (*wstest.Client, RoomDetails) {
	t.Helper()
	c := wstest.Dial(t, h, "/ws/"+id)
	return c, wstest.Expect[RoomDetails](c)
}

// enter connects and joins, and returns what was said before.
func enter(t *testing.T, h http.Handler, id, name string) (*wstest.Client, []Said) {
	t.Helper()
	c, _ := dial(t, h, id)
	past := joins(t, c, name)
	wstest.Expect[UsersList](c)
	return c, past
}

// joins joins, and returns what was said before.
func joins(t *testing.T, c *wstest.Client, name string) []Said {
	t.Helper()
	c.Send(join(name))
	if j := wstest.Expect[wsrouter.Joined](c); j.Recovered != nil {
		t.Errorf("a newcomer hears %+v", j)
	}
	return wstest.Expect[PendingMessages](c).Messages
}

// met reads what a member hears of a newcomer.
func met(t *testing.T, c *wstest.Client, name string) {
	t.Helper()
	if got := wstest.Expect[UserJoined](c).User.UserName; got != name {
		t.Errorf("%q joined, want %q", got, name)
	}
	wstest.Expect[UsersList](c)
}

func join(name string) UserJoin { return UserJoin{User: User{UserName: name}} }

func refused(t *testing.T, c *wstest.Client, code string) {
	t.Helper()
	if got := wstest.Expect[wsrouter.Error](c); got.Code != code {
		t.Errorf("answered %q (%s), want %q", got.Code, got.Detail, code)
	}
}

func TestDetailsBeforeJoining(t *testing.T) {
	h := routes(newChat())
	enter(t, h, "1", "Ada")
	_, details := dial(t, h, "1")
	if details.RoomID != "1" || details.RoomName != "Lobby" || len(details.Users) != 1 || details.Users[0].UserName != "Ada" {
		t.Errorf("got %+v", details)
	}
}

func TestJoinMessageLeave(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")

	bob, _ := dial(t, h, "1")
	joins(t, bob, "Bob")
	if got := wstest.Expect[UserJoined](ada).User.UserName; got != "Bob" {
		t.Errorf("Ada hears that %q joined", got)
	}
	for _, c := range []*wstest.Client{ada, bob} {
		if users := wstest.Expect[UsersList](c).Users; fmt.Sprint(users) != "[{Ada} {Bob}]" {
			t.Errorf("list is %v", users)
		}
	}

	bob.Send(UserMessage{Message: "hello"})
	for _, c := range []*wstest.Client{ada, bob} {
		m := wstest.Expect[UserMessaged](c)
		if m.User.UserName != "Bob" || m.Message != "hello" || m.Seq != 1 || m.SentAt.IsZero() {
			t.Errorf("got %+v", m)
		}
	}

	bob.Send(UserLeave{})
	for _, c := range []*wstest.Client{ada, bob} { // the one who leaves hears it too: that is the answer
		if got := wstest.Expect[UserLeft](c).User.UserName; got != "Bob" {
			t.Errorf("%q left", got)
		}
	}
	bob.Send(UserMessage{Message: "still here?"})
	refused(t, bob, "not_joined")

	if past := joins(t, bob, "Robert"); len(past) != 1 || past[0].Message != "hello" { // back again, on the same connection
		t.Errorf("missed %+v", past)
	}
	wstest.Expect[UsersList](bob)
	met(t, ada, "Robert")
}

func TestTyping(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	bob, _ := enter(t, h, "1", "Bob")
	met(t, ada, "Bob")
	bob.Send(UserTyping{})
	if got := wstest.Expect[UserTypes](ada).UserName; got != "Bob" {
		t.Errorf("%q types", got)
	}
	bob.Send(UserMessage{Message: "done"})
	wstest.Expect[UserMessaged](bob) // and nothing about the own typing before it
}

func TestWrongRoom(t *testing.T) {
	resp := wstest.Refused(t, routes(newChat()), "/ws/3")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || !strings.Contains(body.String(), "no such room") {
		t.Errorf("body %q, %v", &body, err)
	}
}

func TestMustJoinFirst(t *testing.T) {
	h := routes(newChat())
	c, _ := dial(t, h, "1")
	for _, m := range []any{UserMessage{Message: "hi"}, UserTyping{}, UserLeave{}} {
		c.Send(m)
		refused(t, c, "not_joined")
	}
}

func TestNames(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	c, _ := dial(t, h, "1")
	c.Send(join("ADA"))
	refused(t, c, "name_taken")
	for _, name := range []string{"", " Ada", "Ada\t", "A\u200bda", strings.Repeat("a", 25)} {
		c.Send(join(name))
		refused(t, c, "validation_failed")
	}
	joins(t, c, "Bob") // a refusal leaves the connection open
	wstest.Expect[UsersList](c)
	c.Send(join("Eve"))
	refused(t, c, "already_joined")

	ada.Send(UserLeave{})
	enter(t, h, "2", "Ada") // the other room has its own names
	met(t, ada, "Bob")
	wstest.Expect[UserLeft](ada)
	wstest.Expect[UserLeft](c)
	d, _ := dial(t, h, "1") // and a name is free again
	joins(t, d, "Ada")
}

func TestDisconnectLeaves(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	bob, _ := enter(t, h, "1", "Bob")
	met(t, ada, "Bob")
	bob.Close()
	if got := wstest.Expect[UserLeft](ada).User.UserName; got != "Bob" {
		t.Errorf("%q left", got)
	}
	enter(t, h, "1", "Bob")
	met(t, ada, "Bob")
}

func TestRoomsAreApart(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	bob, _ := enter(t, h, "2", "Bob")
	bob.Send(UserMessage{Message: "in two"})
	wstest.Expect[UserMessaged](bob)
	ada.Send(UserMessage{Message: "in one"})
	if m := wstest.Expect[UserMessaged](ada); m.Message != "in one" || m.Seq != 1 {
		t.Errorf("room 1 got %+v", m)
	}
	_, past := enter(t, h, "2", "Eve")
	if len(past) != 1 || past[0].Message != "in two" {
		t.Errorf("room 2 keeps %+v", past)
	}
}

func TestPendingMessages(t *testing.T) {
	h := routes(newChat())
	ada, past := enter(t, h, "1", "Ada")
	if len(past) != 0 {
		t.Errorf("an empty room has a past: %+v", past)
	}
	for i := range history + 5 {
		ada.Send(UserMessage{Message: fmt.Sprint("message ", i+1)})
		wstest.Expect[UserMessaged](ada)
	}
	_, past = enter(t, h, "1", "Bob")
	if len(past) != history || past[0].Seq != 6 || past[0].Message != "message 6" || past[history-1].Seq != history+5 {
		t.Errorf("missed %d messages, from %+v", len(past), past[0])
	}
}

// What a newcomer is sent at once fits into its outbox, even if every character of the past must be escaped.
func TestWorstPast(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	for range history {
		ada.Send(UserMessage{Message: strings.Repeat("\x01", 1000)})
		wstest.Expect[UserMessaged](ada)
	}
	_, past := enter(t, h, "1", "Bob")
	if len(past) != history || len(past[0].Message) != 1000 {
		t.Errorf("missed %d messages", len(past))
	}
}

func TestRoomFull(t *testing.T) {
	h := routes(newChat())
	for i := range capacity {
		c, _ := dial(t, h, "1")
		c.Send(join(fmt.Sprint("user ", i)))
		for !strings.Contains(string(c.Next().Data), "server_pending_messages") { // it may meet those before it first
		}
	}
	c, _ := dial(t, h, "1")
	c.Send(join("Ada"))
	refused(t, c, "room_full")
	enter(t, h, "2", "Ada")
}

// Who loses the connection and comes back with its position hears what it missed, in order, before anything else.
func TestResume(t *testing.T) {
	h := routes(newChat())
	ada, _ := enter(t, h, "1", "Ada")
	bob, _ := enter(t, h, "1", "Bob")
	met(t, ada, "Bob")
	bob.Send(UserMessage{Message: "one"})
	wstest.Expect[UserMessaged](ada)
	var last struct{ Position wsrouter.RoomPosition }
	if err := json.Unmarshal(bob.Next().Data, &last); err != nil || last.Position.Room != "1" {
		t.Fatalf("%+v, %v", last, err)
	}
	bob.Close()
	wstest.Expect[UserLeft](ada)
	for _, text := range []string{"two", "three"} {
		ada.Send(UserMessage{Message: text})
		wstest.Expect[UserMessaged](ada)
	}

	resume, err := json.Marshal(map[string]string{"1": last.Position.At})
	if err != nil {
		t.Fatal(err)
	}
	bob = wstest.Dial(t, h, "/ws/1?resume="+url.QueryEscape(string(resume)))
	wstest.Expect[RoomDetails](bob)
	bob.Send(join("Bob"))
	if j := wstest.Expect[wsrouter.Joined](bob); j.Recovered == nil || !*j.Recovered || j.Missed != 3 {
		t.Errorf("heard %+v", j)
	}
	wstest.Expect[UserLeft](bob) // he himself
	for _, text := range []string{"two", "three"} {
		if m := wstest.Expect[UserMessaged](bob); m.Message != text {
			t.Errorf("missed %q, want %q", m.Message, text)
		}
	}
	if past := wstest.Expect[PendingMessages](bob).Messages; len(past) != 3 { // for pages that do not resume
		t.Errorf("past %+v", past)
	}

	eve := wstest.Dial(t, h, "/ws/1?resume="+url.QueryEscape(`{"1":"of-another-life-1"}`))
	wstest.Expect[RoomDetails](eve)
	eve.Send(join("Eve"))
	if j := wstest.Expect[wsrouter.Joined](eve); j.Recovered == nil || *j.Recovered {
		t.Errorf("heard %+v", j)
	}
	wstest.Expect[wsrouter.Resync](eve)
}

// The documents as golden files: internal/compat has them judged by other people's validators and generators.
func TestDocuments(t *testing.T) {
	for _, name := range []string{"openapi.json", "asyncapi.json"} {
		rec := httptest.NewRecorder()
		routes(newChat()).ServeHTTP(rec, httptest.NewRequest("GET", "/"+name, nil))
		if rec.Code != 200 {
			t.Fatalf("%s: status %d", name, rec.Code)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o777), os.WriteFile(path, rec.Body.Bytes(), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(rec.Body.Bytes(), want) {
			t.Errorf("%s changed: make golden, and read the difference", path)
		}
	}
}
