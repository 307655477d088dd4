package wsotel_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
	"github.com/wsrouter-go/wsrouter/wsotel"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestRooms: what operators must see of a broker: that it is away and was, what it has not taken, what was dropped, lost and replayed.
func TestRooms(t *testing.T) {
	reader := metric.NewManualReader()
	o := &wsotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)), Endpoint: "chat"}
	network := brokertest.NewNetwork(nil)
	b := network.Connect()
	r := wsrouter.New[none](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: slog.New(slog.DiscardHandler)})
	r.Sends(said{})
	r.OnConnect(func(_ context.Context, c *conn) error { return r.Room("a").Join(c) })
	stop, err := wsotel.Rooms(r, o)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want ...string) {
		t.Helper()
		got := points(t, reader)
		for i, w := range want {
			name, value, _ := strings.Cut(w, " ")
			want[i] = "wsrouter." + name + "{wsrouter.endpoint.name=chat} = " + value
			if !slices.Contains(got, want[i]) {
				t.Errorf("no %s in\n%s", want[i], strings.Join(got, "\n"))
			}
		}
		if len(got) != 10 {
			t.Errorf("%d series", len(got))
		}
	}
	broadcast := func() error { return r.Room("a").Broadcast(t.Context(), said{Text: "hi"}) }

	c := wstest.Dial(t, r, "/")
	at := wstest.Expect[wsrouter.Joined](c).Position
	if _, err := b.Publish(t.Context(), "r/a", []byte("forged"), broker.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := broadcast(); err != nil {
		t.Fatal(err)
	}
	wstest.Expect[said](c)
	expect("broker.up 1", "broker.outages 0", "broker.published 1", "broker.unpublished 0", "broker.malformed 1", "active_rooms 1", "active_members 1",
		"room.gaps 0", "room.resyncs 0", "room.replays 0")

	again := wstest.Dial(t, r, "/?resume="+url.QueryEscape(`{"a":"`+at.At+`"}`))
	wstest.Expect[wsrouter.Joined](again)
	wstest.Expect[said](again)
	expect("room.replays 1", "active_rooms 1", "active_members 2")

	b.Cut()
	if err := broadcast(); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("Broadcast: %v", err)
	}
	expect("broker.up 0", "broker.outages 1", "broker.published 1", "broker.unpublished 1", "active_members 2")
	network.Restart()
	b.Restore()
	for _, c := range []*wstest.Client{c, again} {
		wstest.Expect[wsrouter.Resync](c)
	}
	expect("broker.up 1", "broker.outages 1", "room.gaps 1", "room.resyncs 2", "active_members 2")

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := points(t, reader); len(got) != 0 {
		t.Errorf("after stop: %q", got)
	}
}
