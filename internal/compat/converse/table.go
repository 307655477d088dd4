package converse

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// limit is how long a message to /echo and /chat may be.
const limit = 64 << 10

// Table returns the conversations.
func Table() []Conversation {
	a, b, c, d := client(0), client(1), client(2), client(3)
	return []Conversation{
		{"small text", a.echoes(text("hello"), text("{}"), text(`{"type":"unknown"}`), text(" "), text("null"))},
		{"empty messages", a.echoes(text(""), binary(nil), text(""), text("end"))},
		{"text of all planes", a.echoes(
			text("Grüße, 漢字, עברית, हिन्दी, ไทย"), text("👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 𝄞"), text("\ufeffa byte order mark"), text("\x00 \x7f \u0080 \u2028 \ufffd \uffff \U0010ffff"))},
		{"text whose runes lie across 125 and 126 bytes", a.echoes(text(strings.Repeat("é", 62)), text(strings.Repeat("é", 62)+"a"), text(strings.Repeat("é", 63)), text("a"+strings.Repeat("😀", 32)))},
		{"binary", a.echoes(binary([]byte{0}), binary([]byte{0xff, 0xfe, 0x80}), binary(noise(1000)), binary(make([]byte, 1000)))},
		{"text and binary in turn", a.echoes(text("one"), binary([]byte("two")), text("three"), binary([]byte("four")))},
		{"lengths about those of a header", a.echoes(binary(noise(124)), binary(noise(125)), binary(noise(126)), binary(noise(127)), binary(noise(65534)), binary(noise(65535)))},
		{"as long as allowed", a.echoes(binary(noise(limit)), text(strings.Repeat("a", limit)), text(strings.Repeat("😀", limit/4)), text("end"))},
		{"binary longer than allowed", []Step{a.open("/echo"), a.send(binary(noise(limit + 1))), a.ended(1009, tooLong)}},
		{"text longer than allowed", []Step{a.open("/echo"), a.send(text(strings.Repeat("a", limit+1))), a.ended(1009, tooLong)}},
		{"text longer than allowed behind others", []Step{a.open("/echo"), a.send(text("one"), text("two")), a.want(text("one"), text("two")), a.send(text(strings.Repeat("é", limit/2) + "a")), a.ended(1009, tooLong)}},
		{"a megabyte", a.talks("/large", binary(noise(1<<20)), text(strings.Repeat("0123456789abcdef", 1<<16)), text(base64.StdEncoding.EncodeToString(noise(300_000))))},
		{"messages of which each resembles the last", a.echoes(count(40, func(n int) Frame {
			return text(fmt.Sprintf(`{"n":%d,"page":%q}`, n, strings.Repeat("the same again ", 10*n)))
		})...)},
		{"messages that do not compress beside such that do", a.echoes(count(20, func(n int) Frame {
			if n%2 == 0 {
				return binary(noise(2000 * n))
			}
			return binary(make([]byte, 3000*n))
		})...)},
		{"a message that lies further back than a window", a.echoes(binary(noise(40_000)), binary(noise(40_000)), text(strings.Repeat("b", 40_000)), binary(noise(40_000)))},

		{"a burst", a.burst("/echo", 2000, func(n int) (sent, wanted Frame) {
			return text(fmt.Sprint("number ", n)), text(fmt.Sprint("number ", n))
		})},
		{"a burst of typed messages", a.burst("/chat", 1000, func(n int) (sent, wanted Frame) { return says(fmt.Sprint(n)), saidBack(fmt.Sprint(n)) })},
		{"a burst of all lengths", a.burst("/patient", 60, func(n int) (sent, wanted Frame) { return binary(noise(n * 1000)), binary(noise(n * 1000)) })},
		{"a typed message", []Step{a.open("/chat"), a.want(welcomes("")), a.send(says("Grüße 👋")), a.want(saidBack("Grüße 👋"))}},
		{"the server pushes while the client sends", []Step{
			a.open("/chat"), a.want(welcomes("")),
			a.send(message("push", "count", 500)),
			a.send(count(500, func(n int) Frame { return says(fmt.Sprint(n)) })...),
			a.mixed(count(500, pushes), count(500, func(n int) Frame { return saidBack(fmt.Sprint(n)) })),
		}},
		{"a broadcast", []Step{
			a.open("/chat"), a.want(welcomes("")), b.open("/chat"), b.want(welcomes("")), c.open("/chat"), c.want(welcomes("")), d.open("/chat"), d.want(welcomes("")),
			a.send(message("shout", "text", "all of you")), a.want(saidBack("all of you")), b.want(saidBack("all of you")), c.want(saidBack("all of you")), d.want(saidBack("all of you")),
			b.send(message("shout", "text", long)), a.want(saidBack(long)), b.want(saidBack(long)), c.want(saidBack(long)), d.want(saidBack(long)),
		}},
		{"broadcasts of several at the same time", slices.Concat(
			[]Step{a.open("/chat"), a.want(welcomes("")), b.open("/chat"), b.want(welcomes("")), c.open("/chat"), c.want(welcomes(""))},
			[]Step{a.send(count(100, shouts("a"))...), b.send(count(100, shouts("b"))...)},
			[]Step{a.mixed(count(100, shouted("a")), count(100, shouted("b"))), b.mixed(count(100, shouted("a")), count(100, shouted("b"))), c.mixed(count(100, shouted("a")), count(100, shouted("b")))},
			[]Step{b.alike(), c.alike()},
		)},

		{"the client closes with a code and a reason", []Step{
			a.open("/watched"), a.want(welcomes("")), b.open("/watched"), b.want(welcomes("")),
			a.close(4001, "Grüße 👋"), a.ended(4001, ""), b.want(leaves(4001, "Grüße 👋", true)),
		}},
		{"the client closes with 1000", []Step{a.open("/watched"), a.want(welcomes("")), b.open("/watched"), b.want(welcomes("")), a.close(1000, ""), a.ended(1000, ""), b.want(leaves(1000, "", true))}},
		{"the client closes with nothing", []Step{a.open("/watched"), a.want(welcomes("")), b.open("/watched"), b.want(welcomes("")), a.close(0, ""), a.ended(1005, ""), b.want(leaves(1005, "", true))}},
		{"the client closes as soon as it is there", []Step{a.open("/echo"), a.close(3000, strings.Repeat("r", 123)), a.ended(3000, "")}},
		{"the server closes", []Step{a.open("/watched"), a.want(welcomes("")), b.open("/watched"), b.want(welcomes("")), a.send(ends(4999, "Grüße 👋", 0)), a.ended(4999, "Grüße 👋"), b.want(leaves(4999, "Grüße 👋", false))}},
		{"the server closes with 1000", []Step{a.open("/chat"), a.want(welcomes("")), a.send(ends(1000, "", 0)), a.ended(1000, "")}},
		{"the server closes with a long reason", []Step{a.open("/chat"), a.want(welcomes("")), a.send(ends(1013, strings.Repeat("é", 61)+"!", 0)), a.ended(1013, strings.Repeat("é", 61)+"!")}},
		{"the server closes behind what it has sent", []Step{a.open("/chat"), a.want(welcomes("")), a.send(ends(4000, "done", 1000)), a.want(count(1000, pushes)...), a.ended(4000, "done")}},
		{"what the client sends behind the server's close is not taken", []Step{a.open("/chat"), a.want(welcomes("")), a.send(ends(4000, "done", 1), says("too late"), says("too late")), a.want(pushes(0)), a.ended(4000, "done")}},
		{"a client that nobody wants: 1008", []Step{a.open("/rejecting"), a.want(message("error", "code", "unwanted", "detail", "nobody is let in")), a.ended(1008, "unwanted")}},
		{"too many messages in a second: 1008", []Step{a.open("/measured"), a.want(welcomes("")), a.send(says("one"), says("two")), a.want(saidBack("one")), a.ended(1008, "too many messages: at most 1 message a second")}},
		{"a binary frame where text is spoken: 1003", []Step{a.open("/chat"), a.want(welcomes("")), a.send(binary([]byte("{}"))), a.ended(1003, "messages are text frames here, this one is binary")}},
		{"a handler panics: 1011", []Step{a.open("/watched"), a.want(welcomes("")), b.open("/watched"), b.want(welcomes("")), a.send(fails("panic")), a.ended(1011, "internal error"), b.want(leaves(1011, "internal error", false)), b.send(says("still here")), b.want(saidBack("still here"))}},
		{"a handler that fails ends nothing", []Step{a.open("/chat"), a.want(welcomes("")), a.send(fails("error"), fails("answer"), says("on")), a.want(message("error", "code", "internal", "detail", "internal error"), message("error", "code", "unwilling", "detail", "not today"), saidBack("on"))}},
		{"a client that does not keep up: 1013", []Step{a.open("/narrow"), a.want(welcomes("")), a.send(message("flood")), a.flooded(1013, tooSlow)}},

		{"a subprotocol is agreed on", []Step{a.offer("/chat", "chat.v2", "chat.v1", "chat.v2"), a.want(welcomes("chat.v2")), b.offer("/chat", "chat.v1", "other", "chat.v1"), b.want(welcomes("chat.v1"))}},
		{"pings are answered while nothing is said", []Step{a.open("/lively"), a.want(welcomes("")), a.send(message("rest", "ms", 1500, "block", false)), a.want(message("rested")), a.send(says("on")), a.want(saidBack("on"))}},
		{"pings are answered while a handler blocks", []Step{a.open("/lively"), a.want(welcomes("")), a.send(message("rest", "ms", 1500, "block", true), says("on")), a.want(message("rested"), saidBack("on"))}},
		{"a client that comes back again and again", slices.Repeat([]Step{a.open("/chat"), a.want(welcomes("")), a.send(says(long)), a.want(saidBack(long)), a.close(1000, ""), a.ended(1000, "")}, 20)},
		{"a client that comes back after it was sent away", slices.Repeat([]Step{a.open("/chat"), a.want(welcomes("")), a.send(ends(1012, "again", 3)), a.want(pushes(0), pushes(1), pushes(2)), a.ended(1012, "again")}, 10)},

		{"a page of somebody else: 403", []Step{a.foreign("/chat"), a.open("/chat"), a.want(welcomes(""))}},
		{"a plain GET: 426", []Step{a.get("/chat", 426), a.get("/echo", 426)}},
		{"a rejection: 401", []Step{a.refused("/barred", 401)}},
		{"no such endpoint: 404", []Step{a.refused("/nowhere", 404)}},
		{"no place left: 503", []Step{a.open("/single"), a.want(welcomes("")), b.refused("/single", 503), a.send(says("mine")), a.want(saidBack("mine"))}},
		{"the server shuts down: 1001, then 503", []Step{
			a.open("/leaving"), a.want(welcomes("")), b.open("/leaving"), b.want(welcomes("")),
			a.send(message("leave")), a.ended(1001, leaving), b.ended(1001, leaving), c.refused("/leaving", 503),
		}},
	}
}

// What the server gives as reasons.
const (
	tooLong = "message over 65536 bytes…" // and how long it is, where that is known
	tooSlow = "too slow: the outbox of 65536 bytes is full"
	leaving = "server shutting down"
)

// long compresses.
var long = strings.Repeat("a longer text, which compresses; ", 100)

// client is a client of a conversation by its number, which begins the lines of the table.
type client int

func (c client) open(path string) Step { return Step{Do: "open", Client: int(c), Path: path} }
func (c client) offer(path, agreed string, protocols ...string) Step {
	return Step{Do: "open", Client: int(c), Path: path, Protocols: protocols, Subprotocol: agreed}
}
func (c client) refused(path string, status int) Step {
	return Step{Do: "refused", Client: int(c), Path: path, Status: status}
}
func (c client) foreign(path string) Step {
	return Step{Do: "refused", Client: int(c), Path: path, Status: 403, Foreign: true}
}
func (c client) get(path string, status int) Step {
	return Step{Do: "get", Client: int(c), Path: path, Status: status}
}
func (c client) send(frames ...Frame) Step { return Step{Do: "send", Client: int(c), Frames: frames} }
func (c client) want(frames ...Frame) Step { return Step{Do: "want", Client: int(c), Frames: frames} }
func (c client) mixed(streams ...[]Frame) Step {
	return Step{Do: "mixed", Client: int(c), Streams: streams}
}
func (c client) alike() Step { return Step{Do: "alike", Client: int(c)} }
func (c client) close(code int, reason string) Step {
	return Step{Do: "close", Client: int(c), Code: code, Reason: reason}
}
func (c client) ended(code int, reason string) Step {
	return Step{Do: "ended", Client: int(c), Code: code, Reason: reason}
}
func (c client) flooded(code int, reason string) Step {
	return Step{Do: "ended", Client: int(c), Code: code, Reason: reason, Flooded: true}
}

// echoes sends frames and gets back each before the next.
func (c client) echoes(frames ...Frame) []Step { return c.talks("/echo", frames...) }

func (c client) talks(path string, frames ...Frame) []Step {
	steps := []Step{c.open(path)}
	for _, f := range frames {
		steps = append(steps, c.send(f), c.want(f))
	}
	return append(steps, c.close(1000, "done"), c.ended(1000, ""))
}

// burst sends n frames before it looks at an answer.
func (c client) burst(path string, n int, frames func(n int) (sent, wanted Frame)) []Step {
	var sent, wanted []Frame
	if path == "/chat" {
		wanted = append(wanted, welcomes(""))
	}
	for i := range n {
		s, w := frames(i)
		sent, wanted = append(sent, s), append(wanted, w)
	}
	return []Step{c.open(path), c.send(sent...), c.want(wanted...), c.close(1000, ""), c.ended(1000, "")}
}

func text(s string) Frame      { return Frame{Data: []byte(s)} }
func binary(data []byte) Frame { return Frame{Binary: true, Data: data} }

// noise is n bytes that do not compress, the same for every n.
func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(data)
	return data
}

func count(n int, frame func(n int) Frame) []Frame {
	frames := make([]Frame, n)
	for i := range frames {
		frames[i] = frame(i)
	}
	return frames
}

// message is what the server makes of a type and pairs of members and values: in that order, without space.
func message(name string, pairs ...any) Frame {
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":%q`, name)
	for i := 0; i < len(pairs); i += 2 {
		value, err := json.Marshal(pairs[i+1])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, `,%q:%s`, pairs[i], value)
	}
	return text(b.String() + "}")
}

func says(s string) Frame          { return message("say", "text", s) }
func saidBack(s string) Frame      { return message("said", "text", s) }
func pushes(n int) Frame           { return message("pushed", "n", n) }
func fails(how string) Frame       { return message("fail", "how", how) }
func welcomes(agreed string) Frame { return message("welcome", "subprotocol", agreed) }
func ends(code int, reason string, behind int) Frame {
	return message("end", "code", code, "reason", reason, "count", behind)
}
func leaves(code int, reason string, remote bool) Frame {
	return message("left", "code", code, "reason", reason, "remote", remote)
}

func shouts(who string) func(n int) Frame {
	return func(n int) Frame { return message("shout", "text", fmt.Sprint(who, n)) }
}
func shouted(who string) func(n int) Frame {
	return func(n int) Frame { return saidBack(fmt.Sprint(who, n)) }
}
