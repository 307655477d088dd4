package main

import (
	"context"
	"errors"
	"io"

	"github.com/wsrouter-go/wsrouter/broker"
)

func runBroker(ctx context.Context, args []string, stdout io.Writer) error {
	return errors.New("not built")
}
func connect(ctx context.Context, url string) (broker.Broker, error) {
	return nil, errors.New("not built")
}
