package wsconn_test

import (
	"encoding/json"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var runMutants = flag.Bool("mutants", false, "check that a case of conformance catches each deviation of testdata/mutants.tsv (minutes)")

// The suites that a deviation is for: package, tests.
var suites = map[string][2]string{
	"frames":     {"./internal/wsconn", "^(TestConformanceParser|TestConformancePipe)$"},
	"handshakes": {".", "^TestHandshakes$"},
}

var failed = regexp.MustCompile(`(?m)^ +--- FAIL: \w+/([^/ ]+)`)

// TestMutants: each deviation of testdata/mutants.tsv can still be planted. With -mutants it is, in the eyes of the compiler alone, and a case
// has to catch it.
func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range readTable(t, "mutants.tsv", 5) {
		name, suite, file := row[0], suites[row[1]], filepath.Join(root, row[2])
		t.Run(name, func(t *testing.T) {
			mutated := plant(t, file, row[3], row[4])
			if *runMutants {
				t.Logf("%s: %s", name, catch(t, root, suite, file, mutated))
			}
		})
	}
}

// plant is the text of a file with one string, which stands in it once, in place of another.
func plant(t *testing.T, file, old, new string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if old, err = strconv.Unquote(old); err != nil {
		t.Fatal(err)
	}
	if new, err = strconv.Unquote(new); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), old); n != 1 || old == new {
		t.Fatalf("%q stands in %s %d times", old, filepath.Base(file), n)
	}
	mutated := strings.Replace(string(src), old, new, 1)
	if _, err := parser.ParseFile(token.NewFileSet(), file, mutated, 0); err != nil {
		t.Fatal(err)
	}
	return mutated
}

// catch runs a suite with mutated in place of a file and returns the first case that failed.
func catch(t *testing.T, root string, suite [2]string, file, mutated string) string {
	t.Helper()
	dir := t.TempDir()
	replacement := filepath.Join(dir, filepath.Base(file))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{replacement: []byte(mutated), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-failfast", "-timeout=5m", "-overlay", filepath.Join(dir, "overlay.json"), "-run", suite[1], suite[0])
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("no case noticed")
	}
	caught := failed.FindSubmatch(out)
	if caught == nil {
		t.Fatalf("no case failed, but something else: %.2000s", out)
	}
	return string(caught[1])
}
