//go:build linux

package hostile

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

// patience is how long a peer waits for the server's next frame, or for the end; twice that, for all, more under -race.
const patience = 5 * time.Second

// A peer is one raw connection and what was seen on it.
type peer struct {
	in   *input
	id   int
	addr string
	conn *net.TCPConn
	r    *bufio.Reader

	begun   time.Time // zero: the peer stays
	seen    []string  // in words, see input.want; the same twice in a row counts once
	largest int       // of the frames received

	dropped    func() bool // whether the server holds no more descriptors than before
	countPings bool        // the server's pings are words too
}

// dial connects. Peers are spread over addresses of their own, so that a long run finds free ports. A narrow one has as small a
// window as can be.
func dial(addr string, id int, narrow bool) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+id%64))}, Timeout: patience}
	if narrow {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
		}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// The key and answer of RFC 6455, section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgradeRequest is a good handshake but for changes: lines that stand in place of the lines of that name, "-Name" to leave one out,
// "+Name: value" to add to them.
func upgradeRequest(line, changes string) string {
	headers := []string{"Host: HOST", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey}
	for change := range strings.Lines(changes) {
		change = strings.TrimSuffix(change, "\n")
		if added, ok := strings.CutPrefix(change, "+"); ok {
			headers = append(headers, added)
			continue
		}
		gone, isGone := strings.CutPrefix(change, "-")
		name, _, _ := strings.Cut(gone, ":")
		kept := headers[:0:0]
		for _, h := range headers {
			if !strings.HasPrefix(h, name+":") {
				kept = append(kept, h)
			}
		}
		if headers = kept; !isGone {
			headers = append(headers, change)
		}
	}
	return line + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
}

// request is what the peer opens with.
func (p *peer) request() string {
	s := p.in.request
	if s == "" {
		line := p.in.line
		if line == "" {
			line = "GET " + p.path() + " HTTP/1.1"
		}
		s = upgradeRequest(line, p.in.header)
	}
	return strings.ReplaceAll(s, "HOST", p.addr)
}

func (p *peer) path() string {
	if p.in.path == "" {
		return "/ws"
	}
	return p.in.path
}

// run plays the input and returns what was seen.
func (p *peer) run() string {
	conn, err := dial(p.addr, p.id, p.in.narrow)
	if err != nil {
		return "dial: " + err.Error()
	}
	defer conn.Close()
	p.conn, p.r, p.begun = conn, bufio.NewReaderSize(conn, 4<<10), time.Now()
	switch {
	case p.in.play != nil:
		p.in.play(p)
	case p.in.early:
		if p.open(p.in.send) {
			p.frames()
		}
	default:
		if p.open("") {
			p.sendAside(p.in.send)
			p.frames()
		}
	}
	return strings.Join(p.seen, " ")
}

// open sends the handshake with what shall follow it at once, and reports whether the answer is a 101.
func (p *peer) open(behind string) bool {
	p.sendAside(p.request() + behind)
	return p.opened()
}

// opened reads the answer to the handshake.
func (p *peer) opened() bool {
	p.wait()
	res, err := http.ReadResponse(p.r, &http.Request{Method: "GET"})
	switch {
	case err != nil:
		p.sawError(err)
		return false
	case res.StatusCode != http.StatusSwitchingProtocols:
		p.saw(strconv.Itoa(res.StatusCode))
		body, _ := io.ReadAll(res.Body)
		p.largest = max(p.largest, len(body))
		return false
	case res.Header.Get("Sec-WebSocket-Accept") != sampleAccept:
		p.saw("accept:" + res.Header.Get("Sec-WebSocket-Accept"))
		return false
	}
	if ext := res.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		name, _, _ := strings.Cut(ext, ";")
		p.saw("ext:" + strings.TrimSpace(name))
	}
	return true
}

// sendAside writes s, beside the reading if it is long. A server need not take it all.
func (p *peer) sendAside(s string) {
	if len(s) < 4<<10 {
		_ = p.write(s)
	} else {
		go p.write(s)
	}
}

func (p *peer) write(s string) error {
	_, err := io.WriteString(p.conn, s)
	return err
}

// wait gives the server its time for what is read next.
func (p *peer) wait() {
	until := time.Now().Add(min(raceFactor, 3) * patience)
	if last := p.begun.Add(2 * raceFactor * patience); !p.begun.IsZero() && last.Before(until) {
		until = last
	}
	_ = p.conn.SetReadDeadline(until)
}

// saw adds a word.
func (p *peer) saw(word string) {
	if n := len(p.seen); n == 0 || p.seen[n-1] != word {
		p.seen = append(p.seen, word)
	}
}

// sawError adds the word for what ended the reading.
func (p *peer) sawError(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.saw("open")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		p.saw("gone")
	default:
		p.saw(err.Error())
	}
}

// frames reads up to a close frame or the end. Where the input is to be survived, which is told by a 1000 as the last word, the peer
// says goodbye when it has seen the words before it.
func (p *peer) frames() {
	want := strings.Fields(p.in.want)
	said := len(want) == 0 || want[len(want)-1] != "1000"
	for {
		if !said && len(p.seen) >= len(want)-1 {
			said = true
			_ = p.write(bye)
		}
		if p.frame() {
			return
		}
	}
}

// frame reads one. It reports whether it was the last.
func (p *peer) frame() (last bool) {
	p.wait()
	op, payload, err := readFrame(p.r)
	if err != nil {
		p.sawError(err)
		return true
	}
	p.largest = max(p.largest, len(payload))
	if op != opPing || p.countPings {
		p.saw(word(op, payload))
	}
	return op == opClose
}

// word names a frame: a close frame by its code, a text frame by its type, error replies by their code.
func word(op byte, payload []byte) string {
	switch {
	case bytes.Contains(payload, []byte{poison, poison, poison, poison}):
		return "poisoned"
	case op == opClose && len(payload) >= 2:
		if !utf8.Valid(payload[2:]) {
			return "close-not-utf8"
		}
		return strconv.Itoa(int(binary.BigEndian.Uint16(payload)))
	case op == opClose:
		return "1005"
	case op == opPing:
		return "ping"
	case op == opPong:
		return "pong"
	}
	var m struct{ Type, Code string }
	if op != opText || json.Unmarshal(payload, &m) != nil {
		return fmt.Sprintf("opcode-%d-%.20q", op, payload)
	}
	if m.Type == "error" {
		return m.Code
	}
	return m.Type
}

// poison is what freed memory is filled with where a test wants that. It never stands in what a server sends.
const poison = testhook.PoisonByte

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	opCont   = 0
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

var mask = [4]byte{0x1c, 0x52, 0xe7, 0x93}

// frame is what a client sends.
func frame(first byte, payload string) string {
	b := make([]byte, 0, len(payload)+14)
	b = append(b, head(first, uint64(len(payload)))...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// head is the header of a masked frame that claims n bytes.
func head(first byte, n uint64) string {
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), n)
	}
	return string(append(b, mask[:]...))
}

func text(s string) string { return frame(fin|opText, s) }

// say is a whole echo message.
func say(s string) string { return text(sayJSON(s)) }

func sayJSON(s string) string { return `{"type":"echo","text":"` + s + `"}` }

func closing(code uint16, reason string) string {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

var bye = closing(1000, "")

// readFrame reads one of the server's, which are neither masked nor fragmented.
func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return 0, nil, err
	}
	if h[0]&fin == 0 || h[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("header-%x", h[:2])
	}
	op = h[0] &^ fin
	n := uint64(h[1])
	switch n {
	case 126:
		_, err = io.ReadFull(r, h[:2])
		n = uint64(binary.BigEndian.Uint16(h[:]))
	case 127:
		_, err = io.ReadFull(r, h[:])
		n = binary.BigEndian.Uint64(h[:])
	}
	if err != nil {
		return 0, nil, err
	}
	if n > 16<<20 {
		return 0, nil, fmt.Errorf("frame-of-%d", n)
	}
	payload = make([]byte, n)
	if _, err = io.ReadFull(r, payload); err == nil && op&rsv1 != 0 {
		op &^= rsv1
		payload, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(flushed+"\x01\x00\x00\xff\xff"))))
	}
	return op, payload, err
}
