package wsrouter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// Limits of what a hub does.
const (
	joinWait = 10 * time.Second // for the broker to subscribe
	maxInbox = 8 << 20          // bytes of a room that have come and are not handed to its members
)

// A hub is a router's share of rooms that span processes: it publishes what is broadcast, and hands what comes back to the members that are
// connected here. Each place with members here has a [feed].
type hub struct {
	router *router
	broker *shield
	own    bool   // the broker is nobody else's
	node   string // tells this router from all others

	counts hubCounts

	mu    sync.Mutex
	state broker.State
	busy  int                  // goroutines of feeds
	idle  chan struct{}        // closed when there are none; nil: nobody waits for that
	asked map[string]time.Time // when a topic's history was asked for last, if that is not long ago
	swept time.Time            // of asked

	replays pace // of what is replayed

	once  sync.Once
	types map[string]*message // by the name in envelopes
}

// hubCounts are numbers for Stats.
type hubCounts struct {
	published, unpublished, outages, malformed, gaps, resyncs, replays atomic.Uint64
}

// newHub returns the hub of a router, nil if its rooms need none.
func newHub(r *router) *hub {
	b := r.opts.Broker
	own := b == nil
	if own {
		if r.opts.Resume == nil {
			return nil
		}
		b = broker.New(nil)
	}
	h := &hub{router: r, broker: &shield{b, r}, own: own}
	var id [nodeLen]byte
	rand.Read(id[:]) // never fails
	h.node = string(id[:])
	if !own {
		h.broker.notify(h.notice)
	}
	return h
}

// notice is told of the broker's state.
func (h *hub) notice(s broker.State) {
	h.mu.Lock()
	before := h.state
	h.state = s
	h.mu.Unlock()
	if s == broker.Down && before != broker.Down {
		h.counts.outages.Add(1)
	}
	switch {
	case h.router.live.isClosing(): // and the application closes its broker
	case s == broker.Down && before != broker.Down:
		tell(func() {
			h.router.logger().Error("wsrouter: the broker cannot be reached, rooms do not reach other processes")
		})
	case s != broker.Down && before == broker.Down:
		tell(func() {
			h.router.logger().Info("wsrouter: the broker can be reached again", "history_lost", s == broker.EpochChanged)
		})
	}
}

func (h *hub) down() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == broker.Down
}

// Health is nil, or says why rooms do not reach other processes: it wraps [broker.ErrUnavailable]. Connections stay open meanwhile, and Broadcast,
// and the Join of a room that nobody here is in, fail. A broker that is no [broker.Stateful] tells nothing and counts as healthy.
func (r *Router[S]) Health() error {
	if h := r.core.rooms.hub; h != nil && h.down() {
		return fmt.Errorf("wsrouter: rooms do not reach other processes: %w", broker.ErrUnavailable)
	}
	return nil
}

// run starts a goroutine that stop waits for.
func (h *hub) run(f func()) {
	h.mu.Lock()
	h.busy++
	h.mu.Unlock()
	go func() {
		defer h.ran()
		f()
	}()
}

func (h *hub) ran() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy--; h.busy == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
}

// stop waits until nothing runs for a feed any more, whose connections are gone, and closes a broker that is the hub's own.
func (h *hub) stop(ctx context.Context) error {
	h.mu.Lock()
	idle := h.idle
	if h.busy > 0 && idle == nil {
		idle = make(chan struct{})
		h.idle = idle
	}
	h.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if h.own {
		return h.broker.Close(ctx)
	}
	return nil
}

// broadcast publishes msg for the members of p.
func (h *hub) broadcast(ctx context.Context, p place, msg any, b *broadcast) error {
	r := h.router
	r.freeze()
	m, buf, err := r.encode(msg, nil)
	if err != nil {
		return err
	}
	defer buf.Free()
	if err := r.declaredOrFail(m, true); err != nil {
		return err
	}
	data := buf.B[wsconn.HeaderRoom:]
	if issues := m.plan.Validate(data); issues != nil {
		return fmt.Errorf("wsrouter: %w", violatesSchema(m, issues, data))
	}
	if err := h.checkPosition(m, data); err != nil {
		return fmt.Errorf("wsrouter: Broadcast: %w", err)
	}
	e := envelope{kind: kindMessage, name: m.envelopeName(), data: data}
	for _, c := range b.except {
		if c.router == r {
			e.except = append(e.except, exception{h.node, c.id})
		}
	}
	if len(e.except) > maxExcept {
		return fmt.Errorf("wsrouter: Broadcast: Except leaves out %d connections, more than %d", len(e.except), maxExcept)
	}
	if room := r.rooms.find(p); room != nil {
		if err := room.feed.awaitInbox(ctx); err != nil {
			return err
		}
	}
	return h.publish(ctx, p, &e)
}

func (h *hub) publish(ctx context.Context, p place, e *envelope) error {
	_, err := h.broker.Publish(ctx, p.topic(), e.append(nil), broker.PublishOptions{})
	if err != nil {
		h.counts.unpublished.Add(1)
		call := "Broadcast"
		switch {
		case e.kind == kindBye:
			call = "CloseUser"
		case p.kind == ofUser:
			call = "SendTo"
		}
		return p.failed(call, err)
	}
	h.counts.published.Add(1)
	return nil
}

// envelopeName names m between nodes.
func (m *message) envelopeName() string {
	if m.wire == nil {
		return m.goType()
	}
	return m.name()
}

// sent returns the declared message type of that name, or nil.
func (h *hub) sent(name string) *message {
	h.once.Do(func() {
		h.types = map[string]*message{}
		for _, m := range h.router.messages.sent {
			if m.frame == "" {
				h.types[m.envelopeName()] = m
			}
		}
	})
	return h.types[name]
}

// decode makes what the members of p get of a message that came from the broker; prefix is the place's. It may be anything, and may find the one value
// that a decoder of the application panics at, in a goroutine that is the broker's.
func (h *hub) decode(p place, prefix []byte, msg broker.Message) (c *cast, err error) {
	defer recoverDecoder(&err)
	var e envelope
	if err := e.parse(msg.Data, h.node); err != nil {
		return nil, err
	}
	c = &cast{at: msg.Position}
	if e.kind == kindBye {
		if p.kind != ofUser {
			return nil, errors.New("a room cannot be closed")
		}
		c.bye = &wsconn.End{Code: e.code, Reason: string(e.data)}
		return c, nil
	}
	if c.message = h.sent(e.name); c.message == nil {
		return nil, fmt.Errorf("it is a %q, which no Sends declares", brief(e.name))
	}
	if issues := c.message.plan.Validate(e.data); issues != nil {
		return nil, violatesSchema(c.message, issues, []byte(brief(string(e.data))))
	}
	if err := h.checkPosition(c.message, e.data); err != nil {
		return nil, err
	}
	for _, x := range e.except {
		c.except = append(c.except, x.conn)
	}
	b := wsconn.NewBuffer()
	b.B = append(b.B, e.data...)
	c.Delivery = h.router.delivery(c.message, b)
	if prefix != nil && c.message.positioned && e.data[0] == '{' {
		b.B = appendPosition(b.B, prefix, c.at)
	}
	c.Frame = wsconn.NewFrame(b, h.router.opts.Binary)
	return c, nil
}

// checkPosition fails if data has the member already that the position of a room is to stand in.
func (h *hub) checkPosition(m *message, data []byte) error {
	if !m.positioned {
		return nil
	}
	if _, taken := schema.Member(data, h.router.opts.Resume.Member); taken {
		return fmt.Errorf("the message has a member %q already, where Options.Resume puts the position: set Resume.Member", h.router.opts.Resume.Member)
	}
	return nil
}

// decoderPanic is why a message cannot be decoded.
type decoderPanic struct {
	value any
	stack []byte
}

// recoverDecoder makes an error of a panic.
func recoverDecoder(err *error) {
	if v := recover(); v != nil {
		*err = &decoderPanic{v, debug.Stack()}
	}
}

func (p *decoderPanic) Error() string { return fmt.Sprintf("panic in a decoder: %v", p.value) }

// refuse notes a message that does not come from a router like this one.
func (h *hub) refuse(topic string, err error) {
	h.counts.malformed.Add(1)
	if silent, ok := h.router.refusals.due("broker", time.Now()); ok {
		tell(func() {
			l := h.router.logger().With("topic", brief(topic), "err", err, "not_logged", silent)
			if p := (*decoderPanic)(nil); errors.As(err, &p) {
				l = l.With("stack", string(p.stack))
			}
			l.Warn("wsrouter: message from the broker dropped")
		})
	}
}
