package wsrouter

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
