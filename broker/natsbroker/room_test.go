package natsbroker_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

type (
	said struct {
		_ struct{} `ws:"said"`
		N int      `json:"n"`
	}
	typed struct {
		_ struct{} `ws:"typed"`
	}
	none = struct{}
)

// TestRoomHistory: who joins on one node is shown what was said on another, and nothing that no router has written.
func TestRoomHistory(t *testing.T) {
	s := startEmbedded(t, nil)
	var brokers [2]*natsbroker.Broker
	var nodes [2]*wsrouter.Router[none]
	for i := range nodes {
		brokers[i] = closeLater(t, connect(t, s.URL(), nil))
		nodes[i] = wsrouter.New[none](&wsrouter.Options{Broker: brokers[i], Resume: &wsrouter.Resume{}, Logger: slog.New(slog.DiscardHandler)})
		nodes[i].Sends(said{}, typed{})
	}
	rooms := []string{"lobby", "caf\u00e9", "cafe\u0301", "a.b.*.>"}
	for n := range 120 {
		for i, room := range rooms {
			for _, m := range []any{said{N: n*len(rooms) + i}, typed{}} {
				if err := nodes[0].Room(room).Broadcast(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := brokers[0].Publish(t.Context(), "r/"+room, []byte("forged"), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, room := range rooms {
		past, err := nodes[1].Room(room).History(t.Context(), &wsrouter.HistoryOptions{Messages: 50, Types: []any{said{}}})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []int
		for _, p := range past {
			got = append(got, p.Value.(said).N)
		}
		for n := 70; n < 120; n++ {
			want = append(want, n*len(rooms)+i)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q has %d, want %d", room, got, want)
		}
	}
	if nodes[1].Stats().Malformed == 0 {
		t.Error("nothing was counted as malformed")
	}
}

// TestRoomHistoryFails: while the server is away History says so.
func TestRoomHistoryFails(t *testing.T) {
	s := startEmbedded(t, nil)
	b := closeLater(t, connect(t, s.URL(), nil))
	states := states(b)
	r := wsrouter.New[none](&wsrouter.Options{Broker: b, Logger: slog.New(slog.DiscardHandler)})
	r.Sends(said{})
	s.Shutdown()
	until(t, states, broker.Down)
	if past, err := r.Room("a").History(t.Context(), nil); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("History: %v, %v", past, err)
	}
	await(t, "a router that says so", func() bool { return errors.Is(r.Health(), broker.ErrUnavailable) }) // each who watches the broker is told in its own time
}
