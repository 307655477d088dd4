package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path"
	"regexp"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/gin-gonic/gin"
	swaggerfiles "github.com/swaggo/files"
	ginSwagger "github.com/swaggo/gin-swagger"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wshuma"
	"github.com/wsrouter-go/wsrouter/wsswag"
)

// A recipe of docs/documents.md is a page of a viewer that other people make, and where in the viewer's npm package its files are.
type recipe struct {
	folders []string
	page    string
}

var recipePattern = regexp.MustCompile("(?s)\\*\\*([A-Z][A-Za-z ]+)\\*\\*[^\n]*(?:\n[^`\n]+)?package `([^`]+)`, folders? `([^`]+)`(?: and `([^`]+)`)?.*?```html\n(.*?)```")

// recipes reads them out of the document, so that what it says is what is tested.
func recipes(t *testing.T) map[string]recipe {
	t.Helper()
	text, err := os.ReadFile("../../../docs/documents.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]recipe{}
	for _, m := range recipePattern.FindAllStringSubmatch(string(text), -1) {
		r := recipe{[]string{path.Join("node_modules", m[2], m[3]), path.Join("node_modules", m[2], m[4])}, m[5]}
		for _, folder := range r.folders {
			if _, err := os.Stat(folder); err != nil {
				t.Fatal(err, ": make browser installs it")
			}
		}
		found[m[1]] = r
	}
	return found
}

// beside serves the recipe's page and files in the folder of the documents that api serves.
func (r recipe) beside(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch path.Ext(q.URL.Path) {
		case ".html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, r.page)
		case ".js", ".css":
			for _, folder := range r.folders {
				if _, err := os.Stat(path.Join(folder, path.Base(q.URL.Path))); err == nil {
					http.ServeFile(w, q, path.Join(folder, path.Base(q.URL.Path)))
					return
				}
			}
			http.NotFound(w, q)
		case ".ico":
			w.WriteHeader(http.StatusNoContent)
		default:
			api.ServeHTTP(w, q)
		}
	})
}

// shows waits for texts on a page that is not ours, wherever they stand.
func (b *tab) shows(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
	}
}

// TestRecipes: the viewers show the messages, from the files of their packages, and ask nobody else for anything.
func TestRecipes(t *testing.T) {
	all := recipes(t)
	chromium := browser(t)
	for name, shown := range map[string][]string{ // of the README's chat
		"Swagger UI": {"/ws/(onChatMessage)", "Send message", "Send activity"},
		"Redoc":      {"Send message", "A text said in the chat.", "[ 1 .. 500 ] characters", "Send activity"},
		"Scalar":     {"Send message", "A text said in the chat.", "Send activity"},
		"AsyncAPI":   {"ws_onChatMessage", "A text said in the chat.", "ws_onChatActivity", "ws_send"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, chromium, serve(t, all[name].beside(minimal()), "")+"/viewer.html", 1440, 900)
			b.shows(shown...)
			if name == "Swagger UI" {
				b.unfolds("/ws/(onChatMessage)")
				b.until(`!document.querySelector(".try-out__btn")`) // it would be sent as a POST
			}
			b.shoot("viewer-" + name)
			if name == "Redoc" { // its logo, which is kept out
				b.take()
			}
		})
		delete(all, name)
	}
	if len(all) != 0 {
		t.Error("docs/documents.md has recipes that nobody tries: ", all)
	}
}

// unfolds opens an operation of Swagger UI, which then shows the message.
func (b *tab) unfolds(path string) {
	b.t.Helper()
	b.click(".opblock-summary-control", "POST"+path)
	b.shows("A WebSocket message, not an HTTP request", "The error reply. The connection stays open.")
	b.until(`document.querySelector(".opblock.is-open .highlight-code, .opblock.is-open .example").textContent.includes('"action"')`)
}

// TestSwag: the Swagger UI that a gin application serves by gin-swagger shows the messages once it is pointed at the merged document.
func TestSwag(t *testing.T) {
	swagger, err := os.ReadFile("../../../wsswag/testdata/gin/docs/swagger.json")
	if err != nil {
		t.Fatal(err)
	}
	chat := wsrouter.New[struct{}](&wsrouter.Options{Name: "chat", Discriminator: "action"})
	wsrouter.Receive(chat, onChatMessage, wsrouter.Sends(ChatMessage{}, ChatActivity{}))
	wsrouter.Receive(chat, onChatActivity, wsrouter.Sends(ChatActivity{}))
	mux := http.NewServeMux()
	doc := apidoc.New("", "")
	doc.Mount(mux, "/ws", chat)
	base, err := wsswag.Convert(swagger)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Merge(base); err != nil {
		t.Fatal(err)
	}
	doc.Serve(mux, "/docs")
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/swagger/*any", ginSwagger.WrapHandler(swaggerfiles.Handler, ginSwagger.URL("/openapi.json")))
	mux.Handle("/", r)

	b := open(t, browser(t), serve(t, mux, "")+"/swagger/index.html", 1440, 1400)
	b.shows("Shop", "/accounts", "List accounts", "/ws/(onChatMessage)", "Send message", "Send activity")
	b.unfolds("/ws/(onChatMessage)")
	b.shoot("viewer-swag")
}

// TestHuma: the document of a huma API, which a recipe's viewer reads as it reads ours.
func TestHuma(t *testing.T) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Shop", "1.0.0")
	api := humago.New(mux, config)
	huma.Get(api, "/orders/{id}", func(ctx context.Context, in *struct {
		ID int `path:"id"`
	}) (*struct{ Body struct{ Total int } }, error) {
		return nil, huma.Error404NotFound("no such order")
	})
	chat := wsrouter.New[struct{}](&wsrouter.Options{Name: "chat", Discriminator: "action"})
	wsrouter.Receive(chat, onChatMessage, wsrouter.Sends(ChatMessage{}, ChatActivity{}))
	wshuma.Mount(api, "/ws", chat)
	b := open(t, browser(t), serve(t, recipes(t)["Swagger UI"].beside(mux), "")+"/viewer.html", 1440, 1400)
	b.shows("/orders/{id}", "/ws/(onChatMessage)", "Send message")
	b.unfolds("/ws/(onChatMessage)")
	b.shoot("viewer-huma")
}
