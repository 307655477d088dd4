package wsrouter

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/presence"
	"github.com/wsrouter-go/wsrouter/schema"
)

// Presence makes the rooms of r tell their members who is in them, as [PresenceChanged] messages, and [WhoIs] answer. info says what others see of c in a
// room; it is called by each Join of a room and before c is in it, in the goroutine that joins, with Session as safe as there. P may be any type that a
// message may be a field of. Its JSON has at most 1 KiB, and keeps the rules of P; Join fails where it does not. A second Join of a room changes
// the info and nothing else. P comes back out of its JSON, also where it goes to members on the same node: what JSON leaves out others do not see.
//
// With [Options.Broker] the rooms are those of all routers that share it, all of which call Presence with types that take each other's JSON; a member whose
// info breaks the rules of P here is left out here. Without it they are this router's, and all is known at once.
//
// What is known of the other processes is eventually consistent. Each tells the others of a change within 50 ms and of everybody every 25 s, and says goodbye when a
// room has no member there any more and in [Router.Shutdown]. One that is not heard of for 60 s, by the clock of who listens, is gone with its
// members: it has been killed, or the broker cannot be reached; its members come back when it is heard of again. While processes do not hear each other they believe
// different things, and messages of a room say nothing about who was in it when they were sent. For what must never be wrong, such as who has a
// lock, presence is not enough.
//
// Members are told of changes once in 0.95 s and room at most, so that a change in a room that changes all the time takes up to 0.95 s and what the broker takes,
// and one in a quiet room a tenth of a second. What comes and goes in between is not told.
//
// Presence is called once, before the router is used. It declares PresenceChanged[P] as what r sends.
func Presence[S, P any](r *Router[S], info func(c *Conn[S], room string) P) {
	core := r.core
	core.declaringOnce("Presence", info == nil, core.rooms.roll != nil)
	plan, err := schema.Compile(reflect.TypeFor[P](), nil)
	if err != nil {
		panic(fmt.Sprintf("wsrouter: Presence: %v", err))
	}
	t := reflect.TypeFor[PresenceChanged[P]]()
	if core.messages.names[t] == "" {
		core.messages.names[t] = "presence"
	}
	core.sends = append(core.sends, core.declare("Presence", []any{PresenceChanged[P]{}})...)
	core.rooms.roll = newRoll(core, &roll{
		typ:  reflect.TypeFor[P](),
		told: t,
		plan: plan,
		info: func(c *conn, room string) any { return info(c.owner.(*Conn[S]), room) },
		word: func(t *word) any {
			return PresenceChanged[P]{Room: t.room, Joined: presentOf[P](plan, t.joined), Left: idsOf(t.left), Next: t.next}
		},
	})
}

// Present is one connection in a room.
type Present[P any] struct {
	ID   string `json:"id" example:"0f3a9c51d2e84b67-42" doc:"The connection, as long as it lasts; one that comes back has another."`
	Info P      `json:"info"`
}

// PresenceChanged tells the members of a room who came and who left. The first one after a Join tells the new member of all that are in the room as
// far as the node knows, itself among them, or of the first of them and the ID behind which [WhoIs] has more; a node that had no members in the room
// hears from the others within a second, and tells then. Joined adds members, or replaces the info of those that are known already; Left takes
// them out, if they are known. One message names at most 256 members, in 64 KiB of infos; the rest comes with the next.
type PresenceChanged[P any] struct {
	_      struct{}     `doc:"Tells who came to a room and who left it. The first one after you joined names who is there, you among them."`
	Room   string       `json:"room" example:"lobby"`
	Joined []Present[P] `json:"joined,omitzero" doc:"Who is new, or has other info than before."`
	Left   []string     `json:"left,omitzero" doc:"Who is not there any more, if it was known to be."`
	Next   string       `json:"next,omitzero" doc:"In the first message after joining: there are more than these, and they come behind this id."`
}

// WhoIs returns who is in a room on all nodes, as far as this one knows: at most limit members behind the ID after, in the order of IDs, and the ID
// behind which there are more, "" if there are none. With after "" it begins at the first; a limit of 0 is 256, and 10,000 is the most. Members that come
// and go between two pages are in them or not; nobody is there twice.
//
// A node that has had members in the room for a second knows it. Where it has none WhoIs waits for that second, in which it asks the others, and knows the
// room for 10 s more; of up to 1,000 such rooms, and it fails beyond. It fails too with ctx's error, with the broker's if that cannot be asked, if after
// is no ID, and if P is not what Presence was called with.
func WhoIs[P, S any](ctx context.Context, room Room[S], after string, limit int) (page []Present[P], next string, err error) {
	p := room.core.rooms.roll
	if p == nil || p.typ != reflect.TypeFor[P]() {
		return nil, "", fmt.Errorf("wsrouter: WhoIs: Presence was not called with info of type %v", reflect.TypeFor[P]())
	}
	if err := room.core.checkRoom("WhoIs", room.name); err != nil {
		return nil, "", err
	}
	key, ok := parseID(after)
	if !ok {
		return nil, "", fmt.Errorf("wsrouter: WhoIs: %q is no ID of a member", brief(after))
	}
	members, more, err := p.page(ctx, room.name, key, limit)
	if err != nil {
		return nil, "", fmt.Errorf("wsrouter: WhoIs: %w", err)
	}
	if more {
		next = idOf(members[len(members)-1].Key)
	}
	return presentOf[P](p.plan, members), next, nil
}

// ID names the connection among all of all nodes, as [Present] does. It says nothing else and is "" if Presence was not called.
func (c *Conn[S]) ID() string {
	if p := c.conn.router.rooms.roll; p != nil {
		return idOf(presence.Key{Node: p.node, N: c.conn.id})
	}
	return ""
}

func idOf(k presence.Key) string { return k.Node + "-" + strconv.FormatUint(k.N, 10) }

// parseID reads what idOf has written; "" is before all.
func parseID(id string) (k presence.Key, ok bool) {
	if id == "" {
		return k, true
	}
	node, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	k = presence.Key{Node: node, N: n}
	return k, err == nil && idOf(k) == id
}

func idsOf(keys []presence.Key) (ids []string) {
	for _, k := range keys {
		ids = append(ids, idOf(k))
	}
	return ids
}

// presentOf decodes members.
func presentOf[P any](plan *schema.Plan, members []presence.Member) (list []Present[P]) {
	for _, m := range members {
		one := Present[P]{ID: idOf(m.Key)}
		if plan.Decode(m.Info, &one.Info) == nil { // it has been validated
			list = append(list, one)
		}
	}
	return list
}
