package compat_test

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
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// flateEcho answers each message with itself, compressed where that is agreed on. It reads no fragments and no control
// frames but close: the extension is what is tested.
type flateEcho struct {
	t        *testing.T
	config   wsconn.CompressionConfig
	received int // compressed messages
	sent     int
	context  bool // the client kept its own
}

func (e *flateEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, agreed, err := wsconn.Negotiate(r.Header.Values("Sec-WebSocket-Extensions"), &e.config)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if agreed != nil {
		defer agreed.Close()
	}
	e.context = !strings.Contains(response, "client_no_context_takeover")
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		e.t.Error(err)
		return
	}
	defer conn.Close()
	hash := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		base64.StdEncoding.EncodeToString(hash[:]))
	if response != "" {
		fmt.Fprintf(rw, "Sec-WebSocket-Extensions: %s\r\n", response)
	}
	io.WriteString(rw, "\r\n")
	rw.Flush()
	if err := e.echo(conn, rw.Reader, agreed); err != nil && err != io.EOF {
		e.t.Error(err)
	}
}

func (e *flateEcho) echo(conn net.Conn, r *bufio.Reader, agreed *wsconn.Compression) error {
	var message []byte
	compressed := false
	for {
		first, payload, err := readFrame(r)
		if err != nil {
			return err
		}
		if first&15 == 8 {
			_, err := conn.Write(append([]byte{0x88, byte(len(payload))}, payload...))
			return err
		}
		compressed = compressed || first&0x40 != 0
		message = append(message, payload...)
		if first&0x80 == 0 {
			continue
		}
		m := &wsconn.Message{Data: message}
		if compressed {
			e.received++
			if m.Data, err = agreed.Inflate(nil, message, 1<<20); err != nil {
				return err
			}
		}
		out, deflated := m.Payload(agreed)
		head := []byte{0x82, 127}
		if deflated {
			e.sent++
			head[0] |= 0x40
		}
		head = binary.BigEndian.AppendUint64(head, uint64(len(out)))
		switch n := len(out); { // the shortest form
		case n < 126:
			head = []byte{head[0], byte(n)}
		case n < 1<<16:
			head = []byte{head[0], 126, byte(n >> 8), byte(n)}
		}
		if _, err := conn.Write(append(head, out...)); err != nil {
			return err
		}
		message, compressed = nil, false
	}
}

// readFrame reads a masked frame.
func readFrame(r *bufio.Reader) (first byte, payload []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	first = head[0]
	size := uint64(head[1] & 127)
	switch size {
	case 126:
		_, err = io.ReadFull(r, head[6:])
		size = uint64(binary.BigEndian.Uint16(head[6:]))
	case 127:
		_, err = io.ReadFull(r, head[:])
		size = binary.BigEndian.Uint64(head[:])
	}
	if err != nil {
		return 0, nil, err
	}
	var key [4]byte
	if _, err := io.ReadFull(r, key[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return first, payload, err
}

// coder/websocket's client and our permessage-deflate understand each other, with and without its context.
func TestCompressionWithCoder(t *testing.T) {
	for name, c := range map[string]struct {
		mode    websocket.CompressionMode
		windows *wsconn.Windows
		context bool
	}{
		"context takeover":         {websocket.CompressionContextTakeover, wsconn.NewWindows(32 << 10), true},
		"context takeover refused": {websocket.CompressionContextTakeover, nil, false},
		"no context takeover":      {websocket.CompressionNoContextTakeover, wsconn.NewWindows(32 << 10), false},
	} {
		t.Run(name, func(t *testing.T) {
			echo := &flateEcho{t: t, config: wsconn.CompressionConfig{MinSize: 256, Windows: c.windows}}
			done := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				echo.ServeHTTP(w, r)
			}))
			defer srv.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			conn, _, err := websocket.Dial(ctx, srv.URL, &websocket.DialOptions{CompressionMode: c.mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(1 << 20)
			text := strings.Repeat(`{"type":"chat","text":"one and the same again"}`, 3000)
			sizes := []int{1, 255, 256, 300, 300, 5000, 32 << 10, 32<<10 + 1, 0, 100_000, 300}
			for _, n := range sizes {
				want := []byte(text[:n])
				if err := conn.Write(ctx, websocket.MessageBinary, want); err != nil {
					t.Fatal(err)
				}
				if _, got, err := conn.Read(ctx); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes came back as %d, %v", n, len(got), err)
				}
			}
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
			<-done
			if echo.context != c.context {
				t.Errorf("the client keeps its context: %v", echo.context)
			}
			if echo.received < len(sizes)-2 || echo.sent != len(sizes)-3 {
				t.Errorf("of %d messages %d came and %d left compressed", len(sizes), echo.received, echo.sent)
			}
		})
	}
}
