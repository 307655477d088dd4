package natsbroker_test

import (
	"context"
	"fmt"
	"log"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// Two nodes on one server: what one publishes the other hears, and who was away reads what it missed.
func Example() {
	ctx := context.Background()
	server, err := embedded.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Shutdown()

	var nodes [2]*natsbroker.Broker
	for i := range nodes {
		if nodes[i], err = natsbroker.Connect(ctx, server.URL(), nil); err != nil {
			log.Fatal(err)
		}
		defer nodes[i].Close(ctx)
	}

	heard := make(chan broker.Message)
	at, _, err := nodes[0].Subscribe(ctx, "lobby", func(m broker.Message) { heard <- m })
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"hello", "anybody there?"} {
		if _, err := nodes[1].Publish(ctx, "lobby", []byte(text), broker.PublishOptions{}); err != nil {
			log.Fatal(err)
		}
		m := <-heard
		fmt.Println(string(m.Data))
	}
	missed, err := nodes[1].History(ctx, "lobby", at, 0)
	fmt.Println(len(missed), "messages missed", err)
	// Output:
	// hello
	// anybody there?
	// 2 messages missed <nil>
}
