package natsbroker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

func startEmbedded(t testing.TB, configure func(*server.Options)) *embedded.Server {
	s, err := embedded.Start(&embedded.Options{StoreDir: t.TempDir(), Configure: configure})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown() })
	return s
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// What somebody else publishes on a live subject reaches nobody.
func TestForged(t *testing.T) {
	s := startEmbedded(t, nil)
	var log lines
	b := closeLater(t, connect(t, s.URL(), &natsbroker.Options{Logger: log.logger()}))
	l := newLedger(t)
	l.subscribe(b, "a")
	if err := l.publish(b, "a", "true"); err != nil {
		t.Fatal(err)
	}
	nc := client(t, s.URL())
	live, err := nc.SubscribeSync("wsrouter.out.>")
	if err != nil {
		t.Fatal(err)
	}
	nc.Flush()
	if err := l.publish(b, "a", "as well"); err != nil {
		t.Fatal(err)
	}
	m, err := live.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	forgeries := []func(h nats.Header){
		func(h nats.Header) { clear(h) },
		func(h nats.Header) { h.Set("Nats-Stream", "other") },
		func(h nats.Header) { h.Set("Nats-Subject", h.Get("Nats-Subject")+"x") },
		func(h nats.Header) { h.Set("Nats-Subject", "") },
		func(h nats.Header) { h.Set("Nats-Sequence", "-1") },
		func(h nats.Header) { h.Set("Nats-Sequence", "0") },
		func(h nats.Header) { h.Set("Nats-Sequence", "18446744073709551616") },
		func(h nats.Header) { h.Set("Nats-Sequence", "72057594037927936") }, // its place would be above 1<<64
		func(h nats.Header) { h.Set("Nats-Last-Sequence", "x") },
		func(h nats.Header) { h.Set("Nats-Last-Sequence", "7"); h.Set("Nats-Sequence", "7") },
		func(h nats.Header) { h.Del("Nats-Last-Sequence") },
	}
	for _, forge := range forgeries {
		f := nats.NewMsg(m.Subject)
		for k := range m.Header {
			f.Header.Set(k, m.Header.Get(k))
		}
		f.Data = []byte("forged")
		forge(f.Header)
		if err := nc.PublishMsg(f); err != nil {
			t.Fatal(err)
		}
	}
	m.Data = []byte("backwards") // well formed, and delivered before
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	nc.Flush()
	l.settle(b)
	if got := l.data(b, "a"); len(got) != 3 || got[0] != "true" || got[1] != "as well" {
		t.Errorf("heard %q", got)
	}
	if st := b.Stats(); st.Malformed != uint64(len(forgeries)) || st.Repeated != 1 {
		t.Errorf("stats: %+v, want %d malformed and 1 repeated", st, len(forgeries))
	}
	if n := strings.Count(log.String(), "live subject"); n != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", n, log.String())
	}
}

// A forged message that looks whole and is far ahead makes nobody deaf.
func TestForgedAhead(t *testing.T) {
	s := startEmbedded(t, nil)
	b := closeLater(t, connect(t, s.URL(), nil))
	st := states(b)
	l := newLedger(t)
	l.subscribe(b, "a")
	at, err := b.Publish(context.Background(), "a", []byte("true"), broker.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nc := client(t, s.URL())
	f := nats.NewMsg("wsrouter.out." + at.Epoch + ".YQ")
	for k, v := range map[string]string{"Nats-Stream": "wsrouter", "Nats-Subject": "wsrouter.in." + at.Epoch + ".YQ", "Nats-Sequence": "1000000", "Nats-Last-Sequence": "1"} {
		f.Header.Set(k, v)
	}
	if err := nc.PublishMsg(f); err != nil {
		t.Fatal(err)
	}
	nc.Flush()
	if _, err := b.Publish(context.Background(), "a", []byte("behind"), broker.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, st, broker.EpochChanged)
	if n := l.settle(b); n == 0 {
		t.Error("nobody was told of a loss")
	}
}

// An id of this node that another message has is an error, not a success.
func TestIDTaken(t *testing.T) {
	s := startEmbedded(t, nil)
	b := closeLater(t, connect(t, s.URL(), nil))
	nc := client(t, s.URL())
	var ids []string
	heard := make(chan broker.Message, 10)
	if _, _, err := b.Subscribe(context.Background(), "a", func(m broker.Message) { heard <- m }); err != nil {
		t.Fatal(err)
	}
	at, err := b.Publish(context.Background(), "a", nil, broker.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id := (<-heard).ID
	ids = append(ids, strings.TrimSuffix(id, "1")+"2")
	m := nats.NewMsg("wsrouter.in." + at.Epoch + ".YQ")
	m.Header.Set("Nats-Msg-Id", ids[0])
	m.Data = []byte("of a peer")
	if _, err := nc.RequestMsg(m, patience); err != nil {
		t.Fatal(err)
	}
	_, err = b.Publish(context.Background(), "a", []byte("mine"), broker.PublishOptions{})
	if err == nil || errors.Is(err, broker.ErrUnknownOutcome) || errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("Publish under an id that is taken: %v, want an error of its own", err)
	}
	if _, err := b.Publish(context.Background(), "a", []byte("mine"), broker.PublishOptions{}); err != nil {
		t.Errorf("Publish after that: %v", err)
	}
}

// Publish says which limit a message is above, and the connection goes on.
func TestTooLarge(t *testing.T) {
	s := startEmbedded(t, func(o *server.Options) { o.MaxPayload = 10_000 })
	b := closeLater(t, connect(t, s.URL(), nil))
	_, err := b.Publish(context.Background(), "a", make([]byte, 10_000), broker.PublishOptions{})
	if err == nil || !strings.Contains(err.Error(), "10000") || errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("Publish of 10,000 bytes: %v, want an error that names the limit", err)
	}
	if _, err := b.Publish(context.Background(), "a", make([]byte, 9_900), broker.PublishOptions{}); err != nil {
		t.Errorf("Publish of 9,900 bytes: %v", err)
	}
}

// The stream takes the limits that who connects last names, which is logged, and keeps the others and its epoch.
func TestLimitsChange(t *testing.T) {
	s := startEmbedded(t, nil)
	one := closeLater(t, connect(t, s.URL(), nil))
	at, err := one.Publish(context.Background(), "a", []byte("1"), broker.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o               natsbroker.Options
		messages, bytes int64
		age             time.Duration
		logged          string
	}{
		{natsbroker.Options{Messages: 10, Bytes: -1, Age: time.Minute}, 10, -1, time.Minute, "1000000 -> 10"},
		{natsbroker.Options{}, 10, -1, time.Minute, ""},
		{natsbroker.Options{Bytes: 1 << 20}, 10, 1 << 20, time.Minute, "-1 -> 1048576"},
		{natsbroker.Options{Age: 30 * time.Second}, 10, 1 << 20, 30 * time.Second, "1m0s -> 30s"},
		{natsbroker.Options{Messages: -1, Age: -1}, -1, 1 << 20, 0, "10 -> -1"},
	} {
		var log lines
		c.o.Logger = log.logger()
		another := closeLater(t, connect(t, s.URL(), &c.o))
		if epoch := sameEpoch(t, []*natsbroker.Broker{one, another}); epoch != at.Epoch {
			t.Errorf("epoch %q became %q", at.Epoch, epoch)
		}
		stream, err := jetStream(t, s.URL()).Stream(context.Background(), "wsrouter")
		if err != nil {
			t.Fatal(err)
		}
		if have := stream.CachedInfo().Config; have.MaxMsgs != c.messages || have.MaxBytes != c.bytes || have.MaxAge != c.age || have.Replicas != 1 {
			t.Errorf("%+v: the stream has %d messages, %d bytes, %v", c.o, have.MaxMsgs, have.MaxBytes, have.MaxAge)
		}
		if got := log.String(); !strings.Contains(got, c.logged) || (c.logged == "") != (got == "") {
			t.Errorf("%+v: logged %q, want %q in it", c.o, got, c.logged)
		}
	}
}

// What cannot be used is refused with words that help.
func TestConnectRefuses(t *testing.T) {
	s := startEmbedded(t, nil)
	js := jetStream(t, s.URL())
	for _, c := range []jetstream.StreamConfig{
		{Name: "foreign", Subjects: []string{"foreign.>"}},
		{Name: "memory", Subjects: []string{"memory.>"}, Storage: jetstream.MemoryStorage, Metadata: map[string]string{"wsrouter-epoch": "X_0"}},
		{Name: "other", Subjects: []string{"taken.in.>"}},
	} {
		if _, err := js.CreateStream(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	none := startEmbedded(t, func(o *server.Options) { o.JetStream = false })
	locked := startEmbedded(t, func(o *server.Options) { o.Authorization = "secret" })
	small := startEmbedded(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	for name, c := range map[string]struct {
		url  string
		o    natsbroker.Options
		want string
	}{
		"stream of others":   {s.URL(), natsbroker.Options{Namespace: "foreign"}, "not one of wsrouter"},
		"stream in memory":   {s.URL(), natsbroker.Options{Namespace: "memory"}, "kept in memory"},
		"subjects of others": {s.URL(), natsbroker.Options{Namespace: "taken"}, "overlap"},
		"replicas alone":     {s.URL(), natsbroker.Options{Replicas: 3}, "replicas"},
		"too many replicas":  {s.URL(), natsbroker.Options{Replicas: 6}, "6 replicas"},
		"namespace":          {s.URL(), natsbroker.Options{Namespace: "a.b"}, `namespace "a.b"`},
		"long namespace":     {s.URL(), natsbroker.Options{Namespace: strings.Repeat("x", 33)}, "1 to 32"},
		"age":                {s.URL(), natsbroker.Options{Age: 1}, "100ms"},
		"linger":             {s.URL(), natsbroker.Options{Linger: time.Minute}, "at most 1s"},
		"no JetStream":       {none.URL(), natsbroker.Options{}, "JetStream"},
		"no password":        {locked.URL(), natsbroker.Options{}, "Authorization"},
		"no room":            {small.URL(), natsbroker.Options{}, "storage"},
		"nobody":             {"nats://secret@127.0.0.1:1,nats://127.0.0.1:2", natsbroker.Options{}, "connect to 127.0.0.1:1, 127.0.0.1:2: broker: unavailable: "},
		"nobody, no scheme":  {"secret@127.0.0.1:1", natsbroker.Options{}, "connect to 127.0.0.1:1: broker: unavailable: "},
		"no URL":             {"nats://127.0.0.1:1, nats://user:secret%@host", natsbroker.Options{}, "address 2 of 2"},
		"scheme":             {"http://user:secret@127.0.0.1", natsbroker.Options{}, "no URL of a NATS server"},
		"port":               {"nats://127.0.0.1:99999", natsbroker.Options{}, "no URL of a NATS server"},
		"schemes":            {"nats://127.0.0.1:1,ws://127.0.0.1:1", natsbroker.Options{}, "mixing"},
		"no address":         {"", natsbroker.Options{}, "address 1 of 1"},
		"bytes":              {s.URL(), natsbroker.Options{Bytes: 1}, "1 bytes: at least 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			b, err := natsbroker.Connect(ctx, c.url, &c.o)
			if err == nil {
				b.Close(ctx)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Connect: %v, want an error with %q", err, c.want)
			}
			if what := "unavailable"; errors.Is(err, broker.ErrUnavailable) && !strings.Contains(c.want, what) {
				t.Errorf("Connect: %v: it will not become better", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("Connect tells a secret: %v", err)
			}
		})
	}
	b := closeLater(t, connect(t, locked.URL(), &natsbroker.Options{NATS: []nats.Option{nats.Token("secret")}}))
	if _, err := b.Publish(context.Background(), "a", nil, broker.PublishOptions{}); err != nil {
		t.Errorf("Publish with a password: %v", err)
	}
}

// A stream that has rolled on since Recall asked for the newest message is asked again.
func TestRecallBehind(t *testing.T) {
	s := startEmbedded(t, nil)
	p := newProxy(t, s.Addr())
	o := &natsbroker.Options{Messages: 10}
	b, other := closeLater(t, connect(t, p.url(), o)), closeLater(t, connect(t, s.URL(), o))
	publish := func(n int) {
		t.Helper()
		for i := range n {
			if _, err := other.Publish(t.Context(), "a", fmt.Append(nil, i), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(20)
	p.freezeBack()
	var past []broker.Message
	over := make(chan error, 1)
	go func() {
		var err error
		past, _, err = b.Recall(t.Context(), "a", broker.Position{}, 5, 1<<20)
		over <- err
	}()
	await(t, "an answer is held", func() bool { return p.waiting() > 0 })
	publish(20)
	p.unfreeze()
	if err := <-over; err != nil || len(past) != 5 || string(past[4].Data) != "19" {
		t.Errorf("Recall: %d messages, %v, want the newest 5", len(past), err)
	}
}

// Messages that come faster than they are taken are dropped by the connection, and read again.
func TestSlowConsumer(t *testing.T) {
	s := startProcess(t)
	undo := natsbroker.SetArrivals(1)
	b := closeLater(t, connect(t, s.url(), nil))
	undo()
	other := closeLater(t, connect(t, s.url(), nil))
	l := newLedger(t)
	l.subscribe(b, topics(5)...)
	var wg sync.WaitGroup
	for w := range 20 {
		wg.Go(func() {
			for i := range 100 {
				l.publish(other, topics(5)[i%5], fmt.Sprint(w, " ", i))
			}
		})
	}
	wg.Wait()
	if n := l.settle(other); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
	t.Logf("%+v", b.Stats())
	if b.Stats().Sweeps == 0 {
		t.Error("nothing was dropped")
	}
}

// A handler that is far behind is told what it has lost.
func TestSlowHandler(t *testing.T) {
	const n = 10_000
	s := startEmbedded(t, nil)
	b := closeLater(t, connect(t, s.URL(), nil))
	var mu sync.Mutex
	var heard []broker.Message
	var newest atomic.Uint64 // place
	release := make(chan struct{})
	if _, _, err := b.Subscribe(context.Background(), "a", func(m broker.Message) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, m)
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range n / 50 {
				at, err := b.Publish(context.Background(), "a", nil, broker.PublishOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for old := newest.Load(); at.Seq > old && !newest.CompareAndSwap(old, at.Seq); old = newest.Load() {
				}
			}
		})
	}
	wg.Wait()
	await(t, "the handler has lost messages", func() bool { return b.Stats().Losses > 0 })
	close(release)
	last := func() (m broker.Message) {
		mu.Lock()
		defer mu.Unlock()
		if len(heard) > 0 {
			m = heard[len(heard)-1]
		}
		return m
	}
	await(t, "the handler has all that is left", func() bool { return last().Seq == newest.Load() })
	losses, before := 0, uint64(0)
	for _, m := range heard {
		if !m.Lost && m.Prev != before || m.Seq <= before {
			t.Fatalf("heard %+v behind %d", m.Position, before)
		}
		if before = m.Seq; m.Lost {
			losses++
		}
	}
	if losses != int(b.Stats().Losses) || len(heard) < 8192 {
		t.Errorf("heard %d of %d messages and of %d losses, want %d", len(heard), n, losses, b.Stats().Losses)
	}
	if _, err := b.Publish(context.Background(), "a", []byte("next"), broker.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the next message arrives", func() bool { return string(last().Data) == "next" })
}
