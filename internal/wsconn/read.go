package wsconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// A message that was received whole.
type message struct {
	data   *Buffer
	binary bool
}

// messageCost is what a queued message counts for beside its bytes, so that empty ones are not free.
const messageCost = 64

func (m message) cost() int { return len(m.data.B) + messageCost }

// read is the loop that receives, until the connection is of no more use. It runs in Serve's goroutine, handlers in
// the worker's, so that one sees pings and the end while the other is busy.
func (s *Socket) read() {
	for s.awaitRoom(0) > 0 {
		typ, r, err := s.ws.Reader(context.Background())
		if err != nil {
			s.readFailed(err)
			return
		}
		m, err := s.readMessage(typ, r)
		if err != nil {
			s.readFailed(err)
			return
		}
		s.deliver(m)
	}
	// A worker that stopped the reader may still be busy, but there is an end: wait for the peer's close frame.
	s.discard()
}

// readMessage reads one message into a buffer of the pool; a message that breaks the rules of its size or text begins
// the end, and is given back empty like all that follows it.
func (s *Socket) readMessage(typ websocket.MessageType, r io.Reader) (m message, err error) {
	m = message{data: getBuffer(0), binary: typ == websocket.MessageBinary}
	defer func() {
		if err != nil {
			m.free()
		}
	}()
	for {
		room := s.awaitRoom(len(m.data.B))
		if room == 0 {
			m.data.B = m.data.B[:0]
			_, err = io.Copy(io.Discard, r)
			return m, err
		}
		if err := m.readSome(r, room); err == io.EOF {
			break
		} else if err != nil {
			return m, err
		}
		if n, most := len(m.data.B), s.cfg.MaxMessage; most >= 0 && n > most {
			s.fail(statusTooBig, fmt.Errorf("message over %d bytes: %d and more", most, n))
		}
	}
	if !m.binary && !utf8.Valid(m.data.B) {
		s.fail(statusNotUTF8, errors.New("text message is not valid UTF-8"))
	}
	return m, nil
}

// readSome appends at most room bytes.
func (m *message) readSome(r io.Reader, room int) error {
	if b := m.data.B; len(b) == cap(b) {
		m.data = m.data.grow(min(room, len(b)))
	}
	b := m.data.B
	n, err := r.Read(b[len(b):min(cap(b), len(b)+room)])
	m.data.B = b[:len(b)+n]
	return err
}

// awaitRoom returns how many more bytes may be read when part of a message is already here, at least one; it waits
// until the worker makes room. 0: the end came, read to throw away.
func (s *Socket) awaitRoom(part int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.end == nil {
		room := s.cfg.ReadAhead - s.queued - part
		if !s.busy {
			room = s.whole(part) // its turn, whatever its size
		}
		if room > 0 {
			return room
		}
		s.stalled = true
		s.changed.Wait()
		s.stalled = false
		s.received.Store(true) // a peer that we did not hear was not silent
	}
	return 0
}

// whole is how much of a message may be read if nothing else is in its way: one byte too many proves that it is too big.
func (s *Socket) whole(part int) int {
	if s.cfg.MaxMessage < 0 {
		return maxChunk
	}
	return s.cfg.MaxMessage - part + 1
}

// deliver queues m and sees to it that a worker runs.
func (s *Socket) deliver(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		m.free()
		return
	}
	if s.busy {
		m.fit()
	}
	s.queue = append(s.queue, m)
	s.queued += m.cost()
	if !s.busy {
		s.busy = true
		go s.work()
	}
}

// work hands queued messages to the handler, and ends with the queue: an idle connection has no worker.
func (s *Socket) work() {
	returned := true
	defer func() {
		if returned {
			return
		}
		// Message panicked, which ends the program, or called runtime.Goexit, as a test does that fails in it.
		s.Abort(errGoexit)
		s.mu.Lock()
		s.busy = false
		s.changed.Broadcast()
		s.mu.Unlock()
	}()
	for {
		m, ok := s.next()
		if !ok {
			return
		}
		returned = false
		s.h.Message(m.data.B, m.binary)
		returned = true
		m.free()
	}
}

// next takes the oldest message; without one the worker is no longer busy.
func (s *Socket) next() (message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	if len(s.queue) == 0 {
		s.busy, s.queue = false, nil
		return message{}, false
	}
	m := s.queue[0]
	s.queue[0] = message{}
	s.queue = s.queue[1:]
	s.queued -= m.cost()
	return m, true
}

// fail begins the end because of what the peer sent, while the reader goes on to look for its close frame.
func (s *Socket) fail(code int, err error) {
	s.tasks.Go(func() { s.shut(End{Code: code, Reason: cutReason(err.Error()), Err: err}) })
	<-s.over
}

// discard reads until the peer's close frame, or until nothing can be read.
func (s *Socket) discard() {
	for {
		_, r, err := s.ws.Reader(context.Background())
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			s.readFailed(err)
			return
		}
	}
}

// readFailed ends the connection by what the library's error says: the peer's close frame, a lost connection, or
// a broken rule of the protocol.
func (s *Socket) readFailed(err error) {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		s.peerClosed(int(closed.Code), closed.Reason)
	case s.src.err != nil:
		if s.finish(End{Code: statusAbnormal, Err: lost("reading", s.src.err)}) {
			close(s.said)
		}
	case errors.Is(err, net.ErrClosed): // by the library, which waits 5 s for the rest of a control frame
		s.fail(statusProtocol, errors.New("protocol error: a control frame did not come in one piece"))
		s.drain()
	default:
		text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "failed to get reader: "), "failed to read: ")
		s.fail(statusProtocol, errors.New("protocol error: "+text))
		s.drain()
	}
}

// peerClosed answers the peer's close frame, if it is not itself the answer to ours.
func (s *Socket) peerClosed(code int, reason string) {
	if !utf8.ValidString(reason) {
		s.fail(statusNotUTF8, errors.New("close reason is not valid UTF-8"))
		return
	}
	if !s.finish(End{Code: code, Reason: reason, Remote: true}) {
		return
	}
	late := time.AfterFunc(s.cfg.CloseTimeout, s.drop)
	defer late.Stop()
	s.writeClose(code, "")
	close(s.said)
}

// drain takes what a peer still sends after the frames stopped making sense: to close at once, with bytes unread,
// would reset the connection and our close frame with it.
func (s *Socket) drain() { _, _ = io.Copy(io.Discard, s.conn) }

const maxChunk = 1 << 20 // asked for in one read

// fit moves a message that has to wait out of a buffer that is much larger: what is read ahead is counted by what it holds.
func (m *message) fit() {
	if cap(m.data.B) <= 2*len(m.data.B)+messageCost {
		return
	}
	exact := &Buffer{append([]byte(nil), m.data.B...)}
	m.free()
	m.data = exact
}

func (m message) free() { m.data.free() }
