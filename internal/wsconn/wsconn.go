// Package wsconn is the socket under a connection: it hands whole messages to a [Handler] and takes encoded ones.
package wsconn

import (
	"net/http"
	"time"
)

// Config of a socket. The caller has filled every field.
type Config struct {
	MaxMessage   int           // bytes; more is closed with 1009. Negative: no limit
	ReadAhead    int           // bytes read beyond the message that Handler.Message is busy with
	PingInterval time.Duration // Negative: never
	PongTimeout  time.Duration
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

// A Socket is one upgraded connection.
type Socket struct{}

// Upgrade answers r with a 101 and takes over its connection; neither w nor r is kept.
// The caller has checked the handshake. If Upgrade fails it has written nothing, or nothing can be written any more.
func Upgrade(w http.ResponseWriter, r *http.Request, c Config) (*Socket, error) { panic("not built") }

// Serve reads until the end. When it returns, h.Ended has been called and h will not be called again; messages that
// h was not given until the end are discarded.
func (s *Socket) Serve(h Handler) { panic("not built") }

// Write sends one message and returns when it is handed to the network. It has one caller at a time.
func (s *Socket) Write(data []byte, binary bool) error { panic("not built") }

// Close sends a close frame and waits for the peer's at most Config.CloseTimeout; then the connection is gone.
// Handler.Ended is called before the wait. Only the first Close or Abort counts.
func (s *Socket) Close(code int, reason string) { panic("not built") }

// Abort drops the connection without a close frame; End.Err is cause.
func (s *Socket) Abort(cause error) { panic("not built") }
