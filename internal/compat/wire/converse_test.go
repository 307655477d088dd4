package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/compat/converse"
)

// TestConversations: coder/websocket's client has every conversation of the table with a server in each mode, compressed and not. What
// Chromium makes of the same table stands in the module browser.
func TestConversations(t *testing.T) {
	for _, idle := range []bool{false, true} {
		for name, m := range map[string]struct {
			server *wsrouter.Compression
			client websocket.CompressionMode
		}{
			"none": {nil, websocket.CompressionDisabled}, "only the server": {&wsrouter.Compression{}, websocket.CompressionDisabled},
			"only the client": {nil, websocket.CompressionContextTakeover}, "context": {&wsrouter.Compression{}, websocket.CompressionContextTakeover},
			"no context by client": {&wsrouter.Compression{}, websocket.CompressionNoContextTakeover}, "no context by server": {&wsrouter.Compression{Context: -1}, websocket.CompressionContextTakeover},
			"of every message": {&wsrouter.Compression{MinSize: -1}, websocket.CompressionContextTakeover},
		} {
			t.Run(fmt.Sprintf("idle %v, compression %s", idle, name), func(t *testing.T) {
				t.Parallel()
				ts := httptest.NewServer(converse.Server(idle, m.server))
				defer ts.Close()
				var all sync.WaitGroup
				defer all.Wait()
				for _, c := range converse.Table() {
					all.Go(func() {
						p := player{base: ts.URL, room: "?room=" + url.QueryEscape(c.Name), mode: m.client, compresses: m.server != nil && m.client != websocket.CompressionDisabled}
						if err := p.play(t.Context(), c.Steps); err != nil {
							t.Errorf("%s: %v", c.Name, err)
						}
					})
				}
			})
		}
	}
}

// A player takes the parts of all clients of a conversation.
type player struct {
	base, room string
	mode       websocket.CompressionMode
	compresses bool
	clients    map[int]*speaker
}

// A speaker is one client and what arrives there.
type speaker struct {
	conn    *websocket.Conn
	arrived chan arrival // closed behind the end; holds all that a conversation sends, else we were the slow reader
	closed  int          // by us, with the same code back. 0: not
	order   []int        // of the streams of the last mixed step
}

// An arrival is a frame, or the end of the connection.
type arrival struct {
	frame converse.Frame
	end   error
}

func (p *player) play(ctx context.Context, steps []converse.Step) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p.clients = map[int]*speaker{}
	defer func() {
		for _, c := range p.clients {
			c.leave()
		}
	}()
	for i, s := range steps {
		if err := p.take(ctx, s); err != nil {
			return fmt.Errorf("step %d, %s by client %d: %w", i, s.Do, s.Client, err)
		}
	}
	return nil
}

func (p *player) take(ctx context.Context, s converse.Step) error {
	c := p.clients[s.Client]
	switch s.Do {
	case "open":
		return p.open(ctx, s)
	case "refused":
		return p.refused(ctx, s)
	case "get":
		resp, err := http.Get(p.base + s.Path + p.room)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return same(resp.StatusCode, s.Status)
	case "send":
		for _, f := range s.Frames {
			kind := websocket.MessageText
			if f.Binary {
				kind = websocket.MessageBinary
			}
			_ = c.conn.Write(ctx, kind, f.Data) // as in JavaScript: what ended the connection is what arrives
		}
		return nil
	case "want":
		return c.want(s.Frames)
	case "mixed":
		return c.mixed(s.Streams)
	case "alike":
		return same(fmt.Sprint(c.order), fmt.Sprint(p.clients[s.Client-1].order))
	case "close":
		code := websocket.StatusCode(s.Code)
		if s.Code == 0 {
			code = websocket.StatusNoStatusRcvd // coder's word for none
		}
		err := c.conn.Close(code, s.Reason) // which fails unless the server's code is the same
		if err == nil {
			c.closed = int(code)
		}
		return err
	case "ended":
		return c.ended(s)
	}
	return errors.New("a step that nobody knows")
}

func (p *player) open(ctx context.Context, s converse.Step) error {
	conn, resp, err := websocket.Dial(ctx, p.base+s.Path+p.room, &websocket.DialOptions{Subprotocols: s.Protocols, CompressionMode: p.mode})
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	if old := p.clients[s.Client]; old != nil {
		old.leave()
	}
	c := &speaker{conn: conn, arrived: make(chan arrival, 4096)}
	p.clients[s.Client] = c
	go c.listen(ctx)
	if agreed := resp.Header.Get("Sec-WebSocket-Extensions"); strings.Contains(agreed, "permessage-deflate") != p.compresses {
		return fmt.Errorf("the extensions are %q", agreed)
	}
	return same(conn.Subprotocol(), s.Subprotocol)
}

func (p *player) refused(ctx context.Context, s converse.Step) error {
	header := http.Header{}
	if s.Foreign {
		header.Set("Origin", "http://elsewhere.example")
	}
	conn, resp, err := websocket.Dial(ctx, p.base+s.Path+p.room, &websocket.DialOptions{HTTPHeader: header, CompressionMode: p.mode})
	if err == nil {
		conn.CloseNow()
		return errors.New("it was let in")
	}
	if resp == nil {
		return err
	}
	return same(resp.StatusCode, s.Status)
}

func (c *speaker) listen(ctx context.Context) {
	defer close(c.arrived)
	for {
		kind, data, err := c.conn.Read(ctx)
		c.arrived <- arrival{converse.Frame{Binary: kind == websocket.MessageBinary, Data: data}, err}
		if err != nil {
			return
		}
	}
}

// leave ends what is left of the connection.
func (c *speaker) leave() {
	c.conn.CloseNow()
	for range c.arrived {
	}
}

func (c *speaker) want(frames []converse.Frame) error {
	for i, want := range frames {
		if a := <-c.arrived; !a.is(want) {
			return fmt.Errorf("frame %d: %s, want %s", i, a, arrival{frame: want})
		}
	}
	return nil
}

func (c *speaker) mixed(streams [][]converse.Frame) error {
	left := slices.Clone(streams)
	c.order = nil
	for n := len(slices.Concat(streams...)); n > 0; n-- {
		a := <-c.arrived
		i := slices.IndexFunc(left, func(stream []converse.Frame) bool { return len(stream) > 0 && a.is(stream[0]) })
		if i < 0 {
			return fmt.Errorf("%s is next in no stream", a)
		}
		left[i] = left[i][1:]
		c.order = append(c.order, i)
	}
	return nil
}

func (c *speaker) ended(s converse.Step) error {
	a := <-c.arrived
	for s.Flooded && a.end == nil && a.frame.Binary {
		a = <-c.arrived
	}
	var end websocket.CloseError
	if a.end != nil && c.closed == s.Code && s.Reason == "" {
		return nil // Close may have taken the frame from before Read
	}
	if !errors.As(a.end, &end) {
		return fmt.Errorf("%s, want close frame %d", a, s.Code)
	}
	if beginning, ok := strings.CutSuffix(s.Reason, "…"); ok && strings.HasPrefix(end.Reason, beginning) {
		end.Reason = s.Reason
	}
	return same(fmt.Sprintf("%d %q", end.Code, end.Reason), fmt.Sprintf("%d %q", s.Code, s.Reason))
}

func (a arrival) is(f converse.Frame) bool {
	return a.end == nil && a.frame.Binary == f.Binary && bytes.Equal(a.frame.Data, f.Data)
}

func (a arrival) String() string {
	if a.end != nil {
		return fmt.Sprint("the end: ", a.end)
	}
	return fmt.Sprintf("%d bytes, binary %v: %.80q", len(a.frame.Data), a.frame.Binary, a.frame.Data)
}

func same[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}
