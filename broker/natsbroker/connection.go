package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

// connection to a NATS server. When it is lost the client makes it again, but gives it up for good because of much that a server may say: then another takes
// its place.
type connection struct {
	*nats.Conn
	js     jetstream.JetStream
	before uint64 // how often those before it were lost
}

func (c *connection) losses() uint64 { return c.before + c.Stats().Reconnects }

// connect makes the first one, and the stream.
func (b *Broker) connect(ctx context.Context) error {
	timeout := nats.GetDefaultOptions().Timeout
	if d, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(d)), time.Millisecond)
	}
	b.requests.calls = map[string]*call{}
	b.infos.ask = func(ctx context.Context) (*jetstream.StreamInfo, error) {
		s, err := b.conn.Load().js.Stream(ctx, b.o.Namespace)
		if err != nil {
			return nil, err
		}
		return s.CachedInfo(), nil
	}
	c, err := b.dial(timeout)
	if err != nil {
		return err
	}
	b.conn.Store(c)
	info, err := b.establish(ctx, true)
	if err != nil {
		c.Close()
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
			return fmt.Errorf("natsbroker: the NATS server has no JetStream: %w", err)
		}
		return err
	}
	b.life.Store(lifeOf(info))
	return nil
}

func (b *Broker) dial(timeout time.Duration) (*connection, error) {
	at, err := hosts(b.urls)
	if err != nil {
		return nil, err
	}
	own := []nats.Option{
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1), // Publish fails while there is no connection
		nats.IgnoreAuthErrorAbort(),
		nats.FlusherTimeout(5 * time.Second),
		nats.PingInterval(time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.keep.check() }),
		nats.ClosedHandler(func(*nats.Conn) { b.disconnected(nats.ErrConnectionClosed) }),
		nats.ErrorHandler(b.asyncError),
	}
	nc, err := nats.Connect(b.urls, append(append([]nats.Option(nil), b.o.NATS...), own...)...)
	if err != nil {
		return nil, unavailable(fmt.Errorf("connect to %s: %w", at, err))
	}
	c := &connection{Conn: nc}
	if err := b.prepare(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// prepare subscribes to answers, and to word of a stream that was made, changed or deleted: where the account may not hear that, the check every 30 s tells.
func (b *Broker) prepare(c *connection) (err error) {
	if !c.serverHas(2, 11) {
		return fmt.Errorf("natsbroker: NATS server %s: at least 2.11 is needed", c.ConnectedServerVersion())
	}
	if c.js, err = jetstream.New(c.Conn); err != nil {
		return err
	}
	if b.requests.prefix == "" {
		b.requests.prefix = c.NewInbox() + "."
	}
	answers, err := c.Subscribe(b.requests.prefix+"*", b.requests.answer)
	if err != nil {
		return unavailable(err)
	}
	if err := answers.SetPendingLimits(-1, -1); err != nil {
		return unavailable(err)
	}
	if _, err := c.Subscribe("$JS.EVENT.ADVISORY.STREAM.*."+b.o.Namespace, func(*nats.Msg) { b.keep.check() }); err != nil {
		return unavailable(err)
	}
	return nil
}

func (c *connection) serverHas(major, minor int) bool {
	var x, y int
	_, err := fmt.Sscanf(c.ConnectedServerVersion(), "%d.%d", &x, &y)
	return err == nil && (x > major || x == major && y >= minor)
}

// replace puts another in the place of a connection that was given up, with the subscriptions of all topics. What they miss is read when the stream has been
// looked at, as behind a connection that was made again.
func (b *Broker) replace(old *connection) {
	b.disconnected(old.LastError()) // which may not have been told yet: joins on the old one fail from here on
	c, err := b.dial(nats.GetDefaultOptions().Timeout)
	if err != nil {
		b.log.say(unreachable, "natsbroker: cannot connect again", "error", err)
		return
	}
	c.before = old.losses() + 1
	b.conn.Store(c)
	if b.ctx.Err() != nil { // Close may have closed the old one
		c.Close()
		return
	}
	b.inShards(func(s *shard) { s.resubscribe(c) })
	b.keep.check()
}

// resubscribe has what is published arrive from c. Where it fails c is closed, and will be replaced.
func (s *shard) resubscribe(c *connection) {
	for _, t := range s.topics {
		if t.joining {
			continue
		}
		if sub, err := c.ChanSubscribe(t.live, s.arrived); err == nil {
			t.sub = sub
		}
	}
}

// disconnected is called by the connection, maybe late.
func (b *Broker) disconnected(err error) {
	b.state.set(broker.Down)
	b.requests.fail(errConnectionLost)
	if err != nil && b.ctx.Err() == nil {
		b.log.say(unreachable, "natsbroker: connection lost", "error", err)
	}
	b.keep.check()
}

func (b *Broker) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		b.log.say(slowConsumer, "natsbroker: messages come faster than they are handled; what was dropped is read again")
		b.keep.sweep()
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	b.log.say(natsError, "natsbroker: "+err.Error(), "subject", subject)
}

// hosts are those of the servers at urls. Neither they nor an error have the credentials that may stand there.
func hosts(urls string) (string, error) {
	var all []string
	list := strings.Split(urls, ",")
	for i, s := range list {
		if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return "", fmt.Errorf("natsbroker: address %d of %d cannot be parsed as a URL", i+1, len(list))
		}
		all = append(all, u.Host)
	}
	return strings.Join(all, ", "), nil
}
