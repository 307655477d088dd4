package browser

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe lists what axe-core finds wrong with what the tab shows now, when nothing moves any more.
func (b *tab) axe(state string) {
	b.t.Helper()
	source, err := os.ReadFile("../../../apidoc/page/node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err, ": make page installs it")
	}
	b.run(chromedp.Evaluate[chromedp.Void](string(source) + ";void 0"))
	b.js(`document.getAnimations().forEach(a => { try { a.finish() } catch {} })`) // what fades in has less contrast on its way; what has no end stays
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r =>
		r.violations.map(v => v.id + " (" + v.impact + "): " + v.nodes.slice(0, 4).map(n => n.target.join(" ") + " " + n.failureSummary.replace(/\s+/g, " ").slice(0, 220)).join(" | ")).join("\n"))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	if found != "" {
		b.t.Errorf("%s:\n%s", state, found)
	}
}

func TestPageAccessible(t *testing.T) {
	for _, dark := range []bool{false, true} {
		b := statesPage(t, 1440, 900)
		if dark {
			b.dark()
		}
		b.axe("arrival")
		b.ask("undocumented", 0)
		b.line("user_left")
		b.ask("reply", 0)
		b.line("done")
		b.click(`.row[data-flag="undocumented"] .line`, "")
		b.sees(".detail", "Sends(")
		b.click(".menu summary", "Copy")
		b.axe("a log")
		b.shoot("page-copy")
		b.write(`{"type":"do","what":`)
		b.sees(".verdict", "unexpected end")
		b.axe("an invalid message")
		b.pick("states-send-profile")
		b.click(".modes button", "Form")
		b.axe("a form")
		b.click(".modes button", "JSON")
		b.pick("guarded-send-message")
		b.sendKey()
		b.sees(".bar .hint", "401")
		b.axe("a refusal")
		b.pick("guarded")
		b.axe("an endpoint")
		b.pick("close-codes")
		b.axe("codes")
		b.js(`document.activeElement.blur()`)
		b.press("?")
		b.sees("dialog", "Keys")
		b.axe("keys")
		b.take()
	}
	small := statesPage(t, 360, 740)
	small.axe("360 px")
	small.click(".tabs button", "Log")
	small.axe("360 px, log")
	small.click(".tabs button", "Messages")
	small.axe("360 px, messages")
}

// Whoever has no JavaScript reads the reference.
func TestPageWithoutScript(t *testing.T) {
	base := serve(t, states(), "")
	b := open(t, browser(t), "about:blank", 1440, 900)
	b.host = strings.TrimPrefix(base, "http://")
	b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	}, chromedp.Navigate(base+"/docs"), chromedp.WaitVisible(chromedp.CSS("#states-send-do")))
	b.shoot("page-no-script")
}

// TestPageStale: the API changes under an open page, which offers to follow and keeps what is being written.
func TestPageStale(t *testing.T) {
	var now atomic.Pointer[http.Handler]
	first, second := states(), minimal()
	now.Store(&first)
	b := open(t, browser(t), serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load()).ServeHTTP(w, r) }), "")+"/docs", 1440, 900)
	b.sees(".middle .title", "do")
	b.ask("reply", 0)
	b.line("done")
	now.Store(&second)
	b.js(`document.dispatchEvent(new Event("visibilitychange"))`)
	b.sees(".stale", "This API changed")
	b.shoot("page-stale")
	b.click(".stale button", "Show it")
	b.sees(".side", "/ws")
	b.line("done") // the log stays
	b.sees(".status", "connected")
	b.until(`document.querySelectorAll(".row[data-event=closed]").length === 0`)
}
