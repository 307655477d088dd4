package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// runBroker is the program of the broker: a NATS server as a process of its own. Any other NATS server with JetStream does as well.
func runBroker(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("broker", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:4222", "address to listen on; port 0 takes a free one")
	store := flags.String("store", "", "folder of its files; if empty, one that is removed at the end")
	_ = flags.Parse(args) // it exits on a mistake

	server, err := embedded.Start(&embedded.Options{Addr: *addr, StoreDir: *store})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Shutdown()) }()
	nc, err := nats.Connect(server.URL())
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	tell(ctx, stdout, func() report {
		r := report{Addr: strings.TrimPrefix(server.URL(), "nats://")}
		streams := js.ListStreams(ctx)
		for s := range streams.Info() {
			r.Messages += s.State.Msgs
			r.Bytes += s.State.Bytes
		}
		return r
	})
	return nil
}
