//go:build linux && (amd64 || arm64)

package main

import (
	"log/slog"

	"github.com/wsrouter-go/wsrouter/broker"
)

// dialBroker is the broker of a node.
func dialBroker(cfg nodeConfig, log *slog.Logger) (broker.Broker, error) {
	return broker.New(nil), nil
}
