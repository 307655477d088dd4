// Package migrate holds docs/migrate.md to what it says: its programs are these, and old clients see no difference.
package migrate

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	after "github.com/wsrouter-go/wsrouter/examples/migrate/after"
	before "github.com/wsrouter-go/wsrouter/examples/migrate/before"
)

var update = flag.Bool("update", false, "record the session anew, from the chat of old, and weave the programs into the document")

const (
	session  = "testdata/session.txt"
	document = "../../docs/migrate.md"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestSession plays the recorded frames to both chats, which must answer each byte for byte.
func TestSession(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	if *update {
		write(t, session, play(t, before.New(), read(t, session)))
	}
	want := read(t, session)
	for name, chat := range map[string]http.Handler{"before": before.New(), "after": after.New()} {
		t.Run(name, func(t *testing.T) {
			got := play(t, chat, want)
			for i, line := range strings.Split(got, "\n") {
				if recorded := strings.Split(want, "\n")[i]; line != recorded {
					t.Errorf("line %d: got %s, recorded %s", i+1, line, recorded)
				}
			}
		})
	}
}

// play returns the script with what the chat answers.
func play(t *testing.T, chat http.Handler, script string) string {
	t.Helper()
	server := httptest.NewServer(chat)
	defer server.Close()
	clients := map[string]*websocket.Conn{}
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		who, rest, _ := strings.Cut(line, " ")
		if strings.HasPrefix(line, "#") || line == "" {
			fmt.Fprintln(&out, line)
			continue
		}
		if clients[who] == nil {
			_, room, _ := strings.Cut(who, "@")
			conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/ws/"+room, nil)
			if err != nil {
				t.Fatal(err)
			}
			clients[who] = conn
		}
		c := clients[who]
		switch op, frame, _ := strings.Cut(rest, " "); op {
		case ">":
			if err := c.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&out, line)
		case "<":
			c.SetReadDeadline(time.Now().Add(30 * time.Second))
			kind, data, err := c.ReadMessage()
			if err != nil || kind != websocket.TextMessage {
				t.Fatalf("%s: %d %v", line, kind, err)
			}
			fmt.Fprintf(&out, "%s < %s\n", who, data)
		case "leaves":
			c.Close()
			fmt.Fprintln(&out, line)
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	return out.String()
}

// mostLines is how many lines the new program may have that the old one has not.
const mostLines = 40

var (
	woven  = regexp.MustCompile("(?s)<!-- (\\S+\\.go) -->\n```go\n.*?```\n")
	counts = regexp.MustCompile(`\d+ lines are new or changed, and \d+ are gone`)
)

// TestDocument weaves the programs into the document and counts the lines of their difference.
func TestDocument(t *testing.T) {
	text := read(t, document)
	want := woven.ReplaceAllStringFunc(text, func(block string) string {
		path := woven.FindStringSubmatch(block)[1]
		return fmt.Sprintf("<!-- %s -->\n```go\n%s```\n", path, read(t, "../../"+path))
	})
	added, removed := difference(read(t, "before/chat.go"), read(t, "after/chat.go"))
	if added > mostLines {
		t.Errorf("%d lines are new or changed, at most %d are allowed", added, mostLines)
	}
	want = counts.ReplaceAllString(want, fmt.Sprintf("%d lines are new or changed, and %d are gone", added, removed))
	if *update {
		write(t, document, want)
		text = want
	}
	if text != want {
		t.Error("docs/migrate.md does not show the programs; read the difference after: go test -update")
	}
	if len(woven.FindAllString(text, -1)) != 2 || len(counts.FindAllString(text, -1)) != 1 {
		t.Error("docs/migrate.md lacks a program or the count")
	}
}

// difference counts the lines of the shortest edit from a to b. Lines that are empty are not counted.
func difference(a, b string) (added, removed int) {
	lines := func(s string) (list []string) {
		for line := range strings.Lines(s) {
			if strings.TrimSpace(line) != "" {
				list = append(list, line)
			}
		}
		return list
	}
	x, y := lines(a), lines(b)
	common := make([]int, len(y)+1) // length of the longest common subsequence
	for _, line := range x {
		diagonal := 0
		for j := range y {
			above := common[j+1]
			if line == y[j] {
				common[j+1] = diagonal + 1
			} else {
				common[j+1] = max(above, common[j])
			}
			diagonal = above
		}
	}
	return len(y) - common[len(y)], len(x) - common[len(y)]
}

func TestDifference(t *testing.T) {
	if added, removed := difference("a\nb\nc\n", "a\n\nx\nc\nd\n"); added != 2 || removed != 1 {
		t.Error(added, removed)
	}
}

// TestServedDocument: the chat of today also says what it speaks.
func TestServedDocument(t *testing.T) {
	rec := httptest.NewRecorder()
	after.New().ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	for _, part := range []string{`"/ws/{room}"`, `"/ws/{room}/(join)"`, `"maxLength": 200`} {
		if !bytes.Contains(rec.Body.Bytes(), []byte(part)) {
			t.Errorf("%s is missing", part)
		}
	}
}
