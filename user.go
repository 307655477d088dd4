package wsrouter

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// SetUser says whose connection c is, for SendTo and CloseUser; a later call says somebody else. user has 1 to 255 bytes. It fails as
// Join does: with [ErrClosed] if c has ended, and, with [Options.Broker], with the broker's error.
func (c *Conn[S]) SetUser(user string) error {
	if err := checkUser("SetUser", user); err != nil {
		return err
	}
	return c.conn.setUser(user)
}

// SendTo sends msg to every connection of a user, as Broadcast does to the members of a room: on all processes with [Options.Broker], and with its errors. It
// is no error if there is none. What is sent so is not replayed.
func (r *Router[S]) SendTo(ctx context.Context, user string, msg any) error {
	if err := checkUser("SendTo", user); err != nil {
		return err
	}
	return r.core.broadcast(ctx, place{ofUser, user}, msg, &broadcast{})
}

// CloseUser closes every connection of a user, after what SendTo has sent before: on all processes with [Options.Broker], and then with the errors of
// Broadcast. A process that its broker tells of lost messages may not hear of it: who must not stay has to be refused by OnConnect and have [Conn.ExpireAt]. It fails for a code that may not be sent (see [Close]) and for a reason over 123 bytes or not UTF-8.
func (r *Router[S]) CloseUser(ctx context.Context, user string, code int, reason string) error {
	if err := checkUser("CloseUser", user); err != nil {
		return err
	}
	switch {
	case !sendable(code):
		return fmt.Errorf("wsrouter: CloseUser: code %d may not be sent", code)
	case len(reason) > maxReason || !utf8.ValidString(reason):
		return fmt.Errorf("wsrouter: CloseUser: the reason is not at most %d bytes of UTF-8", maxReason)
	}
	return r.core.closeUser(ctx, user, wsconn.End{Code: code, Reason: reason})
}

// checkUser fails for what names no user.
func checkUser(call, user string) error {
	switch {
	case user == "":
		return fmt.Errorf("wsrouter: %s: the user is empty", call)
	case len(user) > maxName:
		return fmt.Errorf("wsrouter: %s: the user has %d bytes, more than %d", call, len(user), maxName)
	}
	return nil
}

func (r *router) closeUser(ctx context.Context, user string, bye wsconn.End) error {
	p := place{ofUser, user}
	if h := r.rooms.hub; h != nil {
		return h.publish(ctx, p, &envelope{kind: kindBye, code: bye.Code, data: []byte(bye.Reason)})
	}
	for _, c := range r.rooms.members(p) {
		c.close(bye.Code, bye.Reason)
	}
	return nil
}

// setUser joins the connections of user and leaves those of who it was before.
func (c *conn) setUser(user string) error {
	r := &c.router.rooms
	p := place{ofUser, user}
	for {
		if err := c.router.join(p, c); err != nil {
			return err
		}
		r.mu.Lock()
		if m := r.byPlace[p]; m != nil && c.membership(m) >= 0 {
			break
		}
		r.mu.Unlock() // another SetUser has left it meanwhile, or the connection has ended
	}
	defer r.mu.Unlock()
	for i := len(c.joined) - 1; i >= 0; i-- {
		if m := c.joined[i].room; m.kind == ofUser && m.place != p {
			r.remove(c, i)
		}
	}
	return nil
}
