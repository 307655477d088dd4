//go:build linux && (amd64 || arm64)

package reliability

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// The opcodes of RFC 6455, section 5.2, that clients meet.
const (
	OpText  = 1
	OpClose = 8
	OpPing  = 9
	OpPong  = 10
)

// A Client is a WebSocket client that does what it is told and nothing by itself. One goroutine reads, any write.
type Client struct {
	Conn *net.TCPConn

	r  *bufio.Reader
	in []byte // of the last frame

	mu  sync.Mutex
	out []byte
}

// A Refusal is an answer other than 101.
type Refusal struct {
	Status     int
	RetryAfter string
}

func (r *Refusal) Error() string { return fmt.Sprintf("the upgrade was answered %d", r.Status) }

const handshake = "GET %s HTTP/1.1\r\nHost: reliability.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"

// patience is how long Dial waits for the answer to its handshake.
const patience = 30 * time.Second

// Dial opens a connection. header is more lines of the handshake, each with its CR LF. The error is a *Refusal if the server said no.
func Dial(address, target, header string) (*Client, error) {
	return DialWithin(patience, address, target, header)
}

// DialWithin is Dial for a client that does not wait for as long.
func DialWithin(patience time.Duration, address, target, header string) (*Client, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	c := &Client{Conn: conn.(*net.TCPConn), r: bufio.NewReaderSize(conn, 8<<10)}
	if err := c.open(patience, target, header); err != nil {
		_ = conn.Close() // err says more
		return nil, err
	}
	return c, nil
}

func (c *Client) open(patience time.Duration, target, header string) error {
	if err := c.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.Conn, handshake, target, header); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return &Refusal{resp.StatusCode, resp.Header.Get("Retry-After")}
	}
	return c.Conn.SetDeadline(time.Time{})
}

// Port is the client's.
func (c *Client) Port() int { return c.Conn.LocalAddr().(*net.TCPAddr).Port }

// Write sends one frame, masked with zeros.
func (c *Client) Write(op byte, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := append(c.out[:0], 0x80|op)
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	c.out = append(append(b, 0, 0, 0, 0), payload...)
	_, err := c.Conn.Write(c.out)
	return err
}

// Read returns the next frame. payload is valid until the next call.
func (c *Client) Read() (op byte, payload []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return 0, nil, err
	}
	op, n := head[0]&0x0f, uint64(head[1]&0x7f)
	switch n {
	case 126:
		_, err = io.ReadFull(c.r, head[:2])
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case 127:
		_, err = io.ReadFull(c.r, head[:])
		n = binary.BigEndian.Uint64(head[:])
	}
	if err != nil {
		return 0, nil, err
	}
	if uint64(cap(c.in)) < n {
		c.in = make([]byte, n)
	}
	payload = c.in[:n]
	_, err = io.ReadFull(c.r, payload)
	return op, payload, err
}

// ReadMessage is Read for a client that answers pings. A close frame is answered and comes as a *Closed.
func (c *Client) ReadMessage() ([]byte, error) {
	for {
		op, payload, err := c.Read()
		switch {
		case err != nil:
			return nil, err
		case op == OpPing:
			err = c.Write(OpPong, payload)
		case op == OpClose:
			_ = c.Write(OpClose, payload[:min(len(payload), 2)]) // the server may be gone
			return nil, ClosedBy(payload)
		case op != OpPong:
			return payload, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Closed is the server's close frame.
type Closed struct {
	Code   int
	Reason string
}

func (c *Closed) Error() string { return fmt.Sprintf("closed with %d %q", c.Code, c.Reason) }

// ClosedBy reads the payload of a close frame.
func ClosedBy(payload []byte) *Closed {
	if len(payload) < 2 {
		return &Closed{Code: 1005}
	}
	return &Closed{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
}

// Reset drops the connection with an RST.
func (c *Client) Reset() {
	_ = c.Conn.SetLinger(0) // an end of its own if the server has dropped it
	_ = c.Conn.Close()
}
