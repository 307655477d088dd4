package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// program runs the chat as a user would and returns the address it prints. stop ends it by SIGTERM and is
// called at the test's end, if not before. flags are go build's.
func program(t *testing.T, addr string, flags ...string) (base string, stop func()) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "chat")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", bin}, flags, []string{"./examples/chat"})...)
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-addr", addr)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error("the chat ended with", err)
		}
	})
	t.Cleanup(stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var docs string
	if _, err := fmt.Sscanf(line, "chat: %s docs: %s", &base, &docs); err != nil || docs != base+"/docs" {
		t.Fatalf("printed %q: %v", line, err)
	}
	return base, stop
}

// idleChat is the flag that makes the chat's connections wait without a goroutine.
func idleChat(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs("../../../examples/chat/chat.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(source, []byte("wsrouter.Options{\n"), []byte("wsrouter.Options{Idle: true,\n"), 1)
	if bytes.Equal(changed, source) {
		t.Fatal("the chat has no Options")
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: filepath.Join(dir, "chat.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"chat.go": changed, "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return "-overlay=" + filepath.Join(dir, "overlay.json")
}

// TestMain ends the Chromium of all tests.
func TestMain(m *testing.M) {
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

var stopChromium = func() {}

// chromium is one for all tests: to start it takes a second or two.
var chromium = sync.OnceValues(func() (context.Context, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // CI is root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute), // a cold start on a small machine
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	stopChromium = stop
	ctx, _ := chromedp.NewContext(allocator)
	return ctx, chromedp.Do(ctx)
})

// browser is what the tabs of a test share, such as storage, and no other test has.
func browser(t *testing.T) context.Context {
	t.Helper()
	all, err := chromium()
	if err != nil {
		t.Fatal("start Chromium: ", err)
	}
	ctx, cancel := chromedp.NewContext(all, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("a new window: ", err)
	}
	return ctx
}

type step = chromedp.Action[chromedp.Void]

// A tab is one page and what it complained about.
type tab struct {
	t    *testing.T
	ctx  context.Context
	host string

	mu     sync.Mutex
	faults []string
}

// open opens a tab of that size. Console errors and requests to other hosts are faults, which the test fails
// on at its end unless it has taken them.
func open(t *testing.T, browser context.Context, address string, width, height int64) *tab {
	t.Helper()
	page, _, _ := strings.Cut(address, "#") // what stands behind it may be no URL
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, host: u.Host}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	b.run(chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
	t.Cleanup(func() {
		for _, fault := range b.take() {
			t.Error(fault)
		}
	})
	return b
}

func (b *tab) listen(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			fault += " " + thrown.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			fault = fmt.Sprintf("console: %s %s", e.Args[0].Value, e.Args[0].Description)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			fault = fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != b.host && u.Scheme != "data" && u.Scheme != "blob" {
			fault = "request to another host: " + e.Request.URL
		}
	case *network.EventWebSocketCreated:
		if u, err := url.Parse(e.URL); err != nil || u.Host != b.host {
			fault = "socket to another host: " + e.URL
		}
	}
	if fault != "" {
		b.mu.Lock()
		b.faults = append(b.faults, fault)
		b.mu.Unlock()
	}
}

// take returns the faults so far and forgets them.
func (b *tab) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

func (b *tab) run(actions ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a JavaScript expression to become true.
func (b *tab) until(expression string) {
	b.t.Helper()
	err := chromedp.Do(b.ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(20*time.Second)))
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		b.shoot("fault")
		b.t.Fatalf("%s: %v; the page shows:\n%s", expression, err, text)
	}
}

// sees waits for text within the element that selector finds.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() && document.querySelector(%q).textContent.includes(%q)", selector, selector, text))
}

// shoot takes a picture for people, into the folder that ARTIFACTS names, if any.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	b.run(chromedp.Sleep(300 * time.Millisecond)) // transitions end: a picture is for eyes
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Error(err)
		return
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		b.t.Error(err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o666); err != nil {
		b.t.Error(err)
	}
}

func (b *tab) join(name string) {
	b.t.Helper()
	b.until(`document.getElementById("state").dataset.state === "open"`)
	b.run(chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.Click(chromedp.CSS("#join button")))
}

func (b *tab) say(text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS("#text"), text), chromedp.Click(chromedp.CSS("#compose button")))
}

func TestChat(t *testing.T) { testChat(t) }

func TestChatIdle(t *testing.T) { testChat(t, idleChat(t)) }

func testChat(t *testing.T, flags ...string) {
	base, _ := program(t, "localhost:0", flags...)
	chromium := browser(t)
	ada := open(t, chromium, base, 1280, 800)
	ada.shoot("arrival")
	ada.join("Ada")
	ada.sees("#members", "Ada")
	ada.say("Is anybody here?")
	ada.sees("#log", "Is anybody here?")

	bob := open(t, chromium, base, 1280, 800)
	bob.sees("#members", "Ada") // before he joins
	bob.join("ada")
	bob.sees("#name-fault", "somebody in this room is called ada")
	bob.join("Bob")
	bob.sees("#log", "Is anybody here?") // said before he came
	ada.sees("#log", "Bob joined")
	ada.sees("#members", "Bob")

	bob.run(chromedp.SendKeys(chromedp.CSS("#text"), "Yes, <b>I</b> am!"))
	ada.sees("#typing", "Bob is typing")
	ada.shoot("typing")
	bob.run(chromedp.Click(chromedp.CSS("#compose button")))
	ada.sees("#log", "Yes, <b>I</b> am!") // as text
	bob.sees("#log .mine", "Yes, <b>I</b> am!")
	ada.say("Good. How does the new docs page look to you?")
	bob.say("It talks to the live socket.\nNo wiki page to keep any more.")
	ada.sees("#log", "No wiki page")
	ada.shoot("conversation")

	bob.run(chromedp.Click(chromedp.CSS(`[data-room="2"]`))) // he walks over under the same name
	bob.sees("#title", "Workshop")
	bob.sees("#members", "Bob")
	ada.sees("#log", "Bob left")
	ada.say("Gone already.")
	ada.sees("#log", "Gone already.")
	bob.until(`!document.getElementById("log").textContent.includes("Gone")`)

	bob.run(chromedp.Click(chromedp.CSS("#leave")))
	bob.sees("#log", "You left")
	bob.sees("#join", "Your name")
}

func TestSmallScreen(t *testing.T) {
	base, _ := program(t, "localhost:0")
	b := open(t, browser(t), base, 360, 640)
	b.shoot("small-arrival")
	b.join("Ada")
	b.say("A word that is much too long: " + strings.Repeat("pneumono", 12))
	b.say("And a short one.")
	b.sees("#log", "And a short one.")
	b.until("document.documentElement.scrollWidth <= 360")
	b.shoot("small")
}

func TestDark(t *testing.T) {
	base, _ := program(t, "localhost:0")
	b := open(t, browser(t), base, 1280, 800)
	b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return chromedp.Void{}, err
	})
	b.join("Ada")
	b.say("Good evening.")
	b.sees("#log", "Good evening.")
	b.shoot("dark")
}

func TestWrongRoom(t *testing.T) {
	base, _ := program(t, "localhost:0")
	b := open(t, browser(t), base+"/?room=3", 1280, 800)
	b.sees("#notice", "Room “3” was refused (404): no such room; there are 1 and 2")
	b.shoot("refused")
	if faults := b.take(); len(faults) == 0 {
		t.Error("the browser itself reported no refused socket")
	}
	b.run(chromedp.Click(chromedp.CSS(`[data-room="1"]`)))
	b.sees("#state", "Connected")
}

// TestRestart takes the server away and brings it back: the page says so, keeps what was being written, and joins again.
func TestRestart(t *testing.T) {
	base, stop := program(t, "localhost:0")
	b := open(t, browser(t), base, 1280, 800)
	b.join("Ada")
	b.say("before")
	b.sees("#log", "before")
	b.run(chromedp.SendKeys(chromedp.CSS("#text"), "half a sen"))
	stop()
	b.sees("#notice", "The server is restarting")
	b.sees("#state", "Reconnecting in")
	b.shoot("restart")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	program(t, u.Host)
	b.run(chromedp.Evaluate[chromedp.Void](`document.getElementById("retry").click()`))
	b.sees("#members", "Ada")
	b.run(chromedp.SendKeys(chromedp.CSS("#text"), "tence"), chromedp.Click(chromedp.CSS("#compose button")))
	b.sees("#log", "half a sentence")
	b.sees("#log", "before") // still there
	b.sees("#log", "The server has begun anew")
	b.until(`document.getElementById("notice").hidden`)
	b.take() // what the browser said about the lost server
}

// TestResume takes the network away from one of two people, who is given what was missed.
func TestResume(t *testing.T) {
	base, _ := program(t, "localhost:0")
	chromium := browser(t)
	through, cut, mend := cable(t, strings.TrimPrefix(base, "http://"))
	ada, bob := open(t, chromium, base, 1280, 800), open(t, chromium, through, 1280, 800)
	ada.join("Ada")
	bob.join("Bob")
	ada.say("before")
	bob.sees("#log", "before")
	cut()
	bob.sees("#notice", "The connection was lost")
	ada.sees("#log", "Bob left")
	ada.say("while he is away")
	ada.say("and once more")
	ada.sees("#log .mine:last-child", "and once more")
	mend()
	bob.js(`document.getElementById("retry").click()`)
	bob.sees("#log", "Back again, 2 missed")
	bob.sees("#log", "and once more")
	bob.sees("#members", "Bob")
	ada.say("welcome back")
	bob.sees("#log .said:last-child", "welcome back")
	if got := bob.read(`[...document.querySelectorAll("#log .text")].map((n) => n.textContent).join("|")`); got != "before|while he is away|and once more|welcome back" {
		t.Errorf("Bob has %q", got)
	}
	if log := bob.read(`document.getElementById("log").textContent`); strings.Contains(log, "You left") || strings.Contains(log, "Bob left") {
		t.Errorf("Bob hears of himself: %q", log)
	}
	bob.shoot("resumed")
	bob.take() // what the browser said about the lost network
}

// cable leads connections to the server at target, until cut and again after mend.
func cable(t *testing.T, target string) (base string, cut, mend func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	whole := true
	set := func(to bool) {
		mu.Lock()
		defer mu.Unlock()
		whole = to
		for _, c := range conns {
			c.Close()
		}
		conns = nil
	}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			if conns = append(conns, in, out); !whole {
				in.Close()
				out.Close()
			}
			mu.Unlock()
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	t.Cleanup(func() { ln.Close(); set(false) })
	return "http://" + ln.Addr().String(), func() { set(false) }, func() { set(true) }
}

func TestDocuments(t *testing.T) {
	base, _ := program(t, "localhost:0")
	for path, want := range map[string]string{
		"/openapi.json":  `"/ws/{room_id}"`,
		"/openapi.yaml":  "/ws/{room_id}:",
		"/asyncapi.json": `"/ws/{room_id}"`,
		"/asyncapi.yaml": "/ws/{room_id}",
	} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %s, without %q (%v)", path, resp.Status, want, err)
		}
	}
	b := open(t, browser(t), base+"/docs", 1280, 800)
	b.until(`document.body.innerText.includes("client_user_message")`)
	b.shoot("docs")
	for _, name := range []string{"client_user_join", "client_user_message"} {
		b.pick("chat-send-" + name)
		b.sendKey()
	}
	b.line("joined") // and what has a position: all of it is documented
	b.line("server_user_message")
	if flagged := b.read(`[...document.querySelectorAll(".row[data-flag]:not([data-flag=''])")].map((r) => r.dataset.flag + " " + r.textContent).join("\n")`); flagged != "" {
		t.Errorf("the page flags:\n%s", flagged)
	}
	b.js(`[...document.querySelectorAll(".row .line")].find((l) => l.textContent.includes("joined")).click()`)
	b.sees(".detail", "position")
	b.shoot("docs-joined")
}
