package main

import (
	"bytes"
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMessage(t *testing.T) {
	c := wstest.Dial(t, newMux(), "/ws")
	c.Send(ChatMessage{Message: "hi"})
	if got := wstest.Expect[ChatMessage](c).Message; got != "Got message: hi" {
		t.Errorf("answered %q", got)
	}
}

func TestOnTheWire(t *testing.T) {
	c := wstest.Dial(t, newMux(), "/ws")
	c.SendRaw(`{"action":"activity","activity":"typing"}`)
	if got, want := string(c.Next().Data), `{"action":"activity","activity":"typing"}`; got != want {
		t.Errorf("answered %s, want %s", got, want)
	}
}

func TestInvalid(t *testing.T) {
	c := wstest.Dial(t, newMux(), "/ws")
	c.SendRaw(`{"action":"message","message":""}`)
	e := wstest.Expect[wsrouter.Error](c)
	if e.Code != "validation_failed" || len(e.Issues) != 1 || e.Issues[0].Path != "/message" || e.Issues[0].Code != "minLength" {
		t.Errorf("answered %+v", e)
	}
	c.Send(ChatActivity{Activity: "idle"}) // the connection goes on
	wstest.Expect[ChatActivity](c)
}

// The documents as golden files: internal/compat has them judged by other people's validators and generators.
func TestDocuments(t *testing.T) {
	for _, name := range []string{"openapi.json", "asyncapi.json"} {
		rec := httptest.NewRecorder()
		newMux().ServeHTTP(rec, httptest.NewRequest("GET", "/"+name, nil))
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
