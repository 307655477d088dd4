//go:build linux && (amd64 || arm64)

package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A bug is one that can be planted: a soak that does not turn red by it is worth nothing.
type bug struct {
	name     string
	replaces []replacement
}

// replacement is a text of a file of the repository, which stands there once, and what the bug has in its place.
type replacement struct{ file, old, new string }

//go:embed testdata/bugs.tsv
var bugTable string

// readBugs reads name, file, old and new, the last two as Go strings; rows of one name belong together.
func readBugs() (bugs []bug, err error) {
	for line := range strings.Lines(bugTable) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("bugs.tsv: %d fields in %q", len(f), line)
		}
		r := replacement{file: f[1]}
		if r.old, err = strconv.Unquote(f[2]); err != nil {
			return nil, fmt.Errorf("bugs.tsv: %s: %w", f[2], err)
		}
		if r.new, err = strconv.Unquote(f[3]); err != nil {
			return nil, fmt.Errorf("bugs.tsv: %s: %w", f[3], err)
		}
		if n := len(bugs); n > 0 && bugs[n-1].name == f[0] {
			bugs[n-1].replaces = append(bugs[n-1].replaces, r)
			continue
		}
		bugs = append(bugs, bug{f[0], []replacement{r}})
	}
	return bugs, nil
}

// plant builds this program with the bug in it, into dir. It has to be called in this program's directory.
func (b *bug) plant(dir string) (path string, err error) {
	overlay, err := b.overlay(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", b.name, err)
	}
	path = filepath.Join(dir, "chaos")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", b.name, err, out)
	}
	return path, nil
}

// overlay writes the files that the bug changes, and the file that tells the compiler of them.
func (b *bug) overlay(dir string) (path string, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	replaced := map[string]string{}
	for i, r := range b.replaces {
		file := filepath.Join(root, r.file)
		if replaced[file] == "" {
			replaced[file] = filepath.Join(dir, fmt.Sprintf("%d.go", i))
			if err := copyFile(replaced[file], file); err != nil {
				return "", err
			}
		}
		if err := r.in(replaced[file]); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

func (r replacement) in(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), r.old); n != 1 {
		return fmt.Errorf("%q stands in %s %d times", r.old, r.file, n)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), r.old, r.new, 1)), 0o600)
}
