//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// A load is thousands of clients that hear, on one thread over epoll, so that they cost less than the nodes. Each message is counted and
// its number added up, so that one that is missing or comes twice shows.
type load struct {
	epoll  int
	events []unix.EpollEvent
	buf    []byte

	mu      sync.Mutex // held while events are served, and while the load is asked
	socks   []*sock    // in the order in which they were dialled
	byFD    []*sock
	late    [groups]histogram // by group of the client
	heard   int               // messages
	notes   int               // those that are notes
	trouble error             // the first thing that went wrong
	began   usage
}

// groups of clients whose latencies are told apart.
const groups = 4

// sock is one client.
type sock struct {
	fd, group int
	part      []byte // of a frame that is not here whole
	count     int    // notes
	sum       uint64 // of their numbers
	at        int    // where the number stood in the last one
}

// dialling asks for more clients.
type dialling struct {
	Address string
	Targets []string // of the handshakes
	Group   int
}

// heard is what clients have heard since they were asked to forget.
type heard struct {
	Messages, Notes int
	CPU             time.Duration // of the load
	Counts          []int         // by client, of notes
	Sums            []uint64      // by client, of their numbers
	Late            [groups]histogram
}

func newLoad(string) (reliability.Verbs, error) {
	debug.SetGCPercent(400)
	l := &load{events: make([]unix.EpollEvent, 512), buf: make([]byte, 256<<10)}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	go l.run() // until the process ends
	return reliability.Verbs{
		"dial":    reliability.Verb(l.dial),
		"heard":   reliability.Verb(l.tell),
		"notes":   reliability.Verb(func(struct{}) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.notes, l.trouble }),
		"forget":  reliability.Verb(func(struct{}) (any, error) { return nil, l.forget() }),
		"usage":   reliability.Verb(func(struct{}) (usage, error) { return used() }),
		"profile": reliability.Verb(profile),
	}, nil
}

// tell is what was heard.
func (l *load) tell(struct{}) (heard, error) {
	now, err := used()
	l.mu.Lock()
	defer l.mu.Unlock()
	h := heard{Messages: l.heard, Notes: l.notes, CPU: now.CPU - l.began.CPU, Late: l.late}
	for _, s := range l.socks {
		h.Counts, h.Sums = append(h.Counts, s.count), append(h.Sums, s.sum)
	}
	return h, errors.Join(err, l.trouble)
}

func (l *load) forget() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late, l.heard, l.notes = [groups]histogram{}, 0, 0
	for _, s := range l.socks {
		s.count, s.sum = 0, 0
	}
	l.began, err = used()
	return errors.Join(err, l.trouble)
}

// ---- connecting

// dial opens connections, one after the other.
func (l *load) dial(d dialling) (any, error) {
	addr, err := netip.ParseAddrPort(d.Address)
	if err != nil {
		return nil, err
	}
	for i, target := range d.Targets {
		s, rest, err := open(addr, d.Address, target, i)
		if err != nil {
			return nil, fmt.Errorf("client %d: %w", i, err)
		}
		s.group = d.Group
		if err := l.watch(s, rest); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// open connects from one of many addresses, so that ports suffice, and has the handshake. What follows the 101 is returned.
func open(addr netip.AddrPort, host, target string, i int) (s *sock, rest []byte, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	request := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%200)}}),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), // leaves no TIME_WAIT
		unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}),
	); err != nil {
		return nil, nil, err
	}
	if _, err := unix.Write(fd, []byte(request)); err != nil {
		return nil, nil, err
	}
	buf := make([]byte, 4<<10)
	var got []byte
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			return nil, nil, fmt.Errorf("handshake: %v after %q", err, got)
		}
		got = append(got, buf[:n]...)
		if head, rest, ok := bytes.Cut(got, []byte("\r\n\r\n")); ok {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return nil, nil, fmt.Errorf("handshake: %q", got)
			}
			return &sock{fd: fd}, rest, unix.SetNonblock(fd, true)
		}
	}
}

func (l *load) watch(s *sock, rest []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.byFD) <= s.fd {
		l.byFD = append(l.byFD, nil)
	}
	l.byFD[s.fd] = s
	l.socks = append(l.socks, s)
	l.take(s, rest)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
}

// ---- hearing

// run serves what comes, until the process ends.
func (l *load) run() {
	runtime.LockOSThread()
	for {
		n, err := unix.EpollWait(l.epoll, l.events, -1)
		if err != nil && err != unix.EINTR {
			panic(err) // the descriptor is ours
		}
		l.mu.Lock()
		for _, e := range l.events[:max(n, 0)] {
			l.read(l.byFD[e.Fd])
		}
		l.mu.Unlock()
	}
}

func (l *load) read(s *sock) {
	kept := copy(l.buf, s.part)
	n, err := unix.Read(s.fd, l.buf[kept:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case n <= 0:
		l.fail(fmt.Errorf("a node dropped a client: %v", err))
		_ = unix.Close(s.fd) // which also ends its events
	default:
		l.take(s, l.buf[:kept+n])
	}
}

func (l *load) fail(err error) {
	if l.trouble == nil {
		l.trouble = err
	}
}

// take counts the frames in b and keeps what is not whole.
func (l *load) take(s *sock, b []byte) {
	now := time.Now().UnixMicro()
	for {
		head, size := header(b)
		if head == 0 || len(b) < head+size {
			s.part = append(s.part[:0], b...)
			return
		}
		payload := b[head : head+size]
		switch b[0] & 15 {
		case reliability.OpText:
			l.heard++
			l.note(s, payload, now)
		case reliability.OpPing:
			if _, err := unix.Write(s.fd, pong(payload)); err != nil {
				l.fail(err)
			}
		case reliability.OpClose:
			l.fail(fmt.Errorf("a node closes: %q", payload))
		}
		b = b[head+size:]
	}
}

// header returns the lengths of b's frame, which is not masked; 0: it is not all there.
func header(b []byte) (head, payload int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch n := int(b[1] & 127); {
	case n < 126:
		return 2, n
	case n == 126 && len(b) >= 4:
		return 4, int(binary.BigEndian.Uint16(b[2:]))
	case n == 127 && len(b) >= 10:
		return 10, int(binary.BigEndian.Uint64(b[2:]))
	}
	return 0, 0
}

func pong(payload []byte) []byte {
	return slices.Concat([]byte{0x80 | reliability.OpPong, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload) // masked with zeros
}

const (
	numberMember = `"n":"`
	dueMember    = `","due":"`
	numberDigits = 10
	dueDigits    = 16
	noteLength   = len(numberMember) + numberDigits + len(dueMember) + dueDigits
)

// note counts a note, and how long after it was due it came; other messages are none of the load's business.
func (l *load) note(s *sock, text []byte, now int64) {
	at := s.at
	if len(text) < at+noteLength || string(text[at:at+len(numberMember)]) != numberMember {
		if at = bytes.Index(text, []byte(numberMember)); at < 0 || len(text) < at+noteLength {
			return
		}
		s.at = at
	}
	text = text[at+len(numberMember):]
	s.count++
	s.sum += digits(text[:numberDigits])
	l.notes++
	due := int64(digits(text[numberDigits+len(dueMember):][:dueDigits]))
	l.late[s.group].add(time.Duration(now-due) * time.Microsecond)
}

func digits(text []byte) (n uint64) {
	for _, d := range text {
		n = n*10 + uint64(d-'0')
	}
	return n
}

// loadProcess is a load in a process of its own.
type loadProcess struct{ *reliability.Process }

func startLoad() (loadProcess, error) {
	path, err := program()
	if err != nil {
		return loadProcess{}, err
	}
	p, err := reliability.Start(path, "load", json.RawMessage("{}"))
	return loadProcess{p}, err
}
