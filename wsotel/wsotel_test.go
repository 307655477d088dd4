package wsotel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wsotel"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type (
	none = struct{}
	conn = wsrouter.Conn[none]
	say  struct {
		_    none   `ws:"say"`
		Text string `json:"text"`
	}
	said struct {
		_    none   `ws:"said"`
		Text string `json:"text"`
	}
)

// points are all data points as name{attributes} = value; a histogram's value is its count.
func points(t *testing.T, reader metric.Reader) (list []string) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	add := func(name string, set attribute.Set, value any) {
		var attrs []string
		for _, a := range set.ToSlice() {
			attrs = append(attrs, fmt.Sprintf("%s=%v", a.Key, a.Value.AsInterface()))
		}
		list = append(list, fmt.Sprintf("%s{%s} = %v", name, strings.Join(attrs, ","), value))
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Count)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	slices.Sort(list)
	return list
}

// router answers, fails, panics or closes, as it is told.
func router(o *wsrouter.Options, tracing *wsotel.Options) *wsrouter.Router[none] {
	o.Logger = slog.New(slog.DiscardHandler)
	r := wsrouter.New[none](o)
	r.Use(wsotel.Middleware[none](tracing))
	wsrouter.Receive(r, func(ctx context.Context, c *conn, m say) error {
		switch m.Text {
		case "error":
			return wsrouter.Errorf("no", "no")
		case "fail":
			return errors.New("secret")
		case "panic":
			panic("secret")
		}
		return c.Send(ctx, said{Text: trace.SpanContextFromContext(ctx).TraceID().String()})
	}, wsrouter.Sends(said{}))
	return r
}

func TestMetrics(t *testing.T) {
	reader := metric.NewManualReader()
	observer, err := wsotel.NewObserver(&wsotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)), Endpoint: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	r := router(&wsrouter.Options{Observer: observer}, nil)
	r.OnConnect(func(_ context.Context, c *conn) error { return r.Room("all").Join(c) })

	c, other := wstest.Dial(t, r, "/"), wstest.Dial(t, r, "/")
	for _, text := range []string{"a", "error", "fail"} {
		c.Send(say{Text: text})
		c.Next()
	}
	c.SendRaw(`{"type":"made up"}`)
	c.Next()
	if err := r.Room("all").Broadcast(t.Context(), said{Text: "to two"}); err != nil {
		t.Fatal(err)
	}
	c.Next()
	other.Next()
	wstest.Refused(t, r, "/", wstest.Header("Origin", "https://made.up"))
	open := points(t, reader)
	if !slices.Contains(open, "wsrouter.active_connections{wsrouter.endpoint.name=chat} = 2") {
		t.Errorf("two are open: %q", open)
	}
	c.Send(say{Text: "panic"})
	c.ExpectClose(1011)
	other.Close()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	const at = "wsrouter.endpoint.name=chat,"
	want := []string{
		"wsrouter.active_connections{wsrouter.endpoint.name=chat} = 0",
		"wsrouter.connection.duration{wsrouter.close.code=1000,wsrouter.close.remote=true,wsrouter.endpoint.name=chat} = 1",
		"wsrouter.connection.duration{wsrouter.close.code=1011,wsrouter.close.remote=false,wsrouter.endpoint.name=chat} = 1",
		"wsrouter.message.count{network.io.direction=receive," + at + "wsrouter.message.name=say} = 4",
		"wsrouter.message.count{network.io.direction=receive," + at + "wsrouter.message.name=unknown} = 1",
		"wsrouter.message.count{network.io.direction=transmit," + at + "wsrouter.message.name=error} = 3",
		"wsrouter.message.count{network.io.direction=transmit," + at + "wsrouter.message.name=said} = 3",
		"wsrouter.message.duration{" + at + "wsrouter.message.name=say,wsrouter.message.outcome=error} = 1",
		"wsrouter.message.duration{" + at + "wsrouter.message.name=say,wsrouter.message.outcome=failed} = 1",
		"wsrouter.message.duration{" + at + "wsrouter.message.name=say,wsrouter.message.outcome=ok} = 1",
		"wsrouter.message.duration{" + at + "wsrouter.message.name=say,wsrouter.message.outcome=panic} = 1",
		"wsrouter.message.duration{" + at + "wsrouter.message.name=unknown,wsrouter.message.outcome=invalid} = 1",
		"wsrouter.message.io{network.io.direction=receive," + at + "wsrouter.message.name=say} = 111",
		"wsrouter.message.io{network.io.direction=receive," + at + "wsrouter.message.name=unknown} = 18",
		"wsrouter.upgrade.refused{error.type=origin_not_allowed,http.response.status_code=403,wsrouter.endpoint.name=chat} = 1",
	}
	got := slices.DeleteFunc(points(t, reader), func(p string) bool { return strings.HasPrefix(p, "wsrouter.message.io{network.io.direction=transmit") })
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCardinality: a peer that makes up names, codes and refusals makes no more series.
func TestCardinality(t *testing.T) {
	reader := metric.NewManualReader()
	observer, err := wsotel.NewObserver(&wsotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		observer.Close(t.Context(), wsrouter.CloseEvent{Remote: true, Code: 0, Duration: 1 << i % 62})
		observer.Drop(t.Context(), wsrouter.DropEvent{Name: ""})
	}
	r := router(&wsrouter.Options{Observer: observer}, nil)
	for i := range 100 {
		c := wstest.Dial(t, r, "/")
		c.SendRaw(fmt.Sprintf(`{"type":"made up %d"}`, i))
		c.Next()
		c.Close()
		wstest.Refused(t, r, "/", wstest.Header("Origin", fmt.Sprintf("https://made.up%d", i)))
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(points(t, reader)); n > 11 {
		t.Errorf("%d series: %q", n, points(t, reader))
	}
}

func TestTraces(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	r := router(&wsrouter.Options{Context: wsotel.Context}, &wsotel.Options{TracerProvider: provider, Endpoint: "chat"})

	ctx, request := provider.Tracer("http").Start(t.Context(), "GET /ws")
	c := wstest.Dial(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ServeHTTP(w, req.WithContext(trace.ContextWithSpan(req.Context(), trace.SpanFromContext(ctx))))
	}), "/")
	c.Send(say{Text: "a"})
	inHandler := wstest.Expect[said](c).Text
	for _, text := range []string{"error", "fail"} {
		c.Send(say{Text: text})
		c.Next()
	}
	c.Send(say{Text: "panic"})
	c.ExpectClose(1011)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := spans.GetSpans()
	if len(got) != 4 {
		t.Fatalf("%d spans", len(got))
	}
	if got[0].SpanContext.TraceID().String() != inHandler {
		t.Error("the handler's ctx has not the span")
	}
	for i, want := range []struct {
		code codes.Code
		text string
	}{{codes.Unset, ""}, {codes.Unset, ""}, {codes.Error, "internal"}, {codes.Error, "panic"}} {
		s := got[i]
		if s.Status.Code != want.code || s.Status.Description != want.text || s.Name != "handle say" || s.SpanKind != trace.SpanKindServer {
			t.Errorf("span %d: %s %v %+v", i, s.Name, s.SpanKind, s.Status)
		}
		if s.Parent.IsValid() || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != request.SpanContext().SpanID() {
			t.Errorf("span %d is no root that links to the request: %+v", i, s.Links)
		}
		if strings.Contains(fmt.Sprint(s.Attributes, s.Events), "secret") {
			t.Errorf("span %d tells of what the log is for: %v %v", i, s.Attributes, s.Events)
		}
	}
}

// TestObserverAllocates: a message and its answer cost little once the attribute sets are made.
func TestObserverAllocates(t *testing.T) {
	observer, err := wsotel.NewObserver(&wsotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		observer.Message(ctx, wsrouter.MessageEvent{Name: "say", Size: 10, Duration: 1, Outcome: wsrouter.OutcomeOK})
		observer.Send(ctx, wsrouter.SendEvent{Name: "said", Size: 10, Count: 1})
	}); n > 8 {
		t.Errorf("%v allocations for a message and its answer", n)
	}
}
