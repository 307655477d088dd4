package browser

import (
	"fmt"
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
