// Package converse is one table of conversations with a wsrouter server, for clients in any language to have: coder/websocket's in Go has them in
// internal/compat, Chromium's in JavaScript in internal/compat/browser.
package converse

// A Conversation is what its clients do and see, step by step.
type Conversation struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// A Step is one client's. What Do may be, and which other members it reads:
//
//   - open: connect to Path, offering Protocols; Subprotocol is agreed on
//   - refused: connect to Path and get Status instead, with a page of another origin if Foreign
//   - get: ask for Path by a plain GET and get Status
//   - send: Frames
//   - want: Frames arrive, in that order
//   - mixed: the frames of all Streams arrive, each stream in its order, and nothing else between them
//   - alike: what arrived at the client's last mixed step had the same order as at that of the client before it
//   - close: begin the close handshake with Code and Reason; 0: with neither
//   - ended: the connection ends with Code and Reason, after a close frame, and nothing arrives before; if Flooded, binary frames may. Of a Reason that
//     ends in … this is the beginning
type Step struct {
	Do     string `json:"do"`
	Client int    `json:"client"`

	Path        string   `json:"path,omitempty"`
	Protocols   []string `json:"protocols,omitempty"`
	Subprotocol string   `json:"subprotocol,omitempty"`
	Status      int      `json:"status,omitempty"`
	Foreign     bool     `json:"foreign,omitempty"`

	Frames  []Frame   `json:"frames,omitempty"`
	Streams [][]Frame `json:"streams,omitempty"`

	Code    int    `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Flooded bool   `json:"flooded,omitempty"`
}

// A Frame is a whole message.
type Frame struct {
	Binary bool   `json:"binary,omitempty"`
	Data   []byte `json:"data"`
}
