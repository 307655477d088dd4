// Package wsconn is the socket under a connection: it hands whole messages to a [Handler] and takes encoded ones.
//
// The handshake is [Hijack]'s; the reading of frames is github.com/coder/websocket's. What is written, and when the connection
// is over, is decided here: that library writes its answers from inside a read and under timeouts of its own, so a
// peer that takes nothing would stop us from seeing its end.
package wsconn

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Config of a socket. The caller has filled every field.
type Config struct {
	MaxMessage   int           // bytes; more is closed with 1009. Negative: no limit
	ReadAhead    int           // bytes of messages read beyond the one that Handler.Message is busy with
	PingInterval time.Duration // Negative: never
	PongTimeout  time.Duration // for any sign of life behind a ping; no ping is sent meanwhile
	WriteTimeout time.Duration // of one message
	CloseTimeout time.Duration // how long a close frame of ours waits for the peer's
	Subprotocol  string        // answered to the client. "": none
}

// A Handler takes what a socket receives.
type Handler interface {
	// Message is called for one message at a time, in order. It may block: the socket meanwhile answers pings and
	// sees the end. data is valid until it returns.
	Message(data []byte, binary bool)
	// Ended is called once, as soon as the end is seen or ours has begun, maybe while Message runs.
	Ended(End)
}

// End says how a connection ended.
type End struct {
	Code   int // 1005: none given, 1006: no close frame
	Reason string
	Remote bool  // the peer began it
	Err    error // cause, if it was no clean close
}

// A Socket is one upgraded connection. Close and Abort are safe from any goroutine, Write beside them.
type Socket struct {
	cfg  Config
	conn net.Conn
	src  *source         // conn as ws reads it
	ws   *websocket.Conn // reads only

	over  chan struct{} // closed when the end is known
	told  chan struct{} // closed when Ended has returned
	said  chan struct{} // closed when our close frame has left, or there is none
	gone  chan struct{} // closed when conn is
	leave sync.Once     // guards gone
	tasks sync.WaitGroup

	mu      sync.Mutex
	h       Handler // nil until Serve
	end     *End
	changed sync.Cond // of what follows
	queue   []message // received, not begun
	queued  int       // what they count for
	busy    bool      // a worker runs
	stalled bool      // the reader waits for the worker

	beat     heartbeat
	received atomic.Bool // something, since the last ping

	writing chan struct{} // holds one token: a channel, not a mutex, because it is held while the network blocks
	control controlFrames
	header  [maxHeader]byte              // under writing
	scratch [maxControl + minHeader]byte // under writing
}

// Serve reads until the end. When it returns, h.Ended has been called and h will not be called again; messages that
// h was not given until the end are discarded.
func (s *Socket) Serve(h Handler) {
	s.attach(h)
	s.startHeartbeat()
	s.read()
	select { // a close frame of ours may still be on its way, though the peer has nothing more to say
	case <-s.said:
	case <-s.gone:
	}
	s.drop()

	s.mu.Lock()
	s.beat.stop()
	for s.busy {
		s.changed.Wait()
	}
	s.mu.Unlock()
	<-s.told
	s.tasks.Wait()
	_ = s.ws.CloseNow() // frees what the library holds; conn is ours and closed
}

// Close sends a close frame and waits for the peer's at most Config.CloseTimeout; then the connection is gone.
// Handler.Ended is called before the wait. Only the first Close or Abort counts.
func (s *Socket) Close(code int, reason string) {
	s.shut(End{Code: code, Reason: reason})
}

// Abort drops the connection without a close frame; End.Err is cause.
func (s *Socket) Abort(cause error) {
	s.finish(End{Code: statusAbnormal, Err: cause})
	s.drop()
}

// attach makes h the one to be told, at once if the end has come before.
func (s *Socket) attach(h Handler) {
	s.mu.Lock()
	s.h = h
	end := s.end
	s.mu.Unlock()
	if end != nil {
		h.Ended(*end)
		close(s.told)
	}
}

// finish records the end and tells the handler. It reports whether this was the first.
func (s *Socket) finish(e End) bool {
	s.mu.Lock()
	if s.end != nil {
		s.mu.Unlock()
		return false
	}
	s.end = &e
	close(s.over)
	s.queue, s.queued = nil, 0
	s.beat.stop()
	s.changed.Broadcast()
	h := s.h
	s.mu.Unlock()
	if h != nil {
		h.Ended(e)
		close(s.told)
	}
	return true
}

// shut is an end that begins here: the handler is told, the peer too, and it has CloseTimeout to answer.
func (s *Socket) shut(e End) {
	if !s.finish(e) {
		return
	}
	late := time.AfterFunc(s.cfg.CloseTimeout, s.drop)
	defer late.Stop()
	s.writeClose(e.Code, e.Reason)
	close(s.said)
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && e.Code == statusProtocol && e.Err != nil {
		// Its close frame will not be told from the rest of what it sends; it shall know that it can go.
		_ = half.CloseWrite()
	}
	<-s.gone
}

// drop closes the connection under everything that blocks on it.
func (s *Socket) drop() {
	s.leave.Do(func() {
		close(s.gone)
		_ = s.conn.Close()
	})
}

// isOver reports whether the end is known.
func (s *Socket) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

const (
	statusProtocol = int(websocket.StatusProtocolError)
	statusNone     = int(websocket.StatusNoStatusRcvd)
	statusAbnormal = int(websocket.StatusAbnormalClosure)
	statusNotUTF8  = int(websocket.StatusInvalidFramePayloadData)
	statusTooBig   = int(websocket.StatusMessageTooBig)
)

var errGoexit = errors.New("the handler of a message ended its goroutine")

func lost(doing string, err error) error {
	return fmt.Errorf("connection lost while %s: %w", doing, err)
}
