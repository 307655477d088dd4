package wsotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/wsrouter-go/wsrouter"
)

// Rooms keeps metrics of a router's rooms and of its broker. It asks [wsrouter.Router.Stats] whenever they are collected, until stop is called. Routers that
// share a MeterProvider need an Endpoint each, or the numbers of one hide those of the other. It fails only if the MeterProvider refuses an
// instrument.
//
// An alarm watches wsrouter.broker.up, which is 0 while the broker cannot be reached and 1 otherwise, also without one, and wsrouter.broker.outages,
// which counts those too that were over before anybody collected.
func Rooms[S any](r *wsrouter.Router[S], o *Options) (stop func() error, err error) {
	f := o.filled()
	meter := f.MeterProvider.Meter(scope)
	list, err := readings(meter)
	if err != nil {
		return nil, err
	}
	var all []metric.Observable
	for _, x := range list {
		all = append(all, x.instrument)
	}
	common := metric.WithAttributeSet(attribute.NewSet(f.common()...))
	reg, err := meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		s := r.Stats()
		for _, x := range list {
			to.ObserveInt64(x.instrument, x.value(&s), common)
		}
		return nil
	}, all...)
	if err != nil {
		return nil, err
	}
	return reg.Unregister, nil
}

// reading is an instrument that is asked, and what it says.
type reading struct {
	instrument metric.Int64Observable
	value      func(*wsrouter.Stats) int64
}

// readings makes the instruments.
func readings(meter metric.Meter) (list []reading, err error) {
	add := func(i metric.Int64Observable, e error, value func(*wsrouter.Stats) int64) {
		list, err = append(list, reading{i, value}), errors.Join(err, e)
	}
	level := func(name, unit, text string, value func(*wsrouter.Stats) int64) {
		i, e := meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
		add(i, e, value)
	}
	count := func(name, unit, text string, value func(*wsrouter.Stats) uint64) {
		i, e := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
		add(i, e, func(s *wsrouter.Stats) int64 { return int64(value(s)) })
	}
	up, e := meter.Int64ObservableGauge("wsrouter.broker.up", metric.WithUnit("1"), metric.WithDescription("1, or 0 while rooms do not reach other processes."))
	add(up, e, func(s *wsrouter.Stats) int64 {
		if s.BrokerDown {
			return 0
		}
		return 1
	})
	level("wsrouter.active_rooms", "{room}", "Rooms that have members in this process.", func(s *wsrouter.Stats) int64 { return int64(s.Rooms) })
	level("wsrouter.active_members", "{member}", "Members of all rooms in this process.", func(s *wsrouter.Stats) int64 { return int64(s.Members) })
	count("wsrouter.broker.outages", "{outage}", "Times that the broker went out of reach.", func(s *wsrouter.Stats) uint64 { return s.BrokerOutages })
	count("wsrouter.broker.published", "{message}", "Messages that the broker has taken.", func(s *wsrouter.Stats) uint64 { return s.Published })
	count("wsrouter.broker.unpublished", "{message}", "Messages that the broker has not taken, or nobody knows.", func(s *wsrouter.Stats) uint64 { return s.PublishFailed })
	count("wsrouter.broker.malformed", "{message}", "Messages from the broker that are no router's, and were dropped.", func(s *wsrouter.Stats) uint64 { return s.Malformed })
	count("wsrouter.room.gaps", "{gap}", "Times that messages of a room were lost on the way from the broker.", func(s *wsrouter.Stats) uint64 { return s.Gaps })
	count("wsrouter.room.resyncs", "{message}", "Times that a client was told that it has lost messages for good.", func(s *wsrouter.Stats) uint64 { return s.Resyncs })
	count("wsrouter.room.replays", "{replay}", "Times that a client came back to a room and heard all that it had missed.", func(s *wsrouter.Stats) uint64 { return s.Replays })
	return list, err
}
