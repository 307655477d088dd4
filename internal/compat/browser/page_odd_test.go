package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Names that JavaScript has a meaning for, names that look like others, and classes of a style sheet.
var oddNames = []string{
	"constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "prototype", "then", "length",
	"\u202eevil\u202c", "a\u2066b", "row primary doubt", `x" onclick="alert(1)`, "} body { display: none", "undefined", "null", "0", " ", "//evil.example/", "..", "#", "?", "%", "%zz", "e\u0301", "\U0001F600",
}

// odd is an endpoint that has them everywhere.
type odd struct{}

func (odd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, frames := handshake(w, r)
	defer conn.Close()
	if skipFrame(frames) != nil {
		return
	}
	send := func(text string) {
		head := []byte{0x81, byte(len(text))}
		if len(text) > 125 {
			head = []byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}
		}
		conn.Write(append(head, text...))
	}
	for _, name := range oddNames {
		q := quote(name)
		send(`{"type":` + q + `,"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},` + q + `:` + q + `}`)
		send(`{"type":"x` + strings.Trim(q, `"`) + `"}`)
	}
	send(`{"type":"error","code":"constructor","detail":"</script><!--"}`)
	send(`{"type":"error","code":"__proto__","detail":"\u202e"}`)
	skipFrame(frames)
}
func (odd) Params() []wsrouter.Param { return nil }
func (odd) Describe() wsrouter.Spec {
	spec := wsrouter.Spec{Name: "odd", Discriminator: "type", ID: "id"}
	for _, name := range oddNames {
		q, _ := json.Marshal(name)
		schema := fmt.Appendf(nil, `{"type":"object","required":["type"],"properties":{"type":{"type":"string","const":%s},"p %[2]s":{"type":"string","description":"a \u202eb"},"__proto__":{"type":"object","properties":{"polluted":{"type":"boolean"}}},"constructor":{}},
			"examples":[{"type":%[1]s,"p %[2]s":"</script><!--","__proto__":{"polluted":true}}]}`, q, strings.Trim(string(q), `"`))
		m := wsrouter.Message{Name: name, Names: []string{string(q)}, GoType: "x." + name, Description: name, Schema: schema}
		spec.Params = append(spec.Params, wsrouter.Param{Name: name, In: "query", Description: name, Schema: []byte(`{"type":"string"}`)})
		spec.Receives = append(spec.Receives, wsrouter.Operation{Handler: name, Message: m, Sends: []wsrouter.Message{m}})
		spec.Sends = append(spec.Sends, m)
	}
	return spec
}

// TestPageOddNames: names are only ever names.
func TestPageOddNames(t *testing.T) {
	mux, doc := http.NewServeMux(), apidoc.New("\u202eO", "1")
	doc.Mount(mux, "/odd", odd{})
	doc.Serve(mux, "/docs")
	b := watched(t, serve(t, mux, "")+"/docs")
	n := b.number(`document.querySelectorAll(".side li a:has(.up)").length`)
	if n != len(oddNames) {
		t.Fatal(n, " messages")
	}
	for i := range n {
		b.js(`document.querySelectorAll(".side li a:has(.up)")[%d].click()`, i)
		b.until(fmt.Sprintf(`[...document.querySelectorAll(".side a:has(.up)")].indexOf(document.querySelector(".side [aria-current]")) === %d`, i))
		b.sees(".verdict", "✓ valid")
		b.click(".modes button", "Form")
		b.click(".modes button", "JSON")
		b.harmless()
	}
	b.sendKey()
	b.until(fmt.Sprintf(`document.querySelector(".foot span").textContent === "↓ %d"`, 2*len(oddNames)+2))
	b.js(`document.querySelectorAll(".row[data-dir=in] .line[aria-expanded=false]").forEach(l => l.click())`)
	b.sees(".detail .tree", "polluted")
	b.shoot("page-odd")
	for _, word := range []string{"type:constructor", "dir:constructor", "conn:__proto__", "is:toString", "constructor:", "-__proto__:x"} {
		b.js(`{const f = document.querySelector(".tools input"); f.value = %q; f.dispatchEvent(new Event("input"))}`, word)
	}
	b.js(`{const f = document.querySelector(".top input"); f.value = "__proto__"; f.dispatchEvent(new Event("input"))}`)
	b.sees(".side", "found")
	b.harmless()
	if turned := b.read(`/[\u202a-\u202e\u2066-\u2069]/.test(document.title + document.body.innerText + document.querySelector(".editor textarea").value)`); turned != "false" {
		t.Error("a text turns others around")
	}
	if polluted := b.read(`"polluted" in {}`); polluted != "false" {
		t.Error("a name got into a prototype")
	}
	if hidden := b.read(`getComputedStyle(document.body).display === "none" || [...document.querySelectorAll(".side [class], .middle [class]")].some(e => e.classList.contains("doubt") && !e.matches(".send"))`); hidden != "false" {
		t.Error("a name became a class")
	}
}

// TestPageOddLinks: a link of a stranger can select and fill in, and nothing else.
func TestPageOddLinks(t *testing.T) {
	base := serve(t, states(), "")
	chromium := browser(t)
	for name, link := range map[string]string{
		"a script":       "#guarded-send-message?server=javascript:alert(1)",
		"another scheme": "#guarded-send-message?server=data:text/html,x",
		"another host":   "#guarded-send-message?server=//evil.example&path.room=lobby",
		"inside":         "#guarded-send-message?server=http://localhost@evil.example",
		"prototype":      "#__proto__?__proto__=1&constructor=2&path.__proto__=3",
		"constructor":    "#constructor",
		"orders":         "#states-send-do?connect=1&autoconnect=true&send=1&message={%22type%22:%22do%22}",
		"huge":           "#states-send-do?" + strings.Repeat("path.room=x&", 50_000),
		"a huge name":    "#" + strings.Repeat("x", 500_000),
		"half an escape": "#%E0%A4%A?%E0%A4%A=%E0%A4%A",
		"into the path":  "#guarded-send-message?path.room=..%2f..%2fstates%3fx%23y",
		"a turned text":  "#guarded-send-message?path.room=%E2%80%AEx",
		"a lone half":    "#guarded-send-message?path.room=%ED%A0%80",
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, chromium, base+"/docs"+link, 1440, 900)
			b.until(`!!document.querySelector(".console .editor textarea")`)
			b.sees(".status", "not connected")
			b.harmless()
			b.responsive(100 * time.Millisecond)
			if strings.Contains(link, "server=") {
				b.sees(".notice", "names a server that this document does not")
			}
			if at := b.read(`location.pathname`); at != "/docs" {
				t.Error("the page is at ", at)
			}
			if name == "into the path" {
				b.sees(".status .address", "/guarded/%2E%2E/%2E%2E/states")
			}
		})
	}
}

// TestPageLargeDocument: ten thousand fields, an enormous title and a schema that is nested deeply are shown, and the page answers.
func TestPageLargeDocument(t *testing.T) {
	mux := http.NewServeMux()
	doc := apidoc.New(strings.Repeat("A long title. ", 10_000), strings.Repeat("1.", 5_000))
	doc.Description = strings.Repeat("word ", 100_000)
	doc.Mount(mux, "/large", large{})
	doc.Serve(mux, "/docs")
	b := watched(t, serve(t, mux, "")+"/docs")
	b.sees(".middle .title", "fields")
	b.sees(".verdict", "✓ valid")
	b.until(`document.querySelectorAll(".fields tbody tr").length >= 10000`)
	b.responsive(250 * time.Millisecond) // all of them are laid out
	b.shoot("page-large")
	b.pick("large-send-deep")
	b.sees(".verdict", "✓ valid")
	b.until(`document.documentElement.scrollWidth <= innerWidth && document.querySelector(".top .links").getBoundingClientRect().right <= innerWidth`)
	b.responsive(100 * time.Millisecond)
	b.shoot("page-deep")
}

type large struct{}

func (large) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
func (large) Params() []wsrouter.Param                         { return nil }
func (large) Describe() wsrouter.Spec {
	var fields []string
	for i := range 10_000 {
		fields = append(fields, fmt.Sprintf(`"field_%d":{"type":"string","description":"The field number %d.","maxLength":%d}`, i, i, i+1))
	}
	flat := `{"type":"object","required":["type","field_0"],"properties":{"type":{"type":"string","const":"fields"},` + strings.Join(fields, ",") + `},"examples":[{"type":"fields","field_0":"x"}]}`
	deep := strings.Repeat(`{"type":"object","properties":{"in":`, 60) + `{"type":"string"}` + strings.Repeat(`}}`, 60)
	deep = `{"type":"object","required":["type"],"properties":{"type":{"type":"string","const":"deep"},"in":` + deep + `},"examples":[{"type":"deep"}]}`
	message := func(name, schema string) wsrouter.Operation {
		return wsrouter.Operation{Handler: name, Message: wsrouter.Message{Name: name, Names: []string{quote(name)}, GoType: "x." + name, Schema: []byte(schema)}}
	}
	return wsrouter.Spec{Name: "large", Discriminator: "type", Receives: []wsrouter.Operation{message("fields", flat), message("deep", deep)}}
}
