package wsconn

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A poller watches the descriptors of sockets that wait without a goroutine, in an edge-triggered epoll set that Go's own poller
// watches in turn. Those that are ready queue for the loop's workers. The zero value begins with the first socket.
type poller struct {
	mu      sync.Mutex
	file    *os.File // the epoll set; nil: none
	fd      int
	stopped bool

	table   table
	workers workers
}

const epollET = 1 << 31

// adopt takes over the connection of s if it is a TCP socket and nothing else, and if every step succeeds; else s is as it was.
func (p *poller) adopt(s *Socket) bool {
	old, ok := s.conn.(*raw)
	if !ok {
		return false
	}
	tcp, ok := old.Conn.(*net.TCPConn)
	if !ok || !p.start() {
		return false
	}
	fd := -1
	if err := old.rc.Control(func(of uintptr) { fd = duplicate(of) }); err != nil || fd < 0 {
		return false
	}
	c := &idle{poller: p, s: s, fd: fd}
	c.state.Store(idleRunning)
	s.use(c)
	generation := p.table.add(c)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET, Fd: int32(c.slot), Pad: int32(generation)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
		p.table.remove(c.slot)
		_ = syscall.Close(fd)
		s.use(old)
		return false
	}
	_ = tcp.Close() // what Go holds for it is freed; the descriptor above lives on
	p.workers.queue(c)
	return true
}

// use has s write to c from now on. A ping may be due already.
func (s *Socket) use(c transport) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.conn = c
}

// now returns how many workers there are, and how many sockets wait for one.
func (p *poller) now() (count, ready int) { return p.workers.now() }

// duplicate returns a descriptor of the same connection that Go knows nothing of, or -1.
func duplicate(fd uintptr) int {
	n, _, err := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	if err != 0 {
		return -1
	}
	return int(n)
}

// start reports whether the poller runs.
func (p *poller) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil || p.stopped {
		return p.file != nil
	}
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return false
	}
	file := os.NewFile(uintptr(fd), "epoll")
	rc, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return false
	}
	p.file, p.fd = file, fd
	go p.run(rc)
	return true
}

// stop ends the poller, whose sockets are gone.
func (p *poller) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
	p.workers.stop()
}

// run takes events until the set is closed.
func (p *poller) run(rc syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	_ = rc.Read(func(fd uintptr) bool { // stays in one Read, which waits whenever nothing is ready
		for {
			n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0) // as in call_linux.go
			switch {
			case errno == syscall.EINTR:
				continue
			case errno != 0:
				return true
			case n == 0:
				return false
			}
			for _, ev := range events[:n] {
				if c := p.table.get(uint32(ev.Fd), uint32(ev.Pad)); c != nil {
					c.ready(ev.Events)
				}
			}
		}
	})
}

// A table finds sockets by the number in their events. A number is used again with another generation, so that a late event
// reaches nobody.
type table struct {
	mu   sync.RWMutex
	rows []row
	free []uint32
}

type row struct {
	c          *idle
	generation uint32
}

func (t *table) add(c *idle) (generation uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		c.slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		c.slot = uint32(len(t.rows))
		t.rows = append(t.rows, row{})
	}
	t.rows[c.slot].c = c
	return t.rows[c.slot].generation
}

func (t *table) remove(slot uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[slot].c = nil
	t.rows[slot].generation++
	t.free = append(t.free, slot)
}

func (t *table) get(slot, generation uint32) *idle {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(slot) < len(t.rows) && t.rows[slot].generation == generation {
		return t.rows[slot].c
	}
	return nil
}

// States of idle.state.
const (
	idleParked  = iota // nobody has the reading role
	idleRunning        // somebody has it, or will
	idleAgain          // and must look once more
)

// An idle is a transport on a descriptor of our own. Only who has the reading role closes it, under the outbox's lock; everybody
// else shuts it down, so that its number is never another connection's under somebody's feet.
type idle struct {
	poller *poller
	s      *Socket
	fd     int // -1: closed; guarded by the outbox's lock and, for reading, the reading role
	slot   uint32
	state  atomic.Uint32
	hup    atomic.Bool // the peer will send nothing more
	dry    bool        // the last read took all there was; of the reading role
	next   *idle       // in the workers' queue
}

// ready takes an event.
func (c *idle) ready(events uint32) {
	defer c.s.guard()
	if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.hup.Store(true)
	}
	if events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.wake()
	}
	if events&syscall.EPOLLOUT != 0 {
		c.s.writable()
	}
}

// wake sees to it that what is there is read.
func (c *idle) wake() {
	for {
		switch c.state.Load() {
		case idleParked:
			if c.state.CompareAndSwap(idleParked, idleRunning) {
				c.poller.workers.queue(c)
				return
			}
		case idleRunning:
			if c.state.CompareAndSwap(idleRunning, idleAgain) {
				return
			}
		default:
			return
		}
	}
}

func (c *idle) fill(s *Socket, n int) (int, error) {
	for {
		if c.dry && !c.hup.Load() && !s.has(flagGone) {
			c.dry = false
			if c.state.CompareAndSwap(idleRunning, idleParked) {
				return 0, errParked
			}
			c.state.Store(idleRunning)
		}
		if s.has(flagGone) {
			return 0, net.ErrClosed
		}
		s.in = getBuffer(n)
		hup := c.hup.Swap(false) // before the read: what an event says behind it stands
		got, err := readFD(c.fd, s.in.B[:n])
		if err == errParked { // then it was no end, which would have been read
			s.freeInput()
			c.dry = true
			continue
		}
		if hup {
			c.hup.Store(true) // there may be an end behind this, of which no further event tells
		}
		s.in.B = s.in.B[:got]
		c.dry = err == nil && got < n
		return got, err
	}
}

func (c *idle) unread(s *Socket) bool {
	s.out.mu.Lock()
	yes := c.fd >= 0 && unreadFD(c.fd)
	s.out.mu.Unlock()
	if yes {
		c.wake()
	}
	return yes
}

func (c *idle) yield() bool {
	if c.poller.workers.none() {
		return false
	}
	c.poller.workers.queue(c)
	return true
}

func (c *idle) behind() bool { return c.state.Load() != idleParked }

func (c *idle) ended() bool {
	c.s.out.mu.Lock()
	defer c.s.out.mu.Unlock()
	return c.fd >= 0 && peerEnded(c.fd)
}

func (c *idle) direct() bool { return true }

func (c *idle) write(p []byte) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	return writeFD(c.fd, p)
}

func (c *idle) writeSome([]byte) (int, error) {
	panic("wsconn: writeSome on a transport that does not wait")
}

// awaitWritable does nothing: the event comes by itself.
func (c *idle) awaitWritable(*Socket) {}

func (c *idle) halves() bool { return true }

func (c *idle) closeWrite() bool {
	c.s.out.mu.Lock()
	defer c.s.out.mu.Unlock()
	return c.fd >= 0 && syscall.Shutdown(c.fd, syscall.SHUT_WR) == nil
}

func (c *idle) shut(s *Socket) {
	s.out.mu.Lock()
	if c.fd >= 0 {
		_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
	}
	s.out.mu.Unlock()
	c.wake()
}

func (c *idle) close(s *Socket) {
	c.poller.table.remove(c.slot)
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	_ = syscall.Close(c.fd)
	c.fd = -1
}
