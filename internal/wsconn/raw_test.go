package wsconn_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

const (
	fin     = 0x80
	rsv1    = 0x40
	rsv3    = 0x10
	cont    = 0
	text    = 1
	binary_ = 2
	closed  = 8
	ping    = 9
	pong    = 10
)

func accept(key string) string {
	h := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(h[:])
}

// frame is what a client sends: first byte as given, payload masked.
func frame(first byte, payload string) string {
	key := [4]byte{1, 2, 3, 4}
	b := head(first, 0x80, uint64(len(payload)))
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return string(b)
}

func unmasked(first byte, payload string) string {
	return string(head(first, 0, uint64(len(payload)))) + payload
}

func head(first, mask byte, n uint64) []byte {
	switch {
	case n <= 125:
		return []byte{first, mask | byte(n)}
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, n)
	}
}

func closeFrame(code int, reason string) string {
	return frame(fin|closed, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// readFrame reads one that the server sent.
func readFrame(r *bufio.Reader) (op byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, "", err
	}
	if h[0]&fin == 0 || h[1]&0x80 != 0 {
		return 0, "", fmt.Errorf("header %x", h)
	}
	n := uint64(h[1])
	var b [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(r, b[6:])
		n = binary.BigEndian.Uint64(b[:])
	case 127:
		_, err = io.ReadFull(r, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, "", err
	}
	p := make([]byte, n)
	_, err = io.ReadFull(r, p)
	return h[0] &^ fin, string(p), err
}

// frames reads what the server sends up to its close frame, as lines such as "text hello" and "close 1000 bye", and closes.
func frames(conn net.Conn) []string {
	defer conn.Close()
	var got []string
	r := bufio.NewReader(conn)
	for {
		op, p, err := readFrame(r)
		if err != nil {
			return got
		}
		got = append(got, describe(op, p))
		if op == closed {
			return got
		}
	}
}

func describe(op byte, p string) string {
	switch {
	case op == closed && len(p) >= 2:
		return strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16([]byte(p)), p[2:]))
	case op == closed:
		return "close"
	}
	name := map[byte]string{text: "text", binary_: "binary", ping: "ping", pong: "pong"}[op]
	return strings.TrimSpace(name + " " + p)
}

// overTCP serves sockets by net/http and returns what dials it by hand.
func overTCP(t *testing.T, c wsconn.Config, message func(*server, []byte, bool)) func() (*server, *net.TCPConn) {
	servers := make(chan *server, 1)
	loop := wsconn.NewLoop(c)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, early, err := wsconn.Hijack(w, r, wsconn.Handshake{})
		if err != nil {
			t.Error(err)
			return
		}
		servers <- start(loop, conn, early, message)
	}))
	t.Cleanup(ts.Close)
	return func() (*server, *net.TCPConn) {
		conn, err := net.Dial("tcp", ts.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := upgradeRequest().Write(conn); err != nil {
			t.Fatal(err)
		}
		if got := readHead(conn); !strings.HasPrefix(got, "HTTP/1.1 101 ") {
			t.Fatalf("answer %q", got)
		}
		return <-servers, conn.(*net.TCPConn)
	}
}

// hostile is what a peer may send, and how the connection has to end.
var hostile = []struct {
	name string
	in   string

	want string // the last frame of the server, maybe with a reason behind it
	code int
	err  string // in End.Err; "": none
}{
	{name: "clean", in: frame(fin|text, "hi") + closeFrame(1000, "bye"), want: "close 1000", code: 1000},
	{name: "no code", in: frame(fin|closed, ""), want: "close", code: 1005},
	{name: "own code", in: closeFrame(4999, ""), want: "close 4999", code: 4999},
	{name: "longest reason", in: closeFrame(1001, strings.Repeat("r", 123)), want: "close 1001", code: 1001},
	{name: "unmasked", in: unmasked(fin|text, "hi"), want: "close 1002", code: 1002, err: "unmasked"},
	{name: "unmasked close", in: unmasked(fin|closed, ""), want: "close 1002", code: 1002, err: "unmasked"},
	{name: "reserved bit 1", in: frame(fin|rsv1|text, "hi"), want: "close 1002", code: 1002, err: "rsv"},
	{name: "reserved bit 3", in: frame(fin|rsv3|text, "hi"), want: "close 1002", code: 1002, err: "rsv"},
	{name: "reserved bit on a ping", in: frame(fin|rsv1|ping, ""), want: "close 1002", code: 1002, err: "rsv"},
	{name: "reserved bit on a continuation", in: frame(text, "a") + frame(fin|rsv1|cont, "b"), want: "close 1002", code: 1002, err: "rsv"},
	{name: "opcode 3", in: frame(fin|3, "hi"), want: "close 1002", code: 1002, err: "opcode"},
	{name: "opcode 11", in: frame(fin|11, ""), want: "close 1002", code: 1002, err: "opcode"},
	{name: "close of one byte", in: frame(fin|closed, "\x03"), want: "close 1002", code: 1002, err: "close payload"},
	{name: "close with 0", in: closeFrame(0, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 999", in: closeFrame(999, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 1004", in: closeFrame(1004, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 1005", in: closeFrame(1005, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 1006", in: closeFrame(1006, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 1015", in: closeFrame(1015, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 2999", in: closeFrame(2999, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close with 5000", in: closeFrame(5000, ""), want: "close 1002", code: 1002, err: "status code"},
	{name: "close reason not UTF-8", in: closeFrame(1000, "\xff"), want: "close 1007", code: 1007, err: "UTF-8"},
	{name: "fragmented ping", in: frame(ping, "a"), want: "close 1002", code: 1002, err: "fragmented control"},
	{name: "fragmented close", in: frame(closed, ""), want: "close 1002", code: 1002, err: "fragmented control"},
	{name: "ping of 126 bytes", in: frame(fin|ping, strings.Repeat("p", 126)), want: "close 1002", code: 1002, err: "control frame"},
	{name: "close of 126 bytes", in: closeFrame(1000, strings.Repeat("p", 124)), want: "close 1002", code: 1002, err: "control frame"},
	{name: "continuation without a start", in: frame(fin|cont, "a"), want: "close 1002", code: 1002, err: "continuation"},
	{name: "text within a message", in: frame(text, "a") + frame(fin|text, "b"), want: "close 1002", code: 1002, err: "without finishing"},
	{name: "length with the top bit", in: "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", want: "close 1002", code: 1002, err: "length"},
	{name: "over the limit", in: frame(fin|text, strings.Repeat("a", 201)), want: "close 1009", code: 1009, err: "message over 200 bytes: 201"},
	{name: "over the limit by a header", in: string(append(head(fin|text, 0x80, 1<<40), 1, 2, 3, 4)) + strings.Repeat("a", 300), want: "close 1009", code: 1009, err: "message over 200 bytes: 1099511627776"},
	{name: "over the limit in fragments", in: frame(text, strings.Repeat("a", 150)) + frame(cont, strings.Repeat("a", 50)) + frame(cont, "a"), want: "close 1009", code: 1009, err: "message over 200 bytes: 201"},
	{name: "not UTF-8", in: frame(fin|text, "a\xc3("), want: "close 1007", code: 1007, err: "UTF-8"},
	{name: "not UTF-8 across fragments", in: frame(text, "a\xc3") + frame(fin|cont, "("), want: "close 1007", code: 1007, err: "UTF-8"},
	{name: "surrogate", in: frame(fin|text, "\xed\xa0\x80"), want: "close 1007", code: 1007, err: "UTF-8"},
	{name: "cut character", in: frame(fin|text, "\xe2\x82"), want: "close 1007", code: 1007, err: "UTF-8"},
	{name: "HTTP", in: "GET / HTTP/1.1\r\n\r\n", want: "close 1002", code: 1002, err: "reserved bit"},
}

func TestHostilePipe(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := config()
				c.MaxMessage = 200
				s, conn := serve(t, c, nil)
				go conn.Write([]byte(tt.in))
				checkEnd(t, s, frames(conn), tt.want, tt.code, tt.err)
			})
		})
	}
}

func TestHostileTCP(t *testing.T) {
	c := config()
	c.MaxMessage = 200
	dial := overTCP(t, c, nil)
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			s, conn := dial()
			if _, err := conn.Write([]byte(tt.in)); err != nil {
				t.Fatal(err)
			}
			checkEnd(t, s, frames(conn), tt.want, tt.code, tt.err)
		})
	}
}

func checkEnd(t *testing.T, s *server, got []string, want string, code int, errText string) {
	t.Helper()
	last := ""
	if len(got) > 0 {
		last = got[len(got)-1]
	}
	if last != want && (!strings.HasPrefix(last, want+" ") || code == 1005) {
		t.Errorf("last frame %q, want %q", last, want)
	}
	e := s.end(t)
	if e.Code != code || e.Remote != (errText == "") {
		t.Errorf("end %+v, want code %d", e, code)
	}
	if e.Err != nil && (errText == "" || !strings.Contains(e.Err.Error(), errText)) || e.Err == nil && errText != "" {
		t.Errorf("error %v, want one with %q", e.Err, errText)
	}
}
