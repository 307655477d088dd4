package wstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

// codeDropped stands for an end without a close frame.
const codeDropped = int(websocket.StatusAbnormalClosure)

// end is how the connection ended, as the client saw it.
type end struct {
	code   int
	reason string
	err    error
}

func (e *end) String() string {
	switch {
	case e.code == codeDropped:
		return fmt.Sprintf("the connection was dropped without a close frame: %v", innermost(e.err))
	case e.reason == "":
		return fmt.Sprintf("the connection was closed with %d", e.code)
	}
	return fmt.Sprintf("the connection was closed with %d %q", e.code, e.reason)
}

// innermost is err without what each layer put before it.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// opened is the hook's: a router has taken the request.
func (c *Client) opened(codec testhook.Codec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codec = codec
}

// violated is the hook's: the server has sent what it must not.
func (c *Client) violated(err error) {
	c.report.errorf("wstest: the server broke its declarations: %v", err)
}

// read queues frames until there are no more. Since it never waits for the test, neither does the server.
func (c *Client) read() {
	defer close(c.closed)
	for {
		kind, data, err := c.ws.Read(context.Background())
		c.mu.Lock()
		if err != nil {
			c.end = endOf(err)
		} else {
			c.queue = append(c.queue, wsrouter.Frame{Data: data, Binary: kind == websocket.MessageBinary})
			c.came++
		}
		close(c.news)
		c.news = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func endOf(err error) *end {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return &end{code: int(closed.Code), reason: closed.Reason}
	}
	return &end{code: codeDropped, err: err}
}

// await returns the next frame, or the end, or neither when the time is over.
func (c *Client) await() (*wsrouter.Frame, *end) {
	late := time.NewTimer(patience())
	defer late.Stop()
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			f := c.queue[0]
			c.queue = c.queue[1:]
			c.mu.Unlock()
			return &f, nil
		}
		e, news := c.end, c.news
		c.mu.Unlock()
		if e != nil {
			return nil, e
		}
		select {
		case <-news:
		case <-late.C:
			return nil, nil
		}
	}
}

// next is await for a frame.
func (c *Client) next(call string) wsrouter.Frame {
	c.t.Helper()
	f, e := c.await()
	switch {
	case e != nil:
		c.t.Fatalf("wstest: %s: %v\n%s", call, e, c.state())
	case f == nil:
		c.t.Fatalf("wstest: %s: nothing came within %v\n%s", call, patience(), c.state())
	}
	return *f
}

// ended returns the end, or nil.
func (c *Client) ended() *end {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// state says what was before.
func (c *Client) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := "no message came before"
	if c.came > 0 {
		s = fmt.Sprintf("messages that came before: %d", c.came)
	}
	if c.end == nil {
		s = "the connection is open, " + s
	}
	if c.last != nil {
		s += "; the last one sent to the server was\n" + show(c.last)
	}
	return s
}

// codecFor returns what speaks the router's messages, and fails the test if there is no router.
func (c *Client) codecFor(call, instead string) testhook.Codec {
	c.t.Helper()
	c.mu.Lock()
	codec := c.codec
	c.mu.Unlock()
	if codec == nil {
		c.t.Fatalf("wstest: %s: no wsrouter.Router answered the handshake, so nothing says how messages look here; use %s", call, instead)
	}
	return codec
}

// write sends one frame.
func (c *Client) write(call string, data []byte) {
	c.t.Helper()
	c.mu.Lock()
	c.last = bytes.Clone(data)
	kind := websocket.MessageText
	if c.codec != nil && c.codec.Binary() {
		kind = websocket.MessageBinary
	}
	e := c.end
	c.mu.Unlock()
	if e != nil {
		c.t.Fatalf("wstest: %s: %v", call, e)
	}
	if err := c.ws.Write(context.Background(), kind, data); err != nil { // it ends meanwhile
		<-c.closed
		c.t.Fatalf("wstest: %s: %v", call, c.ended())
	}
}

// closeWithin says goodbye and reports whether the server answered in time.
func (c *Client) closeWithin(d time.Duration) bool {
	c.wire.sayClose()
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-c.closed:
		return c.ended().code != codeDropped
	case <-late.C:
		return false
	}
}

// leave ends the connection with its test: politely, so that the server sees no loss, but not at any price.
func (c *Client) leave() {
	c.closeWithin(timeout / 5)
	c.wire.drop()
	<-c.closed
}
