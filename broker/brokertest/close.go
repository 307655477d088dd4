package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/wsrouter-go/wsrouter/broker"
)

// After Close everything says so, and nobody is called any more.
func testClose(b *bench) {
	s := b.subject(nil)
	peer := b.peer(s)
	var over atomic.Bool
	heard := make(chan struct{}, 1)
	_, unsubscribe, err := b.listen(b.ctx(), s.Broker, "a", func(broker.Message) {
		if over.Load() {
			b.Error("a subscriber was called after Close")
		}
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.publish(s.Broker, "a", "1")
	receive(b, heard, "a message")
	for range 2 {
		if err := s.Broker.Close(b.ctx()); err != nil {
			b.Errorf("Close: %v", err)
		}
		over.Store(true)
	}
	if s.Peer != nil {
		in := b.subscribe(peer, "a")
		b.publish(peer, "a", "2")
		in.expect("2")
	}
	if err := unsubscribe(); err != nil && !errors.Is(err, broker.ErrClosed) {
		b.Errorf("unsubscribe after Close: %v", err)
	}
	if _, err := s.Broker.Publish(b.ctx(), "a", nil, broker.PublishOptions{}); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("Publish after Close: %v, want ErrClosed", err)
	}
	if _, _, err := b.listen(b.ctx(), s.Broker, "a", func(broker.Message) {}); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("Subscribe after Close: %v, want ErrClosed", err)
	}
	if _, ok := s.Broker.(broker.Historian); ok {
		if _, err := b.history(s.Broker, "a", broker.Position{}, 0); !errors.Is(err, broker.ErrClosed) {
			b.Errorf("History after Close: %v, want ErrClosed", err)
		}
	}
	if _, ok := s.Broker.(broker.Recaller); ok {
		if _, _, err := b.recall(s.Broker, "a", broker.Position{}, 1, 1); !errors.Is(err, broker.ErrClosed) {
			b.Errorf("Recall after Close: %v, want ErrClosed", err)
		}
	}
}

// Close in the middle of everything: each call succeeds or says why not.
func testCloseWhilePublishing(b *bench) {
	s := b.subject(nil)
	var wg sync.WaitGroup
	started := make(chan struct{}, 16)
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := s.Broker.Publish(b.Context(), "a", fmt.Append(nil, i), broker.PublishOptions{})
				if i == 0 {
					started <- struct{}{}
				}
				if errors.Is(err, broker.ErrUnknownOutcome) {
					continue
				}
				if err != nil {
					if !errors.Is(err, broker.ErrClosed) {
						b.Errorf("Publish while Close: %v", err)
					}
					return
				}
			}
		})
		wg.Go(func() {
			for i := 0; ; i++ {
				_, unsubscribe, err := b.listen(b.Context(), s.Broker, fmt.Sprint("b", w), func(broker.Message) {})
				if i == 0 {
					started <- struct{}{}
				}
				if err != nil {
					if !errors.Is(err, broker.ErrClosed) {
						b.Errorf("Subscribe while Close: %v", err)
					}
					return
				}
				if err := unsubscribe(); err != nil && !errors.Is(err, broker.ErrClosed) {
					b.Errorf("unsubscribe while Close: %v", err)
				}
			}
		})
	}
	for range 16 {
		receive(b, started, "a call")
	}
	if err := s.Broker.Close(b.ctx()); err != nil {
		b.Errorf("Close: %v", err)
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	receive(b, done, "all calls return after Close")
}

// Close waits for a subscriber that runs, as long as its context.
func testCloseWhileSubscriberRuns(b *bench) {
	s := b.subject(nil)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	open := sync.OnceFunc(func() { close(release) })
	b.Cleanup(open)
	if _, _, err := b.listen(b.ctx(), s.Broker, "a", func(broker.Message) {
		entered <- struct{}{}
		<-release
	}); err != nil {
		b.Fatal(err)
	}
	b.publish(s.Broker, "a", "1")
	receive(b, entered, "a message")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := s.Broker.Close(ctx); !errors.Is(err, context.Canceled) {
		b.Errorf("Close while a subscriber runs: %v, want context.Canceled", err)
	}
	if _, err := s.Broker.Publish(b.ctx(), "a", nil, broker.PublishOptions{}); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("Publish after Close has given up: %v, want ErrClosed", err)
	}
	open()
	if err := s.Broker.Close(b.ctx()); err != nil {
		b.Errorf("Close when the subscriber has returned: %v", err)
	}
}
