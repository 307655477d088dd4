package wsconn

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// handshakeTimeout is how long the network may take for a 101.
const handshakeTimeout = 5 * time.Second

// ErrNotTaken is in the error of a [Hijack] that has changed nothing: w can still answer.
var ErrNotTaken = errors.New("the connection was not given away")

// A Handshake is what a 101 says beside what the protocol fixes.
type Handshake struct {
	Subprotocol string // agreed on. "": none
	Extensions  string // agreed on, as the value of Sec-WebSocket-Extensions. "": none
}

// Hijack takes over the connection of r and answers with a 101 (RFC 6455, section 4.2.2) in one write, with the headers that were set
// on w but those that belong to the protocol. The caller has checked the request. The connection has no deadline; early is what the
// client has already sent behind its handshake, nil if nothing, and the caller's. Neither w nor r nor a string of theirs is kept.
//
// If an error is no [ErrNotTaken], the connection is closed.
func Hijack(w http.ResponseWriter, r *http.Request, h Handshake) (conn net.Conn, early []byte, err error) {
	hj, err := Hijacker(w)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	answer := h.answer(r.Header.Get("Sec-WebSocket-Key"), w.Header())
	conn, rw, err := hj.Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	if n := rw.Reader.Buffered(); n > 0 {
		buffered, _ := rw.Reader.Peek(n)
		early = bytes.Clone(buffered)
	}
	if err := send101(conn, answer); err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("the 101 could not be written: %w", err)
	}
	return conn, early, nil
}

// send101 also clears the deadlines that http.Server has set.
func send101(conn net.Conn, answer []byte) error {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(answer); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// Hijacker finds what can give its connection away, under the writers of middlewares.
func Hijacker(w http.ResponseWriter) (http.Hijacker, error) {
	for rw := w; ; {
		switch t := rw.(type) {
		case http.Hijacker:
			return t, nil
		case interface{ Unwrap() http.ResponseWriter }:
			rw = t.Unwrap()
		default:
			return nil, fmt.Errorf("%T has neither Hijack nor Unwrap, so a middleware or HTTP/2 keeps the connection from being upgraded", rw)
		}
	}
}

// answer is the 101 for a client's key.
func (h Handshake) answer(key string, header http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) + "\r\n")
	if h.Subprotocol != "" {
		b.WriteString("Sec-WebSocket-Protocol: " + h.Subprotocol + "\r\n")
	}
	if h.Extensions != "" {
		b.WriteString("Sec-WebSocket-Extensions: " + h.Extensions + "\r\n")
	}
	others := http.Header{}
	for name, values := range header {
		if !isOurs(name) {
			others[name] = values
		}
	}
	_ = others.Write(&b) // keeps line breaks out; a buffer does not fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// isOurs reports whether a header of a 101 is none of the application's: it belongs to the connection, or to a body, which a 101 cannot
// have (RFC 9110, section 8.6; RFC 9112, section 6.1).
func isOurs(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Connection", "Upgrade", "Keep-Alive", "Trailer", "Transfer-Encoding", "Content-Length":
		return true
	}
	return strings.HasPrefix(name, "Sec-Websocket-")
}

// acceptKey proves that the handshake was read (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// An Extension is one that a client offers, with its parameters in order.
type Extension struct {
	Name   string
	Params []Param
}

// Param of an extension. Value is "" if there is none.
type Param struct{ Name, Value string }

// maxOffers bounds what the extensions of one handshake, and the parameters of one extension, may cost.
const maxOffers = 64

// ParseExtensions reads the values of Sec-WebSocket-Extensions. It fails if they break their grammar, upon which a server must not
// go on (RFC 6455, sections 4.2.1 and 9.1). The strings are those of values.
func ParseExtensions(values []string) (offers []Extension, err error) {
	for _, v := range values {
		for s := skip(v, ", \t"); s != ""; s = skip(s, ", \t") { // lists may have empty elements (RFC 9110, section 5.6.1)
			var e Extension
			if e, s, err = parseExtension(s); err != nil {
				return nil, err
			}
			if s != "" && s[0] != ',' {
				return nil, fmt.Errorf("a comma is missing behind the extension %.64q", e.Name)
			}
			if offers = append(offers, e); len(offers) > maxOffers {
				return nil, fmt.Errorf("there are more than %d extensions", maxOffers)
			}
		}
	}
	if len(offers) == 0 && len(values) > 0 {
		return nil, errors.New("there is no extension in it")
	}
	return offers, nil
}

// parseExtension reads token *( ";" token [ "=" ( token / quoted-string ) ] ).
func parseExtension(s string) (e Extension, rest string, err error) {
	e.Name, s = cutToken(s)
	if e.Name == "" {
		return e, "", errors.New("the name of an extension is no token")
	}
	for s = skip(s, " \t"); s != "" && s[0] == ';'; s = skip(s, " \t") {
		var p Param
		p.Name, s = cutToken(skip(s[1:], " \t"))
		if p.Name == "" {
			return e, "", fmt.Errorf("a parameter of the extension %.64q is no token", e.Name)
		}
		if after, ok := strings.CutPrefix(skip(s, " \t"), "="); ok {
			if p.Value, s = cutValue(skip(after, " \t")); p.Value == "" {
				return e, "", fmt.Errorf("the parameter %.64q of the extension %.64q has no token for a value", p.Name, e.Name)
			}
		}
		if e.Params = append(e.Params, p); len(e.Params) > maxOffers {
			return e, "", fmt.Errorf("the extension %.64q has more than %d parameters", e.Name, maxOffers)
		}
	}
	return e, s, nil
}

// cutValue also takes a token in quotes. "": s does not begin with either.
func cutValue(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		return cutToken(s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && IsToken(b.String()):
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", s
}

func cutToken(s string) (token, rest string) {
	n := 0
	for n < len(s) && isTokenByte(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

func skip(s, what string) string { return strings.TrimLeft(s, what) }

// IsToken reports whether s is a token of RFC 9110, section 5.6.2.
func IsToken(s string) bool {
	token, rest := cutToken(s)
	return token != "" && rest == ""
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?={}`, c) < 0
}
