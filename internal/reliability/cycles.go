//go:build linux && (amd64 || arm64)

package reliability

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// A Kind is a way for a connection to begin and end.
type Kind struct {
	Name string
	Code int // that OnDisconnect is told; 0: it is not called

	live func(address, target string) error
}

// Kinds of cycles. Each leaves nothing behind.
var Kinds = []Kind{
	{"client closes", 1000, func(address, target string) error {
		return with(address, target, func(c *Client) error {
			if err := c.Write(OpClose, []byte{0x03, 0xe8}); err != nil {
				return err
			}
			return expectClose(c, 1000)
		})
	}},
	{"server closes", 4000, func(address, target string) error { return ask(address, target, `{"type":"do","what":"close"}`, 4000) }},
	{"reset", 1006, func(address, target string) error {
		return with(address, target, func(c *Client) error { c.Reset(); return nil })
	}},
	{"half a handshake", 0, func(address, _ string) error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte(handshake[:len(handshake)/2]))
		return errors.Join(err, conn.Close())
	}},
	{"refused", 0, func(address, target string) error {
		c, err := Dial(address, target+"&refuse=true", "")
		var no *Refusal
		if errors.As(err, &no) && no.Status == http.StatusForbidden {
			return nil
		}
		return fmt.Errorf("want 403, got %v %v", c, err)
	}},
	{"panic in a handler", 1011, func(address, target string) error { return ask(address, target, `{"type":"do","what":"panic"}`, 1011) }},
	{"too big", 1009, func(address, target string) error {
		return ask(address, target, `{"type":"do","what":"`+strings.Repeat("x", 64<<10)+`"}`, 1009)
	}},
	{"protocol error", 1002, func(address, target string) error {
		return with(address, target, func(c *Client) error {
			if err := c.Write(0x70|OpText, []byte("x")); err != nil { // reserved bits
				return err
			}
			return expectClose(c, 1002)
		})
	}},
	{"reads too slowly", 1013, func(address, target string) error {
		room := fmt.Sprint("slow ", slowest.Add(1))
		return with(address, target+"&room="+url.QueryEscape(room), func(c *Client) error {
			defer c.Reset()
			if err := c.Write(OpText, []byte(`{"type":"do","what":"echo"}`)); err != nil { // then it is a member
				return err
			}
			if _, err := c.ReadMessage(); err != nil {
				return err
			}
			return flood(address, room)
		})
	}},
	{"end of stream", 1006, func(address, target string) error {
		return with(address, target, func(c *Client) error {
			if err := c.Conn.CloseWrite(); err != nil {
				return err
			}
			_, err := c.ReadMessage()
			if err == nil {
				return errors.New("a message behind the end")
			}
			return nil
		})
	}},
	{"close behind a queue", 4001, func(address, target string) error {
		return ask(address, target, `{"type":"do","what":"queue","n":100}`, 4001)
	}},
	{"gone as a member", 1006, func(address, target string) error {
		return with(address, target, func(c *Client) error {
			if err := c.Write(OpText, []byte(`{"type":"do","what":"rooms","n":8}`)); err != nil {
				return err
			}
			if _, err := c.ReadMessage(); err != nil {
				return err
			}
			return c.Conn.Close()
		})
	}},
}

func with(address, target string, fn func(*Client) error) error {
	c, err := Dial(address, target, "")
	if err != nil {
		return err
	}
	defer c.Conn.Close()
	if err := c.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return fn(c)
}

// slowest numbers the clients that read too slowly: each is alone in its room.
var slowest atomic.Int64

// flood fills a room until it is empty.
func flood(address, room string) error {
	return with(address, "/?id=flood", func(c *Client) error {
		if err := c.Write(OpText, []byte(`{"type":"do","what":"flood","room":"`+room+`"}`)); err != nil {
			return err
		}
		_, err := c.ReadMessage()
		return err
	})
}

// ask sends text and waits for a close frame.
func ask(address, target, text string, code int) error {
	return with(address, target, func(c *Client) error {
		if err := c.Write(OpText, []byte(text)); err != nil {
			return err
		}
		return expectClose(c, code)
	})
}

func expectClose(c *Client, code int) error {
	for {
		_, err := c.ReadMessage()
		var closed *Closed
		switch {
		case err == nil:
		case errors.As(err, &closed) && closed.Code == code:
			return nil
		default:
			return fmt.Errorf("want a close frame with %d, got %w", code, err)
		}
	}
}

// Cycling is a question for N cycles, of each kind in turn.
type Cycling struct {
	N       int
	Workers int
}

func (w *crowd) cycles(q Cycling) (any, error) {
	return nil, inParallel(q.Workers, q.N, func(i int) error {
		k := &Kinds[i%len(Kinds)]
		if err := k.live(w.cfg.Address, fmt.Sprintf("/?id=%d", i%len(Kinds))); err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		return nil
	})
}
