package embedded_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// A server that asks for a token, and a node that has it.
func ExampleStart() {
	ctx := context.Background()
	s, err := embedded.Start(&embedded.Options{Configure: func(o *server.Options) { o.Authorization = "secret" }})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Shutdown()
	b, err := natsbroker.Connect(ctx, "nats://secret@"+s.Addr(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close(ctx)
	_, err = b.Publish(ctx, "lobby", []byte("hello"), broker.PublishOptions{})
	fmt.Println(err)
	// Output:
	// <nil>
}
