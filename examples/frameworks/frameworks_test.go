package frameworks

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/wsrouter-go/wsrouter/wstest"
)

func TestFrameworks(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	for _, framework := range []struct {
		name string
		h    http.Handler
	}{
		{"chi", Chi()},
		{"gin", Gin()},
		{"echo 4", Echo4()},
		{"echo 5", Echo5()},
	} {
		t.Run(framework.name, func(t *testing.T) {
			c := wstest.Dial(t, framework.h, "/ws/lobby")
			c.Send(Say{Text: "hi"})
			if got := wstest.Expect[Said](c); got.Room != "lobby" || got.Text != "hi" {
				t.Errorf("got %+v", got)
			}
			c.Close()

			refused := wstest.Refused(t, framework.h, "/ws/x")
			if refused.StatusCode != http.StatusBadRequest {
				t.Errorf("a room that breaks its rule: %s", refused.Status)
			}
			overTCP(t, framework.h)

			for path, want := range map[string]string{
				"/docs":         "<html",
				"/openapi.json": `"/ws/{room}"`,
			} {
				rec := httptest.NewRecorder()
				framework.h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
				if rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
					t.Errorf("GET %s: %d, without %q", path, rec.Code, want)
				}
			}
		})
	}
}

// overTCP sees that the framework's ResponseWriter lets a connection go on a real server too.
func overTCP(t *testing.T, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	req, err := http.NewRequest("GET", server.URL+"/ws/lobby", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("upgrade over TCP: %s %v", resp.Status, resp.Header)
	}
}
