package main

import (
	"bytes"
	"errors"
	"flag"
	"net/http/httptest"
	"os"
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

// The document as a golden file: internal/compat has it judged by other people's validators and generators.
func TestOpenAPI(t *testing.T) {
	rec := httptest.NewRecorder()
	newMux().ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	if rec.Code != 200 {
		t.Fatalf("status %d", rec.Code)
	}
	const path = "testdata/openapi.json"
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
