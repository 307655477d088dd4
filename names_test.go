package wsrouter_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// namesOf are names that lead elsewhere if anybody takes them for more than bytes.
func namesOf(name string) []string {
	return []string{
		name, "u/" + name, "r/" + name, "p/" + name, "/u/" + name, "../u/" + name, "u." + name, "\x00u/" + name, "r/u/" + name, "u\\" + name, "u%2f" + name,
		"*", ">", ".", "..", "/", " ", "u/*", "u/>", name + "\r\n", name + " ", "\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "\U0001F600",
	}
}

// TestNamesAreBytes: no name of a room leads to a user's connections, no user's to a room, and each that differs in a byte is another, also where two look alike.
func TestNamesAreBytes(t *testing.T) {
	for name, o := range map[string]*wsrouter.Options{"alone": {}, "broker": {Broker: broker.New(nil)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if o.Broker != nil {
					o.Broker = broker.New(nil)
				}
				names := namesOf("ann")
				type place struct{ room, user string }
				places := map[string]place{}
				r := wsrouter.New[inRoom](o)
				r.Sends(said{})
				r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error {
					p := places[c.Session.Room]
					if p.user != "" {
						return c.SetUser(p.user)
					}
					return r.Room(p.room).Join(c)
				})
				clients := map[place]*wstest.Client{}
				for i, name := range names {
					for key, p := range map[string]place{string(rune('A' + i)): {room: name}, string(rune('a' + i)): {user: name}} {
						places[key] = p
					}
				}
				for key, p := range places {
					clients[p] = wstest.Dial(t, r, "/?room="+key)
				}
				synctest.Wait()
				for n, name := range names {
					if err := r.Room(name).Broadcast(t.Context(), said{N: 2 * n}); err != nil {
						t.Fatal(err)
					}
					if err := r.SendTo(t.Context(), name, said{N: 2*n + 1}); err != nil {
						t.Fatal(err)
					}
				}
				for n, name := range names {
					if m := wstest.Expect[said](clients[place{room: name}]); m.N != 2*n {
						t.Errorf("room %q heard %d, want %d", name, m.N, 2*n)
					}
					if m := wstest.Expect[said](clients[place{user: name}]); m.N != 2*n+1 {
						t.Errorf("user %q heard %d, want %d", name, m.N, 2*n+1)
					}
				}
				if err := r.CloseUser(t.Context(), names[0], 4003, "out"); err != nil {
					t.Fatal(err)
				}
				clients[place{user: names[0]}].ExpectClose(4003)
				delete(clients, place{user: names[0]})
				for p, c := range clients { // and nobody else
					var err error
					if p.user != "" {
						err = r.SendTo(t.Context(), p.user, said{N: -1})
					} else {
						err = r.Room(p.room).Broadcast(t.Context(), said{N: -1})
					}
					if m := wstest.Expect[said](c); err != nil || m.N != -1 {
						t.Errorf("%+v then heard %d, %v", p, m.N, err)
					}
					c.Close()
				}
			})
		})
	}
}

// TestTwinsResume: rooms whose names look alike have positions, and pasts, of their own.
func TestTwinsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resumable(nil, wsrouter.Resume{})
		composed, decomposed := "caf\u00e9", "cafe\u0301"
		c := wstest.Dial(t, r, back(composed, "x-1"))
		at := wstest.Expect[wsrouter.Joined](c).Position
		c.Close()
		synctest.Wait()
		for n, room := range []string{composed, decomposed, decomposed} {
			if err := r.Room(room).Broadcast(t.Context(), said{N: n}); err != nil {
				t.Fatal(err)
			}
		}
		for room, want := range map[string]int{composed: 1, decomposed: 2} {
			c := wstest.Dial(t, r, back(room, at.At))
			if j := wstest.Expect[wsrouter.Joined](c); j.Room != room || !*j.Recovered || j.Missed != want {
				t.Errorf("joined %+v, missed %d", j, want)
			}
			c.Close()
			if list := past(t, r.Room(room), nil); len(list) != want || list[0].Position.Room != room {
				t.Errorf("%q has the past %+v", room, list)
			}
		}
	})
}
