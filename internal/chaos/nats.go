//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

// patienceForBroker is how long a node waits for a broker to connect to.
const patienceForBroker = 25 * time.Second

// dialBroker is the broker of a node: that at an address, as soon as it is there, or one of its own.
func dialBroker(cfg nodeConfig, log *slog.Logger) (broker.Broker, error) {
	if cfg.NATS == "" {
		return broker.New(nil), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceForBroker)
	defer cancel()
	for {
		b, err := natsbroker.Connect(ctx, cfg.NATS, &natsbroker.Options{Messages: cfg.History, Logger: log})
		if err == nil || ctx.Err() != nil {
			return b, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
