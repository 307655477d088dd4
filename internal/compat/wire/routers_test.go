package wire

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	echo4 "github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A visit is one connection's own parameters, which it is asked for long after its upgrade request is gone.
type visit struct {
	Room string `path:"room"`
	Door string `path:"door"`
	N    int    `query:"n"`

	resolved string
}

func (v *visit) Resolve(ctx context.Context, r *http.Request) error {
	v.resolved = r.URL.Path
	return nil
}

type where struct {
	_ struct{} `ws:"where"`
}

type here struct {
	_        struct{} `ws:"here"`
	Room     string   `json:"room"`
	Door     string   `json:"door"`
	N        int      `json:"n"`
	Resolved string   `json:"resolved"`
}

func visits() *wsrouter.Router[visit] {
	r := wsrouter.New[visit](nil)
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[visit], _ where) error {
		s := c.Session
		return c.Send(ctx, here{Room: s.Room, Door: s.Door, N: s.N, Resolved: s.resolved})
	}, wsrouter.Sends(here{}))
	return r
}

// frameworks route /ws/{room}/{door} to visits and /plain/{room}/{door} to an ordinary handler.
func frameworks() map[string]http.Handler {
	gin.SetMode(gin.ReleaseMode)
	plain := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }

	mux := http.NewServeMux()
	apidoc.New("mux", "1").Mount(mux, "/ws/{room}/{door}", visits())
	mux.HandleFunc("GET /plain/{room}/{door}", plain)

	c := chi.NewRouter()
	apidoc.New("chi", "1").Mount(c, "/ws/{room}/{door}", visits())
	c.Get("/plain/{room}/{door}", plain)

	g, gv := gin.New(), visits()
	g.GET("/ws/:room/:door", func(c *gin.Context) {
		c.Request.SetPathValue("room", c.Param("room"))
		c.Request.SetPathValue("door", c.Param("door"))
		gv.ServeHTTP(c.Writer, c.Request)
	})
	g.GET("/plain/:room/:door", gin.WrapF(plain))

	e4, ev := echo4.New(), visits()
	e4.GET("/ws/:room/:door", func(c echo4.Context) error {
		for _, name := range c.ParamNames() {
			c.Request().SetPathValue(name, c.Param(name))
		}
		ev.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	e4.GET("/plain/:room/:door", echo4.WrapHandler(http.HandlerFunc(plain)))

	e5 := echo5.New()
	e5.GET("/ws/:room/:door", echo5.WrapHandler(visits()))
	e5.GET("/plain/:room/:door", echo5.WrapHandler(http.HandlerFunc(plain)))

	return map[string]http.Handler{"net/http": mux, "chi": c, "gin": g, "echo 4": e4, "echo 5": e5}
}

// TestOwnParameters opens 1,000 connections, with ordinary requests between them that reuse what frameworks pool, and asks
// each one where it is when all of them are open.
func TestOwnParameters(t *testing.T) {
	for name, h := range frameworks() {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()

			const upgrades, workers = 1000, 8
			conns := make([]*websocket.Conn, upgrades)
			each(workers, upgrades, func(i int) {
				url := fmt.Sprintf("%s/ws/room%d/door%d?n=%d", strings.Replace(server.URL, "http", "ws", 1), i, -i, i)
				conn, _, err := websocket.Dial(ctx, url, nil)
				if err != nil {
					t.Errorf("dial %d: %v", i, err)
					return
				}
				conns[i] = conn
				for n := range 5 {
					path := fmt.Sprintf("/plain/other%d/%d", i, n)
					rec := httptest.NewRecorder()
					h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
					if rec.Body.String() != path {
						t.Errorf("GET %s: %d %s", path, rec.Code, rec.Body)
					}
				}
			})
			each(workers, upgrades, func(i int) {
				conn := conns[i]
				if conn == nil {
					return
				}
				defer conn.CloseNow()
				if err := wsjson.Write(ctx, conn, map[string]string{"type": "where"}); err != nil {
					t.Error(err)
					return
				}
				var got here
				if err := wsjson.Read(ctx, conn, &got); err != nil {
					t.Error(err)
					return
				}
				want := here{Room: fmt.Sprint("room", i), Door: fmt.Sprint("door", -i), N: i, Resolved: fmt.Sprintf("/ws/room%d/door%d", i, -i)}
				if got != want {
					t.Errorf("connection %d holds %+v", i, got)
				}
			})
		})
	}
}

// each calls f for 0 … n-1 from some workers and waits for all.
func each(workers, n int, f func(i int)) {
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	all.Wait()
}
