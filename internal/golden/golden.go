// Package golden holds what tests get against files, which other tools and people read too.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files; read the difference before you commit it")

// File fails the test if got is not what the file at path holds, and shows the first line that differs. With -update it is written.
func File(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	is, was := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	n := 0
	for n < min(len(is), len(was)) && bytes.Equal(is[n], was[n]) {
		n++
	}
	t.Errorf("%s:%d: make golden, and read the difference\ngot  %.2000s\nwant %.2000s", path, n+1, line(is, n), line(was, n))
}

func line(lines [][]byte, n int) []byte {
	if n < len(lines) {
		return lines[n]
	}
	return []byte("(end)")
}
