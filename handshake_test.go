package wsrouter_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
)

// An opening is a line of internal/wsconn/testdata/handshakes.tsv: id, options, what is asked, what is answered.
//
// Options are origins= and subprotocols=, each a list with commas, deflate, and deflate=0 without memory for it; "-" is none. The request is one without a mistake, changed by
// line="GET / HTTP/1.1", +"Name: value" (one more), ="Name: value" (in place of all of that name), -"Name" and body="…". The answer is a
// status, "Name: value" for headers that it has, and -"Name" for those that it has not.
type opening struct {
	id      string
	options wsrouter.Options
	request []byte
	status  int
	has     []string // "Name: value"
	not     []string
}

func openings(t *testing.T) (all []opening) {
	t.Helper()
	table, err := os.ReadFile("internal/wsconn/testdata/handshakes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != 4 {
			t.Fatalf("%d columns in %q", len(row), line)
		}
		h := opening{id: row[0], options: wsrouter.Options{Logger: quiet}}
		if err := h.parse(row[1], row[2], row[3]); err != nil {
			t.Fatalf("%s: %v", h.id, err)
		}
		all = append(all, h)
	}
	return all
}

func (h *opening) parse(options, request, answer string) error {
	for _, o := range strings.Fields(options) {
		name, value, _ := strings.Cut(o, "=")
		switch list := strings.Split(value, ","); name {
		case "origins":
			h.options.Origins = list
		case "subprotocols":
			h.options.Subprotocols = list
		case "deflate":
			h.options.Compression = &wsrouter.Compression{}
			if value == "0" {
				h.options.Compression.Context = -1
			}
		case "-":
		default:
			return fmt.Errorf("unknown option %q", o)
		}
	}
	changes, err := marked(request)
	if err != nil {
		return err
	}
	line, body := "GET /ws HTTP/1.1", ""
	headers := []string{"Host: example.test", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	for _, c := range changes {
		mark, text := c[0], c[1]
		name, _, _ := strings.Cut(text, ":")
		sameName := func(h string) bool { return strings.EqualFold(h[:strings.IndexByte(h, ':')], name) }
		switch mark {
		case "+":
			headers = append(headers, text)
		case "=":
			headers = append(slices.DeleteFunc(headers, sameName), text)
		case "-":
			headers = slices.DeleteFunc(headers, sameName)
		case "line=":
			line = text
		case "body=":
			body = text
		default:
			return fmt.Errorf("unknown change %q", mark)
		}
	}
	h.request = []byte(line + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n" + body)
	status, rest, _ := strings.Cut(answer, " ")
	if h.status, err = strconv.Atoi(status); err != nil {
		return err
	}
	facts, err := marked(rest)
	for _, f := range facts {
		if f[0] == "-" {
			h.not = append(h.not, f[1])
		} else {
			h.has = append(h.has, f[1])
		}
	}
	return err
}

// marked takes apart a list of quoted strings with marks in front of them.
func marked(s string) (list [][2]string, err error) {
	for s = strings.TrimSpace(s); s != "" && s != "-"; s = strings.TrimSpace(s) {
		mark, _, _ := strings.Cut(s, `"`)
		quoted, err := strconv.QuotedPrefix(s[len(mark):])
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, s)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		list = append(list, [2]string{mark, text})
		s = s[len(mark)+len(quoted):]
	}
	return list, nil
}

// TestHandshakes: each request, whole, byte by byte and in 20 random splits, in both modes of waiting. An open connection answers the message that came in
// the same segment as the handshake.
func TestHandshakes(t *testing.T) {
	for _, h := range openings(t) {
		for _, idle := range []bool{false, true} {
			opts := h.options
			opts.Idle = idle
			r := wsrouter.New[none](&opts)
			wsrouter.Receive(r, func(ctx context.Context, c *wsrouter.Conn[none], m ask) error { return c.SendText(ctx, m.Text) }, wsrouter.Sends(""))
			mux := http.NewServeMux()
			mux.Handle("/ws", r)
			srv := httptest.NewServer(mux)
			for seed := range uint64(22) {
				t.Run(fmt.Sprintf("%s/idle=%t/%d", h.id, idle, seed), func(t *testing.T) { h.run(t, srv.Listener.Addr().String(), seed) })
			}
			srv.Close()
		}
	}
}

// run sends the request: whole if seed is 0, byte by byte if it is 1, else in random pieces.
func (h *opening) run(t *testing.T, addr string, seed uint64) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := h.request
	if h.status == http.StatusSwitchingProtocols {
		in = append(slices.Clip(in), maskedText(`{"type":"ask","text":"hi"}`)...)
	}
	go func() {
		random := rand.New(rand.NewPCG(seed, 0))
		for rest := in; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			switch seed {
			case 0:
				n = len(rest)
			case 1:
				n = 1
			}
			if _, err := conn.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
	}()
	r := bufio.NewReader(conn)
	method, _, _ := strings.Cut(string(h.request), " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != h.status {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("status %d, want %d: %s", resp.StatusCode, h.status, body)
	}
	for _, f := range h.has {
		name, value, _ := strings.Cut(f, ": ")
		if got := resp.Header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s: %q, want one of %q", name, got, value)
		}
	}
	for _, name := range h.not {
		if got := resp.Header.Values(name); got != nil {
			t.Errorf("%s: %q, want none", name, got)
		}
	}
	if h.status != http.StatusSwitchingProtocols {
		return
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "\x81\x02hi" {
		t.Errorf("answered with %q, %v", got, err)
	}
}

// maskedText is a client's text frame, masked by zeros.
func maskedText(s string) []byte {
	b := []byte{0x81, 0x80 | 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	if len(s) <= 125 {
		b = []byte{0x81, 0x80 | byte(len(s))}
	}
	return append(append(b, 0, 0, 0, 0), s...)
}
