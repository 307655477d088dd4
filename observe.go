package wsrouter

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// An Observer is told what happens on a router: [Options.Observer]. It is a struct of functions, of which any may be nil; those cost
// nothing. More may be added, and more fields to their events.
//
// The names and codes in an event come from declarations, this library and the application, never from a peer, so that they may be labels
// of metrics: how many there are does not depend on who connects. A message that is not declared has the name "".
//
// The functions are called from many goroutines at once, on the way of a message, and must not block. ctx carries the values of the
// connection's context (or, as said, of another one) and must not be kept. One that panics is logged and closes its connection with 1011;
// where there is none, as in a refused request and a broadcast, it is only logged. For what happens around a handler, such as a span of
// a trace, see [Router.Use]; package wsotel has both for OpenTelemetry.
type Observer struct {
	// Upgrade is called once for each request, when it is answered: with the request's context if it is refused.
	Upgrade func(ctx context.Context, e UpgradeEvent)
	// Message is called for each message that was received, after its handler returned and what it asked for was done.
	Message func(ctx context.Context, e MessageEvent)
	// Send is called when a message was queued, with the context that Send or Broadcast was given.
	Send func(ctx context.Context, e SendEvent)
	// Drop is called for each message that was dropped because its peer reads too slowly. Send was called for it if it waited before. What
	// waits when a connection ends is not dropped in this sense, nor is what a later message has replaced.
	Drop func(ctx context.Context, e DropEvent)
	// Close is called once for each connection that got its 101, after OnDisconnect.
	Close func(ctx context.Context, e CloseEvent)
}

// UpgradeEvent is one request to open a connection.
type UpgradeEvent struct {
	Status int    // of the answer: 101 if the connection is open. 0: the peer was lost before it had the answer
	Code   string // of the refusal, as its body says, such as "origin_not_allowed"; "lost" for Status 0, "" for 101
}

// MessageEvent is one message that was received.
type MessageEvent struct {
	Name     string        // declared wire name, or the type's where messages have none. "": none was found
	Size     int           // in bytes, inflated
	Duration time.Duration // of all that was done for it, from its decoding to the error reply
	Outcome  Outcome
}

// An Outcome says in a word what became of a message.
type Outcome string

// Every Outcome that there is.
const (
	OutcomeOK      Outcome = "ok"      // its handler returned nil
	OutcomeError   Outcome = "error"   // answered with an *Error, on purpose
	OutcomeInvalid Outcome = "invalid" // answered with a *ValidationError: unknown, or with faults
	OutcomeLimited Outcome = "limited" // beyond the rate: answered or closed, not handled
	OutcomeClose   Outcome = "close"   // the connection was closed by Close or a *ProtocolError
	OutcomeFailed  Outcome = "failed"  // any other error: logged, and answered "internal"
	OutcomePanic   Outcome = "panic"   // logged, and closed with 1011
	OutcomeOver    Outcome = "over"    // the handler returned because the connection had ended, or its outbox was full
)

// SendEvent is one message that was queued.
type SendEvent struct {
	Name  string // declared wire name, "text" or "binary" for raw frames. "": no Sends declares it
	Size  int    // in bytes, before compression
	Count int    // how many connections it was queued for: 1, or as many as the broadcast found
}

// DropEvent is one message that was dropped.
type DropEvent struct {
	Name string // as in SendEvent
}

// CloseEvent is the end of a connection.
type CloseEvent struct {
	Code     int           // as in [CloseInfo], but 0 in place of a peer's own code, from 3000 on
	Remote   bool          // the peer began it
	Duration time.Duration // since the 101
}

// told tells the observer of c's 101. It reports false if that panicked.
func (c *conn) told() (ok bool) {
	o := c.router.opts.Observer
	if o == nil || o.Upgrade == nil {
		return true
	}
	defer c.router.recoverObserver(c)
	o.Upgrade(&c.ctx, UpgradeEvent{Status: 101})
	return true
}

func (r *router) observeRefusal(ctx context.Context, status int, code string) {
	if o := r.opts.Observer; o != nil && o.Upgrade != nil {
		defer r.recoverObserver(nil)
		o.Upgrade(ctx, UpgradeEvent{status, code})
	}
}

// observeMessage tells of a message that began at begun; zero: nobody wants to know.
func (c *conn) observeMessage(f Frame, begun time.Time, outcome Outcome) {
	if begun.IsZero() {
		return
	}
	e := MessageEvent{Size: len(f.Data), Duration: time.Since(begun), Outcome: outcome}
	if rt := c.handling.Load(); rt != nil {
		e.Name = rt.declaredName(f.Data, c.router.opts.Discriminator)
	}
	defer c.closeOnPanic("Observer")
	c.router.opts.Observer.Message(&c.ctx, e)
}

// messageBegins is the time for observeMessage.
func (c *conn) messageBegins() time.Time {
	if o := c.router.opts.Observer; o == nil || o.Message == nil {
		return time.Time{}
	}
	return time.Now()
}

// observeSend tells of a message of type m, whose data has been queued for c.
func (c *conn) observeSend(ctx context.Context, m *message, data []byte) {
	if o := c.router.opts.Observer; o != nil && o.Send != nil {
		defer c.closeOnPanic("Observer")
		o.Send(ctx, SendEvent{m.declaredName(data, c.router.opts.Discriminator), len(data), 1})
	}
}

// observeBroadcast tells of a message that has been queued for so many connections.
func (r *router) observeBroadcast(ctx context.Context, m *message, data []byte, count int) {
	if o := r.opts.Observer; o != nil && o.Send != nil && count > 0 {
		defer r.recoverObserver(nil)
		o.Send(ctx, SendEvent{m.declaredName(data, r.opts.Discriminator), len(data), count})
	}
}

// observesDrops reports whether somebody wants to know of each.
func (o *Options) observesDrops() bool { return o.Observer != nil && o.Observer.Drop != nil }

func (c *conn) observeDrops(names []string) {
	defer c.closeOnPanic("Observer")
	for _, name := range names {
		c.router.opts.Observer.Drop(&c.ctx, DropEvent{name})
	}
}

func (c *conn) observeClose(end wsconn.End) {
	o := c.router.opts.Observer
	if o == nil || o.Close == nil {
		return
	}
	e := CloseEvent{Code: end.Code, Remote: end.Remote, Duration: c.router.now() - c.opened}
	if e.Remote && e.Code >= 3000 {
		e.Code = 0
	}
	defer c.closeOnPanic("Observer")
	o.Close(context.WithoutCancel(&c.ctx), e)
}

// closeOnPanic closes the connection if what it is deferred in panics. It may run in any goroutine.
func (c *conn) closeOnPanic(in string) {
	if p := recover(); p != nil {
		c.panicked(in, p)
	}
}

// recoverObserver is closeOnPanic where there is no connection, or one that cannot be closed yet.
func (r *router) recoverObserver(c *conn) {
	p := recover()
	if p == nil {
		return
	}
	l := r.logger()
	if c != nil {
		l = c.logger()
	}
	l.Error("wsrouter: panic", "in", "Observer", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// Stats are numbers of a router: what is, and what was since [New]. Each is exact, but they are not of one moment.
type Stats struct {
	Conns   int    // connections, from before their 101 until OnDisconnect has returned
	Rooms   int    // that have members
	Members int    // of all rooms: a connection counts in each of its own
	Present int    // members that [Presence] knows of, of all rooms that it knows of, on all nodes
	Opened  uint64 // connections that got their 101
	Refused uint64 // requests that were answered with something else

	Received uint64 // messages that were handled, or answered in place of that
	Limited  uint64 // those of them that were beyond the rate
	Sent     uint64 // messages queued, for each connection that a broadcast found
	Replaced uint64 // those of them that a later one with the same key has replaced, by delivery "latest"
	Dropped  uint64 // messages that were dropped because their peers read too slowly

	BytesReceived, BytesSent uint64 // of the network, after handshakes: with frame headers and control frames, compressed
	BytesBuffered            int64  // that are queued for all connections, as [Options.MaxBuffered] counts them

	// With Options.Broker or Options.Resume:
	Published, PublishFailed uint64 // messages that the broker has taken, and those of which it is not known, or known not
	BrokerDown               bool   // it cannot be reached: [Router.Health]
	BrokerOutages            uint64 // times that it became so, also those that were over before anybody asked
	Malformed                uint64 // messages from the broker that were no router's like this one, and dropped
	Gaps                     uint64 // times that messages of a room were lost between the broker and this process
	Resyncs, Replays         uint64 // Resync messages sent, and rooms in which a client heard all that it had missed

	Handlers int // handlers and OnConnect hooks that run
	Workers  int // goroutines that run connections under [Options.Idle], waiting ones included
	Ready    int // connections that have something to be handled and wait for one of them
}

// Stats returns numbers for a health check or a gauge. It takes some microseconds and may be called from any goroutine. Connections of
// package wstest count too, but for Workers and Ready.
func (r *Router[S]) Stats() Stats { return r.core.stats() }

func (r *router) stats() Stats {
	t := r.counters.Totals()
	s := Stats{
		Opened: r.opened.Load(), Refused: r.refused.Load(),
		Received: t.Received, Limited: t.Limited, Sent: t.Sent, Replaced: t.Replaced, Dropped: t.Dropped,
		BytesReceived: t.BytesIn, BytesSent: t.BytesOut, BytesBuffered: t.Buffered,
		Handlers: t.Handlers,
	}
	s.Conns = r.live.count()
	s.Rooms, s.Members = r.rooms.count()
	if p := r.rooms.roll; p != nil {
		s.Present = p.count()
	}
	if h := r.rooms.hub; h != nil {
		n := &h.counts
		s.BrokerDown, s.BrokerOutages = h.down(), n.outages.Load()
		s.Published, s.PublishFailed = n.published.Load(), n.unpublished.Load()
		s.Malformed, s.Gaps, s.Resyncs, s.Replays = n.malformed.Load(), n.gaps.Load(), n.resyncs.Load(), n.replays.Load()
	}
	s.Workers, s.Ready = r.loop.Workers()
	return s
}

// now is the time since the router began.
func (r *router) now() time.Duration { return time.Since(r.epoch) }

var _ wsconn.Handler = (*conn)(nil)
