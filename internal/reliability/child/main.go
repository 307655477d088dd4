//go:build linux && (amd64 || arm64)

// Command child is the server, or a crowd of clients, of the tests of package reliability.
package main

import (
	"fmt"
	"os"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

func main() {
	if err := reliability.RunChild(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
