package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wsrouter-go/wsrouter/broker"
)

// connection to a NATS server. When it is lost the client makes it again, but gives it up for good because of much that a server may say: then another takes
// its place. The client's methods may wait for seconds while it writes or connects, so what is often asked for is kept here.
type connection struct {
	*nats.Conn
	js      jetstream.JetStream
	payload atomic.Int64 // the server's limit
	alone   atomic.Bool  // the server has the stream, and is in no cluster
	refusal atomic.Pointer[refusal]
}

// refusal of a subscription by the server, which the client does not tell to who subscribed.
type refusal struct{ why error }

// connect makes the first one, and the stream.
func (b *Broker) connect(ctx context.Context) error {
	b.requests.calls = map[string]*call{}
	b.infos.ask = func(ctx context.Context) (*jetstream.StreamInfo, error) {
		s, err := b.conn.Load().js.Stream(ctx, b.o.Namespace)
		if err != nil {
			return nil, err
		}
		return s.CachedInfo(), nil
	}
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	b.conn.Store(c)
	info, err := b.establish(ctx, true)
	if err != nil {
		go c.Close()
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
			return fmt.Errorf("natsbroker: the NATS server has no JetStream: %w", err)
		}
		return err
	}
	c.look(info)
	b.life.Store(lifeOf(info))
	return nil
}

// dial does not wait for longer than ctx lasts, unlike the client.
func (b *Broker) dial(ctx context.Context) (*connection, error) {
	at, err := hosts(b.urls)
	if err != nil {
		return nil, err
	}
	c, done := new(connection), make(chan error, 1)
	go func() { done <- b.open(c) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		go func() {
			if <-done == nil {
				c.Close()
			}
		}()
		err = unavailable(ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("natsbroker: connect to %s: %w", at, err)
	}
	return c, nil
}

// open connects c, and subscribes to answers and to word of a stream that was made, changed or deleted: where the account may not hear that, the check every
// 30 s tells.
func (b *Broker) open(c *connection) (err error) {
	own := []nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1), // Publish fails while there is no connection
		nats.IgnoreAuthErrorAbort(),
		nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.keep.check() }),
		nats.ClosedHandler(func(*nats.Conn) { b.disconnected(nats.ErrConnectionClosed) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.asyncError(c, sub, err) }),
		b.wires,
	}
	if c.Conn, err = nats.Connect(b.urls, append(append([]nats.Option(nil), b.o.NATS...), own...)...); err != nil {
		if errors.Is(err, nats.ErrMixingWebsocketSchemes) || errors.Is(err, nats.ErrAuthorization) {
			return err
		}
		return unavailable(err)
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	c.payload.Store(c.MaxPayload())
	if !c.serverHas(2, 11) {
		return fmt.Errorf("the server has version %s: at least 2.11 is needed", c.ConnectedServerVersion())
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
	if _, err := c.Subscribe(advisories+b.o.Namespace, func(*nats.Msg) { b.keep.check() }); err != nil {
		return unavailable(err)
	}
	return nil
}

const (
	writeTimeout = 2 * time.Second
	advisories   = "$JS.EVENT.ADVISORY.STREAM.*."
)

// look keeps what the server says of itself, when it is found to have the stream.
func (c *connection) look(info *jetstream.StreamInfo) {
	c.payload.Store(c.MaxPayload())
	c.alone.Store(c.ConnectedClusterName() == "" && info.Cluster != nil && info.Cluster.Leader == c.ConnectedServerName())
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
	c, err := b.dial(b.ctx)
	if err != nil {
		if b.ctx.Err() == nil {
			b.log.say(unreachable, "natsbroker: cannot connect again", "error", err)
		}
		return
	}
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

func (b *Broker) asyncError(c *connection, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		b.log.say(slowConsumer, "natsbroker: messages come faster than they are handled; what was dropped is read again")
		b.keep.sweep()
		return
	}
	if isRefusal(err) {
		c.refusal.Store(&refusal{err})
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	b.log.say(natsError, "natsbroker: "+err.Error(), "subject", subject)
}

// isRefusal: the server does not have a subscription that a topic may need.
func isRefusal(err error) bool {
	said := err.Error()
	return errors.Is(err, nats.ErrMaxSubscriptionsExceeded) ||
		errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(said, "Subscription") && !strings.Contains(said, `"$JS.EVENT.`)
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
		if err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) || !isPort(u.Port()) {
			return "", fmt.Errorf("natsbroker: address %d of %d is no URL of a NATS server", i+1, len(list))
		}
		all = append(all, u.Host)
	}
	return strings.Join(all, ", "), nil
}

var schemes = []string{"nats", "tls", "ws", "wss"}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil
}
