package wsotel

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsrouter-go/wsrouter"
)

// Options of this package. The zero value of each field is its default; nil Options are all defaults.
type Options struct {
	// MeterProvider of NewObserver. If nil, the global one.
	MeterProvider metric.MeterProvider
	// TracerProvider of Middleware. If nil, the global one.
	TracerProvider trace.TracerProvider
	// Endpoint tells routers apart, as the attribute wsrouter.endpoint.name. If empty, there is no such attribute.
	Endpoint string
}

const scope = "github.com/wsrouter-go/wsrouter/wsotel"

// filled returns o with its defaults.
func (o *Options) filled() Options {
	var f Options
	if o != nil {
		f = *o
	}
	if f.MeterProvider == nil {
		f.MeterProvider = otel.GetMeterProvider()
	}
	if f.TracerProvider == nil {
		f.TracerProvider = otel.GetTracerProvider()
	}
	return f
}

// common are the attributes that everything has.
func (o *Options) common() []attribute.KeyValue {
	if o.Endpoint == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String("wsrouter.endpoint.name", o.Endpoint)}
}

// NewObserver returns an Observer for [wsrouter.Options] that keeps the metrics of one router, or of several together. It fails only
// if the MeterProvider refuses an instrument.
func NewObserver(o *Options) (*wsrouter.Observer, error) {
	f := o.filled()
	m := &meters{common: f.common()}
	if err := m.make(f.MeterProvider.Meter(scope)); err != nil {
		return nil, err
	}
	return &wsrouter.Observer{Upgrade: m.upgrade, Message: m.message, Send: m.send, Drop: m.drop, Close: m.close}, nil
}

// meters are the instruments of one observer.
type meters struct {
	common []attribute.KeyValue
	sets   sync.Map // key → metric.MeasurementOption, made once: names and codes are few

	active             metric.Int64UpDownCounter
	lifetime, duration metric.Float64Histogram
	refused, count, io metric.Int64Counter
	dropped            metric.Int64Counter
}

// Upper bounds in seconds: a handler's as those of http.server.request.duration, a connection's from a failed start to a day.
var (
	handlerBounds    = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	connectionBounds = []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}
)

// make makes the instruments. The first error counts.
func (m *meters) make(meter metric.Meter) (err error) {
	counter := func(name, unit, text string) metric.Int64Counter {
		c, e := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
		if err == nil {
			err = e
		}
		return c
	}
	histogram := func(name, text string, bounds []float64) metric.Float64Histogram {
		h, e := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), metric.WithExplicitBucketBoundaries(bounds...))
		if err == nil {
			err = e
		}
		return h
	}
	active, e := meter.Int64UpDownCounter("wsrouter.active_connections", metric.WithUnit("{connection}"), metric.WithDescription("Connections that are open."))
	if e != nil {
		return e
	}
	m.active = active
	m.lifetime = histogram("wsrouter.connection.duration", "How long connections were open.", connectionBounds)
	m.refused = counter("wsrouter.upgrade.refused", "{request}", "Requests that did not become a connection.")
	m.duration = histogram("wsrouter.message.duration", "How long messages took that were received.", handlerBounds)
	m.count = counter("wsrouter.message.count", "{message}", "Messages received, and sent to each of their receivers.")
	m.io = counter("wsrouter.message.io", "By", "Bytes of these messages, uncompressed.")
	m.dropped = counter("wsrouter.message.dropped", "{message}", "Messages dropped because their peers read too slowly.")
	return err
}

// set is the option for the attributes that key stands for.
func (m *meters) set(key any, attrs func() []attribute.KeyValue) metric.MeasurementOption {
	if v, ok := m.sets.Load(key); ok {
		return v.(metric.MeasurementOption)
	}
	v, _ := m.sets.LoadOrStore(key, metric.WithAttributeSet(attribute.NewSet(append(attrs(), m.common...)...)))
	return v.(metric.MeasurementOption)
}

// Keys of attribute sets.
type (
	noKey    struct{}
	directed struct{ name, direction string }
	outcomes struct {
		name    string
		outcome wsrouter.Outcome
	}
	droppedKey struct{ name string }
)

func (m *meters) upgrade(ctx context.Context, e wsrouter.UpgradeEvent) {
	if e.Status == http.StatusSwitchingProtocols {
		m.active.Add(ctx, 1, m.plain())
		return
	}
	m.refused.Add(ctx, 1, m.set(e, func() []attribute.KeyValue {
		return []attribute.KeyValue{attribute.Int("http.response.status_code", e.Status), attribute.String("error.type", e.Code)}
	}))
}

func (m *meters) plain() metric.MeasurementOption {
	return m.set(noKey{}, func() []attribute.KeyValue { return nil })
}

func (m *meters) message(ctx context.Context, e wsrouter.MessageEvent) {
	name := known(e.Name)
	m.duration.Record(ctx, e.Duration.Seconds(), m.set(outcomes{name, e.Outcome}, func() []attribute.KeyValue {
		return []attribute.KeyValue{messageName(name), attribute.String("wsrouter.message.outcome", string(e.Outcome))}
	}))
	m.moved(ctx, name, "receive", e.Size, 1)
}

func (m *meters) send(ctx context.Context, e wsrouter.SendEvent) {
	m.moved(ctx, known(e.Name), "transmit", e.Size, e.Count)
}

// moved counts messages of one size.
func (m *meters) moved(ctx context.Context, name, direction string, size, count int) {
	with := m.set(directed{name, direction}, func() []attribute.KeyValue {
		return []attribute.KeyValue{messageName(name), attribute.String("network.io.direction", direction)}
	})
	m.count.Add(ctx, int64(count), with)
	m.io.Add(ctx, int64(count)*int64(size), with)
}

func (m *meters) drop(ctx context.Context, e wsrouter.DropEvent) {
	name := known(e.Name)
	m.dropped.Add(ctx, 1, m.set(droppedKey{name}, func() []attribute.KeyValue { return []attribute.KeyValue{messageName(name)} }))
}

func (m *meters) close(ctx context.Context, e wsrouter.CloseEvent) {
	m.active.Add(ctx, -1, m.plain())
	took := e.Duration.Seconds()
	e.Duration = 0
	m.lifetime.Record(ctx, took, m.set(e, func() []attribute.KeyValue {
		code := "other"
		if e.Code != 0 {
			code = strconv.Itoa(e.Code)
		}
		return []attribute.KeyValue{attribute.String("wsrouter.close.code", code), attribute.Bool("wsrouter.close.remote", e.Remote)}
	}))
}

// known is the label for a message's name.
func known(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func messageName(name string) attribute.KeyValue {
	return attribute.String("wsrouter.message.name", name)
}

// Middleware returns what [wsrouter.Router.Use] takes to put every handler into a span of its own: the root of a trace, because a
// connection may outlive any trace that a backend can show, with a link to the span in the connection's context, which [Context] puts
// there. The handler's ctx carries it to databases and other services. A handler that fails or panics sets the span's
// status to error; an *[wsrouter.Error] and [wsrouter.Close], which are answers, do not.
func Middleware[S any](o *Options) func(next wsrouter.Handler[S]) wsrouter.Handler[S] {
	f := o.filled()
	tracer, common := f.TracerProvider.Tracer(scope), f.common()
	return func(next wsrouter.Handler[S]) wsrouter.Handler[S] {
		return func(ctx context.Context, c *wsrouter.Conn[S], in *wsrouter.Incoming) error {
			ctx, span := begin(ctx, tracer, common, in)
			returned := false
			defer func() { // not recovered: the router logs the panic where it happened
				if !returned {
					span.SetStatus(codes.Error, "panic")
				}
				span.End()
			}()
			err := next(ctx, c, in)
			returned = true
			settle(span, err)
			return err
		}
	}
}

// begin starts the span of one message.
func begin(ctx context.Context, tracer trace.Tracer, common []attribute.KeyValue, in *wsrouter.Incoming) (context.Context, trace.Span) {
	name := known(in.Name)
	with := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(messageName(name), attribute.Int("wsrouter.message.size", len(in.Frame.Data))), trace.WithAttributes(common...),
	}
	if opened := trace.SpanContextFromContext(ctx); opened.IsValid() {
		with = append(with, trace.WithLinks(trace.Link{SpanContext: opened}))
	}
	return tracer.Start(ctx, "handle "+name, with...)
}

// settle notes how the handler returned. The texts of errors stay out: they may hold what a peer wrote.
func settle(span trace.Span, err error) {
	var failure *wsrouter.Error
	switch {
	case err == nil:
	case errors.As(err, &failure):
		span.SetAttributes(attribute.String("wsrouter.error.code", failure.Code))
	case errors.Is(err, wsrouter.ErrClosed), errors.Is(err, wsrouter.ErrDropped):
	default:
		span.SetAttributes(attribute.String("error.type", "internal"))
		span.SetStatus(codes.Error, "internal")
	}
}

// Context is for [wsrouter.Options].Context: the base of a connection's context, which remembers the span of the upgrade request and
// nothing else of it. That span is of the middleware before the router, such as otelhttp's.
func Context(r *http.Request) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.SpanContextFromContext(r.Context()))
}
