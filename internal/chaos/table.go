//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where -table writes in docs/scaling.md.
const (
	begin = "<!-- begin: written by internal/chaos -->\n"
	end   = "<!-- end: written by internal/chaos -->\n"
)

// machine says where something was measured.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // an empty release then
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s %s/%s, Linux %s, %d CPUs, load average %s before", runtime.Version(), runtime.GOOS, runtime.GOARCH, unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), average)
}

// today is a date for a report.
func today() string { return time.Now().UTC().Format(time.DateOnly) }

// record keeps a report beside those of other commands and writes the document anew. root is the repository.
func record(root string, r report) error {
	kept, document := filepath.Join(root, "internal/chaos/results.json"), filepath.Join(root, "docs/scaling.md")
	var reports []report
	if data, err := os.ReadFile(kept); err == nil {
		if err := json.Unmarshal(data, &reports); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(reports, func(x report) bool { return x.Title == r.Title }); i >= 0 {
		reports[i] = r
	} else {
		reports = append(reports, r)
	}
	data, err := json.MarshalIndent(reports, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(kept, append(data, '\n'), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	if text, err = woven(text, reports); err != nil {
		return err
	}
	return os.WriteFile(document, text, 0o644)
}

// woven returns the document with the reports between the marks.
func woven(document []byte, reports []report) ([]byte, error) {
	before, rest, ok := bytes.Cut(document, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("the document has no marks %q and %q", begin, end)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin)
	for _, r := range reports {
		r.print(&out)
	}
	out.WriteString("\n" + end)
	out.Write(after)
	return out.Bytes(), nil
}
