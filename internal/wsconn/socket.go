package wsconn

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A Socket is one upgraded connection. Its exported methods are safe from any goroutine.
//
// Who holds the reading role reads, takes apart and, if nobody else does, handles: it runs read. A handler that takes its
// time loses the role to a second goroutine, which queues what comes, and gets it back or ends when it has caught up.
type Socket struct {
	shard *shard
	h     Handler
	conn  transport

	flags atomic.Uint32
	phase atomic.Uint32 // of handling: a state in the low bits, above it the number of the handler
	life  atomic.Int64  // when the peer was last heard, in Loop.now
	since atomic.Int64  // when the message began that is unfinished. 0: none is
	left  atomic.Int32  // what Released waits for

	corkedAt atomic.Int64 // when what is sent began to be held back, in Loop.now. 0: it is not; set under out.mu

	listed atomic.Bool // it is in shard.running; set under shard.mu

	// Of the reading role.
	parser    parser
	in        *Buffer // what was read; nil: nothing
	r         int32   // bytes of in that are done
	discarded int32   // bytes read after our close frame
	spared    uint8   // messages for which the clock is not looked at while replies are held back
	opened    bool
	deaf      bool // what comes is not taken apart any more
	pinged    bool // a ping is unanswered; of who ticks, like nextPing

	// Of mu.
	starved bool // nobody reads, until ahead is shorter
	unread  bool // nobody reads, until our close frame has left or ever again
	mu      sync.Mutex
	end     *End
	ahead   *ahead // read while a handler runs; nil: nothing

	out outbox

	rate *bucket // of the reading role; nil: nothing came yet

	closeBy  atomic.Int64  // when the connection is dropped, in Loop.now. 0: nothing is to be closed
	expireAt atomic.Int64  // when the peer's credentials expire. 0: never
	nextPing time.Duration // or, if one is unanswered, when it left; of who ticks

	// Of shard.mu.
	timers entry
	succ   *Socket // in shard.running
}

// Flags, which are only ever set, but for flagSlow.
const (
	flagOver     = 1 << iota // the end is known
	flagTold                 // Ended has returned
	flagClosing              // our close frame is queued: nothing more is handled
	flagDraining             // to be closed when the running handler has returned
	flagSent                 // our close frame has left
	flagHeard                // the peer's has come, or it sends nothing more
	flagRead                 // there is nothing more to be read
	flagGone                 // the connection is closed
	flagSlow                 // out.blocked, for who does not hold out.mu
)

// States of Socket.phase.
const (
	phaseFree     = iota // no handler runs; one may begin
	phaseHandling        // one runs, in the goroutine that has the reading role
	phaseStolen          // one runs, and the reading role is another's
	phaseOver            // none will run any more
	phaseMask     = 3
	phaseNext     = 4 // counts handlers
)

func (s *Socket) set(flag uint32)      { s.flags.Or(flag) }
func (s *Socket) has(flag uint32) bool { return s.flags.Load()&flag != 0 }

// run is read at the top of a goroutine.
func (s *Socket) run() {
	returned := false
	defer func() {
		if !returned {
			s.crashed(recover())
		}
	}()
	s.read()
	returned = true
}

// guard is deferred at the top of a goroutine, or around what it does for s if it serves others too: a panic, which is a mistake of this
// package or of its Handler, ends that connection and nothing else.
func (s *Socket) guard() {
	p := recover()
	if p == nil {
		return
	}
	s.shard.loop.fault(p)
	go func() { // whoever panicked may have held a lock for ever
		defer s.shard.loop.guard()
		s.Abort(errInterrupted)
	}()
}

// guard is the same for what belongs to no connection.
func (l *Loop) guard() {
	if p := recover(); p != nil {
		l.fault(p)
	}
}

// fault tells of a panic. If that panics too, there is nobody left to tell.
func (l *Loop) fault(p any) {
	defer func() { _ = recover() }()
	if l.Fault != nil {
		l.Fault(p, debug.Stack())
	}
}

// interrupted ends the connection because a handler panicked or ended its goroutine.
func (s *Socket) interrupted(p any) {
	if p != nil {
		s.shard.loop.fault(p)
	}
	e := End{Code: statusInternal, Reason: "internal error", Err: errInterrupted}
	s.finish(e)
	s.sayClose(e, true)
}

// crashed is the end of a goroutine that had the reading role: p is nil if a handler ended it by runtime.Goexit, as a failing test
// does, else this package's own mistake.
func (s *Socket) crashed(p any) {
	defer s.shard.loop.guard()
	if p != nil {
		s.shard.loop.fault(p)
		if v := s.phase.Load(); v&phaseMask == phaseHandling { // what it panicked in returns no more
			s.phase.CompareAndSwap(v, v&^phaseMask)
		}
		s.Abort(errInterrupted)
		s.leave()
		s.settle()
		return
	}
	s.mu.Lock()
	v := s.phase.Load()
	mine := v&phaseMask != phaseStolen || s.starved
	s.starved = false
	s.freeAhead()
	s.phase.Store(v &^ phaseMask)
	s.mu.Unlock()
	s.settle()
	if mine {
		go s.run()
	}
}
