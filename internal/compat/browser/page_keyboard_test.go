package browser

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/internal/compat/kitchen"
)

// watch is run in the page: it counts mouse events, and says what is wrong with how the focus shows.
const watch = `
window.mice = 0;
for (const kind of ["mousedown", "pointerdown", "mousemove", "touchstart", "wheel"]) addEventListener(kind, (e) => { mice += e.isTrusted }, true);
window.nameOf = (e) => !e || e === document.body ? "nothing" : e.tagName.toLowerCase() + (e.className ? "." + e.className : "") + " " + (e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30));
window.unfocused = null;
window.badFocus = () => {
	const e = document.activeElement;
	if (!e || e === document.body) return "the focus is nowhere";
	const box = e.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + Math.min(box.height / 2, 20);
	if (box.width < 4 || box.height < 4 || x < 0 || y < 0 || x > innerWidth || y > innerHeight) return nameOf(e) + " has the focus out of view";
	const top = document.elementFromPoint(x, y);
	if (!top || !(e.contains(top) || top.contains(e) || top.closest("label")?.contains(e))) return nameOf(e) + " has the focus below " + nameOf(top);
	if (!e.matches(":focus-visible")) return nameOf(e) + " does not show its focus";
	const editor = e.closest(".editor");
	if (editor) {
		const accent = getComputedStyle(document.querySelector(".side a[aria-current]") ?? e).color;
		return getComputedStyle(e.closest(".editorbox")).borderTopColor === accent ? "" : "the editor does not show its focus";
	}
	const style = getComputedStyle(e);
	return style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 ? nameOf(e) + " has no outline" : "";
};
`

// reader is a person without a mouse.
type reader struct{ *tab }

func (r reader) next() string {
	r.t.Helper()
	r.press(kb.Tab)
	if r.read(`document.activeElement === document.body`) == "true" {
		r.press(kb.Tab) // behind the last is the browser, and then the first
	}
	if bad := r.read(`badFocus()`); bad != "" {
		r.t.Error(bad)
	}
	return r.read(`nameOf(document.activeElement)`)
}

// tabTo goes forward until the focus is on what selector finds, whose text begins with text.
func (r reader) tabTo(selector, text string) {
	r.t.Helper()
	var passed []string
	for range 120 {
		passed = append(passed, r.next())
		if r.read(fmt.Sprintf(`document.activeElement.matches(%q) && document.activeElement.textContent.trim().startsWith(%q)`, selector, text)) == "true" {
			return
		}
	}
	r.t.Fatalf("Tab never comes to %s %q, but to %q", selector, text, passed)
}

// around goes through the whole page, and finds everything that can be acted on, once, in the order in which it is read.
func (r reader) around() {
	r.t.Helper()
	r.js(`scrollTo(0, 0); document.activeElement.blur(); getSelection().removeAllRanges(); window.met = []; document.querySelector(".skip").focus()`)
	first := r.read(`nameOf(document.activeElement)`)
	for i := 0; ; i++ {
		r.js(`met.push(document.activeElement)`)
		r.press(kb.Tab)
		if r.read(`document.activeElement === document.body || met.includes(document.activeElement)`) == "true" {
			break
		}
		if bad := r.read(`badFocus()`); bad != "" {
			r.t.Error(bad)
		}
		if i > 300 {
			r.t.Fatal("Tab has no end")
		}
	}
	missed := r.read(`[...document.querySelectorAll("a[href],button:not(:disabled),input,select,textarea,summary,[tabindex='0']")].filter(e => e.checkVisibility({visibilityProperty: true}) && !met.includes(e)).map(nameOf).join()`)
	if missed != "" {
		r.t.Errorf("from %q Tab does not come to %s", first, missed)
	}
	order := r.read(`met.map(e => e.closest(".top") ? 1 : e.closest(".side") ? 2 : e.closest(".middle") ? 3 : e.closest(".bar") ? 4 : e.closest(".log") ? 5 : e.closest(".tabs") ? 6 : 0).filter((n, i, a) => n !== a[i - 1]).join("")`)
	if order != "012345" && order != "0136" {
		r.t.Errorf("the focus goes through the regions in the order %s", order)
	}
}

// TestKeyboardOnly is a first visit without a mouse: arrive, send, look around, find another message, read what came, send it again, close.
func TestKeyboardOnly(t *testing.T) {
	chat, _ := program(t, "localhost:0")
	_, kitchenMux := kitchen.Doc(apidoc.Pseudo)
	chromium := browser(t)
	for name, c := range map[string]struct {
		base         string
		first, reply string // message sent on arrival, and its answer
		second       string // message to search for
	}{
		"minimal": {serve(t, minimal(), ""), "message", "message", "activity"},
		"chat":    {chat, "client_user_join", "server_users_list", "client_user_typing"},
		"kitchen": {serve(t, kitchenMux, "/api"), "strings", "strings", "numbers"},
	} {
		t.Run(name, func(t *testing.T) { keyboardOnly(t, chromium, c.base, c.first, c.reply, c.second) })
	}
}

func keyboardOnly(t *testing.T, chromium context.Context, base, first, reply, second string) {
	r := reader{open(t, chromium, base+"/docs", 1440, 900)}
	r.until(`document.activeElement?.matches(".editor textarea")`)
	r.js(watch)
	r.around()

	// The first message, from wherever one is.
	r.sendKey()
	r.until(fmt.Sprintf(`[...document.querySelectorAll(".row[data-dir=in] .name")].some(n => n.textContent === %q)`, reply))

	// Read the reply: into the log, up and down its lines, one of them unfolded.
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".view", "")
	r.press(kb.ArrowUp)
	for range 20 {
		if r.read(`document.activeElement.closest(".row")?.dataset.dir === "in" && document.activeElement.querySelector(".name").textContent`) == reply {
			break
		}
		r.press(kb.ArrowUp)
	}
	r.focused(".row[data-dir=in] .line")
	r.press(kb.Enter)
	r.sees(".detail .tree", "")
	r.focused(`.line[aria-expanded="true"]`)
	r.shoot("page-keyboard-" + t.Name()[len("TestKeyboardOnly/"):])
	r.press(kb.Tab)
	for r.read(`!!document.activeElement.closest(".detail .actions")`) != "true" {
		r.next()
	}
	r.focused(".detail .actions *")

	// Send the first message again, from its line.
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".view", "")
	for range 20 {
		r.press(kb.ArrowUp)
		if r.read(`document.activeElement.closest(".row")?.dataset.dir`) == "out" {
			break
		}
	}
	r.press("e")
	r.focused(".editor textarea")
	r.sees(".middle .title", first)
	sent := r.number(`document.querySelectorAll(".foot span")[1].textContent`)
	r.sendKey()
	r.until(fmt.Sprintf(`Number(document.querySelectorAll(".foot span")[1].textContent.replace(/\D/g, "")) === %d`, sent+1))

	// Find another message, and come back by the letters.
	r.press(kb.Escape)
	r.press("/")
	r.focused(".top input")
	r.press(second)
	r.sees(".side", second)
	r.press(kb.Enter)
	r.sees(".middle .title", second)
	r.focused(".editor textarea")
	r.sees(".verdict", "✓ valid")
	r.sendKey()
	r.until(fmt.Sprintf(`[...document.querySelectorAll(".row[data-dir=out] .name")].at(-1)?.textContent === %q`, second))
	r.press(kb.Escape)
	r.press("/")
	r.press(kb.Escape) // empties the search
	r.until(`document.querySelector(".top input").value === "" && !document.activeElement.matches("input")`)
	r.press("k")
	r.until(fmt.Sprintf(`!document.querySelector(".middle .title").textContent.startsWith(%q)`, second))
	r.press("j")
	r.sees(".middle .title", second)

	// The tabs: form and JSON, a second connection, and back to the first.
	r.js(`document.querySelector(".skip").focus()`)
	if r.read(`[...document.querySelectorAll(".modes button")].some(b => b.textContent === "Form" && !b.disabled)`) == "true" { // not without fields
		r.tabTo(".modes button", "Form")
		r.press(kb.Enter)
		r.until(`!!document.querySelector(".form")`)
		r.focused(".modes button[aria-selected=true]")
		r.press(kb.Tab, chromedp.KeyModifiers(8)) // Shift
		r.focused(".modes button")
		r.press(" ")
		r.until(`!!document.querySelector(".editor textarea")`)
		r.focused(".modes button[aria-selected=true]")
	}
	r.tabTo("button.add", "+")
	r.press(kb.Enter)
	r.until(`document.querySelectorAll(".conn").length === 2`)
	r.focused(".bar *")
	r.press("1")
	r.until(`document.querySelector('.conn[aria-selected="true"]').textContent === "A"`)

	// The filter, and the end.
	r.press("f")
	r.focused(".tools input")
	r.press("dir:out")
	r.until(`document.querySelectorAll(".row[data-dir=in]").length === 0`)
	r.press(kb.Escape)
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".status button", "Close")
	r.press(kb.Enter)
	r.sees(".status", "closed by you 1000")
	r.focused(".status button")
	r.press("?")
	r.focused("dialog *")
	r.press(kb.Escape)
	r.until(`!document.querySelector("dialog")`)
	r.around()
	if n := r.number(`mice`); n != 0 {
		t.Error(n, " events of a mouse")
	}
}

// focused waits until what selector finds has the focus, and shows it.
func (r reader) focused(selector string) {
	r.t.Helper()
	r.until(fmt.Sprintf(`document.activeElement?.matches(%q)`, selector))
	if bad := r.read(`badFocus()`); bad != "" {
		r.t.Error(bad)
	}
}

// TestKeyboardSmall: the parts of a small screen are reached by Tab too.
func TestKeyboardSmall(t *testing.T) {
	r := reader{statesPage(t, 360, 740)}
	r.js(watch)
	r.around()
	r.sendKey()
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".tabs button", "Log")
	r.press(kb.Enter)
	r.line("done")
	r.focused(`.tabs button[aria-pressed="true"]`)
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".tabs button", "Messages")
	r.press(" ")
	r.js(`document.querySelector(".skip").focus()`)
	r.tabTo(".side a", "↑question")
	r.press(kb.Enter)
	r.sees(".middle .title", "question")
	r.focused(".middle") // not the editor, which would call up a keyboard on the screen
	r.shoot("page-360-keyboard")
}
