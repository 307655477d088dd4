package wsrouter

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

const (
	defaultPast = 100    // messages of a History
	pastPage    = 1_000  // that the broker is asked for at a time
	pastLooked  = 10_000 // through, for those of some types
)

// HistoryOptions bound a [Room.History]. The zero value of each field is its default.
type HistoryOptions struct {
	// Messages at most. If zero, 100.
	Messages int
	// Bytes of Data together at most. If zero, half of Options.Outbox: what a handler can send to its peer at once.
	Bytes int
	// Types of messages, as values of them, which Sends declares; others are passed over, 10,000 messages back at most. If empty, all types.
	Types []any
}

// A Past is a message that was broadcast to a room. [Conn.Send] sends it again, byte for byte as members got it, position included: a peer that
// knows one way to take a message needs no other.
type Past struct {
	// Position tells the message from all others of its room: with [Options.Resume] it is also in the message that members got, unless that is no JSON
	// object or of delivery "latest".
	Position RoomPosition
	// Value is of the type that Sends declares, not a pointer. It is nil if that cannot be decoded, as of a type that only has an encoder.
	Value any
	// Data is the message as members got it, in JSON. It must not be changed.
	Data []byte

	router  *router
	message *message
}

// History returns the newest messages of the room, oldest first, as far back as the bounds of o and what the broker keeps allow; nil is all defaults.
// It has every message whose Broadcast returned before, by any process, also those that left somebody out; messages of the router's own are not in it, nor
// those of the wrong shape, which are dropped as when they come. It needs a broker that is a [broker.Recaller], as those of
// this module are: [Options.Broker], or the one that [Options.Resume] brings along.
//
// A handler that shows the past to who comes calls Join, then History. Then nothing is missing: what is not in the past any more is heard live. What is
// broadcast meanwhile may be both, and its Position tells. Positions in it are older than that of [Joined], which a client keeps ([RoomPosition]); one that resumes has the past
// already, and gets it again from a handler that does not ask what it knows. Other than what a client that comes back missed, which [Options.Resume] replays by itself, each call asks
// the broker. It fails with the broker's error, and with [ErrUndeclared] for a type that no Sends declares. It freezes the router.
func (m Room[S]) History(ctx context.Context, o *HistoryOptions) ([]Past, error) {
	if err := m.core.checkRoom("History", m.name); err != nil {
		return nil, err
	}
	list, err := m.core.past(ctx, place{ofRoom, m.name}, o)
	if err != nil {
		return nil, fmt.Errorf("wsrouter: History: %w", err)
	}
	return list, nil
}

func (r *router) past(ctx context.Context, p place, o *HistoryOptions) ([]Past, error) {
	switch h := r.rooms.hub; {
	case h == nil:
		return nil, errors.New("nothing is kept: set Options.Broker or Options.Resume")
	case !h.broker.recalls():
		return nil, fmt.Errorf("the broker, a %T, is no broker.Recaller", h.broker.Broker)
	}
	r.freeze()
	s, err := r.newSearch(p, o)
	if err != nil {
		return nil, err
	}
	for s.more {
		if err := s.page(ctx); err != nil {
			return nil, err
		}
	}
	slices.Reverse(s.found)
	return s.found, nil
}

// A search goes back through the messages of a room, page by page.
type search struct {
	hub            *hub
	place          place
	prefix         []byte
	of             map[*message]bool // types; nil: all
	messages, room int               // that may still be found, and their bytes
	look           int               // messages that may still be looked at

	before broker.Position
	more   bool
	found  []Past // newest first
}

func (r *router) newSearch(p place, o *HistoryOptions) (*search, error) {
	if o == nil {
		o = &HistoryOptions{}
	}
	if o.Messages < 0 || o.Bytes < 0 {
		return nil, fmt.Errorf("bounds of %d messages and %d bytes", o.Messages, o.Bytes)
	}
	h := r.rooms.hub
	s := &search{hub: h, place: p, prefix: h.positionPrefix(p), more: true}
	s.messages, s.room = orElse(o.Messages, defaultPast), orElse(o.Bytes, r.opts.Outbox/2)
	s.look = max(s.messages, pastLooked)
	for _, v := range o.Types {
		if v == nil {
			return nil, fmt.Errorf("%w: nil is no type", ErrUndeclared)
		}
		m := r.messages.sent[messageType(reflect.TypeOf(v))]
		if m == nil {
			return nil, fmt.Errorf("%w: %T", ErrUndeclared, v)
		}
		if s.of == nil {
			s.of = map[*message]bool{}
		}
		s.of[m] = true
	}
	return s, nil
}

// page looks at the messages before those that were looked at.
func (s *search) page(ctx context.Context) error {
	n := min(s.messages, pastPage)
	if s.of != nil {
		n = min(max(s.messages, defaultPast), pastPage)
	}
	list, more, err := s.hub.broker.Recall(ctx, s.place.topic(), s.before, n, s.room)
	if err != nil {
		return err
	}
	s.more = more && len(list) > 0
	for _, msg := range slices.Backward(list) {
		if s.look--; s.look < 0 || s.messages == 0 {
			s.more = false
			return nil
		}
		s.before = msg.Position
		s.see(msg)
	}
	s.more = s.more && s.messages > 0 && s.room > 0
	return nil
}

// see takes a message if it is one that is searched for.
func (s *search) see(msg broker.Message) {
	c, err := s.hub.decode(s.place, s.prefix, msg)
	var v any
	if err == nil {
		v, err = c.value()
	}
	if err != nil {
		s.hub.refuse(s.place.topic(), err)
		return
	}
	if s.of != nil && !s.of[c.message] {
		return
	}
	if len(c.Data()) > s.room {
		s.messages = 0
		return
	}
	s.messages--
	s.room -= len(c.Data())
	s.found = append(s.found, Past{
		Position: RoomPosition{Room: s.place.name, At: formatPosition(msg.Position)},
		Value:    v,
		Data:     slices.Clip(c.Data()),
		router:   s.hub.router,
		message:  c.message,
	})
}

// value is the message in c, which keeps the rules of its type; nil if the type has no way to decode it.
func (c *cast) value() (v any, err error) {
	defer recoverDecoder(&err)
	to := reflect.New(c.message.typ)
	if c.message.plan.Unmarshal(c.Data(), to.Interface()) != nil {
		return nil, nil
	}
	return to.Elem().Interface(), nil
}

// encode returns p as it travels.
func (p *Past) encode(r *router) (*message, *wsconn.Buffer, error) {
	if p.router != r {
		return nil, nil, errors.New("wsrouter: the Past is not of this router's History")
	}
	b := wsconn.NewBuffer()
	b.B = append(b.B, p.Data...)
	return p.message, b, nil
}
