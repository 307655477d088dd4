package browser

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// js runs a script for its effect.
func (b *tab) js(format string, args ...any) {
	b.t.Helper()
	b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(format, args...)))
}

// read evaluates an expression to a text.
func (b *tab) read(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// write replaces what is in the editor.
func (b *tab) write(text string) {
	b.t.Helper()
	b.js(`{const a = document.querySelector(".editor textarea"); a.focus(); a.select(); document.execCommand("insertText", false, %q)}`, text)
}

// pick goes to a place of the page.
func (b *tab) pick(id string) {
	b.t.Helper()
	b.js(`location.hash = %q`, "#"+id)
	b.until(fmt.Sprintf(`document.querySelector("[aria-current]")?.dataset.id === %q`, id))
}

// click presses the first visible button that begins with text within selector.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q)].find(e => e.checkVisibility() && e.textContent.trim().startsWith(%q)); e?.click(); return !!e })()`, selector, text))
}

// ask has the server do something.
func (b *tab) ask(what string, n int) {
	b.t.Helper()
	b.write(fmt.Sprintf(`{"type":"do","what":%q,"n":%d}`, what, n))
	b.sendKey()
}

// line waits for a row of the log that holds text.
func (b *tab) line(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`[...document.querySelectorAll(".row")].some(r => r.textContent.includes(%q))`, text))
}

func (b *tab) dark() {
	b.t.Helper()
	b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return chromedp.Void{}, err
	})
}

func statesPage(t *testing.T, width, height int64) *tab {
	t.Helper()
	b := open(t, browser(t), serve(t, states(), "")+"/docs", width, height)
	b.sees(".middle .title", "do")
	return b
}

func TestPageUndocumented(t *testing.T) {
	b := statesPage(t, 1440, 900)
	for _, what := range []string{"reply", "undocumented", "differs", "broken", "numbers", "text", "binary"} {
		b.ask(what, 0)
	}
	b.line("user_left")
	b.until(`document.querySelectorAll('.row[data-flag="undocumented"],.row[data-flag="differs"],.row[data-flag="not JSON"]').length === 5`)
	b.click(`.row[data-flag="undocumented"] .line`, "")
	b.sees(".detail", "Sends(UserLeft{})")
	b.shoot("page-undocumented")
	b.click(`.row[data-flag="undocumented"] .line`, "")
	b.click(`.row[data-flag="differs"] .line`, "")
	b.sees(".detail", "must be a string")
	b.click(`.row[data-dir=in] .line`, b.read(`[...document.querySelectorAll(".row[data-dir=in] .line")].find(l => l.textContent.includes("9007199254740993")).textContent`))
	b.sees(".warning", "9007199254740992")
	b.shoot("page-differs")
}

func TestPageEnds(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.shoot("page-idle")
	for what, want := range map[string]string{"close": "4000", "slow": "you read too slowly", "panic": "1011"} {
		b.ask(what, 0)
		b.sees(".bar .hint", want)
		if what == "slow" {
			b.sees(".status", "next try in")
		} else {
			b.sees(".status", "closed by the server")
		}
		b.shoot("page-closed-" + what)
		if what == "slow" { // the next try may have come meanwhile
			b.until(`(() => { const e = [...document.querySelectorAll(".status button")].find(e => /Stop|Close/.test(e.textContent)); e?.click(); return !!e })()`)
		}
	}
	b.ask("reply", 0)
	b.line("done")
	b.click(".status button", "Close")
	b.sees(".status", "closed by you 1000")
}

func TestPageRefusals(t *testing.T) {
	b := open(t, browser(t), serve(t, states(), "/api")+"/docs#guarded-send-message", 1440, 900)
	b.sees(".middle .title", "message")
	b.sendKey()
	b.sees(".bar .hint", "401 unauthorized")
	b.until(`document.activeElement?.type === "password"`)
	b.shoot("page-refused-401")
	b.press("let-me-in")
	b.sendKey()
	b.line("lobby: ")
	b.until(`!document.body.innerText.includes("let-me-in") && !location.href.includes("let-me-in") && !JSON.stringify(localStorage).includes("let-me-in")`)
	b.shoot("page-token")
	b.js(`{const i = document.querySelector('[data-key="path.room"] input'); i.value = "attic"; i.dispatchEvent(new Event("input"))}`)
	b.click(".status button", "Reconnect")
	b.until(`document.querySelectorAll('.row[data-event=open]').length === 2`)
	b.sendKey()
	b.line("attic: ")
	b.until(`location.hash.includes("path.room=attic")`)
	b.js(`{const i = document.querySelector('[data-key="path.room"] input'); i.value = "lobby"; i.dispatchEvent(new Event("input"))}`)
	b.click(".status button", "Close")
	b.js(`{const i = document.querySelector('[data-key="query.limit"] input'); i.value = "1000"; i.dispatchEvent(new Event("input"))}`)
	b.click(".status button", "Connect")
	b.sees(`[data-key="query.limit"].wrong`, "must be at most 100")
	b.shoot("page-refused-400")
	b.js(`{const i = document.querySelector('[data-key="query.limit"] input'); i.value = ""; i.dispatchEvent(new Event("input"));
		const r = document.querySelector('[data-key="path.room"] input'); r.value = "gone"; r.dispatchEvent(new Event("input"))}`)
	b.click(".status button", "Try again")
	b.sees(".bar .hint", "no such room")
	b.shoot("page-refused-404")
	b.take() // the browser reports every refusal on its own
}

// A door refuses as it is asked to; its credential comes in a header, which no browser sends.
type door struct {
	Status int    `query:"status" minimum:"400" default:"401"`
	Key    string `header:"X-Api-Key" required:"false"`
	Theme  string `cookie:"theme" required:"false"`
}

func (d *door) Resolve(ctx context.Context, r *http.Request) error {
	return wsrouter.Reject(d.Status, "as you asked")
}

// TestPageRemedies: every refusal says what to do about it.
func TestPageRemedies(t *testing.T) {
	r := wsrouter.New[door](&wsrouter.Options{Name: "door"})
	wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[door], Question) error { return nil })
	mux, doc := http.NewServeMux(), apidoc.New("Door", "1")
	doc.Mount(mux, "/door", r)
	doc.Serve(mux, "/docs")
	b := open(t, browser(t), serve(t, mux, "")+"/docs", 1440, 900)
	b.sees(".verdict", "✓ valid")
	b.sees(".params", "Header X-Api-Key: a browser cannot send it with a WebSocket. Offer query, cookie or subprotocol in the session.")
	b.sees(".params", "Cookie theme: the browser sends it if set")
	b.js(`document.cookie = "theme=dark"`)
	b.run(chromedp.Reload())
	b.sees(".params", "Cookie theme: set, the browser sends it.")
	for status, remedy := range map[string]string{
		"401": "A browser cannot send the header that it wants", "403": "not enough", "404": "Nothing is there", "429": "Too many connections", "500": "its log says why", "503": "its log says why",
	} {
		b.give("query.status", status)
		b.sendKey()
		b.sees(".bar .hint", remedy)
		b.sees(".bar .hint", status)
		b.sees(".bar .hint", "as you asked")
		b.sees(".status", "refused "+status)
		b.shoot("page-refused-door-" + status)
	}
	b.take() // the browser reports every refusal on its own
}

// TestPageLogin: an endpoint that wants a cookie links to where one gets it. The address is that of the link in
// a refusal, which names the endpoint by its path.
func TestPageLogin(t *testing.T) {
	base := serve(t, states(), "/api")
	chromium := browser(t)
	b := open(t, chromium, base+"/docs#/members", 1440, 900)
	b.until(`document.querySelector("[aria-current]")?.dataset.id === "members"`)
	b.pick("members-send-message")
	b.sendKey()
	b.sees(".bar .hint", "Sign in in this browser, then connect again.")
	b.shoot("page-refused-login")
	link := b.read(`document.querySelector(".bar .hint a").href`)
	if link != base+"/login" {
		t.Error("the link leads to ", link)
	}
	b.take() // the browser reports the refusal on its own
	open(t, chromium, link, 800, 600).sees("body", "Welcome.")
	b.click(".status button", "Try again")
	b.until(`document.querySelector(".status").dataset.state === "open"`)
}

// A page under another origin than the API allows is told the line that allows it.
func TestPageOrigin(t *testing.T) {
	api := states()
	strange := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || strings.HasPrefix(r.URL.Path, "/states") {
			r.Host = "api.example.com"
			r.Header.Set("Origin", "http://docs.example.com")
		}
		api.ServeHTTP(w, r)
	})
	b := open(t, browser(t), serve(t, strange, "")+"/docs", 1440, 900)
	b.sees(".middle .title", "do")
	b.sendKey()
	b.sees(".bar .hint", "Origins: []string{")
	b.shoot("page-refused-403")
	b.take()
}

func TestPageUnreachable(t *testing.T) {
	api := states()
	// A proxy that takes the Upgrade header away.
	lame := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		if strings.HasPrefix(r.URL.Path, "/feed") {
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	})
	b := open(t, browser(t), serve(t, lame, "")+"/docs", 1440, 900)
	b.sees(".middle .title", "do")
	b.sendKey()
	b.sees(".bar .hint", "proxy_set_header Upgrade")
	b.sees(".status", "not upgraded")
	b.shoot("page-unreachable-proxy")
	b.pick("feed")
	b.click(".status button", "Connect")
	b.sees(".bar .hint", "Is the server running")
	b.sees(".status", "not reached")
	b.shoot("page-unreachable")
	b.take()
}

func TestPageEditor(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.pick("states-send-order")
	b.write(`{"type":"order","items":[{"sku":"abc","qty":1.0},{"sku":"ABC-12","qty":0,"qty":1}],"note":12}`)
	b.sees(".verdict", "5 issues")
	b.until(`document.querySelectorAll(".editor i.bad").length >= 5`)
	b.sees("button.send", "Connect and send anyway")
	b.shoot("page-invalid")
	b.click(".toolbar button", "Example")
	b.sees(".verdict", "✓ valid")

	b.pick("states-send-do")
	b.write("{\n  \"type\": \"do\",\n  \"what\": \"\"\n}")
	b.js(`{const a = document.querySelector(".editor textarea"); a.setSelectionRange(29, 29)}`)
	b.press("un")
	b.until(`!document.querySelector(".completions").hidden`)
	b.shoot("page-completion")
	b.press("\r")
	b.until(`document.querySelector(".editor textarea").value.includes('"what": "undocumented"')`)
	b.sees(".verdict", "✓ valid")
	b.write(`{"type":"do","what":"repyl"}`)
	b.sees(".verdict", "did you mean reply?")
	b.run(chromedp.Reload())
	b.until(`document.querySelector(".editor textarea")?.value.includes("repyl")`) // the draft is still there
}

func TestPageForm(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.pick("states-send-profile")
	b.click(".modes button", "Form")
	b.sees(".form", "As others see it.")
	b.js(`{const i = [...document.querySelectorAll(".form label")].find(l => l.textContent.startsWith("name")).querySelector("input"); i.value = "x"; i.dispatchEvent(new Event("input"))}`)
	b.sees(".form .fault", "must have at least 2 characters")
	b.shoot("page-form")
	b.js(`{const i = [...document.querySelectorAll(".form label")].find(l => l.textContent.startsWith("name")).querySelector("input"); i.value = "Grace"; i.dispatchEvent(new Event("input"))}`)
	b.sendKey()
	b.line("Grace")
	b.line("done")
}

func TestPageFeedAndEmpty(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.pick("feed")
	b.sees("main", "There is nothing to send")
	b.shoot("page-feed")
	b.click(".status button", "Connect")
	b.line("heartbeat")
	mux := http.NewServeMux()
	apidoc.New("Nothing", "1").Serve(mux, "/docs")
	empty := open(t, browser(t), serve(t, mux, "")+"/docs", 1440, 900)
	empty.sees("main", "doc.Mount(mux")
	empty.shoot("page-empty")
}

func TestPageTwoConnections(t *testing.T) {
	hub := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action"})
	hub.OnConnect(func(ctx context.Context, c *wsrouter.Conn[struct{}]) error { return hub.Room("all").Join(c) })
	wsrouter.Receive(hub, func(ctx context.Context, c *wsrouter.Conn[struct{}], m ChatMessage) error {
		return hub.Room("all").Broadcast(ctx, m)
	}, wsrouter.Sends(ChatMessage{}))
	mux := http.NewServeMux()
	doc := apidoc.New("Hub", "1")
	doc.Mount(mux, "/hub", hub)
	doc.Serve(mux, "/docs")
	b := open(t, browser(t), serve(t, mux, "")+"/docs", 1440, 900)
	b.sees(".middle .title", "message")
	b.sendKey()
	b.until(`document.querySelectorAll(".row[data-dir=in]").length === 1`)
	b.click("button.add", "+")
	b.js(`document.querySelector(".editor textarea").focus()`)
	b.write(`{"action":"message","message":"hello from B"}`)
	b.sendKey()
	b.until(`document.querySelectorAll(".row[data-dir=in]").length === 3`)
	b.until(`[...document.querySelectorAll(".row[data-dir=in] .letter")].map(l => l.textContent).sort().join("") === "AAB"`)
	b.shoot("page-two-connections")
	b.js(`{const f = document.querySelector(".tools input"); f.value = "conn:b dir:in"; f.dispatchEvent(new Event("input"))}`)
	b.until(`document.querySelectorAll(".row").length === 1`)
}

func TestPageSearchAndKeys(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.js(`document.activeElement.blur()`)
	b.press("j")
	b.sees(".middle .title", "order")
	b.press("k")
	b.sees(".middle .title", "do")
	b.press("/")
	b.until(`document.activeElement.matches(".top input")`)
	b.js(`{const f = document.querySelector(".top input"); f.value = "stock"; f.dispatchEvent(new Event("input"))}`)
	b.until(`[...document.querySelectorAll(".side li")].some(l => l.textContent.includes("sku"))`)
	b.shoot("page-search")
	b.js(`{const f = document.querySelector(".top input"); f.value = "heartbeet"; f.dispatchEvent(new Event("input"))}`)
	b.sees(".side", "heartbeat")
	b.press("\x1b")
	b.press("?")
	b.sees("dialog", "Single letters are keys")
	b.shoot("page-keys")
}

func TestPageSmallAndDark(t *testing.T) {
	b := statesPage(t, 360, 740)
	b.until("document.documentElement.scrollWidth <= 360")
	b.shoot("page-360-compose")
	b.click("button.send", "Connect")
	b.click(".tabs button", "Log")
	b.line("done")
	b.until("document.documentElement.scrollWidth <= 360")
	b.shoot("page-360-log")
	b.click(".tabs button", "Messages")
	b.until("document.documentElement.scrollWidth <= 360")
	b.shoot("page-360-messages")

	d := statesPage(t, 1440, 900)
	d.dark()
	d.ask("undocumented", 0)
	d.line("user_left")
	d.click(`.row[data-flag="undocumented"] .line`, "")
	d.shoot("page-dark")
	d.pick("guarded-send-message")
	d.write(`{"type":"message","message":7}`)
	d.sees(".verdict", "must be a string")
	d.shoot("page-dark-invalid")
}

// TestPageLog: what can be done with a line, and with all of them.
func TestPageLog(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.pick("states-send-question")
	b.write(`{"type":"question","q":"four","id":"x1"}`)
	b.sendKey()
	b.line("answer")
	b.until(`[...document.querySelectorAll(".row[data-dir=in] .ms")].some(m => !m.textContent.startsWith("≈"))`) // matched by its id
	b.pick("states-send-do")
	b.ask("numbers", 0)
	b.line("heartbeat")
	b.js(`{const f = document.querySelector(".tools input"); f.value = "-type:heartbeat dir:in"; f.dispatchEvent(new Event("input"))}`)
	b.until(`document.querySelectorAll(".row").length === 1`)
	b.js(`{const f = document.querySelector(".tools input"); f.value = ""; f.dispatchEvent(new Event("input"))}`)
	b.until(`document.querySelectorAll(".row").length === 5`)

	b.js(`document.activeElement.blur()`)
	b.press("p") // pause
	b.sees(".foot", "paused")
	b.js(`document.querySelector(".editor textarea").focus()`)
	b.ask("reply", 0)
	b.sees(".foot", "2 waiting")
	b.js(`document.activeElement.blur()`)
	b.press("p")
	b.line("done")

	b.js(`[...document.querySelectorAll(".row[data-dir=out] .line")].find(l => l.textContent.includes("question")).focus()`)
	b.press("e") // edit and resend
	b.until(`document.querySelector(".middle .title").textContent.startsWith("question") && document.querySelector(".editor textarea").value.includes("four")`)
	b.press(kb.ArrowUp, chromedp.KeyModifiers(1))
	b.until(`document.querySelector(".editor textarea").value.includes("x1")`)
	b.js(`{window.saved = new Promise(done => { const make = URL.createObjectURL; URL.createObjectURL = b => { b.text().then(done); return make.call(URL, b) } })}`)
	b.js(`HTMLAnchorElement.prototype.click = () => {}`)
	b.click(`.tools button[aria-label^="Save"]`, "")
	saved, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`window.saved`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(saved), "\n"); len(lines) != 6 || !strings.Contains(saved, `"n":9007199254740993}`) || !strings.Contains(lines[0], `"direction":"sent","name":"question","data":{"type":"question"`) {
		t.Errorf("saved:\n%s", saved)
	}
	b.shoot("page-log")
}

// TestPageRestart: the server goes and comes back, and the page finds it by itself.
func TestPageRestart(t *testing.T) {
	base, stop := program(t, "localhost:0")
	b := open(t, browser(t), base+"/docs", 1440, 900)
	b.sees(".middle .title", "client_user_join")
	b.sendKey()
	b.line("server_users_list")
	stop()
	b.sees(".status", "next try in")
	b.sees(".bar .hint", "shutting down")
	b.shoot("page-retry")
	program(t, strings.TrimPrefix(base, "http://"))
	b.until(`document.querySelector(".status").dataset.state === "open"`)
	b.take()
}

// TestPageServer: a document may name another server, which the page then may talk to, and no third.
func TestPageServer(t *testing.T) {
	var h http.Handler
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }), "")
	host := strings.TrimPrefix(base, "http://")
	chat := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action", Origins: []string{host}})
	wsrouter.Receive(chat, onChatMessage, wsrouter.Sends(ChatMessage{}))
	mux := http.NewServeMux()
	doc := apidoc.New("Elsewhere", "1")
	doc.Servers = []string{strings.Replace(base, "localhost", "127.0.0.1", 1)}
	doc.Mount(mux, "/ws", chat)
	doc.Serve(mux, "/docs")
	h = mux
	b := open(t, browser(t), base+"/docs#ws-send-message?server="+doc.Servers[0], 1440, 900)
	b.sees(".status .address", "127.0.0.1")
	b.sendKey()
	b.line("Got message")
	b.shoot("page-server")
	b.js(`window.refused = fetch("http://127.0.0.2:1/").then(() => "", e => "refused")`)
	if got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`window.refused`, chromedp.EvalAwaitPromise)); err != nil || got != "refused" {
		t.Error("a third server was asked: ", got, err)
	}
	b.take()
}

// TestPageTooLarge: a message that the server would close for is said to be too large before it is sent, by the bytes that would be sent.
func TestPageTooLarge(t *testing.T) {
	notes := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action", MaxMessage: 2000})
	wsrouter.Receive(notes, func(context.Context, *wsrouter.Conn[struct{}], ChatMessage) error { return nil })
	mux := http.NewServeMux()
	doc := apidoc.New("Notes", "1")
	doc.Mount(mux, "/notes", notes)
	doc.Serve(mux, "/docs")
	b := open(t, browser(t), serve(t, mux, "")+"/docs", 1440, 900)
	b.sees(".verdict", "✓ valid")
	b.js(`document.querySelector(".editor textarea").focus()`)
	b.write(`{"action":"message",` + strings.Repeat(" ", 3000) + `"message":"layout is not sent"}`)
	b.sees(".verdict", "✓ valid")
	b.write(`{"action":"message","message":"` + strings.Repeat("ä", 990) + `"}`)
	b.sees(".verdict", "2,013 bytes, and the server takes 2,000: it would close with 1009")
	b.sees(".send", "Connect and send anyway")
	b.until(`!document.querySelector(".verdict").textContent.includes("valid")`)
}
