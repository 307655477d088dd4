//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The load is one thread over epoll: frames are made once and answers only counted, so that it costs less than any
// server and never holds one back.
type load struct {
	epoll   int
	conns   []*conn
	byFD    []*conn
	behind  []*conn // owe bytes that the kernel did not take
	events  []unix.EpollEvent
	buf     []byte
	gotten  func(c *conn, messages int) // what a job does with answers
	pinged  int                         // connections that were pinged since the count was last reset
	bytes   int                         // of messages' frames
	trouble error                       // the first thing that went wrong
}

// A conn is one client.
type conn struct {
	fd     int
	part   []byte // of a frame that is not here whole
	skip   int    // bytes of the payload still to come
	last   bool   // of its message is the frame that they belong to
	pinged bool

	stream []byte // what is sent, again and again
	at     int    // in stream; not 0 between parts of a message
	owed   int    // bytes still to send
	answer []byte // a pong that waits for the end of a message

	left, open int     // jobs: batches to send, answers awaited
	due        []int64 // when the awaited answers' questions were due
}

// dialing says what to connect to.
type dialing struct {
	Addr  string
	Conns int
	Raw   bool // no WebSocket, bytes that come back
}

// sending says what to send and how long.
type sending struct {
	Text  string        // the message; "" for none
	Depth int           // messages in one write
	Each  int           // writes of each connection, if For is zero
	For   time.Duration // of the whole
	Rate  float64       // messages a second over all connections; zero: the next when all answers are here
	Parts int           // a message is sent in so many, of all connections in turn, spread over For
	Until int           // messages that come unasked
	Pings bool          // until each connection has had one
}

// sent says what happened.
type sent struct {
	Messages int
	Bytes    int // of their frames
	Pinged   int
	Took     time.Duration
	CPU      time.Duration // of the load
	// Latency from when a message was due, if there was a rate.
	P50, P90, P99 time.Duration
	Text          string // of the answer that was looked at
}

func newLoad() *load {
	return &load{events: make([]unix.EpollEvent, 512), buf: make([]byte, 256<<10)}
}

// patience is how long the load waits for anything.
const patience = 60 * time.Second

func (l *load) serve() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	var err error
	if l.epoll, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	jobs := map[string]func(request) (sent, error){
		"dial":   func(r request) (sent, error) { return sent{}, l.dial(r.dialing) },
		"look":   func(r request) (sent, error) { return l.look(r.Text) },
		"echo":   func(r request) (sent, error) { return l.echo(r.sending) },
		"rate":   func(r request) (sent, error) { return l.rate(r.sending) },
		"parts":  func(r request) (sent, error) { return l.inParts(r.sending) },
		"listen": func(r request) (sent, error) { return l.listen(r.sending) },
	}
	return serve(func(r request) (reply, error) {
		job := jobs[r.Do]
		if job == nil {
			return reply{}, fmt.Errorf("cannot %q", r.Do)
		}
		debug.FreeOSMemory()
		before, err := used()
		if err != nil {
			return reply{}, err
		}
		l.bytes = 0
		began := time.Now()
		s, err := job(r)
		if s.Took == 0 {
			s.Took = time.Since(began)
		}
		s.Bytes = l.bytes
		after, usageErr := used()
		s.CPU = after.CPU - before.CPU
		return reply{Sent: s}, errors.Join(err, l.trouble, usageErr)
	})
}

// ---- connecting

// dial opens connections from many addresses, so that their ports suffice.
func (l *load) dial(d dialing) error {
	addr, err := netip.ParseAddrPort(d.Addr)
	if err != nil {
		return err
	}
	for range d.Conns {
		fd, err := connect(addr, len(l.conns))
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(l.conns), err)
		}
		c := &conn{fd: fd}
		if !d.Raw {
			if err := l.upgrade(c, d.Addr); err != nil {
				return fmt.Errorf("connection %d: %w", len(l.conns), err)
			}
		}
		if err := l.watch(c); err != nil {
			return err
		}
	}
	return nil
}

func connect(addr netip.AddrPort, i int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%200)}}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), // leaves no TIME_WAIT
		unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}),
	)
}

// upgrade sends a handshake such as a browser's. What follows the 101 belongs to the connection.
func (l *load) upgrade(c *conn, host string) error {
	request := "GET /ws?user=ada&level=3 HTTP/1.1\r\nHost: " + host + "\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\nAccept-Language: en\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := unix.Write(c.fd, []byte(request)); err != nil {
		return err
	}
	var got []byte
	for {
		n, err := unix.Read(c.fd, l.buf)
		if n <= 0 || err != nil {
			return fmt.Errorf("handshake: %v after %q", err, got)
		}
		got = append(got, l.buf[:n]...)
		if head, rest, ok := bytes.Cut(got, []byte("\r\n\r\n")); ok {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("handshake: %q", got)
			}
			c.take(l, rest)
			return nil
		}
	}
}

func (l *load) watch(c *conn) error {
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	for len(l.byFD) <= c.fd {
		l.byFD = append(l.byFD, nil)
	}
	l.byFD[c.fd] = c
	l.conns = append(l.conns, c)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
}

// ---- frames

// frame is a text frame, or a pong, as clients send it.
func frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i, x := range payload {
		b = append(b, x^key[i%4])
	}
	return b
}

const (
	fin  = 0x80
	text = 1
	shut = 8
	ping = 9
	pong = 10
)

// take counts the messages that end in b, and answers pings.
func (c *conn) take(l *load, b []byte) (messages int) {
	if len(c.part) > 0 {
		b = append(c.part, b...)
		c.part = nil
	}
	for {
		if n := min(c.skip, len(b)); n > 0 {
			b, c.skip = b[n:], c.skip-n
			l.bytes += n
			if c.skip == 0 && c.last {
				messages++
			}
		}
		if len(b) == 0 {
			return messages
		}
		head, size := header(b)
		if head == 0 || b[0]&15 >= shut && len(b) < head+size {
			c.part = slices.Clone(b)
			return messages
		}
		if b[0]&15 >= shut {
			c.control(l, b[0]&15, b[head:head+size])
			b = b[head+size:]
			continue
		}
		c.skip, c.last, b = size, b[0]&fin != 0, b[head:]
		l.bytes += head
		if size == 0 && c.last {
			messages++
		}
	}
}

// header returns the lengths of b's frame; 0: it is not all there.
func header(b []byte) (head, payload int) {
	if len(b) < 2 {
		return 0, 0
	}
	head, payload = 2, int(b[1]&127)
	if b[1]&0x80 != 0 { // what a raw server sends back
		head += 4
	}
	switch payload {
	case 126:
		if len(b) < head+2 {
			return 0, 0
		}
		return head + 2, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < head+8 {
			return 0, 0
		}
		return head + 8, int(binary.BigEndian.Uint64(b[2:]))
	}
	if len(b) < head {
		return 0, 0
	}
	return head, payload
}

func (c *conn) control(l *load, op byte, payload []byte) {
	switch op {
	case shut:
		l.fail(fmt.Errorf("the server closes: %x %q", payload[:min(2, len(payload))], payload[min(2, len(payload)):]))
	case ping:
		if !c.pinged {
			c.pinged = true
			l.pinged++
		}
		c.answer = frame(fin|pong, payload)
		c.flush(l)
	}
}

func (l *load) fail(err error) {
	if l.trouble == nil {
		l.trouble = err
	}
}

// ---- sending and waiting

// sends makes stream what all connections send.
func (l *load) sends(stream []byte) {
	for _, c := range l.conns {
		c.stream, c.at, c.owed = stream, 0, 0
	}
}

// send sends the next n bytes of c's stream.
func (l *load) send(c *conn, n int) {
	queued := c.owed > 0
	c.owed += n
	if !queued && !c.flush(l) {
		l.behind = append(l.behind, c)
	}
}

// flush reports whether nothing more is owed. A pong goes where no frame is under way.
func (c *conn) flush(l *load) bool {
	for c.owed > 0 {
		b := c.stream[c.at:]
		n, err := unix.Write(c.fd, b[:min(len(b), c.owed)])
		if err == unix.EAGAIN {
			return false
		}
		if err != nil {
			l.fail(fmt.Errorf("write: %w", err))
			return true
		}
		c.at, c.owed = (c.at+n)%len(c.stream), c.owed-n
	}
	if c.answer != nil && c.at == 0 {
		if n, err := unix.Write(c.fd, c.answer); n != len(c.answer) {
			l.fail(fmt.Errorf("a pong: %v", err))
		}
		c.answer = nil
	}
	return true
}

// turn takes what has come, waiting for it at most wait.
func (l *load) turn(wait time.Duration) {
	if len(l.behind) > 0 {
		l.behind = slices.DeleteFunc(l.behind, func(c *conn) bool { return c.flush(l) })
		wait = min(wait, time.Millisecond)
	}
	n, err := unix.EpollWait(l.epoll, l.events, int(wait.Milliseconds()))
	if err != nil && err != unix.EINTR {
		l.fail(fmt.Errorf("epoll: %w", err))
	}
	for _, e := range l.events[:max(n, 0)] {
		c := l.byFD[e.Fd]
		n, err := unix.Read(c.fd, l.buf)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if n <= 0 {
			l.fail(fmt.Errorf("the server dropped a connection: %v", err))
			return
		}
		if m := c.take(l, l.buf[:n]); m > 0 && l.gotten != nil {
			l.gotten(c, m)
		}
	}
}

// until takes what comes until done, or until the deadline, which is an error then.
func (l *load) until(done func() bool, deadline time.Time) error {
	for !done() {
		if l.trouble != nil {
			return l.trouble
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the load waited %v in vain", patience)
		}
		l.turn(10 * time.Millisecond)
	}
	return l.trouble
}

// look sends one message and returns its answer.
func (l *load) look(message string) (sent, error) {
	c := l.conns[0]
	if _, err := unix.Write(c.fd, frame(fin|text, []byte(message))); err != nil {
		return sent{}, err
	}
	var got []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		n, err := unix.Read(c.fd, l.buf)
		if err == unix.EAGAIN {
			time.Sleep(time.Millisecond)
			continue
		}
		if n <= 0 || err != nil {
			return sent{}, fmt.Errorf("look: %v after %q", err, got)
		}
		got = append(got, l.buf[:n]...)
		for head, size := header(got); head > 0 && len(got) >= head+size; head, size = header(got) {
			if op := got[0] & 15; op >= shut { // a ping, where dialling took its time
				c.control(l, op, got[head:head+size])
				got = got[head+size:]
				continue
			}
			payload := got[head : head+size]
			if got[1]&0x80 != 0 {
				key := got[head-4 : head]
				for i := range payload {
					payload[i] ^= key[i%4]
				}
			}
			return sent{Text: string(payload), Messages: 1}, nil
		}
	}
	return sent{}, errors.New("look: no answer")
}

// echo sends as much again whenever all answers are here.
func (l *load) echo(s sending) (sent, error) {
	batch := bytes.Repeat(frame(fin|text, []byte(s.Text)), s.Depth)
	l.sends(batch)
	began := time.Now()
	messages, busy := 0, len(l.conns)
	l.gotten = func(c *conn, n int) {
		messages += n
		if c.open -= n; c.open > 0 {
			return
		}
		if c.left--; c.left == 0 || s.For > 0 && time.Since(began) > s.For {
			busy--
			return
		}
		c.open = s.Depth
		l.send(c, len(batch))
	}
	defer func() { l.gotten = nil }()
	for _, c := range l.conns {
		c.open, c.left = s.Depth, s.Each // no end of them if zero
		l.send(c, len(batch))
		if s.For == 0 {
			l.turn(0) // not all at once
		}
	}
	err := l.until(func() bool { return busy == 0 }, began.Add(s.For+patience))
	return sent{Messages: messages}, err
}

// rate sends at its own pace, whatever the answers do; what they took counts from when a message was due.
func (l *load) rate(s sending) (sent, error) {
	one := frame(fin|text, []byte(s.Text))
	l.sends(bytes.Repeat(one, s.Depth))
	total := int(s.Rate*s.For.Seconds()) / s.Depth * s.Depth
	took := make([]int64, 0, total)
	for _, c := range l.conns {
		c.due = c.due[:0]
	}
	began := time.Now()
	l.gotten = func(c *conn, n int) {
		now := int64(time.Since(began))
		for _, due := range c.due[:n] {
			took = append(took, now-due)
		}
		c.due = c.due[n:]
	}
	defer func() { l.gotten = nil }()
	due := func(i int) int64 { return int64(float64(i) / s.Rate * 1e9) }
	turn := 0
	for i := 0; len(took) < total && l.trouble == nil; {
		now := int64(time.Since(began))
		if now > int64(s.For+patience) {
			return sent{}, fmt.Errorf("%d of %d answers", len(took), total)
		}
		for ; i < total && due(i) <= now; i += s.Depth {
			c := l.conns[turn%len(l.conns)]
			turn++
			for range s.Depth {
				c.due = append(c.due, due(i))
			}
			l.send(c, len(one)*s.Depth)
		}
		l.turn(0)
	}
	if l.trouble != nil {
		return sent{}, l.trouble
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return time.Duration(took[int(q*float64(len(took)-1))]) }
	return sent{Messages: total, P50: at(0.5), P90: at(0.9), P99: at(0.99)}, nil
}

// inParts has each connection send one long message, so that all are under way at once.
func (l *load) inParts(s sending) (sent, error) {
	one := frame(fin|text, []byte(s.Text))
	l.sends(one)
	messages := 0
	l.gotten = func(_ *conn, n int) { messages += n }
	defer func() { l.gotten = nil }()
	began := time.Now()
	steps := s.Parts * len(l.conns)
	for i := range steps {
		part := i / len(l.conns)
		from, to := len(one)*part/s.Parts, len(one)*(part+1)/s.Parts
		l.send(l.conns[i%len(l.conns)], to-from)
		for l.turn(0); time.Since(began) < s.For*time.Duration(i)/time.Duration(steps); {
			l.turn(0)
		}
	}
	if err := l.until(func() bool { return len(l.behind) == 0 }, began.Add(s.For+patience)); err != nil {
		return sent{}, err
	}
	took := time.Since(began)
	err := l.until(func() bool { return messages == len(l.conns) }, began.Add(s.For+patience))
	return sent{Messages: messages, Took: took}, err
}

// listen answers pings and counts messages that nobody asked for.
func (l *load) listen(s sending) (sent, error) {
	messages := 0
	l.gotten = func(_ *conn, n int) { messages += n }
	defer func() { l.gotten = nil }()
	l.pinged = 0
	for _, c := range l.conns {
		c.pinged = false
	}
	began := time.Now()
	for l.trouble == nil {
		switch {
		case s.Until > 0 && messages >= s.Until, s.Pings && l.pinged == len(l.conns), s.For > 0 && time.Since(began) >= s.For:
			return sent{Messages: messages, Pinged: l.pinged}, nil
		case time.Since(began) > max(patience, s.For):
			return sent{}, fmt.Errorf("%d of %d messages, %d of %d connections pinged", messages, s.Until, l.pinged, len(l.conns))
		}
		l.turn(10 * time.Millisecond)
	}
	return sent{}, l.trouble
}
