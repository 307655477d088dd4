package main

import (
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
)

var woven = regexp.MustCompile("(?s)<!-- (/\\S+\\.yaml) -->\n```yaml\n.*?```\n")

// TestDocumentsPage: docs/documents.md shows both documents of this program.
func TestDocumentsPage(t *testing.T) {
	const page = "../../docs/documents.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	want := woven.ReplaceAllStringFunc(string(text), func(block string) string {
		blocks++
		path := woven.FindStringSubmatch(block)[1]
		rec := httptest.NewRecorder()
		newMux().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != 200 {
			t.Fatalf("GET %s: %d", path, rec.Code)
		}
		return "<!-- " + path + " -->\n```yaml\n" + rec.Body.String() + "```\n"
	})
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
		text = []byte(want)
	}
	if string(text) != want {
		t.Error("docs/documents.md shows other documents: make golden, and read the difference")
	}
	if blocks != 2 {
		t.Errorf("it shows %d documents, want 2", blocks)
	}
}
