package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
)

// press sends keys to what has the focus.
func (b *tab) press(keys string, modifiers ...chromedp.KeyOption) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys, modifiers...))
}

// sendKey is Ctrl+Enter.
func (b *tab) sendKey() {
	b.t.Helper()
	b.press(kb.Enter, chromedp.KeyModifiers(2))
}

// TestFirstVisit: nothing but one Ctrl+Enter, and the reply is there.
func TestFirstVisit(t *testing.T) {
	chat, _ := program(t, "localhost:0")
	_, kitchenMux := kitchen.Doc(apidoc.Pseudo)
	chromium := browser(t)
	for name, c := range map[string]struct{ base, reply string }{
		"minimal": {serve(t, minimal(), ""), "message"},
		"chat":    {chat, "server_users_list"},
		"kitchen": {serve(t, kitchenMux, "/api"), "strings"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, chromium, c.base+"/docs", 1440, 900)
			b.until(`document.activeElement?.matches(".editor textarea")`)
			b.sees(".verdict", "✓ valid")
			b.shoot("page-" + name + "-arrival")
			b.sendKey()
			b.until(fmt.Sprintf(`[...document.querySelectorAll(".row[data-dir=in] .name")].some(n => n.textContent === %q)`, c.reply))
			b.until(`document.querySelectorAll(".row[data-flag=undocumented],.row[data-flag=differs]").length === 0`)
			b.shoot("page-" + name + "-reply")
		})
	}
}

// TestEveryExample: every message of the kitchen sink that can be sent has an example that the page and the server take,
// and whatever comes back is documented.
func TestEveryExample(t *testing.T) {
	_, mux := kitchen.Doc(apidoc.Pseudo)
	b := open(t, browser(t), serve(t, mux, "/api")+"/docs", 1440, 900)
	b.until(`document.activeElement?.matches(".editor textarea")`)
	paths := strings.Split(b.read(`[...document.querySelectorAll(".side .endpoint a")].map(a => a.dataset.id).join()`), ",")
	if len(paths) < 9 {
		t.Fatal(paths)
	}
	for _, endpoint := range paths {
		b.pick(endpoint)
		ids := b.read(`[...document.querySelectorAll(".side .endpoint:has([aria-current]) ~ ul li a:has(.up)")].map(a => a.dataset.id).join()`)
		for _, id := range strings.Split(ids, ",") {
			if !strings.HasPrefix(id, endpoint+"-send-") {
				continue
			}
			b.pick(id)
			if strings.Contains(b.read(`document.querySelector(".verdict").textContent`), "one text frame") {
				continue // any text is good, and none is the example
			}
			b.sees(".verdict", "✓ valid")
			b.sendKey()
			b.until(`document.querySelector(".status").dataset.state === "open"`)
			name := b.read(`document.querySelector(".middle .title").firstChild.textContent`)
			b.until(fmt.Sprintf(`[...document.querySelectorAll(".row[data-dir=out] .name")].at(-1)?.textContent === %q`, name))
		}
	}
	b.until(`Number(document.querySelectorAll(".foot span")[1].textContent.replace(/\D/g, "")) >= 20`)
	for _, word := range []string{"is:undocumented", "is:differs", "is:not-json", "is:invalid", "type:error"} {
		b.js(`{const f = document.querySelector(".tools input"); f.value = %q; f.dispatchEvent(new Event("input"))}`, word)
		b.until(`document.querySelectorAll(".row").length === 0`)
	}
}

// Two documents of one server keep their drafts apart.
func TestTwoDocs(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/a/", http.StripPrefix("/a", minimal()))
	mux.Handle("/b/", http.StripPrefix("/b", minimal()))
	base := serve(t, mux, "")
	chromium := browser(t)
	b := open(t, chromium, base+"/a/docs", 1440, 900)
	b.until(`document.activeElement?.matches(".editor textarea")`)
	b.write(`{"action":"message","message":"only here"}`)
	b.sendKey()
	b.line("Got message: only here")
	other := open(t, chromium, base+"/b/docs", 1440, 900)
	other.sees(".verdict", "✓ valid")
	other.until(`!document.querySelector(".editor textarea").value.includes("only here")`)
	other.sendKey()
	other.line("Got message: string")
}
