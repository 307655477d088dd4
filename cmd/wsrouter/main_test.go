package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/cmd/wsrouter/internal/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// An archive is a file of testdata: text, then files, each behind a line "-- name --".
type archive struct {
	text  string
	names []string
	files map[string]string
}

func readArchive(t *testing.T, path string) *archive {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{files: map[string]string{}}
	name := ""
	for line := range strings.Lines(string(data)) {
		inner, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- ")
		inner, closed := strings.CutSuffix(inner, " --")
		switch {
		case ok && closed:
			name = inner
			a.names, a.files[name] = append(a.names, name), ""
		case name == "":
			a.text += line
		default:
			a.files[name] += line
		}
	}
	return a
}

func (a *archive) write(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(a.text)
	for _, name := range a.names {
		b.WriteString("-- " + name + " --\n" + a.files[name])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestComments runs the command in each archive. The file "want" is what it writes, "stderr" what it says; $WORK is its directory.
func TestComments(t *testing.T) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	if len(archives) == 0 {
		t.Fatal("no archives")
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, dir := readArchive(t, path), t.TempDir()
			for _, name := range a.names {
				if name != "want" && name != "stderr" {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(a.files[name]), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
			var stderr bytes.Buffer
			status := run([]string{"comments", dir}, nil, &stderr)
			said := strings.ReplaceAll(stderr.String(), dir+string(filepath.Separator), "")
			said = strings.ReplaceAll(said, dir, "$WORK")
			got, _ := os.ReadFile(filepath.Join(dir, "wsrouter_comments.go"))
			if *update {
				for name, content := range map[string]string{"want": string(got), "stderr": said} {
					if _, ok := a.files[name]; ok {
						a.files[name] = content
					}
				}
				a.write(t, path)
			}
			if said != a.files["stderr"] || (status == 0) != (said == "") {
				t.Errorf("status %d, stderr:\n%s", status, said)
			}
			if want, ok := a.files["want"]; ok && string(got) != want {
				t.Errorf("wrote\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "a.go")
	write := func(text string) {
		if err := os.WriteFile(source, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int, says string, args ...string) {
		t.Helper()
		var stderr bytes.Buffer
		if got := run(append(args, dir), nil, &stderr); got != want || !strings.Contains(stderr.String(), says) {
			t.Errorf("%v: %d %s", args, got, &stderr)
		}
	}
	write("package a\n\n// A is old.\ntype A struct {\n\tB int `json:\"b\"`\n}\n")
	check(1, "not current", "comments", "-check")
	check(0, "", "comments")
	check(0, "", "comments", "-check")
	write("package a\n\n// A is new.\ntype A struct {\n\tB int `json:\"b\"`\n}\n")
	check(1, "not current", "comments", "-check")
	if err := os.WriteFile(filepath.Join(dir, "own.go"), []byte("package a\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	check(1, "not generated", "comments", "-o", "own.go")
	check(1, "name of a Go file", "comments", "-o", "../b.go")
	check(2, "one directory", "comments", ".")
	check(2, "-x", "comments", "-x")
	check(2, `no command "coments"`, "coments")
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if run([]string{"help"}, &stdout, &stderr) != 0 || !strings.Contains(stdout.String(), "comments") {
		t.Error(stdout.String())
	}
	if run(nil, &stdout, &stderr) != 2 || !strings.Contains(stderr.String(), "comments") {
		t.Error(stderr.String())
	}
}

// TestDocument finds the comments of the sample in its OpenAPI document, but where a tag or an option says something.
func TestDocument(t *testing.T) {
	if status := run([]string{"comments", "-check", "internal/sample"}, nil, os.Stderr); status != 0 {
		t.Fatal("go generate ./cmd/wsrouter/internal/sample")
	}
	doc := apidoc.New("Sample", "1")
	doc.Add("/ws/{room}", sample.Router())
	var root any
	if err := json.Unmarshal(doc.OpenAPI(), &root); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		"components schemas Say description":                  "Say is a text that a visitor says. It is shown to everybody.",
		"components schemas Say properties text description":  "Text is what is said, see [CommonMark](https://commonmark.org).",
		"components schemas Say properties loud description":  "The tag wins.",
		"components schemas Said description":                 "What was said.",
		"components schemas Said properties name description": "Name in the room.",
		"components schemas Author_value description":         "An Author has a name.",
		"paths /ws/{room} get parameters 0 description":       "Room that the visitor is in.",
		"paths /ws/{room} get parameters 1 description":       "The tag wins.",
		"paths /ws/{room}/(say) post summary":                 `Repeats a text, e.g. "hi"`,
		"paths /ws/{room}/(say) post description":             "Repeats a text, e.g. \"hi\". It answers the visitor who said it.\n\nNobody else hears it.",
		"paths /ws/{room}/(ask) post summary":                 "The option wins.",
		"paths /ws/{room}/(ask) post description":             "Answers who is there.",
	} {
		v := root
		for name := range strings.SplitSeq(at, " ") {
			switch parent := v.(type) {
			case map[string]any:
				v = parent[name]
			case []any:
				v = parent[name[0]-'0']
			}
		}
		text, _ := v.(string)
		if !strings.HasPrefix(text, want) || strings.HasSuffix(at, "summary") && text != want {
			t.Errorf("%s: %q, want %q", at, text, want) // what the library adds to a description follows behind
		}
	}
}
