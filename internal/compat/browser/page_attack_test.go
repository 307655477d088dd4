package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// hostile is an endpoint whose document is made of attacks, as a merged or generated one might be.
type hostile struct{ payload string }

func (h hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, h.payload, http.StatusTeapot)
}
func (h hostile) Params() []wsrouter.Param { return nil }
func (h hostile) Describe() wsrouter.Spec {
	p := h.payload
	q, _ := json.Marshal(p)
	raw := string(q)
	schema := []byte(fmt.Sprintf(`{"type":"object","title":%[1]s,"description":%[1]s,"required":["type",%[1]s],"properties":{`+
		`"type":{"type":"string","const":%[1]s,"description":%[1]s},%[1]s:{"type":"string","description":%[1]s,"enum":[%[1]s],"default":%[1]s},`+
		`"pattern":{"type":"string","pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"},"__proto__":{"type":"integer"},"constructor":{"type":"string"}},`+
		`"examples":[{"type":%[1]s,%[1]s:%[1]s,"pattern":%[2]q,"__proto__":1,"constructor":"x"}]}`, raw, strings.Repeat("a", 4000)))
	m := wsrouter.Message{Name: p, Names: []string{raw}, GoType: "x/y." + p, Description: p, Delivery: "latest=" + p, Schema: schema}
	return wsrouter.Spec{
		Name: p, Description: p, Tags: []string{p}, Discriminator: "type", ID: p, Subprotocols: []string{p},
		Params:   []wsrouter.Param{{Name: p, In: "query", Description: p, Schema: []byte(`{"type":"string","enum":[` + raw + `],"default":` + raw + `}`)}},
		Receives: []wsrouter.Operation{{Handler: p, Summary: p, Description: p, Message: m, Sends: []wsrouter.Message{m}}},
		Sends:    []wsrouter.Message{m},
	}
}

var attacks = []string{
	`</script><script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<svg/onload=alert(1)>`, `"><script src=//evil.example/x.js></script>`,
	`javascript:alert(1)`, `'-alert(1)-'`, "\u2028alert(1)\u2029", `{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `<!--<script>`, `]]><script>alert(1)</script>`,
	`<iframe srcdoc="<script>alert(1)</script>">`, `<a href="javascript:alert(1)">x</a>`, `<style>@import url(//evil.example/x.css)</style>`, `<base href=//evil.example/>`,
	`<meta http-equiv=refresh content="0;url=//evil.example">`, `<form action=//evil.example><button>x`, `<math><mtext><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`, "\x00\u202e<b>alert(1)",
}

// watched is a tab in which a dialog or a script that got in is a fault.
func watched(t *testing.T, address string) *tab {
	t.Helper()
	b := open(t, browser(t), address, 1440, 900)
	if err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*page.EventJavascriptDialogOpening); ok {
			t.Error("a dialog opened: ", e.Message)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.until(`document.body.classList.contains("console")`)
	return b
}

func (b *tab) harmless() {
	b.t.Helper()
	if bad := b.read(`[...document.querySelectorAll("script,iframe,img,base,form,meta[http-equiv],style,[onerror],[onload],a[href^='javascript']")].filter(e => !e.matches("head > *")).map(e => e.outerHTML.slice(0, 100)).join()`); bad != "" {
		b.t.Error("got in: ", bad)
	}
	if n := b.read(`document.scripts.length`); n != "1" {
		b.t.Error(n, " scripts")
	}
}

func TestPageHostileDocument(t *testing.T) {
	mux := http.NewServeMux()
	doc := apidoc.New(attacks[0], attacks[1])
	doc.Description = attacks[2]
	for i, a := range attacks {
		doc.Mount(mux, fmt.Sprintf("/ws%d", i), hostile{a})
	}
	doc.Serve(mux, "/docs")
	b := watched(t, serve(t, mux, "")+"/docs")
	for i := range attacks {
		b.click(".side .endpoint a", fmt.Sprintf("/ws%d", i))
		b.until(fmt.Sprintf(`document.querySelector(".status .address").textContent.startsWith("/ws%d")`, i))
		b.click(".side li a", "↑")
		b.sees(".verdict", "issue") // the pattern's example is none
		if i < 3 {
			b.click(".modes button", "Form")
			b.click(".modes button", "JSON")
		}
		b.harmless()
	}
	b.shoot("page-hostile")
	b.sendKey()
	b.sees(".bar .hint", "The browser did not try") // the subprotocol is none
	b.harmless()
	b.take()
}

func TestPageHostileMessages(t *testing.T) {
	b := watched(t, serve(t, states(), "")+"/docs")
	b.ask("evil", 0)
	b.until(`document.querySelectorAll(".row[data-dir=in]").length === 3`)
	b.js(`document.querySelectorAll(".row[data-dir=in] .line").forEach(l => l.click())`)
	b.until(`document.querySelectorAll(".detail").length === 3`)
	b.shoot("page-evil")
	b.harmless()
}

// A link from a stranger selects and fills in; it does not connect, does not send, and names no other server.
func TestPageHostileLink(t *testing.T) {
	base := serve(t, states(), "")
	b := watched(t, base+"/docs#guarded-send-message?path.room=%3Cimg%20src%3Dx%3E&query.token=stolen&server=wss%3A%2F%2Fevil.example&query.level=high")
	b.sees(".notice", "names a server that this document does not")
	b.until(`document.querySelector('[data-key="path.room"] input').value === "<img src=x>"`)
	b.until(`document.querySelector('[data-key="query.token"] input').value === ""`)
	b.sees(".status", "not connected")
	b.shoot("page-link")
	b.harmless()
	b.js(`location.hash = "#javascript:alert(1)"`)
	b.sees(".notice", "is not here any more")
	b.harmless()
}

func (b *tab) responsive(limit time.Duration) {
	b.t.Helper()
	answer := b.answer()
	b.t.Logf("answered within %v", answer)
	if answer > limit {
		b.t.Errorf("a key was answered after %v, want %v", answer, limit)
	}
}

// answer measures how long the page takes to answer a key: what most take, or a third of what nearly all take if that is
// more, for the machine has few cores and the server of the test wants them too.
func (b *tab) answer() time.Duration {
	b.t.Helper()
	worst, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](`(async () => {
		const all = [];
		for (let i = 0; i < 20; i++) {
			const began = performance.now();
			await new Promise(r => setTimeout(r));
			const a = document.querySelector(".editor textarea");
			a.dispatchEvent(new Event("input"));
			await new Promise(r => requestAnimationFrame(() => setTimeout(r)));
			all.push(performance.now() - began);
			await new Promise(r => setTimeout(r, 50));
		}
		all.sort((a, b) => a - b);
		return Math.max(all[10], all[17] / 3);
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return time.Duration(worst * float64(time.Millisecond)).Round(time.Millisecond)
}

func TestPageBigMessages(t *testing.T) {
	b := watched(t, serve(t, states(), "")+"/docs")
	b.ask("big", 16<<20)
	b.line("16.0 MiB")
	b.responsive(100 * time.Millisecond)
	b.click(".row[data-dir=in] .line", b.read(`[...document.querySelectorAll(".row[data-dir=in] .line")].find(l => l.textContent.includes("MiB")).textContent`))
	b.sees(".detail", "save the log to read")
	b.shoot("page-big")
	b.ask("deep", 10_000)
	b.line("is nested deeper than 64 levels")
	b.responsive(100 * time.Millisecond)
	b.js(`{const a = document.querySelector(".editor textarea"); a.value = '{"type":"do","what":"' + "x".repeat(3e6) + '"}'; a.dispatchEvent(new Event("input"))}`)
	b.sees(".verdict", "must be one of")
}
