package browser

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// give writes into the field of a parameter.
func (b *tab) give(parameter, value string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`!!document.querySelector('[data-key=%q] input')`, parameter))
	b.js(`{const i = document.querySelector('[data-key=%q] input'); i.value = %q; i.dispatchEvent(new Event("input"))}`, parameter, value)
}

// saved is what the page would save of its log.
func (b *tab) saved() string {
	b.t.Helper()
	b.js(`window.saved = new Promise(done => { const make = URL.createObjectURL; URL.createObjectURL = b => { b.text().then(done); return make.call(URL, b) } });
		HTMLAnchorElement.prototype.click = () => {}`)
	b.click(`.tools button[aria-label^="Save"]`, "")
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`window.saved`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// A stub is documented by a router and served by hand.
type stub struct {
	apidoc.Endpoint
	serve http.HandlerFunc
}

func (s stub) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r) }

// TestPageWaits: a server that does not answer, one that does not read, and one that is lost are told apart, and what the page waits for can be ended.
func TestPageWaits(t *testing.T) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	described := func(name string) apidoc.Endpoint {
		r := wsrouter.New[struct{}](&wsrouter.Options{Name: name})
		wsrouter.Receive(r, func(context.Context, *wsrouter.Conn[struct{}], Question) error { return nil })
		return r
	}
	mux, doc := http.NewServeMux(), apidoc.New("Waits", "1")
	doc.Mount(mux, "/silent", stub{described("silent"), func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			<-r.Context().Done() // the page gave up
		}
	}})
	doc.Mount(mux, "/deaf", stub{described("deaf"), func(w http.ResponseWriter, r *http.Request) {
		conn, _ := handshake(w, r)
		defer conn.Close()
		<-ended
	}})
	lost := make(chan struct{}, 8)
	doc.Mount(mux, "/lost", stub{described("lost"), func(w http.ResponseWriter, r *http.Request) {
		conn, _ := handshake(w, r)
		conn.Close() // without a word
		lost <- struct{}{}
	}})
	doc.Serve(mux, "/docs")
	b := open(t, browser(t), serve(t, mux, "")+"/docs", 1440, 900)

	b.sees(".verdict", "✓ valid")
	b.sendKey()
	b.sees(".status", "connecting, ")
	b.sees("button.send", "Sends when connected")
	b.sees(".status", "connecting, 1 s")
	b.shoot("page-connecting")
	b.click(".status button", "Cancel")
	b.sees(".status", "not connected")

	b.pick("deaf-send-question")
	b.js(`{const a = document.querySelector(".editor textarea"); a.value = '{"type":"question","q":"' + "x".repeat(16e6) + '"}'; a.dispatchEvent(new Event("input"))}`)
	b.sendKey()
	b.sees(".status", "MiB waiting")
	b.shoot("page-buffered")
	b.click(".status button", "Close")
	b.sees(".status", "closed by you") // although the server says nothing to it

	b.pick("lost")
	b.click(".status button", "Connect")
	b.sees(".status", "lost (1006); next try in")
	<-lost
	b.shoot("page-lost")
	b.click(".status button", "Now")
	<-lost
	b.sees(".status", "next try in")
	b.click(".status button", "Stop")
	b.sees(".status", "not connected")
	b.take()
}

// TestPageSecrets: what a credential's field holds, or held when the page connected, is shown nowhere, whoever repeats it.
func TestPageSecrets(t *testing.T) {
	const secret = "let-me-in"
	b := open(t, browser(t), serve(t, states(), "")+"/docs#guarded-send-message", 1440, 900)
	b.sees(".middle .title", "message")
	for _, c := range []string{"query.token", "subprotocol.bearer."} { // the second one is agreed on as the subprotocol
		b.give(c, secret)
		b.write(`{"type":"message","message":"I say ` + secret + `"}`)
		b.sendKey()
		b.line("lobby: I say ••••")
		b.write("{}") // which is a draft, and no secret of the page's
		b.js(`document.querySelectorAll(".row[data-dir=in] .line[aria-expanded=false]").forEach(l => l.click())`)
		b.sees(".detail .tree", "I say ••••")
		b.js(`document.querySelectorAll(".row .line[aria-expanded=true]").forEach(l => l.click())`)
		b.secretless(secret)
		b.give(c, "another")
		b.secretless(secret)
		b.click(".status button", "Close")
		b.sees(".status", "closed by you")
		b.give(c, "")
	}
	b.click("button.add", "+")
	b.click(`.conns [role=tab]`, "A")
	b.click(`.conns button[aria-label^="Remove"]`, "") // its lines stay
	b.secretless(secret)
	if saved := b.saved(); strings.Contains(saved, secret) || strings.Count(saved, "I say ••••") != 4 {
		t.Errorf("saved:\n%s", saved)
	}
	b.shoot("page-secrets")
	b.take()
}

func (b *tab) secretless(secret string) {
	b.t.Helper()
	b.js(`{const f = document.querySelector(".tools input"); f.value = "nothing like it"; f.dispatchEvent(new Event("input"))}`)
	b.until(`document.querySelectorAll(".row").length === 0`)
	b.js(`{const f = document.querySelector(".tools input"); f.value = ""; f.dispatchEvent(new Event("input"))}`) // every line is drawn anew
	b.until(`document.querySelectorAll(".row").length > 2`)
	for where, text := range map[string]string{
		"page": `document.body.innerText`, "titles": `[...document.querySelectorAll("[title]")].map(e => e.title).join()`, "address": `location.href`,
		"storage": `JSON.stringify(localStorage) + JSON.stringify(sessionStorage)`, "title": `document.title`,
	} {
		if strings.Contains(b.read(text), secret) {
			b.t.Errorf("the secret is in the %s", where)
			b.shoot("secret-in-" + where)
		}
	}
	b.js(`window.copied = ""; Object.defineProperty(navigator, "clipboard", {configurable: true, value: {writeText: async t => { copied = t }}})`)
	for _, form := range []string{"websocat", "JavaScript"} {
		b.js(`copied = ""; [...document.querySelectorAll(".drop button")].find(e => e.textContent === %q).click()`, form)
		b.until(`copied.includes("guarded/lobby")`)
		if strings.Contains(b.read("copied"), secret) {
			b.t.Errorf("the secret is in the copied %s", form)
		}
	}
}

// TestPageLinks: whatever has a place has a link, which leads there and does nothing else.
func TestPageLinks(t *testing.T) {
	base := serve(t, states(), "/api")
	chromium := browser(t)
	for link, c := range map[string]struct{ shows, target string }{
		"guarded":                  {"/guarded/{room}", ""},
		"/guarded/{room}":          {"/guarded/{room}", ""},
		"states-send-order":        {"order", ""},
		"states-send-profile.name": {"profile", "name"},
		"states-receive-heartbeat": {"heartbeat", ""},
		"guarded.query.limit":      {"/guarded/{room}", "limit"},
		"type-Item":                {"Item", ""},
		"type-Item.sku":            {"Item", "sku"},
		"close-codes":              {"Close codes", ""},
		"close-1013":               {"Close codes", "1013"},
		"error-codes":              {"Error codes", ""},
		"error-rate_limited":       {"Error codes", "rate_limited"},
		"guarded-send-message?path.room=attic&query.limit=7&query.token=stolen&connect=1&send=1": {"message", ""},
	} {
		t.Run(strings.ReplaceAll(link, "/", "|"), func(t *testing.T) {
			b := open(t, chromium, base+"/docs#"+link, 1440, 900)
			b.sees(".middle .title", c.shows)
			if c.target != "" {
				b.sees(".target", c.target)
			}
			b.until(`document.querySelector(".notice").hidden`)
			b.sees(".status", "not connected")
			if strings.Contains(link, "?") {
				b.until(`document.querySelector('[data-key="path.room"] input').value === "attic"`)
				b.until(`document.querySelector('[data-key="query.limit"] input').value === "7"`)
				b.until(`document.querySelector('[data-key="query.token"] input').value === ""`)
			}
		})
	}
}

// TestPageLetters: no letter is a key while somebody types, and none is after they are turned off, for good.
func TestPageLetters(t *testing.T) {
	b := statesPage(t, 1440, 900)
	b.write("")
	b.press("jkpf/?1")
	b.until(`document.querySelector(".editor textarea").value.startsWith("jkpf/?1") && !document.querySelector("dialog")`)
	b.sees(".middle .title", "do")
	b.click(".toolbar button", "Example")
	b.press(kb.Escape)
	b.press("j")
	b.sees(".middle .title", "order")
	b.press("?")
	b.click("dialog .switch input", "")
	b.press(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	for range 2 {
		b.js(`document.activeElement.blur()`)
		b.press("jp/?")
		b.until(`!document.querySelector("dialog") && !document.activeElement.matches("input") && !document.querySelector(".foot").textContent.includes("paused")`)
		b.sees(".middle .title", "order")
		b.run(chromedp.Reload())
		b.sees(".middle .title", "order")
	}

	b.pick("states-send-do")
	for _, what := range []string{"reply", "numbers"} {
		b.ask(what, 0)
	}
	b.line("9007199254740993")
	b.press(kb.ArrowUp, chromedp.KeyModifiers(1))
	b.press(kb.ArrowUp, chromedp.KeyModifiers(1))
	b.until(`document.querySelector(".editor textarea").value.includes("reply")`)
	b.press(kb.ArrowDown, chromedp.KeyModifiers(1))
	b.until(`document.querySelector(".editor textarea").value.includes("numbers")`)
	b.js(`window.copied = ""; Object.defineProperty(navigator, "clipboard", {value: {writeText: async t => { copied = t }}})`)
	b.js(`[...document.querySelectorAll(".row[data-dir=in] .line")].find(l => l.textContent.includes("heartbeat")).focus()`)
	b.press("c") // a key of the line that has the focus
	b.until(`copied === '{"type":"heartbeat","n":9007199254740993}'`)
}

// TestPageTells: an empty log says what would happen, an unfolded line what its fields mean, a reader of the screen hears
// counts and not every line, and on a small screen a number says what came while the log was out of sight.
func TestPageTells(t *testing.T) {
	b := statesPage(t, 360, 740)
	b.click(".tabs button", "Log")
	b.sees(".view", "connects and sends do.")
	b.sees(".view", "The server may send heartbeat, done, answer, error.")
	b.click(".tabs button", "Compose")
	b.js(`document.querySelector(".middle").scrollTop = 1e6`)
	b.until(`(() => { const s = document.querySelector("button.send").getBoundingClientRect(); return s.top > 0 && s.bottom <= innerHeight && document.elementFromPoint(s.x + 20, s.y + 10).closest(".send") })()`)
	b.shoot("page-360-sticky")
	b.pick("states-send-profile")
	b.click(".modes button", "Form")
	b.until(`Math.abs(document.querySelector(".sendbar").getBoundingClientRect().bottom - document.querySelector(".middle").getBoundingClientRect().bottom) < 2`)
	b.shoot("page-360-form")
	b.click(".modes button", "JSON")
	b.pick("states-send-do")
	for range 3 {
		b.ask("reply", 0)
	}
	b.sees(".tabs .more", "3")
	b.shoot("page-360-counter")
	b.until(`document.querySelector(".log [aria-live=polite]").textContent === "3 received, 3 sent"`)
	b.until(`document.querySelectorAll(".log [aria-live], .log [role=log], .log [role=status], .log [role=alert]").length === 1`)
	b.click(".tabs button", "Log")
	b.until(`document.querySelector(".tabs .more").hidden`)
	b.until(`document.querySelector(".row[data-dir=in] .peek").textContent === '{"what":"reply"}'`) // its name has said the rest
	b.click(".row[data-dir=out] .line", "")
	b.sees(".detail .tree", "What to see.")
	b.sees(".detail .tree", "type")
}
