package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs the program on a free port and returns its address and what ends it.
func start(t *testing.T) (base string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "localhost:0", stdout) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(line)
	if len(fields) != 4 || fields[0] != "chat:" || fields[2] != "docs:" || fields[3] != fields[1]+"/docs" {
		t.Fatalf("printed %q", line)
	}
	return fields[1], func() error { cancel(); return <-ended }
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestProgram(t *testing.T) {
	base, end := start(t)
	for path, want := range map[string]string{
		"/":             "<!doctype html>",
		"/chat.js":      "WebSocket",
		"/chat.css":     "{",
		"/docs":         "<html",
		"/openapi.json": `"/ws/{room_id}"`,
		"/ws/1":         "upgrade",
	} {
		resp, body := get(t, base+path)
		if path == "/ws/1" && resp.StatusCode != http.StatusUpgradeRequired || path != "/ws/1" && resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
		if !strings.Contains(strings.ToLower(body), strings.ToLower(want)) {
			t.Errorf("GET %s does not hold %q", path, want)
		}
	}
	if resp, _ := get(t, base+"/"); !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page has no strict policy")
	}
	if resp, _ := get(t, base+"/nothing"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("GET /nothing: %s", resp.Status)
	}
	began := time.Now()
	if err := end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("an idle server took %v to stop", took)
	}
}
