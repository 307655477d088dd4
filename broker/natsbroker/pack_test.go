package natsbroker_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// lingering connects a broker of which each Publish waits.
func lingering(t testing.TB, url string, o *natsbroker.Options) *natsbroker.Broker {
	t.Helper()
	defer natsbroker.AlwaysLinger()()
	return closeLater(t, connect(t, url, o))
}

// stored is how many messages the stream has.
func stored(t testing.TB, url string) int {
	t.Helper()
	s, err := jetStream(t, url).Stream(t.Context(), "wsrouter")
	if err != nil {
		t.Fatal(err)
	}
	return int(s.CachedInfo().State.Msgs)
}

// What leaves together is few messages of the stream, and for subscribers, History and Recall each message has its own place.
func TestPacks(t *testing.T) {
	const writers, each = 100, 5
	s := startEmbedded(t, nil)
	nodes := []*natsbroker.Broker{lingering(t, s.URL(), nil), lingering(t, s.URL(), nil)}
	other := closeLater(t, connect(t, s.URL(), nil))
	var mu sync.Mutex
	heard, places := map[string][]broker.Message{}, map[string]broker.Position{}
	for _, topic := range topics(3) {
		if _, _, err := other.Subscribe(t.Context(), topic, func(m broker.Message) {
			mu.Lock()
			defer mu.Unlock()
			heard[topic] = append(heard[topic], m)
		}); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				data := fmt.Sprint(w, " ", i)
				at, err := nodes[w%2].Publish(t.Context(), topics(3)[w%3], []byte(data), broker.PublishOptions{})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				places[data] = at
				mu.Unlock()
			}
		})
	}
	all.Wait()
	await(t, "all are heard", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(heard[topics(3)[0]])+len(heard[topics(3)[1]])+len(heard[topics(3)[2]]) == writers*each
	})
	if n := stored(t, s.URL()); n > writers*each/2 {
		t.Errorf("the stream has %d messages for %d", n, writers*each)
	}
	ids := map[string]bool{}
	for topic, list := range heard {
		last := uint64(0)
		for i, m := range list {
			if at := places[string(m.Data)]; m.Seq != at.Seq || m.Epoch != at.Epoch || m.Seq <= last || m.Prev != last || ids[m.ID] {
				t.Fatalf("%s: heard %q (id %q) at %+v behind %d, published it at %+v", topic, m.Data, m.ID, m.Position, last, at)
			}
			last, ids[m.ID] = m.Seq, true
			same := func(what string, got, want []broker.Message, err error) {
				t.Helper()
				if err != nil || !slices.EqualFunc(got, want, func(a, b broker.Message) bool {
					return a.Seq == b.Seq && string(a.Data) == string(b.Data) && a.ID == b.ID
				}) {
					t.Fatalf("%s: %s %d: %d messages, %v, want %d", topic, what, m.Seq, len(got), err, len(want))
				}
				for j := range got {
					if j > 0 && got[j].Prev != got[j-1].Seq || j == 0 && got[j].Prev != 0 {
						t.Fatalf("%s: %s %d: %d is said to come after %d", topic, what, m.Seq, got[j].Seq, got[j].Prev)
					}
				}
			}
			missed, err := other.History(t.Context(), topic, m.Position, 0)
			same("History since", missed, list[i+1:], err)
			missed, err = nodes[0].History(t.Context(), topic, m.Position, len(list)-i-1)
			same("History as long as allowed since", missed, list[i+1:], err)
			if n := len(list) - i - 2; n > 0 {
				if _, err := other.History(t.Context(), topic, m.Position, n); !errors.Is(err, broker.ErrOverrun) {
					t.Fatalf("%s: History since %d of %d at most: %v", topic, m.Seq, n, err)
				}
			}
			past, more, err := other.Recall(t.Context(), topic, m.Position, 7, 1<<20)
			if same("Recall before", past, list[max(i-7, 0):i], err); more != (i >= 7) {
				t.Fatalf("%s: Recall before %d: more %v", topic, m.Seq, more)
			}
			past, _, err = other.Recall(t.Context(), topic, m.Position, 100, len(m.Data)+1)
			same("Recall of few bytes before", past, list[max(i-1, 0):i], err)
		}
	}
	past, _, err := other.Recall(t.Context(), topics(3)[0], broker.Position{}, 3, 1<<20)
	if list := heard[topics(3)[0]]; err != nil || len(past) != 3 || past[2].Seq != list[len(list)-1].Seq {
		t.Errorf("the newest 3: %v, %v", past, err)
	}
	newest := broker.Position{}
	for _, at := range places {
		if at.Seq > newest.Seq {
			newest = at
		}
	}
	newest.Seq++
	if _, err := other.History(t.Context(), topics(3)[0], newest, 0); !errors.Is(err, broker.ErrOverrun) {
		t.Errorf("History since a place that was not reached: %v", err)
	}
	var wg sync.WaitGroup
	for topic, list := range heard { // at the same time, which reads the stream once for all
		for i, m := range list {
			wg.Go(func() {
				if missed, err := other.History(t.Context(), topic, m.Position, 0); err != nil || len(missed) != len(list)-i-1 || len(missed) > 0 && missed[0].Seq != list[i+1].Seq {
					t.Errorf("%s: History with others since %d: %d messages, %v", topic, m.Seq, len(missed), err)
				}
			})
		}
	}
	wg.Wait()
}

// A pack has at most 256 messages and 64 KiB, or what the server takes; one that is longer alone leaves alone.
func TestPackLimits(t *testing.T) {
	for payload, least := range map[int32]int{40 << 10: 3 + 7, 1 << 20: 3 + 5} { // 600 of a few bytes, and 60 of 270 KB together
		t.Run(fmt.Sprint(payload), func(t *testing.T) {
			s := startEmbedded(t, func(o *server.Options) { o.MaxPayload = payload })
			b := lingering(t, s.URL(), &natsbroker.Options{Linger: 50 * time.Millisecond})
			l := newLedger(t)
			l.subscribe(b, topics(2)...)
			var all sync.WaitGroup
			for i := range 600 {
				all.Go(func() { l.publish(b, topics(2)[0], fmt.Sprint(i, " ")) })
			}
			for i := range 60 {
				all.Go(func() { l.publish(b, topics(2)[1], fmt.Sprint(i, " ", strings.Repeat("x", 1000*(i%10)))) })
			}
			all.Wait()
			if n := stored(t, s.URL()); n < least || n > 200 {
				t.Errorf("the stream has %d messages, want %d to 200", n, least)
			}
			if l.settle(b); len(l.outcome) != 660+2 { // settle has two
				t.Errorf("%d messages", len(l.outcome))
			}
			for key, err := range l.outcome {
				if err != nil {
					t.Errorf("%.30q: %v", key, err)
				}
			}
		})
	}
}

// What somebody has published with the id of a pack and is none is one message.
func TestForgedPack(t *testing.T) {
	s := startEmbedded(t, nil)
	b := closeLater(t, connect(t, s.URL(), nil))
	heard := make(chan broker.Message, 100)
	at, _, err := b.Subscribe(t.Context(), "a", func(m broker.Message) { heard <- m })
	if err != nil {
		t.Fatal(err)
	}
	nc := client(t, s.URL())
	subject := "wsrouter.in." + at.Epoch + "." + base64.RawURLEncoding.EncodeToString([]byte("a"))
	forged := []struct{ id, data string }{
		{"x+2", ""}, {"x+2", "\x01"}, {"x+2", "\x01\x05ab"}, {"x+2", "\x01\x00ab"}, {"x+1", "\x01a"}, {"x+0", ""}, {"x+-2", "ab"}, {"x+257", strings.Repeat("\x00", 257)},
		{"x+99999999999999999999", "a"}, {"x+2+2", "\x01\x01ab"}, {"+", "a"}, {"~a+2", "\x01\x01ab"}, {"x+2", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01ab"},
	}
	for i, f := range forged {
		m := nats.NewMsg(subject)
		m.Header.Set("Nats-Msg-Id", strings.Replace(f.id, "x", fmt.Sprint("x", i), 1))
		m.Data = []byte(f.data)
		if _, err := nc.RequestMsg(m, patience); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range forged {
		if m := <-heard; string(m.Data) != f.data || m.Lost {
			t.Errorf("heard %q for what was published as %q with the id %s", m.Data, f.data, f.id)
		}
	}
	past, err := b.History(t.Context(), "a", at, 0)
	if err != nil || len(past) != len(forged) {
		t.Errorf("History: %d messages, %v", len(past), err)
	}
}

// Whose context ends while the message waits does not wait any more, and the message leaves at once, with the others.
func TestLingerEnds(t *testing.T) {
	s := startEmbedded(t, nil)
	b := lingering(t, s.URL(), &natsbroker.Options{Linger: time.Second})
	l := newLedger(t)
	l.subscribe(b, "a")
	await(t, "a second of the clock has begun", func() bool { return time.Now().UnixMilli()%1000 < 100 })
	var all sync.WaitGroup
	var mu sync.Mutex
	failed := map[string]error{}
	for i := range 20 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(time.Duration(10+i%2*3000)*time.Millisecond, cancel)
			data, begun := fmt.Sprint(i, " "), time.Now()
			_, err := b.Publish(ctx, "a", []byte(data), broker.PublishOptions{})
			if i%2 == 0 && time.Since(begun) > 500*time.Millisecond {
				t.Errorf("returned %v after its context had ended", time.Since(begun))
			}
			l.mu.Lock()
			l.outcome["a "+data] = err
			l.mu.Unlock()
			mu.Lock()
			failed[data] = err
			mu.Unlock()
		})
	}
	all.Wait()
	await(t, "all are heard", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.heard[b]["a"]) == 20
	})
	unknown := 0
	for data, err := range failed {
		var i int
		fmt.Sscan(data, &i)
		switch {
		case err == nil: // the first to end had all leave
		case i%2 == 0 && errors.Is(err, broker.ErrUnknownOutcome) && errors.Is(err, context.Canceled):
			unknown++
		default:
			t.Errorf("message %d: %v", i, err)
		}
	}
	if unknown == 0 {
		t.Error("nobody's context ended while it waited")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Publish(ctx, "a", nil, broker.PublishOptions{}); err != context.Canceled {
		t.Errorf("a context that had ended before: %v", err)
	}
}

// Who does not wait any more, and publishes the next one, which does not wait, has them arrive in that order.
func TestLingerOrder(t *testing.T) {
	s := startEmbedded(t, nil)
	b := lingering(t, s.URL(), &natsbroker.Options{Linger: time.Second})
	heard := make(chan string, 100)
	if _, _, err := b.Subscribe(t.Context(), "a", func(m broker.Message) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		b.Publish(ctx, "a", fmt.Append(nil, i, " first"), broker.PublishOptions{})
		if _, err := b.Publish(t.Context(), "a", fmt.Append(nil, i, " then"), broker.PublishOptions{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{" first", " then"} {
			if got := <-heard; got != fmt.Sprint(i)+want {
				t.Fatalf("heard %q, want %q", got, fmt.Sprint(i)+want)
			}
		}
	}
}

// What waits when the connection is lost fails, unless it is there again, and Close sends what waits.
func TestLingerLost(t *testing.T) {
	s := startEmbedded(t, nil)
	p := newProxy(t, s.Addr())
	b := lingering(t, p.url(), &natsbroker.Options{Linger: time.Second})
	publish := func() chan error {
		over := make(chan error, 1)
		go func() {
			_, err := b.Publish(context.Background(), "a", []byte("1"), broker.PublishOptions{})
			over <- err
		}()
		return over
	}
	lost := publish()
	p.cut()
	if err := <-lost; !errors.Is(err, broker.ErrUnavailable) && !errors.Is(err, broker.ErrUnknownOutcome) {
		t.Errorf("published into a lost connection: %v", err)
	}
	p.restore()
	await(t, "there is a connection", func() bool {
		_, err := b.Publish(context.Background(), "b", nil, broker.PublishOptions{})
		return err == nil
	})
	last := publish()
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-last; err != nil && !errors.Is(err, broker.ErrClosed) {
		t.Errorf("published before Close: %v", err)
	}
}

// What the server does not take as a pack it takes as messages, and refuses only those that are too large themselves.
func TestPackRefused(t *testing.T) {
	s := startEmbedded(t, nil)
	b := lingering(t, s.URL(), nil)
	js := jetStream(t, s.URL())
	stream, err := js.Stream(t.Context(), "wsrouter")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgSize = 8 << 10
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t)
	l.subscribe(b, "a")
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			n := 1000
			if i < 3 {
				n = 10_000
			}
			data := fmt.Sprintf("%*d", n, i)
			_, err := b.Publish(t.Context(), "a", []byte(data), broker.PublishOptions{})
			if refused := err != nil && strings.Contains(err.Error(), "size"); refused != (i < 3) || err != nil && !refused {
				t.Errorf("a message of %d bytes: %v", n, err)
			}
			if err == nil {
				l.mu.Lock()
				l.outcome["a "+data] = nil
				l.mu.Unlock()
			}
		})
	}
	all.Wait()
	if n := l.settle(b); n > 0 || len(l.outcome) != 27+1 {
		t.Errorf("%d losses, %d messages", n, len(l.outcome)-1)
	}
}

// A stream that keeps few bytes has packs that are fewer bytes, so that it does not forget all at once.
func TestPacksOfFewBytes(t *testing.T) {
	s := startEmbedded(t, nil)
	b := lingering(t, s.URL(), &natsbroker.Options{Bytes: 40 << 10})
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			if _, err := b.Publish(t.Context(), "a", bytes.Repeat([]byte("x"), 1000), broker.PublishOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if past, _, err := b.Recall(t.Context(), "a", broker.Position{}, 100, 1<<20); err != nil || len(past) < 30 {
		t.Errorf("%d messages are left, %v", len(past), err)
	}
}

// stuck publishes behind a connection that brings no answers and is then cut.
func stuck(t *testing.T, o *natsbroker.Options, contexts ...context.Context) (b *natsbroker.Broker, s *embedded.Server, p *proxy, over []chan error) {
	t.Helper()
	s = startEmbedded(t, nil)
	p = newProxy(t, s.Addr())
	b = lingering(t, p.url(), o)
	if _, err := b.Publish(t.Context(), "a", []byte("0"), broker.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	heard := make(chan broker.Message, len(contexts))
	if _, _, err := closeLater(t, connect(t, s.URL(), o)).Subscribe(t.Context(), "a", func(m broker.Message) { heard <- m }); err != nil {
		t.Fatal(err)
	}
	p.freezeBack()
	for i, ctx := range contexts {
		c := make(chan error, 1)
		over = append(over, c)
		go func() {
			_, err := b.Publish(ctx, "a", fmt.Append(nil, i+1), broker.PublishOptions{})
			c <- err
		}()
	}
	for range contexts {
		<-heard // each has left before the connection is cut
	}
	p.cut()
	p.unfreeze()
	return b, s, p, over
}

// Who has no deadline waits for 5 s, however long those in the same pack wait; and Close does not wait for what nobody waits for.
func TestPackPatience(t *testing.T) {
	long, cancel := context.WithCancel(t.Context())
	long, cancelLong := context.WithTimeout(long, time.Hour)
	defer cancelLong()
	b, _, _, over := stuck(t, &natsbroker.Options{Linger: 200 * time.Millisecond}, long, context.Background())
	select {
	case err := <-over[1]:
		if !errors.Is(err, broker.ErrUnknownOutcome) {
			t.Errorf("without a deadline: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("no outcome after %v without a deadline", patience)
	}
	cancel()
	if err := <-over[0]; !errors.Is(err, broker.ErrUnknownOutcome) {
		t.Errorf("with a long one, cancelled: %v", err)
	}
	ctx, end := context.WithTimeout(t.Context(), patience)
	defer end()
	if err := b.Close(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("Close: %v", err)
	}
}

// Nothing is sent again when the server may have forgotten its id.
func TestForgottenID(t *testing.T) {
	for name, of := range map[string]*natsbroker.Options{"alone": {Age: time.Second, Linger: -1}, "in a pack": {Age: time.Second}} {
		t.Run(name, func(t *testing.T) {
			_, s, p, over := stuck(t, of, context.Background(), context.Background())
			other := closeLater(t, connect(t, s.URL(), of))
			heard := make(chan string, 100)
			if _, _, err := other.Subscribe(t.Context(), "a", func(m broker.Message) { heard <- string(m.Data) }); err != nil {
				t.Fatal(err)
			}
			await(t, "the server has forgotten", func() bool { return stored(t, s.URL()) == 0 })
			p.restore()
			for _, c := range over {
				if err := <-c; !errors.Is(err, broker.ErrUnknownOutcome) {
					t.Errorf("Publish: %v", err)
				}
			}
			if _, err := other.Publish(t.Context(), "a", []byte("last"), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; got != "last" {
				t.Errorf("heard %q again", got)
			}
		})
	}
}

// Close that does not wait, while packs are leaving.
func TestCloseAtOnce(t *testing.T) {
	const rounds, packs = 20, 300
	s := startEmbedded(t, nil)
	other := closeLater(t, connect(t, s.URL(), nil))
	heard := make(chan string, rounds*packs)
	for _, topic := range topics(packs) {
		if _, _, err := other.Subscribe(t.Context(), topic, func(m broker.Message) { heard <- string(m.Data) }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rounds {
		b := lingering(t, s.URL(), &natsbroker.Options{Linger: 20 * time.Millisecond})
		round := fmt.Sprint(i)
		var all sync.WaitGroup
		for _, topic := range topics(packs) {
			all.Go(func() {
				_, err := b.Publish(context.Background(), topic, []byte(round), broker.PublishOptions{})
				if err != nil && !errors.Is(err, broker.ErrUnknownOutcome) && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, broker.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		ended, end := context.WithCancel(context.Background())
		end()
		for n := 0; n < 1+i; { // the others are on their way
			if <-heard == round {
				n++
			}
		}
		b.Close(ended)
		all.Wait()
	}
}

// A server that is killed again and again keeps each message of a pack that it acknowledged, once.
func TestPacksKilled(t *testing.T) {
	s := startProcess(t)
	var nodes []*natsbroker.Broker
	l := newLedger(t)
	for range 2 {
		b := lingering(t, s.url(), nil)
		l.subscribe(b, topics(3)...)
		nodes = append(nodes, b)
	}
	stop := l.writers(slices.Repeat(nodes, 20), topics(3)...)
	killAgain(t, s, l, nodes[0], 3)
	stop()
	if n := l.settle(nodes[0]); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
	acknowledged := 0
	for _, err := range l.outcome {
		if err == nil {
			acknowledged++
		}
	}
	t.Logf("%d of %d acknowledged, %d in the stream", acknowledged, len(l.outcome), stored(t, s.url()))
}
