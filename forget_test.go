package wsrouter_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
)

// TestRequestIsForgotten: neither the request nor its context lives on with the connection.
func TestRequestIsForgotten(t *testing.T) {
	type key struct{}
	var (
		request weak.Pointer[http.Request]
		value   weak.Pointer[[64]byte]
	)
	r := wsrouter.New[none](nil)
	r.Sends(answer{})
	connected := make(chan *conn, 1)
	r.OnConnect(func(ctx context.Context, c *conn) error {
		if ctx.Value(key{}) != nil {
			t.Error("the context has values of the request's")
		}
		connected <- c
		return nil
	})
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(served)
		big := new([64]byte)
		req = req.WithContext(context.WithValue(req.Context(), key{}, big))
		request, value = weak.Make(req), weak.Make(big)
		r.ServeHTTP(w, req)
	}))
	defer srv.Close()
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	c := <-connected
	<-served
	for range 100 {
		if runtime.GC(); request.Value() == nil && value.Value() == nil {
			break
		}
	}
	if request.Value() != nil || value.Value() != nil {
		t.Errorf("request kept: %v, a value of its context kept: %v", request.Value() != nil, value.Value() != nil)
	}
	if err := c.Send(t.Context(), answer{Text: "still here"}); err != nil {
		t.Error(err)
	}
	if _, data, err := ws.Read(t.Context()); err != nil || !strings.Contains(string(data), "still here") {
		t.Errorf("%s, %v", data, err)
	}
}
