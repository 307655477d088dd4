package wsconn

import (
	"math/bits"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Loop runs the sockets of one router. It keeps no goroutine and no timer while it has no sockets.
type Loop struct {
	Config
	limits limits
	epoch  time.Time
	shards []shard
	turn   atomic.Uint32 // of the shards

	handlers chan struct{} // a token for each handler that runs; nil: no limit
	flusher  flusher
	poller   poller
}

// NewLoop returns a loop for sockets of one kind.
func NewLoop(c Config) *Loop {
	l := &Loop{Config: c, limits: limits{c.MaxMessage, c.MaxFrames}, epoch: time.Now().Add(-1)} // no time is 0, which says: none
	if c.MaxHandlers > 0 {
		l.handlers = make(chan struct{}, c.MaxHandlers)
	}
	if l.Counters == nil {
		l.Counters = new(Counters)
	}
	n := min(runtime.GOMAXPROCS(0), maxShards)
	l.shards = make([]shard, 1<<bits.Len(uint(n-1))) // a power of two
	for i := range l.shards {
		l.shards[i].loop, l.shards[i].count = l, l.Counters.cell(i)
	}
	return l
}

const maxShards = 64

// now is the time that deadlines are told in.
func (l *Loop) now() time.Duration { return time.Since(l.epoch) }

// Negotiate answers the Sec-WebSocket-Extensions headers of a handshake, as [Negotiate] does.
func (l *Loop) Negotiate(headers []string) (response string, agreed *Compression, err error) {
	return Negotiate(headers, l.Compression)
}

// New returns the socket for conn, which has answered with a 101; its h is called after Start. early is what the peer has already sent
// behind its handshake, and is not kept; agreed is what Negotiate returned, or nil.
func (l *Loop) New(conn net.Conn, early []byte, agreed *Compression, h Handler) *Socket {
	s := &Socket{shard: &l.shards[int(l.turn.Add(1))&(len(l.shards)-1)], h: h}
	s.conn = newConn(s, conn)
	s.parser.deflate = agreed
	s.left.Store(2)
	if len(early) > 0 {
		s.in = getBuffer(len(early))
		s.in.B = append(s.in.B, early...)
	}
	tune(conn, l)
	return s
}

// Start begins with Handler.Open. It does not wait.
func (s *Socket) Start() {
	s.beginLife()
	if s.shard.loop.Idle && s.shard.loop.poller.adopt(s) {
		return
	}
	go s.run()
}

// Stop frees what the loop holds when its last socket is released. A loop that has sockets goes on.
func (l *Loop) Stop() { l.poller.stop() }

// A shard is a share of the sockets, with one lock for their deadlines.
type shard struct {
	loop  *Loop
	count *cell

	mu       sync.Mutex
	wheel    wheel
	alarm    *time.Timer   // for the wheel
	alarmAt  time.Duration // 0: it is not set
	ringing  bool
	putOff   time.Duration // when the alarm comes that came late; 0: it did not
	due      []*Socket     // of who rings, kept for the next time
	running  *Socket       // list of those that may run a handler, by Socket.succ
	sweep    *time.Timer
	sweeping bool
	cork     *time.Timer
	corking  bool

	_ [64]byte // shards do not share a cache line
}
