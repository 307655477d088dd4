package wsotel_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/coder/websocket"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/wsotel"
)

// A router with metrics and traces; a program gives the providers that its exporters read, or sets the global ones and leaves them out.
func Example() {
	reader := metric.NewManualReader()
	observer, err := wsotel.NewObserver(&wsotel.Options{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		log.Fatal(err)
	}
	chat := wsrouter.New[none](&wsrouter.Options{Observer: observer, Context: wsotel.Context})
	chat.Use(wsotel.Middleware[none](nil))
	wsrouter.Respond(chat, func(_ context.Context, _ *conn, m say) (said, error) { return said{Text: m.Text + "!"}, nil })
	srv := httptest.NewServer(chat)
	defer srv.Close()

	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = ws.Write(ctx, websocket.MessageText, []byte(`{"type":"say","text":"hi"}`))
	_, answer, _ := ws.Read(ctx)
	fmt.Println(string(answer))
	_ = ws.Close(websocket.StatusNormalClosure, "")
	if err := chat.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		log.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Unordered output:
	// {"type":"said","text":"hi!"}
	// wsrouter.active_connections {connection}
	// wsrouter.connection.duration s
	// wsrouter.message.duration s
	// wsrouter.message.count {message}
	// wsrouter.message.io By
}
