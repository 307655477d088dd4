package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

// Keys of the stream's metadata.
const (
	epochKey = "wsrouter-epoch"
	fromKey  = "wsrouter-epoch-from" // the last sequence before the epoch
)

const infoTimeout = 2 * time.Second

// life is one epoch. Its name is part of every subject: whoever still has another can neither publish into it nor hear of it.
type life struct {
	epoch   string
	in, out string                 // what subjects begin with, of what is published and of what is delivered
	from    uint64                 // it has the sequences above
	seen    atomic.Uint64          // highest sequence
	recent  atomic.Pointer[string] // a subject that the stream has, or had a while ago
}

func newLife(namespace, epoch string) *life {
	return &life{epoch: epoch, in: namespace + ".in." + epoch + ".", out: namespace + ".out." + epoch + "."}
}

func lifeOf(info *jetstream.StreamInfo) *life {
	l := newLife(info.Config.Name, epochOf(info))
	l.from, _ = strconv.ParseUint(info.Config.Metadata[fromKey], 10, 64)
	l.see(info.State.LastSeq)
	return l
}

func (l *life) see(seq uint64) {
	for old := l.seen.Load(); seq > old && !l.seen.CompareAndSwap(old, seq); old = l.seen.Load() {
	}
}

func token(topic string) string { return base64.RawURLEncoding.EncodeToString([]byte(topic)) }

// An epoch is a random name with a generation: whoever finds that the stream has lost messages sets the next one, so that several nodes set the same.
func newEpoch() string { return rand.Text()[:16] + "_0" }

func splitEpoch(epoch string) (name string, generation uint64) {
	name, s, _ := strings.Cut(epoch, "_")
	generation, _ = strconv.ParseUint(s, 10, 64)
	return name, generation
}

func nextEpoch(epoch string) string {
	name, generation := splitEpoch(epoch)
	return name + "_" + strconv.FormatUint(generation+1, 10)
}

// config is the stream as it should be in an epoch.
func (b *Broker) config(epoch string) jetstream.StreamConfig {
	l := newLife(b.o.Namespace, epoch)
	return jetstream.StreamConfig{
		Name:              b.o.Namespace,
		Description:       "wsrouter: messages of all topics",
		Subjects:          []string{l.in + "*"},
		Storage:           jetstream.FileStorage,
		Replicas:          b.o.Replicas,
		MaxMsgs:           int64(b.o.Messages),
		MaxBytes:          int64(b.o.Bytes),
		MaxAge:            b.o.Age,
		MaxMsgsPerSubject: -1, // with such a limit acknowledged messages were lost without an error
		Duplicates:        b.duplicates(),
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: l.in + "*", Destination: l.out + "{{wildcard(1)}}"},
		Metadata:          map[string]string{epochKey: epoch},
	}
}

// duplicates is how long the server knows an id: no longer than it keeps messages.
func (b *Broker) duplicates() time.Duration {
	if b.o.Age > 0 {
		return min(2*time.Minute, b.o.Age)
	}
	return 2 * time.Minute
}

// sameConfig: nothing of what this package chooses differs.
func sameConfig(have, want jetstream.StreamConfig) bool {
	return have.Replicas == want.Replicas && have.MaxMsgs == want.MaxMsgs && have.MaxBytes == want.MaxBytes && have.MaxAge == want.MaxAge &&
		have.MaxMsgsPerSubject == want.MaxMsgsPerSubject && have.Duplicates == want.Duplicates && have.AllowDirect == want.AllowDirect &&
		have.Retention == want.Retention && have.Discard == want.Discard && have.NoAck == want.NoAck &&
		len(have.Subjects) == 1 && have.Subjects[0] == want.Subjects[0] && have.RePublish != nil && *have.RePublish == *want.RePublish
}

// epochOf is "" if the stream is not one of ours.
func epochOf(info *jetstream.StreamInfo) string { return info.Config.Metadata[epochKey] }

// establish finds or makes the stream and tells the epoch that is in force. first: when connecting, where a stream with other limits is given ours.
func (b *Broker) establish(ctx context.Context, first bool) (*jetstream.StreamInfo, error) {
	l := b.life.Load()
	var seen uint64
	if l != nil {
		seen = l.seen.Load() // before the question: what comes later may be above the answer
	}
	info, err := b.findStream(ctx)
	for try := 0; err == nil && l != nil && l.mustAdvance(info, seen); try++ {
		if try == 3 { // a leader that was just elected may still be reading its log
			b.log.say(epochAdvanced, "natsbroker: the stream has lost messages that it had acknowledged: positions begin anew",
				"stream", b.o.Namespace, "last", info.State.LastSeq, "seen", seen)
			return b.update(ctx, info, nextEpoch(l.epoch), info.State.LastSeq)
		}
		if err = sleep(ctx, 200*time.Millisecond); err == nil {
			info, err = b.findStream(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	if !first {
		return info, nil
	}
	b.adopt(info.Config)
	want := b.config(epochOf(info))
	if sameConfig(info.Config, want) {
		return info, nil
	}
	was := info.Config
	if info, err = b.update(ctx, info, epochOf(info), lifeOf(info).from); err == nil {
		b.o.Logger.Warn("natsbroker: the limits of the stream are changed, for all who use it", "stream", b.o.Namespace,
			"replicas", change(was.Replicas, want.Replicas), "messages", change(was.MaxMsgs, want.MaxMsgs), "bytes", change(was.MaxBytes, want.MaxBytes), "age", change(was.MaxAge, want.MaxAge))
	}
	return info, err
}

func change[T any](from, to T) string { return fmt.Sprintf("%v -> %v", from, to) }

// adopt takes limits that the options leave open from a stream that is there.
func (b *Broker) adopt(have jetstream.StreamConfig) {
	if b.named.Replicas == 0 {
		b.o.Replicas = have.Replicas
	}
	if b.named.Messages == 0 {
		b.o.Messages = int(have.MaxMsgs)
	}
	if b.named.Bytes == 0 {
		b.o.Bytes = int(have.MaxBytes)
	}
	if b.named.Age == 0 {
		b.o.Age = have.MaxAge
	}
}

// findStream returns the stream, which it makes if there is none.
func (b *Broker) findStream(ctx context.Context) (*jetstream.StreamInfo, error) {
	info, err := b.infos.get(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err = b.conn.Load().js.CreateStream(ctx, b.config(newEpoch())); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil, fmt.Errorf("natsbroker: creating stream %q: %w", b.o.Namespace, err)
		}
		info, err = b.infos.get(ctx) // another node may have been quicker
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("natsbroker: stream %q: %w", b.o.Namespace, err)
	case epochOf(info) == "":
		return nil, fmt.Errorf("natsbroker: stream %q is not one of wsrouter: its metadata has no %q", b.o.Namespace, epochKey)
	case info.Config.Storage != jetstream.FileStorage:
		return nil, fmt.Errorf("natsbroker: stream %q is kept in memory, which cannot be changed to a file", b.o.Namespace)
	}
	return info, nil
}

// mustAdvance: the stream is of this life and has fewer messages than were seen, or somebody has set an older generation of its epoch.
func (l *life) mustAdvance(info *jetstream.StreamInfo, seen uint64) bool {
	name, generation := splitEpoch(epochOf(info))
	ours, reached := splitEpoch(l.epoch)
	return name == ours && (generation < reached || generation == reached && info.State.LastSeq < seen)
}

func (b *Broker) update(ctx context.Context, have *jetstream.StreamInfo, epoch string, from uint64) (*jetstream.StreamInfo, error) {
	want := b.config(epoch)
	metadata := maps.Clone(have.Config.Metadata)
	metadata[epochKey], metadata[fromKey] = epoch, strconv.FormatUint(from, 10)
	want.Metadata = metadata
	s, err := b.conn.Load().js.UpdateStream(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("natsbroker: stream %q differs from the options and cannot be changed: %w", b.o.Namespace, err)
	}
	return s.CachedInfo(), nil
}

// unavailable makes ErrUnavailable of what the server or the connection said.
func unavailable(err error) error {
	if err == nil || errors.Is(err, broker.ErrUnavailable) {
		return broker.ErrUnavailable
	}
	return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
}

// infos lets those who ask at the same time share an answer: each gets one that was asked for after it came.
type infos struct {
	ask  func(context.Context) (*jetstream.StreamInfo, error)
	mu   sync.Mutex
	busy bool
	next *infoCall
}

type infoCall struct {
	done chan struct{}
	info *jetstream.StreamInfo
	err  error
}

func (i *infos) get(ctx context.Context) (*jetstream.StreamInfo, error) {
	i.mu.Lock()
	if i.next == nil {
		i.next = &infoCall{done: make(chan struct{})}
	}
	c := i.next
	if !i.busy {
		i.busy = true
		go i.run()
	}
	i.mu.Unlock()
	select {
	case <-c.done:
		return c.info, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run ends when nobody waits; a question takes infoTimeout at most.
func (i *infos) run() {
	for {
		i.mu.Lock()
		c := i.next
		i.next = nil
		i.busy = c != nil
		i.mu.Unlock()
		if c == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), infoTimeout)
		c.info, c.err = i.ask(ctx)
		cancel()
		close(c.done)
	}
}
