package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// The load speaks WebSocket by hand: masked frames made once, answers counted by their headers.

// question is the message that is routed, and what its answer must say.
const question = `{"type":"say","room":"lobby","text":"Hello there, how is everybody today?","urgent":false}`

type answer struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	Text   string `json:"text"`
	Length int    `json:"length"`
}

var wantAnswer = answer{Type: "said", Room: "lobby", Text: "Hello there, how is everybody today?", Length: 36}

// update is what is broadcast, about 256 bytes.
var update = Update{User: "ada", Text: string(bytes.Repeat([]byte("news "), 42))}

// A peer is one connection of the load.
type peer struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(addr string) (*peer, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(resp.Status)
	}
	return &peer{conn, r}, nil
}

// read returns the next data frame's payload; if skip, it is not kept.
func (p *peer) read(skip bool) ([]byte, error) {
	for {
		var head [10]byte
		if _, err := io.ReadFull(p.r, head[:2]); err != nil {
			return nil, err
		}
		n := int(head[1] & 127)
		switch n {
		case 126:
			if _, err := io.ReadFull(p.r, head[2:4]); err != nil {
				return nil, err
			}
			n = int(binary.BigEndian.Uint16(head[2:4]))
		case 127:
			return nil, errors.New("a frame over 64 KiB")
		}
		switch op := head[0] & 15; {
		case op == 8:
			return nil, errors.New("the server closed")
		case op > 8: // ping: none is due in so short a time
		case skip:
			_, err := p.r.Discard(n)
			return nil, err
		default:
			body := make([]byte, n)
			_, err := io.ReadFull(p.r, body)
			return body, err
		}
		if _, err := p.r.Discard(n); err != nil {
			return nil, err
		}
	}
}

// masked is a text frame as clients send it.
func masked(text string) []byte {
	if len(text) > 125 {
		panic("a short frame, please")
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	frame := append([]byte{0x81, 0x80 | byte(len(text))}, key[:]...)
	for i := range len(text) {
		frame = append(frame, text[i]^key[i%4])
	}
	return frame
}

func dialAll(addr string, n int) (peers []*peer, done func(), err error) {
	done = func() {
		for _, p := range peers {
			p.conn.Close()
		}
	}
	for range n {
		p, err := dial(addr)
		if err != nil {
			done()
			return nil, nil, err
		}
		peers = append(peers, p)
	}
	// A connection is open before it is in the room.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		inRoom, err := members(addr)
		if err == nil && inRoom == n {
			return peers, done, nil
		}
		if err != nil || time.Now().After(deadline) {
			done()
			return nil, nil, fmt.Errorf("%d of %d connections in the room: %v", inRoom, n, err)
		}
	}
}

func members(addr string) (n int, err error) {
	resp, err := http.Get("http://" + addr + "/members")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &n)
	return n, err
}

// all runs f for every peer at once and returns what went wrong.
func all(peers []*peer, f func(p *peer) error) error {
	errs := make([]error, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// routeLoad asks over every connection, depth questions at a time.
func routeLoad(addr string, conns, depth, messages int) (run func() error, done func(), err error) {
	peers, done, err := dialAll(addr, conns)
	if err != nil {
		return nil, nil, err
	}
	one := masked(question)
	burst := bytes.Repeat(one, depth)
	if err := ask(peers[0], one); err != nil {
		done()
		return nil, nil, err
	}
	each := messages / conns / depth
	return func() error {
		return all(peers, func(p *peer) error {
			for range each {
				if _, err := p.conn.Write(burst); err != nil {
					return err
				}
				for range depth {
					if _, err := p.read(true); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}, done, nil
}

// ask sends the question once and looks at the answer.
func ask(p *peer, question []byte) error {
	if _, err := p.conn.Write(question); err != nil {
		return err
	}
	body, err := p.read(false)
	if err != nil {
		return err
	}
	var got answer
	if err := json.Unmarshal(body, &got); err != nil || got != wantAnswer {
		return fmt.Errorf("the server answers %s (%v)", body, err)
	}
	return nil
}

// broadcastLoad has the server speak to all connections, burst messages at a time, and waits until all have them.
func broadcastLoad(addr string, members, burst, broadcasts int) (run func() error, done func(), err error) {
	peers, done, err := dialAll(addr, members)
	if err != nil {
		return nil, nil, err
	}
	speak := func(n int, skip bool) error {
		resp, err := http.Post(fmt.Sprintf("http://%s/broadcast?n=%d", addr, n), "", nil)
		if err != nil {
			return err
		}
		resp.Body.Close()
		return all(peers, func(p *peer) error {
			for range n {
				body, err := p.read(skip)
				if err != nil {
					return err
				}
				var got Update
				if !skip && (json.Unmarshal(body, &got) != nil || got.Text != update.Text) {
					return fmt.Errorf("the server says %s", body)
				}
			}
			return nil
		})
	}
	if err := speak(1, false); err != nil {
		done()
		return nil, nil, err
	}
	return func() error {
		for range broadcasts / burst {
			if err := speak(burst, true); err != nil {
				return err
			}
		}
		return nil
	}, done, nil
}
