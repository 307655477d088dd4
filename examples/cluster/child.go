package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A report is what a child says of itself, as a line of JSON on its standard output: first when it is ready, then four times a second.
type report struct {
	Addr string // where it listens
	Why  string // what it lacks, if it does

	Conns, Rooms, Members int    // of a node
	Deliveries            uint64 // of a node
	Messages, Bytes       uint64 // of the broker
}

const reportEvery = 250 * time.Millisecond

// untilAlone returns a context that ends when the parent closes the standard input, which its death does too, and on SIGTERM. Ctrl+C is the
// parent's affair: a terminal sends it to every process, but nodes end before their broker.
func untilAlone(stdin io.Reader) context.Context {
	signal.Ignore(os.Interrupt)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		stop()
	}()
	return ctx
}

// tell writes reports until ctx is done or nobody reads them.
func tell(ctx context.Context, stdout io.Writer, now func() report) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	out := json.NewEncoder(stdout)
	for out.Encode(now()) == nil {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
