package browser

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A firehose is documented by a router and served by hand: frames that were made before are written to the bare connection, many
// at a time, so that the server costs next to nothing and what is measured is the page.
type firehose struct {
	apidoc.Endpoint
	rate  int // messages a second
	total int
}

func newFirehose(rate, seconds int) *firehose {
	r := wsrouter.New[struct{}](&wsrouter.Options{Name: "flood"})
	r.Sends(Heartbeat{})
	wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[struct{}], m Do) error { return nil })
	return &firehose{r, rate, rate * seconds}
}

const perSecond = 100 // writes

// handshake opens a WebSocket (RFC 6455, section 4.2.2) on the bare connection.
func handshake(w http.ResponseWriter, r *http.Request) (net.Conn, *bufio.Reader) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
	return conn, buffered.Reader
}

// ServeHTTP waits for a first frame, and floods.
func (f *firehose) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, buffered := handshake(w, r)
	defer conn.Close()
	if skipFrame(buffered) != nil || f.flood(conn) != nil {
		return
	}
	if skipFrame(buffered) == nil { // the page closes
		conn.Write([]byte{0x88, 2, 0x03, 0xe8})
	}
}

func (f *firehose) flood(conn net.Conn) error {
	var block bytes.Buffer
	for i := range f.rate / perSecond {
		m := fmt.Sprintf(`{"type":"heartbeat","n":%d}`, i)
		block.Write([]byte{0x81, byte(len(m))})
		block.WriteString(m)
	}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	began := time.Now()
	for sent := 0; sent < f.total; <-tick.C {
		due := min(int(time.Since(began).Seconds()*float64(f.rate))+f.rate/perSecond, f.total)
		for ; sent < due; sent += f.rate / perSecond { // a tick that came late is made up for
			if _, err := conn.Write(block.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipFrame reads one short frame of a client.
func skipFrame(r *bufio.Reader) error {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	_, err := r.Discard(4 + n)
	return err
}

// TestPageFlood: 50,000 messages a second for five seconds. The page takes them as fast as this browser on this machine can deliver them, which a worker that
// only counts tells in the same run; a key is answered meanwhile; what nobody can read is counted and not kept.
func TestPageFlood(t *testing.T) {
	const rate, seconds = 50_000, 5
	hose := newFirehose(rate, seconds)
	mux := http.NewServeMux()
	doc := apidoc.New("Flood", "1")
	doc.Mount(mux, "/flood", hose)
	doc.Serve(mux, "/docs")
	mux.HandleFunc("GET /bare", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><link rel="icon" href="data:,">`)
	})
	mux.HandleFunc("GET /bare.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, bareWorker)
	})
	base := serve(t, mux, "")
	chromium := browser(t)
	for round := 1; ; round++ { // the machine has few cores, and others on them
		bare := bareFlood(t, chromium, base)
		pace, answer := pageFlood(t, chromium, base, rate*seconds)
		t.Logf("%.0f messages a second, where a bare worker counts %.0f; a key answered within %v", pace, bare, answer)
		if pace >= 0.9*bare && answer <= 100*time.Millisecond {
			break
		}
		if round == 4 {
			t.Fatal("the page does not keep up, or does not answer within 100 ms")
		}
	}
}

const bareWorker = `
const socket = new WebSocket(location.origin.replace("http", "ws") + "/flood");
let n = 0;
socket.onmessage = () => { n++; };
socket.onopen = () => socket.send("go");
setTimeout(() => {
	const from = n, began = performance.now();
	setTimeout(() => { postMessage((n - from) / (performance.now() - began) * 1000); close(); }, 3000);
}, 500);
`

func bareFlood(t *testing.T, chromium context.Context, base string) float64 {
	t.Helper()
	b := open(t, chromium, base+"/bare", 800, 600)
	rate, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](`new Promise(done => { new Worker("/bare.js").onmessage = (e) => done(e.data) })`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return rate
}

func pageFlood(t *testing.T, chromium context.Context, base string, total int) (pace float64, answer time.Duration) {
	t.Helper()
	b := open(t, chromium, base+"/docs", 1440, 900)
	b.sees(".verdict", "✓ valid")
	idle := b.heap()
	b.sendKey()
	b.until(`document.querySelectorAll(".row[data-dir=in]").length > 5`)
	pace = b.pace(3 * time.Second)
	answer = b.answer()
	b.shoot("page-flood")
	b.sees(".foot", "not kept")
	b.until(fmt.Sprintf(`Number(document.querySelector(".foot span").textContent.replace(/\D/g, "")) === %d`, total))
	lost := b.number(`document.querySelector(".foot .lost").textContent`)
	t.Logf("%d of %d not kept; heap %d MiB before, %d MiB behind", lost, total, idle, b.heap())
	if grown := b.heap() - idle; grown > 64 {
		t.Errorf("the page's heap grew by %d MiB", grown)
	}
	if lost < total*8/10 || lost > total {
		t.Errorf("%d of %d were not kept", lost, total)
	}
	if lines := b.number(`parseInt(document.querySelector(".space").style.height) / 30`); lines > 21_000 {
		t.Error(lines, " lines are kept")
	}
	if rows := b.number(`document.querySelectorAll(".row").length`); rows > 99 {
		t.Error(rows, " rows in the document")
	}
	b.click(".status button", "Close")
	b.sees(".status", "closed by you 1000")
	return pace, answer
}

// number reads the digits of a text.
func (b *tab) number(expression string) int {
	b.t.Helper()
	n, err := strconv.Atoi(strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, b.read(expression)))
	if err != nil {
		b.t.Fatal(expression, ": ", err)
	}
	return n
}

// heap is what the page's own thread holds, in MiB.
func (b *tab) heap() int { return b.number(`Math.round(performance.memory.usedJSHeapSize / 1048576)`) }

// pace measures how many messages a second the page's connection receives, by the page's own clock.
func (b *tab) pace(span time.Duration) float64 {
	b.t.Helper()
	rate, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](fmt.Sprintf(`(async () => {
		const count = async () => {
			const foot = document.querySelector(".foot"), was = foot.textContent;
			while (foot.textContent === was) await new Promise(r => requestAnimationFrame(r)); // as soon as it is told
			return [performance.now(), Number(foot.querySelector("span").textContent.replace(/\D/g, ""))];
		};
		const [t0, n0] = await count();
		await new Promise(r => setTimeout(r, %d));
		const [t1, n1] = await count();
		return (n1 - n0) / (t1 - t0) * 1000;
	})()`, span.Milliseconds()), chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return rate
}
