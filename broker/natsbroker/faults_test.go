package natsbroker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

func closeLater(t testing.TB, b *natsbroker.Broker) *natsbroker.Broker {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// states collects what Notify says.
func states(b *natsbroker.Broker) chan broker.State {
	c := make(chan broker.State, 1000)
	b.Notify(func(s broker.State) { c <- s })
	return c
}

func until(t testing.TB, c chan broker.State, want broker.State) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-c:
			if s == want {
				return
			}
		case <-deadline:
			t.Fatalf("not within %v: state %d", patience, want)
		}
	}
}

func topics(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("topic-", i))
	}
	return all
}

// A server that is killed loses nothing that was acknowledged, and nothing is heard twice.
func TestKilled(t *testing.T) {
	s := startProcess(t)
	l := newLedger(t)
	var nodes []*natsbroker.Broker
	for range 3 {
		b := closeLater(t, connect(t, s.url(), nil))
		l.subscribe(b, topics(20)...)
		nodes = append(nodes, b)
	}
	stop := l.writers(nodes, topics(20)...)
	killAgain(t, s, l, nodes[0], 4)
	stop()
	if n := l.settle(nodes[1]); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
}

// killAgain kills the server n times, each when b has heard more, and returns when b has its connection again.
func killAgain(t testing.TB, s *process, l *ledger, b *natsbroker.Broker, n int) {
	t.Helper()
	st := states(b)
	for range n {
		until(t, st, broker.Up)
		heardMore(t, l, b, 200)
		s.kill()
		until(t, st, broker.Down)
		s.start()
	}
	until(t, st, broker.Up)
}

// heardMore waits until b has heard n messages more.
func heardMore(t testing.TB, l *ledger, b *natsbroker.Broker, n int) {
	t.Helper()
	count := func() (n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, heard := range l.heard[b] {
			n += len(heard)
		}
		return n
	}
	before := count()
	await(t, "messages arrive", func() bool { return count() >= before+n })
}

// behindProxy connects two brokers to a server, one of them through a proxy. Both hear ten topics.
func behindProxy(t testing.TB) (p *proxy, cut, other *natsbroker.Broker, l *ledger) {
	t.Helper()
	s := startProcess(t)
	p = newProxy(t, s.addr)
	cut, other = closeLater(t, connect(t, p.url(), nil)), closeLater(t, connect(t, s.url(), nil))
	l = newLedger(t)
	l.subscribe(cut, topics(10)...)
	l.subscribe(other, topics(10)...)
	return p, cut, other, l
}

// A connection on which nothing passes any more is found out; then it is as with one that is lost.
func TestBlackHole(t *testing.T) {
	p, cut, other, l := behindProxy(t)
	st := states(cut)
	until(t, st, broker.Up)
	stop := l.writers([]*natsbroker.Broker{cut, other}, topics(10)...)
	heardMore(t, l, cut, 100)
	p.freeze()
	until(t, st, broker.Down)
	if _, err := cut.Publish(context.Background(), "topic-0", nil, broker.PublishOptions{}); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("Publish into a black hole that is known: %v, want ErrUnavailable", err)
	}
	heardMore(t, l, other, 100)
	p.unfreeze()
	until(t, st, broker.Up)
	stop()
	if n := l.settle(other); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
}

// A connection that the NATS client gives up for good, because of what the server told it, is replaced.
func TestGivenUp(t *testing.T) {
	p, cut, other, l := behindProxy(t)
	st := states(cut)
	until(t, st, broker.Up)
	stop := l.writers([]*natsbroker.Broker{cut, other}, topics(10)...)
	for _, word := range []string{"Maximum Payload Violation", "Failed Account Registration", "Maximum Payload Violation"} {
		heardMore(t, l, cut, 100)
		p.say("-ERR '" + word + "'\r\n")
		until(t, st, broker.Down)
		p.cut() // so that it is not replaced at the first try
		heardMore(t, l, other, 100)
		p.restore()
		until(t, st, broker.Up)
	}
	stop()
	if n := l.settle(other); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
	const more = 3
	gaps := cut.Stats().Gaps
	for range more {
		heard := len(l.data(cut, "topic-0"))
		l.mustPublish(other, 1, "topic-0")
		await(t, "it arrives", func() bool { return len(l.data(cut, "topic-0")) > heard })
	}
	if cut.Stats().Gaps-gaps >= more {
		t.Error("messages do not arrive by themselves any more")
	}
}

// A server whose limit becomes less while it runs closes the connection of who does not know; then Publish names the limit.
func TestLimitLowered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	limit := func(n int) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, "max_payload: %d", n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	limit(100_000)
	s := startProcess(t, "-c", file)
	b := closeLater(t, connect(t, s.url(), nil))
	l := newLedger(t)
	l.subscribe(b, topics(10)...)
	stop := l.writers([]*natsbroker.Broker{b}, topics(10)...)
	limit(10_000)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "Publish names the limit", func() bool {
		_, err := b.Publish(t.Context(), "large", make([]byte, 20_000), broker.PublishOptions{})
		return err != nil && strings.Contains(err.Error(), "at most 10000")
	})
	stop()
	if n := l.settle(b); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
}

// What was sent when the connection went is sent again under its id, and is neither lost nor doubled.
func TestAcknowledgementLost(t *testing.T) {
	s := startProcess(t)
	p := newProxy(t, s.addr)
	b, other := closeLater(t, connect(t, p.url(), nil)), closeLater(t, connect(t, s.url(), nil))
	l := newLedger(t)
	l.subscribe(other, "a")
	for i := range 5 {
		p.freezeBack() // the message arrives, its acknowledgement does not
		published := make(chan error, 1)
		go func() { published <- l.publish(b, "a", fmt.Sprint(i)) }()
		await(t, "the message is stored", func() bool { return len(l.data(other, "a")) == i+1 })
		p.cut()
		p.unfreeze()
		p.restore()
		if err := <-published; err != nil {
			t.Fatalf("Publish %d: %v", i, err)
		}
	}
	l.settle(other)
}

// When nothing comes back in the time that Publish has, the outcome is unknown.
func TestOutcomeUnknown(t *testing.T) {
	s := startProcess(t)
	p := newProxy(t, s.addr)
	b, other := closeLater(t, connect(t, p.url(), nil)), closeLater(t, connect(t, s.url(), nil))
	l := newLedger(t)
	l.subscribe(other, "a")
	p.freezeBack()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Publish(ctx, "a", []byte("x"), broker.PublishOptions{ID: "x"})
	if !errors.Is(err, broker.ErrUnknownOutcome) {
		t.Fatalf("Publish without an answer: %v, want ErrUnknownOutcome", err)
	}
	p.unfreeze()
	st := states(b)
	until(t, st, broker.Up)
	await(t, "it can be published again", func() bool {
		_, err := b.Publish(context.Background(), "a", []byte("x"), broker.PublishOptions{ID: "x"})
		return err == nil
	})
	l.settle(other)
	if all := l.data(other, "a"); len(all) != 2 || all[0] != "x" {
		t.Errorf("heard %q, want x once", all)
	}
}

// The stream is deleted while everybody is connected: one node makes it anew, and all agree on the epoch.
func TestStreamDeleted(t *testing.T) {
	s := startProcess(t)
	var nodes []*natsbroker.Broker
	var sts []chan broker.State
	l := newLedger(t)
	for range 3 {
		b := closeLater(t, connect(t, s.url(), nil))
		l.subscribe(b, topics(5)...)
		nodes, sts = append(nodes, b), append(sts, states(b))
	}
	l.mustPublish(nodes[0], 10, topics(5)...)
	l.settle(nodes[0])
	js := jetStream(t, s.url())
	if err := js.DeleteStream(context.Background(), "wsrouter"); err != nil {
		t.Fatal(err)
	}
	for _, st := range sts {
		until(t, st, broker.EpochChanged)
	}
	sameEpoch(t, nodes)
	l.mustPublish(nodes[1], 20, topics(5)...)
	if n := l.settle(nodes[2]); n != 3*5 {
		t.Errorf("%d losses were told, want one for each of 5 topics on 3 nodes", n)
	}
}

// client is a connection of somebody else.
func client(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func jetStream(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(client(t, url))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func sameEpoch(t testing.TB, nodes []*natsbroker.Broker) string {
	t.Helper()
	epochs := map[string]bool{}
	var epoch string
	for _, b := range nodes {
		at, err := b.Publish(context.Background(), "epoch", nil, broker.PublishOptions{})
		if err != nil {
			t.Fatal(err)
		}
		epoch = at.Epoch
		epochs[at.Epoch] = true
	}
	if len(epochs) != 1 {
		t.Errorf("the nodes are in the epochs %v", epochs)
	}
	return epoch
}

// A store that went back in time has lost acknowledged messages: the nodes agree on a new epoch, each time.
func TestStoreWentBack(t *testing.T) {
	s := startProcess(t)
	var nodes []*natsbroker.Broker
	var sts []chan broker.State
	l := newLedger(t)
	for range 3 {
		b := closeLater(t, connect(t, s.url(), nil))
		l.subscribe(b, topics(5)...)
		nodes, sts = append(nodes, b), append(sts, states(b))
	}
	l.mustPublish(nodes[0], 10, topics(5)...)
	l.settle(nodes[0])
	seen := map[string]bool{sameEpoch(t, nodes): true}
	for round := range 2 {
		s.kill()
		old := t.TempDir()
		if err := os.CopyFS(old, os.DirFS(s.dir)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		for _, st := range sts {
			until(t, st, broker.Down)
		}
		s.start()
		for _, st := range sts {
			until(t, st, broker.Up)
		}
		l.mustPublish(nodes[1], 10, topics(5)...)
		l.settle(nodes[1])
		s.kill()
		s.dir = old
		s.start()
		for _, st := range sts {
			until(t, st, broker.EpochChanged)
		}
		epoch := sameEpoch(t, nodes)
		if seen[epoch] {
			t.Errorf("round %d: epoch %q again", round, epoch)
		}
		seen[epoch] = true
		l.mustPublish(nodes[2], 30, topics(5)...)
		l.settle(nodes[0])
		for _, b := range nodes { // positions behind the loss are good
			if past, err := b.History(context.Background(), "topic-0", broker.Position{Epoch: epoch, Seq: 1 << 40}, 0); !errors.Is(err, broker.ErrOverrun) {
				t.Errorf("History behind the end: %v, %v", past, err)
			}
		}
	}
}

// A message that the connection swallows is read from the stream before any later one is delivered.
func TestPlantedDrop(t *testing.T) {
	s := startProcess(t)
	for _, drop := range []int{0, 1, 5, 9} { // which of 10
		t.Run(fmt.Sprint(drop), func(t *testing.T) {
			p := newProxy(t, s.addr)
			o := &natsbroker.Options{Namespace: "drop-" + fmt.Sprint(drop)}
			b, other := closeLater(t, connect(t, p.url(), o)), closeLater(t, connect(t, s.url(), o))
			l := newLedger(t)
			l.subscribe(b, "a")
			p.swallow(fmt.Sprintf("message %d.", drop))
			var want []string
			for i := range 10 {
				want = append(want, fmt.Sprintf("message %d.", i))
				if err := l.publish(other, "a", want[i]); err != nil {
					t.Fatal(err)
				}
			}
			await(t, "all messages arrive", func() bool { return len(l.data(b, "a")) == len(want) })
			if got := l.data(b, "a"); strings.Join(got, "") != strings.Join(want, "") {
				t.Errorf("heard %q", got)
			}
			if p.swallowed() != 1 {
				t.Errorf("the proxy has swallowed %d messages, want 1", p.swallowed())
			}
			if st := b.Stats(); st.Gaps != 1 || st.Filled == 0 {
				t.Errorf("stats: %+v, want one gap", st)
			}
			l.settle(other)
		})
	}
}

// Histories that begin where the stream no longer does are refused; those that begin just behind what is gone are whole.
func TestOverruns(t *testing.T) {
	const n, kept = 500, 2000
	s := startProcess(t)
	b := closeLater(t, connect(t, s.url(), &natsbroker.Options{Messages: kept}))
	all := topics(n)
	first := map[string]broker.Position{}
	for round := range 4 {
		for _, topic := range all {
			at, err := b.Publish(context.Background(), topic, []byte(fmt.Sprint(round)), broker.PublishOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				first[topic] = at
			}
		}
	}
	// The stream is full: the next message pushes out the first one.
	overruns, recovered := 0, 0
	for i, topic := range all {
		before := first[topic]
		before.Seq-- // just what the stream still has
		past, err := b.History(context.Background(), topic, before, 0)
		if err != nil || len(past) != 4 || past[0].Seq != first[topic].Seq {
			t.Fatalf("topic %d: History since just before the first message that is there: %d messages, %v", i, len(past), err)
		}
		recovered++
		if _, err := b.Publish(context.Background(), topic, []byte("4"), broker.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		if past, err := b.History(context.Background(), topic, before, 0); !errors.Is(err, broker.ErrOverrun) {
			t.Fatalf("topic %d: History since before a message that is gone: %d messages, %v; want ErrOverrun", i, len(past), err)
		}
		overruns++
		if past, err := b.History(context.Background(), topic, first[topic], 0); err != nil || len(past) != 4 {
			t.Fatalf("topic %d: History since the message that is gone: %d messages, %v; want 4", i, len(past), err)
		}
	}
	t.Logf("%d overruns, %d recovered", overruns, recovered)
}

// A node that was away for longer than the stream keeps messages tells every subscriber so; one that was away for just less misses nothing.
func TestOverrunWhileAway(t *testing.T) {
	const n, kept = 500, 1500
	for _, c := range []struct {
		name    string
		publish int // messages for each topic
		lost    int
	}{{"just not", kept / n, 0}, {"overrun", kept/n + 1, n}} {
		t.Run(c.name, func(t *testing.T) {
			s := startProcess(t)
			p := newProxy(t, s.addr)
			o := &natsbroker.Options{Messages: kept}
			b, other := closeLater(t, connect(t, p.url(), o)), closeLater(t, connect(t, s.url(), o))
			l := newLedger(t)
			l.subscribe(b, topics(n)...)
			st := states(b)
			until(t, st, broker.Up)
			p.cut()
			until(t, st, broker.Down)
			l.mustPublish(other, c.publish, topics(n)...)
			p.restore()
			await(t, "every topic has heard of what was missed", func() bool {
				heard := 0
				for _, topic := range topics(n) {
					heard += min(len(l.data(b, topic)), kept/n)
				}
				return heard == kept
			})
			if lost := l.settle(other); lost != c.lost {
				t.Errorf("%d losses were told, want %d", lost, c.lost)
			}
		})
	}
}

// After Close nothing is left.
func TestNoGoroutineLeft(t *testing.T) {
	s := startProcess(t)
	before := runtime.NumGoroutine()
	p := newProxy(t, s.addr)
	b := connect(t, p.url(), nil)
	l := newLedger(t)
	l.subscribe(b, topics(100)...)
	l.mustPublish(b, 3, topics(100)...)
	st := states(b)
	p.cut()
	until(t, st, broker.Down)
	p.restore()
	until(t, st, broker.Up)
	l.settle(b)
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.close()
	await(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}
