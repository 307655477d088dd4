package natsbroker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

// forever is how long the client waits for a server that takes connections and says nothing.
var forever = []nats.Option{nats.Timeout(time.Hour)}

// Connect ends with its context.
func TestConnectEnds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	silent := make(chan net.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		silent <- c
		cancel()
	}()
	_, err = natsbroker.Connect(ctx, "nats://"+ln.Addr().String(), &natsbroker.Options{NATS: forever})
	if !errors.Is(err, broker.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Connect: %v, want ErrUnavailable and context.Canceled", err)
	}
	(<-silent).Close()
}

// Nothing waits for a client that connects to a server that says nothing.
func TestSilentServer(t *testing.T) {
	s := startEmbedded(t, nil)
	p := newProxy(t, s.Addr())
	b := connect(t, p.url(), &natsbroker.Options{NATS: forever})
	l := newLedger(t)
	l.subscribe(b, topics(10)...)
	st := states(b)
	p.freeze()
	until(t, st, broker.Down)
	held := p.waiting()
	await(t, "it connects again, and nothing passes", func() bool { return p.waiting() > held })
	over := make(chan error)
	ended, end := context.WithCancel(t.Context())
	end()
	for _, call := range []func() error{
		func() error { _, err := b.Publish(t.Context(), "a", nil, broker.PublishOptions{}); return err },
		func() error { _, _, err := b.Subscribe(t.Context(), "a", func(broker.Message) {}); return err },
		func() error { _, err := b.History(t.Context(), "a", broker.Position{}, 1); return err },
		func() error { b.Close(ended); return broker.ErrUnavailable },
	} {
		go func() { over <- call() }()
		select {
		case err := <-over:
			if !errors.Is(err, broker.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		case <-time.After(patience):
			t.Fatal("a call waits for the connection")
		}
	}
}

// A write that fails may have been of subscriptions, which the client forgets: the connection is another one then.
func TestWriteFails(t *testing.T) {
	s := startEmbedded(t, nil)
	var d failing
	b, other := closeLater(t, connect(t, s.URL(), &natsbroker.Options{NATS: []nats.Option{nats.SetCustomDialer(&d)}})), closeLater(t, connect(t, s.URL(), nil))
	l := newLedger(t)
	l.subscribe(b, topics(10)...)
	st := states(b)
	until(t, st, broker.Up)
	d.fail.Store(true)
	err := l.publish(b, "topic-0", "while it fails")
	until(t, st, broker.Down)
	until(t, st, broker.Up)
	l.mustPublish(other, 1, topics(10)...)
	if n := l.settle(b); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
	t.Logf("Publish: %v", err)
}

// failing dials connections of which the next write fails as one of a full socket does.
type failing struct{ fail atomic.Bool }

func (d *failing) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	return &failingConn{c, d}, err
}

type failingConn struct {
	net.Conn
	d *failing
}

func (c *failingConn) Write(p []byte) (int, error) {
	if c.d.fail.CompareAndSwap(true, false) {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

// A subscription that the server refuses fails, or its topic still hears what it misses, or that it cannot be had any more.
func TestSubscriptionsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte("max_subscriptions: 6"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startProcess(t, "-c", file)
	o := &natsbroker.Options{Messages: 20}
	b, other := closeLater(t, connect(t, s.url(), o)), closeLater(t, connect(t, s.url(), o))
	var heard [10]atomic.Bool
	refused := 0
	for i, topic := range topics(len(heard)) {
		_, _, err := b.Subscribe(t.Context(), topic, func(broker.Message) { heard[i].Store(true) })
		if err != nil {
			heard[i].Store(true)
			refused++
			if !strings.Contains(err.Error(), "refuses subscriptions: nats: server maximum subscriptions exceeded") {
				t.Errorf("Subscribe: %v", err)
			}
		}
	}
	l := newLedger(t)
	l.mustPublish(other, 1, topics(len(heard))...)
	l.mustPublish(other, 30, "another")
	for i := range heard {
		await(t, fmt.Sprintf("topic %d has heard something", i), heard[i].Load)
	}
	t.Logf("%d of %d refused", refused, len(heard))
}

// So does one that the account may not have. That it may not hear of the stream's changes is no such refusal.
func TestSubscriptionsForbidden(t *testing.T) {
	s := startEmbedded(t, func(o *server.Options) {
		deny := func(subject string) *server.Permissions {
			return &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{subject}}}
		}
		o.Users = []*server.User{
			{Username: "deaf", Password: "x", Permissions: deny("wsrouter.out.>")},
			{Username: "node", Password: "x", Permissions: deny("$JS.EVENT.>")},
		}
	})
	as := func(user string) *natsbroker.Broker {
		return closeLater(t, connect(t, s.URL(), &natsbroker.Options{NATS: []nats.Option{nats.UserInfo(user, "x")}}))
	}
	node, deaf, l := as("node"), as("deaf"), newLedger(t)
	l.subscribe(node, topics(10)...)
	heard := make(chan broker.Message, 1)
	if _, _, err := deaf.Subscribe(t.Context(), "topic-0", func(m broker.Message) { heard <- m }); err == nil {
		l.mustPublish(node, 1, "topic-0")
		<-heard
	} else if !strings.Contains(err.Error(), "refuses subscriptions: nats: permissions violation") {
		t.Errorf("Subscribe: %v", err)
	}
	l.mustPublish(node, 2, topics(10)...)
	l.settle(node)
	if s := node.Stats(); s.Gaps > 0 {
		t.Errorf("without word of the stream's changes, topics are not believed to be complete: %+v", s)
	}
}

// A message that is dropped between the answer to a join and its end is missed, and that is told if it cannot be had any more.
func TestDroppedAtJoin(t *testing.T) {
	undo := natsbroker.SetArrivals(1)
	s := startEmbedded(t, nil)
	p := newProxy(t, s.Addr())
	o := &natsbroker.Options{Messages: 20}
	b, other := closeLater(t, connect(t, p.url(), o)), closeLater(t, connect(t, s.URL(), o))
	undo()
	publish := func(topic, data string) {
		t.Helper()
		if _, err := other.Publish(t.Context(), topic, []byte(data), broker.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// Every shard has a handler that runs, and what arrives meanwhile is dropped.
	publish("first", "")
	var held atomic.Int32
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open)
	for _, topic := range topics(12) {
		if _, _, err := b.SubscribeBatches(t.Context(), topic, func([]broker.Message) { held.Add(1); <-gate }); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		for _, topic := range topics(12) {
			publish(topic, "")
		}
	}
	await(t, "handlers run", func() bool { return held.Load() >= 2 })
	// The answer to a join and a message arrive together.
	p.freezeBack()
	had := p.waiting()
	publish("topic-0", "")
	await(t, "what comes back is held", func() bool { return p.waiting() > had })
	seen := make(chan string, 100)
	subs := s.Subscriptions()
	if _, _, err := other.Subscribe(t.Context(), "b", func(m broker.Message) { seen <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard []broker.Message
	joined := make(chan error, 1)
	go func() {
		_, _, err := b.Subscribe(t.Context(), "b", func(m broker.Message) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, m)
		})
		joined <- err
	}()
	await(t, "the subscription is there", func() bool { return s.Subscriptions() >= subs+2 })
	publish("b", "one")
	<-seen
	p.onlyBack() // what b asks for then does not come to the server
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
	open()
	for range 30 {
		publish("another", "")
	}
	publish("b", "two")
	<-seen
	p.unfreeze()
	last := func() string {
		mu.Lock()
		defer mu.Unlock()
		if len(heard) == 0 {
			return ""
		}
		return string(heard[len(heard)-1].Data)
	}
	await(t, "the second is heard", func() bool { return last() == "two" })
	if len(heard) == 1 && !heard[0].Lost {
		t.Errorf("heard only %q, and nothing of a loss", last())
	}
}
