package wsconn

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Close sends a close frame behind all that is queued, for which the peer has Config.WriteTimeout. Then it has Config.CloseTimeout to
// answer. Only the first end counts.
func (s *Socket) Close(code int, reason string) {
	s.sayClose(End{Code: code, Reason: reason}, false)
}

// Drain closes the socket as Config.Goodbye says when the handler that runs has returned, at once if none runs. Messages that have not begun are
// discarded.
func (s *Socket) Drain() {
	s.set(flagDraining)
	s.settle()
}

// Abort drops the connection without a close frame; End.Err is cause.
func (s *Socket) Abort(cause error) {
	s.out.mu.Lock()
	s.lose(cause)
	s.out.acts &^= actLost
	s.unlock()
	s.finish(End{Code: statusAbnormal, Err: cause})
	s.drop()
}

// Over reports whether the end is known or begun: nothing more is handled.
func (s *Socket) Over() bool { return s.has(flagOver | flagClosing) }

// Busy reports whether the handler runs.
func (s *Socket) Busy() bool {
	state := s.phase.Load() & phaseMask
	return state == phaseHandling || state == phaseStolen
}

// fail ends the connection because of what the peer did. What is queued is discarded.
func (s *Socket) fail(code int, err error) {
	e := End{Code: code, Reason: cutReason(err.Error()), Err: err}
	s.finish(e)
	s.out.mu.Lock()
	s.discard()
	s.unlock()
	s.sayClose(e, true)
}

// peerClosed answers the peer's close frame, if it is not itself the answer to ours. What was sent before still goes out first: it does
// not depend on how the peer's bytes were cut.
func (s *Socket) peerClosed(code int, reason string) {
	s.set(flagHeard)
	e := End{Code: code, Reason: reason, Remote: true}
	s.out.mu.Lock()
	if s.out.said { // it is the answer to ours, and came before who wrote that could tell
		e = *s.out.rare.bye
	}
	s.out.mu.Unlock()
	s.finish(e)
	s.sayClose(End{Code: code}, true)
	if s.has(flagSent) {
		s.farewell()
	}
}

// sayClose queues the close frame for e, if none is. In a hurry, the peer has Config.CloseTimeout for what is queued before it.
func (s *Socket) sayClose(e End, hurry bool) {
	s.set(flagClosing)
	now := s.shard.loop.now()
	o := &s.out
	o.mu.Lock()
	o.shut = true
	if r := o.makeRare(); r.lost == nil && !o.said {
		if r.bye == nil {
			r.bye = &e
			s.hold()
		}
		by := now + s.shard.loop.WriteTimeout
		if hurry {
			by = now + s.shard.loop.CloseTimeout
		}
		if old := s.closeBy.Load(); old == 0 || int64(by) < old {
			s.closeBy.Store(int64(by))
		}
		s.flushLocked()
	}
	s.unlock()
	s.schedule(time.Duration(s.closeBy.Load()))
}

// finish records the end and tells the handler, the first time. Once our close frame is on its way, the end is ours: the peer's answer
// may be read before whoever sent the frame comes here.
func (s *Socket) finish(e End) {
	s.out.mu.Lock()
	s.out.shut = true
	if s.out.said {
		e = *s.out.rare.bye
	}
	s.unlock()

	s.mu.Lock()
	if s.end != nil {
		s.mu.Unlock()
		return
	}
	s.end = &e
	s.set(flagOver)
	s.mu.Unlock()

	defer func() { // also if Ended panics: Finish and Released are owed
		s.set(flagTold)
		s.settle()
	}()
	s.h.Ended(e)
}

// settle does what had to wait until no handler runs.
func (s *Socket) settle() {
	v := s.phase.Load()
	if v&phaseMask != phaseFree {
		return // it settles when it returns
	}
	switch flags := s.flags.Load(); {
	case flags&flagTold != 0:
		if s.phase.CompareAndSwap(v, v|phaseOver) {
			go s.last()
		}
	case flags&flagDraining != 0 && flags&(flagClosing|flagOver) == 0:
		s.Close(s.shard.loop.Goodbye.Code, s.shard.loop.Goodbye.Reason)
	}
}

// last runs Handler.Finish.
func (s *Socket) last() {
	defer s.leftOne()
	defer s.shard.loop.guard()
	s.mu.Lock()
	e := *s.end
	s.mu.Unlock()
	s.h.Finish(e)
}

// leftOne tells the handler when all is over.
func (s *Socket) leftOne() {
	defer s.shard.loop.guard()
	if s.left.Add(-1) == 0 {
		s.h.Released()
	}
}

// closeSent follows our close frame: the peer has its time to answer, and sees that nothing more comes.
func (s *Socket) closeSent() {
	now := s.shard.loop.now()
	s.closeBy.Store(int64(now + s.shard.loop.CloseTimeout))
	s.set(flagSent)
	s.schedule(now + s.shard.loop.CloseTimeout)
	half := s.conn.closeWrite()
	if s.has(flagRead) || s.has(flagHeard) && !half {
		s.drop()
	} else {
		s.readOn()
	}
}

// farewell ends the connection when both close frames have been said. Where the network can say that nothing more comes, the peer
// closes it first: what it has still sent would otherwise reset the connection, and our close frame with it.
func (s *Socket) farewell() {
	if !s.conn.halves() {
		s.drop()
	}
}

// readFailed is what follows when nothing more can be read.
func (s *Socket) readFailed(err error) {
	if s.has(flagGone) {
		return
	}
	if !s.has(flagOver|flagClosing) || !errors.Is(err, io.EOF) {
		s.finish(End{Code: statusAbnormal, Err: lost("reading", err)})
		s.drop()
		return
	}
	s.set(flagHeard | flagRead)
	if s.has(flagSent) {
		s.drop()
	}
}

// awaitSent gives up the reading role until our close frame has left, because the peer sends more than is worth to be looked at before. It reports false if
// the frame has left.
func (s *Socket) awaitSent() bool {
	s.mu.Lock()
	sent := s.has(flagSent)
	s.unread = !sent
	gone := s.has(flagGone)
	s.mu.Unlock()
	if gone {
		s.leaveOnce()
	}
	return !sent
}

// readOn has the peer's close frame looked for again, behind awaitSent.
func (s *Socket) readOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unread {
		s.unread, s.discarded = false, 0
		go s.run()
	}
}

// awaitDrop gives up the reading role for good, because nothing more can be read.
func (s *Socket) awaitDrop() {
	s.mu.Lock()
	s.unread = true
	gone := s.has(flagGone)
	s.mu.Unlock()
	if gone {
		s.leaveOnce()
	}
}

// drop closes the connection under everything that waits for it.
func (s *Socket) drop() {
	if s.flags.Or(flagGone)&flagGone != 0 {
		return
	}
	s.out.mu.Lock()
	s.out.shut = true
	s.discard()
	s.unlock()
	s.conn.shut(s)
	s.mu.Lock()
	unread := s.unread
	s.mu.Unlock()
	if unread {
		s.leaveOnce()
	}
}

func (s *Socket) leaveOnce() {
	s.mu.Lock()
	first := s.unread
	s.unread = false
	s.mu.Unlock()
	if first {
		s.leave()
	}
}

// leave is the end of the reading role: the connection is gone.
func (s *Socket) leave() {
	s.shard.forget(s)
	s.freeInput()
	s.parser.release()
	if s.parser.deflate != nil {
		s.parser.deflate.Close()
	}
	s.conn.close(s)
	s.leftOne()
}

// shed closes the connection that holds most, because all together hold too much.
func (l *Loop) shed() {
	var most *Socket
	size := 0
	for i := range l.shards {
		for s := range l.shards[i].all() {
			if n := s.holds(); n > size {
				most, size = s, n
			}
		}
	}
	if most == nil || l.Counters.buffered.Load() <= l.MaxBuffered {
		return
	}
	most.fail(statusTryLater, fmt.Errorf("too slow: %d bytes wait for it, and %d for all peers", size, l.MaxBuffered))
}

// holds is how much waits for the peer, 0 once the end is known.
func (s *Socket) holds() int {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if s.out.w == nil || s.out.shut {
		return 0
	}
	return s.out.w.bytes
}

var errParked = errors.New("nothing to read for now")

// A transport is the network under a socket. fill belongs to who has the reading role, writes to who has the outbox.
type transport interface {
	// fill reads at most n bytes into s.in, which it provides. errParked: none are there, the reading role is given up, and
	// somebody will run the socket when there are.
	fill(s *Socket, n int) (int, error)
	// unread reports whether something is there that fill has not taken, or the end, as far as that can be known, and sees to it that
	// somebody looks.
	unread(s *Socket) bool
	// yield lets others have their turn. It reports whether it gave up the reading role for that.
	yield() bool
	// behind reports whether something is there to be read that nobody has come to read.
	behind() bool
	// ended reports whether the peer has ended the connection, also while nobody reads. Where that cannot be known it has not.
	ended() bool

	// direct reports whether write takes what the network takes at once. If not, there is only writeSome.
	direct() bool
	write(p []byte) (int, error)
	// writeSome waits until the network takes something.
	writeSome(p []byte) (int, error)
	// awaitWritable sees to it that the rest is written when the network takes more.
	awaitWritable(s *Socket)

	// closeWrite tells the peer that nothing more comes and reports whether the network can say so; halves reports that alone.
	closeWrite() bool
	halves() bool
	// shut makes everything return that waits for the network. close follows, by who had the reading role last.
	shut(s *Socket)
	close(s *Socket)
}
