package wsrouter

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// A shield is a broker whose bugs stay its own: a method that panics fails instead, and is logged once a minute. Most of what a router asks of
// its broker it asks in goroutines of its own, where a panic would end the process.
type shield struct {
	broker.Broker
	router *router
}

// guard calls a method of the broker.
func (s *shield) guard(method string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &brokerPanic{method, p}
			s.tell(err, string(debug.Stack()))
		}
	}()
	return call()
}

// brokerPanic is why a method failed.
type brokerPanic struct {
	method string
	value  any
}

func (p *brokerPanic) Error() string {
	return fmt.Sprintf("panic in the broker's %s: %v", p.method, p.value)
}

func (s *shield) tell(err error, stack string) {
	if silent, ok := s.router.refusals.due("panic in the broker", time.Now()); ok {
		tell(func() {
			s.router.logger().Error("wsrouter: panic", "in", "Broker", "err", err, "stack", stack, "not_logged", silent)
		})
	}
}

// Publish does not know what became of a message if the broker panics.
func (s *shield) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (at broker.Position, err error) {
	err = s.guard("Publish", func() (err error) {
		at, err = s.Broker.Publish(ctx, topic, data, o)
		return err
	})
	if p := (*brokerPanic)(nil); errors.As(err, &p) {
		err = fmt.Errorf("%w: %w", broker.ErrUnknownOutcome, err)
	}
	return at, err
}

// Subscribe is for what is heard now and then.
func (s *shield) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (at broker.Position, unsubscribe func() error, err error) {
	return s.subscribe(func() (broker.Position, func() error, error) { return s.Broker.Subscribe(ctx, topic, h) })
}

// SubscribeBatches has h, which does not block, called by the broker's goroutine for several topics, where it has one.
func (s *shield) SubscribeBatches(ctx context.Context, topic string, h func([]broker.Message)) (at broker.Position, unsubscribe func() error, err error) {
	b, ok := s.Broker.(broker.Batcher)
	if !ok {
		return s.Subscribe(ctx, topic, func(m broker.Message) { h([]broker.Message{m}) })
	}
	return s.subscribe(func() (broker.Position, func() error, error) { return b.SubscribeBatches(ctx, topic, h) })
}

func (s *shield) subscribe(call func() (broker.Position, func() error, error)) (at broker.Position, unsubscribe func() error, err error) {
	var end func() error
	err = s.guard("Subscribe", func() (err error) {
		at, end, err = call()
		return err
	})
	return at, func() error { return s.guard("unsubscribe", end) }, err
}

func (s *shield) Close(ctx context.Context) error {
	return s.guard("Close", func() error { return s.Broker.Close(ctx) })
}

// hasHistory reports whether History may be called.
func (s *shield) hasHistory() bool {
	_, ok := s.Broker.(broker.Historian)
	return ok
}

func (s *shield) History(ctx context.Context, topic string, since broker.Position, limit int) (list []broker.Message, err error) {
	err = s.guard("History", func() (err error) {
		list, err = s.Broker.(broker.Historian).History(ctx, topic, since, limit)
		return err
	})
	return list, err
}

// recalls reports whether Recall may be called.
func (s *shield) recalls() bool {
	_, ok := s.Broker.(broker.Recaller)
	return ok
}

func (s *shield) Recall(ctx context.Context, topic string, before broker.Position, limit, bytes int) (list []broker.Message, more bool, err error) {
	err = s.guard("Recall", func() (err error) {
		list, more, err = s.Broker.(broker.Recaller).Recall(ctx, topic, before, limit, bytes)
		return err
	})
	return list, more, err
}

// notify has f told of the broker's state, if it has one.
func (s *shield) notify(f func(broker.State)) {
	if b, ok := s.Broker.(broker.Stateful); ok {
		_ = s.guard("Notify", func() error { b.Notify(f); return nil }) // it is logged, and counts as Up
	}
}
