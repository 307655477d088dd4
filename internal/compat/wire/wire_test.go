package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	echo4 "github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/wshuma"
)

// A guest is what the shared suite knows of a connection.
type guest struct {
	Room  string `path:"room" minLength:"2" doc:"Room to speak in." example:"lobby"`
	Token string `query:"token" required:"false"`

	header string // of the request
}

func (g *guest) Resolve(ctx context.Context, r *http.Request) error {
	if g.header = r.Header.Get("X-Guest"); g.header == "banned" {
		return wsrouter.Reject(http.StatusPaymentRequired, "you owe us")
	}
	return nil
}

type speak struct {
	_    struct{} `ws:"speak" doc:"Say something."`
	Text string   `json:"text" maxLength:"20" example:"hi"`
}

type spoken struct {
	_      struct{} `ws:"spoken" doc:"What was said, and where."`
	Room   string   `json:"room" example:"lobby"`
	Token  string   `json:"token" example:"t"`
	Header string   `json:"header" example:"h"`
	Text   string   `json:"text" example:"hi"`
}

func onSpeak(ctx context.Context, c *wsrouter.Conn[guest], m speak) error {
	return c.Send(ctx, spoken{Room: c.Session.Room, Token: c.Session.Token, Header: c.Session.header, Text: m.Text})
}

// suiteHeader is set on every answer by a middleware of the framework.
const suiteHeader = "X-Suite"

// apps are an application of the same router under every framework: at /ws/{room}, with its document at /openapi.json.
var apps = []struct {
	name string
	new  func(r *wsrouter.Router[guest]) http.Handler
}{
	{"net/http", func(r *wsrouter.Router[guest]) http.Handler {
		mux := http.NewServeMux()
		doc := apidoc.New("Suite", "1.0.0")
		doc.Mount(mux, "/ws/{room}", r)
		doc.Serve(mux, "/docs")
		return withHeader(mux)
	}},
	{"chi", func(r *wsrouter.Router[guest]) http.Handler {
		mux := chi.NewRouter()
		mux.Use(withHeader)
		doc := apidoc.New("Suite", "1.0.0")
		doc.Mount(mux, "/ws/{room}", r)
		doc.Serve(mux, "/docs")
		return mux
	}},
	{"gin", func(r *wsrouter.Router[guest]) http.Handler {
		g := gin.New()
		g.Use(func(c *gin.Context) { c.Header(suiteHeader, "on") }, gin.Recovery())
		g.GET("/ws/:room", func(c *gin.Context) {
			c.Request.SetPathValue("room", c.Param("room"))
			r.ServeHTTP(c.Writer, c.Request)
		})
		g.GET("/openapi.json", gin.WrapH(documentOf(r)))
		return g
	}},
	{"echo 4", func(r *wsrouter.Router[guest]) http.Handler {
		e := echo4.New()
		e.Use(func(next echo4.HandlerFunc) echo4.HandlerFunc {
			return func(c echo4.Context) error {
				c.Response().Header().Set(suiteHeader, "on")
				return next(c)
			}
		})
		e.GET("/ws/:room", func(c echo4.Context) error {
			c.Request().SetPathValue("room", c.Param("room"))
			r.ServeHTTP(c.Response(), c.Request())
			return nil
		})
		e.GET("/openapi.json", echo4.WrapHandler(documentOf(r)))
		return e
	}},
	{"echo 5", func(r *wsrouter.Router[guest]) http.Handler {
		e := echo5.New()
		e.Use(func(next echo5.HandlerFunc) echo5.HandlerFunc {
			return func(c *echo5.Context) error {
				c.Response().Header().Set(suiteHeader, "on")
				return next(c)
			}
		})
		e.GET("/ws/:room", echo5.WrapHandler(r))
		e.GET("/openapi.json", echo5.WrapHandler(documentOf(r)))
		return e
	}},
	{"humago", func(r *wsrouter.Router[guest]) http.Handler {
		mux := http.NewServeMux()
		mountHuma(humago.New(mux, huma.DefaultConfig("Suite", "1.0.0")), r)
		return mux
	}},
	{"humachi", func(r *wsrouter.Router[guest]) http.Handler {
		mux := chi.NewMux()
		mountHuma(humachi.New(mux, huma.DefaultConfig("Suite", "1.0.0")), r)
		return mux
	}},
	{"humagin", func(r *wsrouter.Router[guest]) http.Handler {
		g := gin.New()
		mountHuma(humagin.New(g, huma.DefaultConfig("Suite", "1.0.0")), r)
		return g
	}},
	{"humaecho", func(r *wsrouter.Router[guest]) http.Handler {
		e := echo4.New()
		mountHuma(humaecho.New(e, huma.DefaultConfig("Suite", "1.0.0")), r)
		return e
	}},
}

func withHeader(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(suiteHeader, "on")
		next.ServeHTTP(w, r)
	})
}

// documentOf serves the documents and the page of r at /ws/{room}, for frameworks with patterns of their own.
func documentOf(r *wsrouter.Router[guest]) http.Handler {
	mux := http.NewServeMux()
	doc := apidoc.New("Suite", "1.0.0")
	doc.Add("/ws/{room}", r)
	doc.Serve(mux, "/docs")
	return mux
}

// mountHuma also registers an HTTP operation.
func mountHuma(api huma.API, r *wsrouter.Router[guest]) {
	type word struct {
		ID int `json:"id"`
	}
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		ctx.SetHeader(suiteHeader, "on")
		next(ctx)
	})
	wshuma.Mount(api, "/ws/{room}", r)
	huma.Get(api, "/words/{id}", func(ctx context.Context, in *struct {
		ID int `path:"id"`
	}) (*struct{ Body word }, error) {
		return &struct{ Body word }{word{in.ID}}, nil
	})
}

// TestFrameworks is what every framework must get right: the wire and the document.
func TestFrameworks(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	for _, app := range apps {
		t.Run(app.name, func(t *testing.T) { suite(t, app.new, strings.HasPrefix(app.name, "huma")) })
	}
}

// suite holds for an application of any framework. The document of huma's is its own, with ours in it.
func suite(t *testing.T, newApp func(r *wsrouter.Router[guest]) http.Handler, ofHuma bool) {
	router := wsrouter.New[guest](&wsrouter.Options{Name: "suite", Subprotocols: []string{"chat.v2", "chat.v1"}, Logger: slog.New(slog.DiscardHandler)})
	wsrouter.Receive(router, onSpeak, wsrouter.Sends(spoken{}))
	app := newApp(router)
	server := httptest.NewServer(app)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	dial := func(t *testing.T, path string, header http.Header, subprotocols ...string) (*websocket.Conn, *http.Response) {
		t.Helper()
		conn, resp, err := websocket.Dial(ctx, strings.Replace(server.URL, "http", "ws", 1)+path,
			&websocket.DialOptions{HTTPHeader: header, Subprotocols: subprotocols})
		if err != nil {
			t.Fatalf("dial %s: %v", path, err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		return conn, resp
	}
	exchange := func(t *testing.T, conn *websocket.Conn, message any) (reply map[string]any) {
		t.Helper()
		if err := wsjson.Write(ctx, conn, message); err != nil {
			t.Fatal(err)
		}
		if err := wsjson.Read(ctx, conn, &reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	// answer sends a request by hand, one that is refused.
	answer := func(t *testing.T, path string, header http.Header, status int) (body struct {
		Code, Detail string
		Issues       []struct{ Path, Code string }
	}) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") || json.Unmarshal(data, &body) != nil {
			t.Fatalf("GET %s: %s, %v: %s", path, resp.Status, resp.Header, data)
		}
		if resp.Header.Get(suiteHeader) != "on" {
			t.Errorf("GET %s: the header of the middleware is missing: %v", path, resp.Header)
		}
		return body
	}
	handshake := func(more ...string) http.Header {
		h := http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}

	t.Run("round trip", func(t *testing.T) {
		for path, room := range map[string]string{"/ws/lobby?token=a%26b": "lobby", "/ws/a%20b?token=a%26b": "a b", "/ws/%C3%A4%C3%B6?token=a%26b": "äö"} {
			conn, _ := dial(t, path, http.Header{"X-Guest": {"Ada"}})
			for range 3 {
				got := exchange(t, conn, map[string]any{"type": "speak", "text": "hi"})
				want := map[string]any{"type": "spoken", "room": room, "token": "a&b", "header": "Ada", "text": "hi"}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %v", path, got)
				}
			}
		}
	})
	t.Run("error reply", func(t *testing.T) {
		conn, _ := dial(t, "/ws/lobby", nil)
		if got := exchange(t, conn, map[string]any{"type": "speek", "id": 7}); got["code"] != "unknown_type" || got["id"] != 7.0 {
			t.Error(got)
		}
		if got := exchange(t, conn, map[string]any{"type": "speak", "text": strings.Repeat("a", 21)}); got["code"] != "validation_failed" {
			t.Error(got)
		}
	})
	t.Run("subprotocol", func(t *testing.T) {
		conn, _ := dial(t, "/ws/lobby", nil, "other", "chat.v1", "chat.v2")
		if got := conn.Subprotocol(); got != "chat.v2" {
			t.Errorf("%q", got)
		}
	})
	t.Run("header of a middleware", func(t *testing.T) {
		if _, resp := dial(t, "/ws/lobby", nil); resp.Header.Get(suiteHeader) != "on" {
			t.Error(resp.Header)
		}
	})
	t.Run("parameter refused", func(t *testing.T) {
		if body := answer(t, "/ws/x", handshake(), 400); body.Code != "validation_failed" || len(body.Issues) != 1 || body.Issues[0].Path != "/path/room" || body.Issues[0].Code != "minLength" {
			t.Errorf("%+v", body)
		}
	})
	t.Run("refused by Resolve", func(t *testing.T) {
		if body := answer(t, "/ws/lobby", handshake("X-Guest", "banned"), http.StatusPaymentRequired); body.Detail != "you owe us" {
			t.Errorf("%+v", body)
		}
	})
	t.Run("foreign origin", func(t *testing.T) {
		answer(t, "/ws/lobby", handshake("Origin", "https://other.example"), 403)
	})
	t.Run("plain GET", func(t *testing.T) {
		answer(t, "/ws/lobby", http.Header{}, http.StatusUpgradeRequired)
	})
	t.Run("document", func(t *testing.T) {
		rec := httptest.NewRecorder()
		app.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
		if !ofHuma {
			want := httptest.NewRecorder()
			documentOf(router).ServeHTTP(want, httptest.NewRequest("GET", "/openapi.json", nil))
			if !bytes.Equal(rec.Body.Bytes(), want.Body.Bytes()) {
				t.Errorf("it is another: %s", rec.Body)
			}
			golden.File(t, "../testdata/suite.openapi.json", rec.Body.Bytes()) // which compat has others judge
			return
		}
		own := apidoc.New("Suite", "1.0.0")
		own.Add("/ws/{room}", router)
		want, got := parsed(t, own.OpenAPI()), parsed(t, rec.Body.Bytes())
		for path, method := range map[string]string{"/ws/{room}": "get", "/ws/{room}/(onSpeak)": "post"} {
			have, expected := operation(got, path, method), operation(want, path, method)
			delete(have, "security") // none, which a document of somebody else's says at each operation
			if len(expected) == 0 || !reflect.DeepEqual(have, expected) {
				t.Errorf("%s %s differs: %v", method, path, have)
			}
		}
		for name, schema := range want["components"].(map[string]any)["schemas"].(map[string]any) {
			if other := got["components"].(map[string]any)["schemas"].(map[string]any)[name]; !reflect.DeepEqual(other, schema) {
				t.Errorf("schema %s differs: %v", name, other)
			}
		}
		if operation(got, "/words/{id}", "get") == nil {
			t.Error("huma's own operation is missing")
		}
		golden.File(t, "../testdata/suite-huma.openapi.json", rec.Body.Bytes())
	})
}

func parsed(t *testing.T, data []byte) (v map[string]any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&v); err != nil {
		t.Fatalf("%v: %.500s", err, data)
	}
	return v
}

func operation(doc map[string]any, path, method string) map[string]any {
	item, _ := doc["paths"].(map[string]any)[path].(map[string]any)
	op, _ := item[method].(map[string]any)
	return op
}
