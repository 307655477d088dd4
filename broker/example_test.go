package broker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/wsrouter-go/wsrouter/broker"
)

// Who was away asks for what came after the position it had reached, and hears all of it or that it cannot.
func ExampleNew() {
	ctx := context.Background()
	b := broker.New(&broker.Options{Messages: 3})
	defer b.Close(ctx)

	var last broker.Position
	publish := func(text string) {
		var err error
		if last, err = b.Publish(ctx, "news", []byte(text), broker.PublishOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	since := func(at broker.Position) {
		missed, err := b.(broker.Historian).History(ctx, "news", at, 0)
		if errors.Is(err, broker.ErrOverrun) {
			fmt.Println("missed too much")
			return
		}
		for _, m := range missed {
			fmt.Println("missed", string(m.Data))
		}
	}

	publish("one")
	left := last
	publish("two")
	publish("three")
	since(left)
	publish("four")
	publish("five")
	since(left)
	// Output:
	// missed two
	// missed three
	// missed too much
}

// Every subscriber hears every message, with its place.
func ExampleBroker_subscribe() {
	ctx := context.Background()
	b := broker.New(nil)
	defer b.Close(ctx)

	heard := make(chan broker.Message)
	start, unsubscribe, err := b.Subscribe(ctx, "news", func(m broker.Message) { heard <- m })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer unsubscribe()
	for _, text := range []string{"one", "two"} {
		if _, err := b.Publish(ctx, "news", []byte(text), broker.PublishOptions{}); err != nil {
			fmt.Println(err)
		}
		m := <-heard
		fmt.Println(string(m.Data), m.Seq-start.Seq)
	}
	// Output:
	// one 1
	// two 2
}
