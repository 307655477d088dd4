package wsrouter

import (
	"context"
)

// Resume lets a client that comes back have what it missed.
type Resume struct {
	// Param is the query parameter of the handshake in which a client that comes back presents the positions it has reached: a JSON object from
	// room to position. If empty, "resume".
	Param string
	// Member of every message of a room that holds its [RoomPosition]. If empty, "position".
	Member string
	// Messages and Bytes that one room replays at most to one client; a client that missed more starts afresh. If zero, 1,000, and half of
	// Options.Outbox.
	Messages, Bytes int
	// Rate is how many bytes of replays the router queues in a second, for all clients. If zero, 64 MiB. Negative: no limit.
	Rate int
}

// RoomPosition is how far a room has come with a message.
type RoomPosition struct {
	Room string `json:"room" doc:"the room that the message belongs to"`
	At   string `json:"at" doc:"what to present for this room after a reconnect"`
}

// Joined tells a client that it is in a room, and from which position on it hears everything. Recovered is nil if the client presented no
// position; true: all that it missed follows, Missed messages; false: a [Resync] follows.
type Joined struct {
	Room      string       `json:"room"`
	Position  RoomPosition `json:"position"`
	Recovered *bool        `json:"recovered,omitzero"`
	Missed    int          `json:"missed,omitzero"`
}

// Resync tells a client that messages of a room are lost for it: what it knows of the room has to be asked for again. Later ones follow from Position on.
type Resync struct {
	Room     string        `json:"room"`
	Reason   string        `json:"reason"`
	Position *RoomPosition `json:"position,omitzero"`
}

// OnResume is asked for each room that a client presents a position of and that OnConnect has not joined: nil joins it, any error does not. A client hears
// of a refusal what it hears of a room that is not there: a Resync. Without it, presented positions wait for Join.
func (r *Router[S]) OnResume(fn func(ctx context.Context, c *Conn[S], room string) error) {
	panic("not built")
}

// SetUser says whose connection it is, for SendTo and CloseUser.
func (c *Conn[S]) SetUser(user string) error { panic("not built") }

// SendTo sends msg to every connection of a user, on all nodes.
func (r *Router[S]) SendTo(ctx context.Context, user string, msg any) error { panic("not built") }

// CloseUser closes every connection of a user, on all nodes.
func (r *Router[S]) CloseUser(ctx context.Context, user string, code int, reason string) error {
	panic("not built")
}

// Presence makes rooms tell who is in them: info is what others see of c in a room.
func Presence[S, P any](r *Router[S], info func(c *Conn[S], room string) P) { panic("not built") }

// Present is one connection in a room.
type Present[P any] struct {
	ID   string `json:"id"`
	Info P      `json:"info"`
}

// PresenceChanged tells who came to a room and who left it.
type PresenceChanged[P any] struct {
	Room   string       `json:"room"`
	Joined []Present[P] `json:"joined,omitzero"`
	Left   []string     `json:"left,omitzero"`
}

// WhoIs returns who is in a room, on all nodes, at most limit after the ID after.
func WhoIs[P, S any](room Room[S], after string, limit int) (page []Present[P], next string) {
	panic("not built")
}

// Health is nil, or says why rooms do not reach other processes.
func (r *Router[S]) Health() error { panic("not built") }
