package embedded_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// TestStartFails: it says what cannot be had, and why.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	other, err := embedded.Start(&embedded.Options{StoreDir: used})
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]struct {
		o    embedded.Options
		want []string
	}{
		"address in use":    {embedded.Options{Addr: taken.Addr().String()}, []string{taken.Addr().String(), "in use"}},
		"no address":        {embedded.Options{Addr: "127.0.0.1"}, []string{`"127.0.0.1"`, "port"}},
		"no port":           {embedded.Options{Addr: "127.0.0.1:http"}, []string{`"127.0.0.1:http"`, "invalid"}},
		"file as directory": {embedded.Options{StoreDir: file}, []string{file, "directory"}},
		"files in use":      {embedded.Options{StoreDir: used}, []string{used, "another server"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := embedded.Start(&of.o)
			if err == nil {
				s.Shutdown()
				t.Fatal("it started")
			}
			for _, want := range of.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q, want %q in it", err, want)
				}
			}
		})
	}
	if err := other.Shutdown(); err != nil {
		t.Error(err)
	}
	again, err := embedded.Start(&embedded.Options{StoreDir: used})
	if err != nil {
		t.Fatalf("after the other's end: %v", err)
	}
	again.Shutdown()
}
