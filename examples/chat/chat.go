package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter"
)

// What a newcomer is sent at once, the past and the list of users, must fit into its outbox, whatever was said.
const (
	history  = 50      // messages that a room keeps for those who join later
	capacity = 100     // users of a room
	outbox   = 1 << 20 // bytes; 50 messages of 1,000 characters are 300 KB if each must be escaped
)

// roomNames are the rooms that exist, by ID.
var roomNames = map[string]string{"1": "Lobby", "2": "Workshop"}

// A Session belongs to one connection, which only its own hooks and handlers touch.
type Session struct {
	RoomID string `path:"room_id" doc:"ID of the room, 1 or 2." example:"1"`

	user *User // nil until this connection has joined
}

// Resolve refuses a room that does not exist before the connection is upgraded.
func (s *Session) Resolve(ctx context.Context, r *http.Request) error {
	if roomNames[s.RoomID] == "" {
		return wsrouter.Reject(http.StatusNotFound, "no such room; there are 1 and 2")
	}
	return nil
}

type Conn = wsrouter.Conn[Session]

// A Chat is the application behind the router.
type Chat struct {
	rooms map[string]*room // by ID; the map never changes
}

// A room is what the connections of all its members share, so it has a lock of its own. Sends and broadcasts only
// queue and do not wait, so they are made under the lock: all members see the same order, and a newcomer
// misses nothing between the past it is sent and its first live message. Broadcasts arrive a moment later than they are made, so that the
// last of the past may come once more: its place tells.
type room struct {
	id, name string
	live     wsrouter.Room[Session]

	mu    sync.Mutex
	users map[string]User // by lower-case name
	past  []Said          // the last of them, oldest first
	seq   int             // of the newest message
}

// newChat returns the router of a chat with empty rooms.
func newChat() *wsrouter.Router[Session] {
	router := wsrouter.New[Session](&wsrouter.Options{
		Name:        "chat",
		Description: "A chat in two rooms.",
		Tags:        []string{"chat"},
		Outbox:      outbox,
		Resume:      &wsrouter.Resume{}, // who comes back is given what it missed
	})
	h := &Chat{rooms: map[string]*room{}}
	for id, name := range roomNames {
		h.rooms[id] = &room{id: id, name: name, live: router.Room(id), users: map[string]User{}}
	}

	router.Use(mustJoin)
	router.OnConnect(h.connect)
	router.OnDisconnect(h.disconnect)
	router.Sends(RoomDetails{}, UsersList{}, UserJoined{}, UserLeft{}, UserMessaged{}, UserTypes{})
	wsrouter.Receive(router, h.join, wsrouter.Sends(PendingMessages{}, UsersList{}))
	wsrouter.Receive(router, h.leave, wsrouter.Sends(UserLeft{}))
	wsrouter.Receive(router, h.message, wsrouter.Sends(UserMessaged{}))
	wsrouter.Receive(router, h.typing)
	return router
}

// mustJoin lets only those speak who have a name.
func mustJoin(next wsrouter.Handler[Session]) wsrouter.Handler[Session] {
	return func(ctx context.Context, c *Conn, in *wsrouter.Incoming) error {
		if _, joins := in.Value.(*UserJoin); !joins && c.Session.user == nil {
			return wsrouter.Errorf("not_joined", "join the room first")
		}
		return next(ctx, c, in)
	}
}

func (h *Chat) room(c *Conn) *room { return h.rooms[c.Session.RoomID] }

func (h *Chat) connect(ctx context.Context, c *Conn) error {
	r := h.room(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.Send(ctx, RoomDetails{RoomID: r.id, RoomName: r.name, Users: r.list()})
}

func (h *Chat) disconnect(ctx context.Context, c *Conn, info wsrouter.CloseInfo) {
	if c.Session.user != nil {
		_ = h.remove(ctx, c)
	}
}

func (h *Chat) join(ctx context.Context, c *Conn, m UserJoin) error {
	if c.Session.user != nil {
		return wsrouter.Errorf("already_joined", "you are in the room as %s", c.Session.user.UserName)
	}
	r := h.room(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.users[strings.ToLower(m.UserName)]; taken {
		return wsrouter.Errorf("name_taken", "somebody in this room is called %s", m.UserName)
	}
	if len(r.users) == capacity {
		return wsrouter.Errorf("room_full", "%d people are in this room", capacity)
	}
	if err := r.live.Join(c); err != nil {
		return err
	}
	r.users[strings.ToLower(m.UserName)] = m.User
	c.Session.user = &m.User

	if err := c.Send(ctx, PendingMessages{Messages: r.past}); err != nil {
		return err
	}
	if err := r.live.Broadcast(ctx, UserJoined{User: m.User}, wsrouter.Except(c)); err != nil {
		return err
	}
	return r.live.Broadcast(ctx, UsersList{Users: r.list()})
}

func (h *Chat) leave(ctx context.Context, c *Conn, m UserLeave) error {
	return h.remove(ctx, c)
}

// remove takes c's user out of the room and tells everybody, c included if it is still there.
func (h *Chat) remove(ctx context.Context, c *Conn) error {
	user := *c.Session.user
	c.Session.user = nil
	r := h.room(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.users, strings.ToLower(user.UserName))
	r.live.Leave(c)
	_ = c.Send(ctx, UserLeft{User: user}) // whose connection has ended does not need to know
	return r.live.Broadcast(ctx, UserLeft{User: user})
}

func (h *Chat) message(ctx context.Context, c *Conn, m UserMessage) error {
	r := h.room(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	said := Said{Seq: r.seq, SentAt: time.Now().UTC(), User: *c.Session.user, Message: m.Message}
	if len(r.past) == history {
		r.past = slices.Delete(r.past, 0, 1)
	}
	r.past = append(r.past, said)
	return r.live.Broadcast(ctx, UserMessaged{Said: said})
}

func (h *Chat) typing(ctx context.Context, c *Conn, m UserTyping) error {
	return h.room(c).live.Broadcast(ctx, UserTypes{User: *c.Session.user}, wsrouter.Except(c))
}

// list returns the users by name. The caller holds r.mu.
func (r *room) list() []User {
	users := make([]User, 0, len(r.users))
	for _, u := range r.users {
		users = append(users, u)
	}
	slices.SortFunc(users, func(a, b User) int { return cmp.Compare(a.UserName, b.UserName) })
	return users
}
