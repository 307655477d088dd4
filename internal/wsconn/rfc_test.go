package wsconn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// minCases is how many cases there are to be.
const minCases = 300

// TestRFC: every rule of testdata/rfc.tsv has a case, and every case that it names exists.
func TestRFC(t *testing.T) {
	cases := map[string]bool{}
	for _, table := range []string{"frames.tsv", "handshakes.tsv"} {
		for _, row := range readTable(t, table, 4) {
			if cases[row[0]] {
				t.Errorf("%s: a second case %q", table, row[0])
			}
			cases[row[0]] = true
		}
	}
	if len(cases) < minCases {
		t.Errorf("%d cases, want %d", len(cases), minCases)
	}
	for _, dir := range []string{".", "../..", "../compat"} {
		for _, name := range testsIn(t, dir) {
			cases[name] = true
		}
	}
	for _, row := range readTable(t, "rfc.tsv", 3) {
		patterns := strings.Fields(row[2])
		if len(patterns) == 0 {
			t.Errorf("%s: %s: no case", row[0], row[1])
		}
		for _, p := range patterns {
			if !named(cases, p) {
				t.Errorf("%s: %s: there is no case %q", row[0], row[1], p)
			}
		}
	}
}

func named(cases map[string]bool, pattern string) bool {
	if cases[pattern] {
		return true
	}
	for name := range cases {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}

// testsIn are the names of the tests in a directory.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s, %v", dir, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
