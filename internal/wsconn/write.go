package wsconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	minHeader = 2
	maxHeader = 10
	maxReason = maxControl - 2

	// maxCopied is the largest payload that is copied behind its header to be one write on any connection.
	maxCopied = 16 << 10
)

// controlFrames are those that wait for the writer; mu guards them. Of pings only the last is answered, as the
// protocol allows, so a peer cannot make us keep more.
type controlFrames struct {
	mu      sync.Mutex
	ping    bool
	pong    bool
	payload []byte // of the pong
}

// Write sends one message and returns when it is handed to the network. It has one caller at a time.
func (s *Socket) Write(data []byte, binary bool) error {
	select {
	case <-s.over:
		return net.ErrClosed
	case s.writing <- struct{}{}:
	}
	defer s.release()
	if s.isOver() { // select chooses any that is ready
		return net.ErrClosed
	}
	op := byte(opText)
	if binary {
		op = opBinary
	}
	return s.writeFrame(op, data, s.cfg.WriteTimeout)
}

// writeFrame needs the token. An error ends the connection: nobody knows how much of the frame has left.
func (s *Socket) writeFrame(op byte, data []byte, timeout time.Duration) error {
	err := s.conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		err = s.send(op, data)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("write timeout: the peer did not take %d bytes within %v", len(data), timeout)
	} else {
		err = lost("writing", err)
	}
	s.Abort(err)
	return err
}

// send puts header and payload out, in one write if that is no large copy.
func (s *Socket) send(op byte, data []byte) error {
	head := appendHeader(s.header[:0], fin|op, len(data))
	if len(data) > maxCopied {
		parts := net.Buffers{head, data}
		_, err := parts.WriteTo(s.conn)
		return err
	}
	b := getBuffer(len(head) + len(data))
	defer b.free()
	b.B = append(append(b.B, head...), data...)
	_, err := s.conn.Write(b.B)
	return err
}

// writeClose sends a close frame, the last one of ours. It waits for a Write in progress; whoever calls it drops the
// connection when that takes too long.
func (s *Socket) writeClose(code int, reason string) {
	select {
	case <-s.gone:
		return
	case s.writing <- struct{}{}:
	}
	defer s.release()
	body := s.scratch[:0]
	if code != statusNone && code != statusAbnormal {
		body = binary.BigEndian.AppendUint16(body, uint16(code))
		body = append(body, cutReason(reason)...)
	}
	_ = s.writeFrame(opClose, body, s.cfg.CloseTimeout)
}

// cutReason shortens s to what fits a close frame, at the beginning of a character.
func cutReason(s string) string {
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// pong answers a ping, or leaves that to the write in progress: the reader must not wait behind it.
func (s *Socket) pong(payload []byte) {
	s.control.mu.Lock()
	s.control.pong = true
	s.control.payload = append(s.control.payload[:0], payload...)
	s.control.mu.Unlock()
	s.tryControl()
}

// ping sends one, or leaves that to the write in progress.
func (s *Socket) ping() {
	s.control.mu.Lock()
	s.control.ping = true
	s.control.mu.Unlock()
	s.tryControl()
}

// tryControl sends waiting control frames if nobody writes; whoever writes does it when done.
func (s *Socket) tryControl() {
	select {
	case s.writing <- struct{}{}:
		s.release()
	default:
	}
}

// release gives the token back when no control frame waits. One that was asked for in between finds either the token
// or this loop.
func (s *Socket) release() {
	for {
		s.writeControl()
		<-s.writing
		if !s.control.waiting() || s.isOver() {
			return
		}
		select {
		case s.writing <- struct{}{}:
		default:
			return
		}
	}
}

func (c *controlFrames) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ping || c.pong
}

// writeControl needs the token.
func (s *Socket) writeControl() {
	s.control.mu.Lock()
	ping, pong := s.control.ping, s.control.pong
	payload := append(s.scratch[:0], s.control.payload...)
	s.control.ping, s.control.pong = false, false
	s.control.mu.Unlock()
	if pong && !s.isOver() {
		_ = s.writeFrame(opPong, payload, s.cfg.WriteTimeout)
	}
	if ping && !s.isOver() {
		s.received.Store(false)
		if s.writeFrame(opPing, nil, s.cfg.WriteTimeout) == nil {
			s.awaitPong()
		}
	}
}
