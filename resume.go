package wsrouter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// Resume lets a client that comes back have what it missed. The client keeps, for each room, the latest [RoomPosition] that it was told in
// a [Joined], a [Resync] or any message, and presents them in the next handshake. Where it joins again it hears either all that it missed, in order and once, or
// that it cannot have it.
//
// Each process keeps the last messages of each room that has members there; what is older comes from the broker's history. Resume needs
// [OverflowClose] or [OverflowWait]: a client that reads too slowly is closed and resumes, where with the other policies it would miss messages and not
// know it. Messages of a type with delivery "latest" carry no position, because a newer one takes the place of an older one that waits: who
// resumes gets the newest of each key since its position, maybe once more. So does what is no JSON object.
type Resume struct {
	// Param is the query parameter of the handshake in which a client that comes back presents the positions it has reached: a JSON object from
	// room to [RoomPosition].At, of at most 8 KiB and 128 rooms: where long names make more than that, it leaves out rooms that may begin afresh. Anything
	// else is refused with 400; a position that says nothing here only means a Resync. If empty, "resume".
	Param string
	// Member of every message of a room that holds its [RoomPosition]. If empty, "position".
	Member string
	// Messages and Bytes that one room keeps in this process, and replays at most to one client; a client that missed more starts afresh. If
	// zero, 1,000, and half of Options.Outbox. Bytes is at most Options.Outbox.
	Messages, Bytes int
	// Rate is how many bytes of replays the router queues in a second, for all clients. If zero, 64 MiB. Negative: no limit.
	Rate int
}

// Limits of what a client presents.
const (
	maxPositions     = 8 << 10 // bytes
	maxPositionRooms = maxRooms
)

// Rates of what replays cost.
const (
	historyPause = 100 * time.Millisecond // between two requests for the history of a room
	replayBurst  = 100 * time.Millisecond // of Resume.Rate, at once
)

// withDefaults returns a copy of s with its defaults filled in. It panics if a value is impossible.
func (s *Resume) withDefaults(o *Options) *Resume {
	if s == nil {
		return nil
	}
	f := *s
	f.Param = orElse(f.Param, "resume")
	f.Member = orElse(f.Member, "position")
	f.Messages = orElse(f.Messages, 1000)
	f.Bytes = orElse(f.Bytes, o.Outbox/2)
	f.Rate = orElse(f.Rate, 64<<20)
	switch {
	case f.Member == o.Discriminator || f.Member == o.Payload || f.Member == o.IDMember:
		panic(fmt.Sprintf("wsrouter: New: Resume.Member %q is taken by another option", f.Member))
	case strings.ContainsAny(f.Param, "&=#%+ \t\r\n"):
		panic(fmt.Sprintf("wsrouter: New: Resume.Param %q is no name of a query parameter", f.Param))
	case f.Messages < 0:
		panic(fmt.Sprintf("wsrouter: New: Resume.Messages is %d", f.Messages))
	case f.Bytes < 0 || f.Bytes > o.Outbox:
		panic(fmt.Sprintf("wsrouter: New: Resume.Bytes is %d, want at most Outbox, which is %d: a replay has to fit", f.Bytes, o.Outbox))
	case o.Overflow == OverflowDropOldest || o.Overflow == OverflowDropNewest:
		panic("wsrouter: New: Resume needs OverflowClose or OverflowWait: a client whose messages are dropped would not know that it missed them")
	}
	return &f
}

// RoomPosition is how far a room has come with a message. Of two positions of a room a client keeps the later one: that with the higher number behind the last "-" if what is
// before that is the same, else the one that it was told last. Only what [Room.History] brings is older than what came before.
type RoomPosition struct {
	_    struct{} `doc:"How far a room has come with a message. Keep the latest of each room, and present them when you connect again: of two that differ only in the number at the end, the higher one, else the one that came last."`
	Room string   `json:"room" example:"lobby" doc:"The room that the message belongs to."`
	At   string   `json:"at" example:"k3JX7Q2M-1042" doc:"What to present for this room after a reconnect, as it is."`
}

// Joined tells a client that it is in a room, and from which position on it hears everything.
type Joined struct {
	_         struct{}     `doc:"You are in a room, and hear everything that comes after the position."`
	Room      string       `json:"room" example:"lobby"`
	Position  RoomPosition `json:"position"`
	Recovered *bool        `json:"recovered,omitzero" doc:"Absent if you presented no position of this room. true: all that you missed follows, in order, each message once. false: it cannot be had, and what says so follows at once; no part of it was sent."`
	Missed    int          `json:"missed,omitzero" doc:"How many messages follow that you missed."`
}

// Resync tells a client that messages of a room are lost for it: what it knows of the room has to be asked for again. Later messages follow from
// Position on; without one the client is not in the room.
type Resync struct {
	_        struct{}      `doc:"You missed messages of a room for good. Ask for its state again, as if you came for the first time; the connection goes on."`
	Room     string        `json:"room" example:"lobby"`
	Reason   string        `json:"reason" enum:"overrun,epoch,unknown,lost,refused" doc:"overrun: you missed more than is kept. epoch: the history has begun anew. unknown: the position says nothing here. lost: messages were lost between servers. refused: you may not be in the room, or there is none."`
	Position *RoomPosition `json:"position,omitzero" doc:"From here on you hear everything again. Absent: you are not in the room."`
}

// Reasons of a Resync.
const (
	reasonOverrun = "overrun"
	reasonEpoch   = "epoch"
	reasonUnknown = "unknown"
	reasonLost    = "lost"
	reasonRefused = "refused"
)

// OnResume sets the hook that is asked for each room that a client presents a position of and that OnConnect has not joined, after OnConnect. nil joins it. An error that wraps
// [broker.ErrUnavailable] closes with 1013, and a [Close] error as it says: the client keeps its positions and can come back with them, which is what a hook wants whose
// database does not answer. Any other error is a refusal, of which a client hears what it hears of a room that is not there: a Resync without a position. Without the hook, presented
// positions wait for Join. It needs [Options.Resume].
func (r *Router[S]) OnResume(fn func(ctx context.Context, c *Conn[S], room string) error) {
	r.core.declaringOnce("OnResume", fn == nil, r.core.onResume != nil)
	if r.core.opts.Resume == nil {
		panic("wsrouter: OnResume: Options.Resume is nil")
	}
	r.core.onResume = func(ctx context.Context, c *conn, room string) error { return fn(ctx, c.owner.(*Conn[S]), room) }
}

// A position is what a client has presented for a room.
type position struct {
	at    broker.Position
	text  string
	valid bool // text was read

	// Of room.mu.
	exists bool   // the broker knows it though the feed has not come so far
	reason string // why History does not help; "": it is not known
	err    error  // why it could not be asked
}

// parsePosition reads what formatPosition has written. Anything else is not valid.
func parsePosition(text string) *position {
	p := &position{text: text}
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return p
	}
	seq, err := strconv.ParseUint(text[i+1:], 10, 64)
	p.at = broker.Position{Epoch: text[:i], Seq: seq}
	p.valid = err == nil && formatPosition(p.at) == text
	return p
}

func formatPosition(p broker.Position) string { return p.Epoch + "-" + strconv.FormatUint(p.Seq, 10) }

// parsePositions reads the parameter of a handshake. A nil map: there is none in it.
func parsePositions(text string) (map[string]*position, error) {
	if len(text) > maxPositions {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), maxPositions)
	}
	var texts map[string]string
	if err := jsonv2.Unmarshal([]byte(text), &texts); err != nil || texts == nil {
		return nil, errors.New("is no JSON object from rooms to positions")
	}
	if len(texts) > maxPositionRooms {
		return nil, fmt.Errorf("names %d rooms, more than %d", len(texts), maxPositionRooms)
	}
	var list map[string]*position
	for room, at := range texts {
		if room == "" || len(room) > maxName {
			return nil, fmt.Errorf("names a room of %d bytes, want 1 to %d", len(room), maxName)
		}
		if list == nil {
			list = map[string]*position{}
		}
		list[room] = parsePosition(at)
	}
	return list, nil
}

// checkResume reads the positions that the client presents.
func (r *router) checkResume(c *conn, req *http.Request) *refusal {
	s := r.opts.Resume
	if s == nil {
		return nil
	}
	q := parseQuery(req.URL)
	values, broken := q.values[s.Param], q.isBroken(s.Param)
	if !broken && (len(values) == 0 || len(values) == 1 && values[0] == "") { // empty: a client that knows none yet
		return nil
	}
	issue := schema.Issue{Path: "/query/" + pointerEscape(s.Param)}
	var err error
	switch {
	case broken:
		issue.Code, err = "encoding", errors.New(notEncoded)
	case len(values) > 1:
		issue.Code, err = "duplicate", fmt.Errorf("is given %d times, want one value", len(values))
	default:
		issue.Code = "resume"
		c.more().presented, err = parsePositions(values[0])
	}
	if err != nil {
		issue.Message = err.Error()
		issues := []schema.Issue{issue}
		return &refusal{status: http.StatusBadRequest, Code: codeInvalid, Detail: invalid(issues).reply().Detail, Issues: issues}
	}
	return nil
}

// refuseParam panics if the session reads the parameter of positions itself.
func (s *session) refuseParam(r *Resume) {
	for _, p := range s.params {
		for _, src := range p.sources {
			if r != nil && src.in == "query" && src.name == r.Param {
				panic(fmt.Sprintf("wsrouter: New[%v]: %s: query parameter %q is that of Options.Resume: give Resume.Param another name", s.typ, p.goName, r.Param))
			}
		}
	}
}

// resumeSpec describes Options.Resume, nil if there is none. It needs no frozen router: names of these messages come from the options alone.
func (r *router) resumeSpec() *ResumeSpec {
	o := r.opts.Resume
	if o == nil {
		return nil
	}
	return &ResumeSpec{
		Param:  o.Param,
		Member: o.Member,
		Joined: cmp.Or(r.messages.names[reflect.TypeFor[Joined]()], "joined"),
		Resync: cmp.Or(r.messages.names[reflect.TypeFor[Resync]()], "resync"),
	}
}

// describeResume documents the parameter.
func (r *router) describeResume() Param {
	s := r.resumeSpec()
	return Param{Name: s.Param, In: "query", Description: fmt.Sprintf("For a client that comes back and wants what it missed: a JSON object from the name of a room to the latest `at` that it was told for it, in `%s`, "+
		"`%s` or the member `%s` of any message, URL-encoded: at most %d KiB before that, and %d rooms. For each room that it is let into again, the server says `%[1]s` with `recovered: true`, and all that was missed follows; "+
		"or with `recovered: false`, and `%[2]s` follows. A room that it is not let into is told of by `%[2]s` without a position. An empty value is as none; anything else than such an object is refused with 400.",
		s.Joined, s.Resync, s.Member, maxPositions>>10, maxPositionRooms),
		Schema: []byte(`{"type":"string","contentMediaType":"application/json","maxLength":` + strconv.Itoa(maxPositions) + `,"examples":["{\"lobby\":\"k3JX7Q2M-1042\"}"]}`)}
}

// resume joins the rooms that the client has presented and OnConnect has not joined.
func (c *conn) resume() {
	r := c.router
	if r.onResume == nil {
		return
	}
	r.rooms.mu.RLock()
	names := slices.Sorted(maps.Keys(c.rarely().presented))
	r.rooms.mu.RUnlock()
	c.phase = inOnResume
	for _, name := range names {
		if c.ctx.Err() != nil {
			return
		}
		err := r.onResume(&c.ctx, c, name)
		refused := err != nil && !errors.Is(err, broker.ErrUnavailable)
		if err == nil {
			err = r.joinRoom(name, c)
			refused = isFinal(err)
		}
		switch {
		case err == nil || c.ctx.Err() != nil:
		case c.closedBy(err):
			return
		case refused:
			c.refuseRoom(name, err)
		default: // it keeps its positions and tries another time, perhaps another node
			if silent, ok := r.refusals.due("room not resumed", time.Now()); ok {
				c.logger().Warn("wsrouter: room not resumed, connection closed", "room", brief(name), "err", err, "not_logged", silent)
			}
			c.close(1013, tryLater)
			return
		}
	}
}

// isFinal reports whether a join would fail another time too.
func isFinal(err error) bool {
	return errors.Is(err, errRooms) || errors.Is(err, errInfo)
}

// refuseRoom tells the client that it is not in a room, not why.
func (c *conn) refuseRoom(name string, why error) {
	level := slog.LevelDebug
	if errors.Is(why, errInfo) { // nobody's refusal, but what the application says of the session
		level = slog.LevelError
	}
	c.logger().Log(&c.ctx, level, "wsrouter: room not resumed", "room", brief(name), "err", why)
	c.forget(name)
	c.router.rooms.hub.counts.resyncs.Add(1)
	if err := c.send(&c.ctx, Resync{Room: name, Reason: reasonRefused}, nil); err != nil && !over(&c.ctx, err) {
		c.logger().Error("wsrouter: resync not sent", "err", err)
	}
}

// forget drops what the client has presented for a room.
func (c *conn) forget(room string) {
	c.router.rooms.mu.Lock()
	defer c.router.rooms.mu.Unlock()
	delete(c.rarely().presented, room)
}

// presents returns what the client has presented for the feed's room, or nil.
func (f *feed) presents(c *conn) *position {
	if f.room.kind != ofRoom {
		return nil
	}
	r := &f.hub.router.rooms
	r.mu.RLock()
	defer r.mu.RUnlock()
	return c.rarely().presented[f.room.name]
}

// admit makes c a member, after what it missed.
func (f *feed) admit(c *conn) error {
	missed := f.presents(c)
	if missed != nil {
		if err := f.prepare(c, missed); err != nil {
			return err
		}
	}
	flush, err := f.seat(c, missed)
	if flush {
		c.socket.Flush()
	}
	return err
}

// prepare waits until all is there that c missed, if it can be had, and until c and the router can take it.
func (f *feed) prepare(c *conn, missed *position) error {
	if err := f.fetch(&c.ctx, missed); err != nil {
		return err
	}
	o := &f.hub.router.opts
	if err := f.hub.replays.wait(&c.ctx, f.size(missed), o.Resume.Rate); err != nil {
		return ErrClosed
	}
	for c.socket.Waiting() > o.Outbox/2 {
		if err := c.socket.Wait(&c.ctx); err != nil {
			return ErrClosed
		}
	}
	return nil
}

// seat makes c a member and queues what it is told first. Nothing comes between what it missed and what comes later: who hands out holds room.mu too.
func (f *feed) seat(c *conn, missed *position) (flush bool, err error) {
	r, m := &f.hub.router.rooms, f.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		return false, ErrClosed
	case c.membership(m) >= 0: // another goroutine was quicker
		return false, nil
	case m.kind == ofRoom && c.rooms() >= maxRooms:
		return false, m.failed("Join", errRooms)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.hub.router.opts.Resume != nil && m.kind == ofRoom {
		items, err := f.welcome(c, missed)
		if err != nil {
			return false, err
		}
		delete(c.rarely().presented, m.name)
		flush = c.socket.QueueAll(wsconn.Together(items), items)
	}
	r.add(m, c)
	return flush, nil
}

// pace spreads bytes over time.
type pace struct {
	mu   sync.Mutex
	next time.Time // when all that was allowed so far has passed
}

// wait lets n bytes pass, at rate bytes a second.
func (p *pace) wait(ctx context.Context, n, rate int) error {
	if rate < 0 || n == 0 {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now) - replayBurst
	p.next = p.next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	p.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// positionPrefix is what the positions of a place begin with in its messages, nil if they have none.
func (h *hub) positionPrefix(p place) []byte {
	s := h.router.opts.Resume
	if s == nil || p.kind != ofRoom {
		return nil
	}
	b, _ := jsontext.AppendQuote(nil, s.Member) // it replaces what is not UTF-8
	b, _ = jsontext.AppendQuote(append(b, `:{"room":`...), p.name)
	return append(b, `,"at":`...)
}

// appendPosition puts the position, behind a room's prefix, into the JSON object that data ends with.
func appendPosition(data, prefix []byte, at broker.Position) []byte {
	end := len(data) - 1
	for data[end] != '}' {
		end--
	}
	data = data[:end]
	for end--; data[end] == ' ' || data[end] == '\t' || data[end] == '\r' || data[end] == '\n'; end-- {
	}
	if data[end] != '{' {
		data = append(data, ',')
	}
	data = append(data, prefix...)
	data, _ = jsontext.AppendQuote(data, formatPosition(at))
	return append(data, "}}"...)
}
