package wsconn_test

import (
	"net"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// patience is how long a handler may run before its peer's end is seen while it runs: what it sends afterwards, and what came after its
// message, are discarded.
const patience = 40 * time.Millisecond

// What the cases need of the package is in this file.

func wsconnParser(c conformance) *wsconn.Parser {
	return wsconn.NewParser(c.deflate, c.message, c.frames)
}

// A conformLoop runs the sockets of a case.
type conformLoop struct{ *wsconn.Loop }

func newConformLoop(c conformance, idle bool) conformLoop {
	cfg := config()
	cfg.MaxMessage, cfg.MaxFrames, cfg.Idle = c.message, c.frames, idle
	if c.deflate {
		cfg.Compression = &wsconn.CompressionConfig{Windows: wsconn.NewWindows(4 << 20)}
	}
	return conformLoop{wsconn.NewLoop(cfg)}
}

// serve echoes on conn and notes in v what comes.
func (l conformLoop) serve(conn net.Conn, v *conversation) *echoer {
	e := &echoer{v: v}
	e.left.Add(1)
	_, agreed, err := l.Negotiate([]string{"permessage-deflate"})
	if err != nil {
		panic(err)
	}
	e.Socket = l.New(conn, nil, agreed, e)
	e.Start()
	return e
}

type echoer struct {
	*wsconn.Socket
	v    *conversation
	left sync.WaitGroup
}

// wait returns when the connection is gone.
func (e *echoer) wait() { e.left.Wait() }

func (e *echoer) Message(data []byte, binary bool) {
	start := time.Now()
	defer func() { e.v.slow = e.v.slow || time.Since(start) >= patience }()
	i := item{kind: "text", payload: string(data)}
	if binary {
		i.kind = "binary"
	}
	e.v.events = append(e.v.events, i.String())
	_ = (&server{Socket: e.Socket}).Write(data, binary)
}

func (e *echoer) Ended(end wsconn.End) {
	e.v.end, e.v.err = item{kind: "fail", number: end.Code}, end.Err
	switch {
	case end.Remote:
		e.v.end.kind = "close"
	case end.Code == 1006:
		e.v.end.kind = "hangup"
	}
}

func (e *echoer) Open()                {}
func (e *echoer) Limited([]byte, bool) {}
func (e *echoer) Finish(wsconn.End)    {}
func (e *echoer) Dropped(wsconn.Drops) {}
func (e *echoer) Released()            { e.left.Done() }
