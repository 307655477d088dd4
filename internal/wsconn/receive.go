package wsconn

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

const (
	readSize = 8 << 10

	// What one turn of a socket may handle before others have theirs.
	maxTurnFrames = 64
	maxTurnBytes  = 256 << 10

	// maxDiscarded is how much is read after our close frame to find the peer's, and before it has left.
	maxDiscarded = 256 << 10

	// corkTime is how long a reply may be held back because more requests are there to be handled.
	corkTime      = 100 * time.Microsecond
	quickMessages = 8 // that are handled in a corkTime together
)

// read reads and handles what comes. It returns when there is nothing to read and the loop's poller waits for more, when
// somebody else has the reading role, or when the connection is gone. The caller holds the role and has it no longer afterwards.
func (s *Socket) read() {
	if !s.opened {
		s.opened = true
		if !s.open() {
			return
		}
	}
	for frames, bytes := 0, 0; ; {
		for s.in != nil && int(s.r) < len(s.in.B) {
			before := s.r
			if !s.step() {
				return
			}
			frames, bytes = frames+1, bytes+int(s.r-before)
			if frames >= maxTurnFrames || bytes >= maxTurnBytes {
				if s.conn.yield() {
					return
				}
				frames, bytes = 0, 0
			}
		}
		s.uncork()
		s.freeInput()
		s.noteUnfinished()
		room := s.room()
		if room == 0 {
			s.schedule(s.shard.loop.now() + sweepTime)
			return
		}
		n, err := s.conn.fill(s, room)
		if err == errParked {
			return
		}
		if n > 0 {
			s.shard.count.bytesIn.Add(uint64(n))
			s.life.Store(int64(s.shard.loop.now()))
			if s.has(flagClosing) {
				s.discarded += int32(n)
			}
		}
		switch {
		case err != nil:
			s.readFailed(err)
		case s.discarded <= maxDiscarded:
		case s.awaitSent():
			return
		default:
			s.drop()
		}
		if s.has(flagGone) {
			s.leave()
			return
		}
		if err != nil { // our close frame has not left yet
			s.awaitDrop()
			return
		}
	}
}

// room is how much may be read: as much as one read gives, or what read-ahead is left while a handler runs. 0: nothing,
// and the reading role is given up until there is.
func (s *Socket) room() int {
	if s.phase.Load()&phaseMask != phaseStolen || s.has(flagClosing) {
		return readSize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase.Load()&phaseMask != phaseStolen {
		return readSize
	}
	room := s.shard.loop.ReadAhead - s.parser.kept()
	if s.ahead != nil {
		room -= s.ahead.bytes
	}
	if room <= 0 {
		s.starved = true
		s.since.Store(0) // it is not the peer who keeps us waiting
		return 0
	}
	return min(room, readSize)
}

func (s *Socket) freeInput() {
	s.in.free()
	s.in, s.r = nil, 0
}

// step handles the next of what was read. It reports whether the reading role is still the caller's.
func (s *Socket) step() (mine bool) {
	if s.deaf {
		s.r = int32(len(s.in.B))
		return true
	}
	ev, n, err := s.parser.next(s.in.B[s.r:], &s.shard.loop.limits)
	s.r += int32(n)
	if err != nil {
		s.deaf = true
		s.fail(err.code, err)
		return true
	}
	switch ev.kind {
	case eventText, eventBinary:
		return s.deliver(&ev)
	case eventPing:
		s.holdReplies()
		s.pong(ev.data)
	case eventClosing:
		s.deaf = true
		s.peerClosed(ev.code, ev.reason)
	}
	ev.buf.free()
	return true
}

// deliver hands a message to the handler, or keeps it while an earlier one is handled. It reports whether the reading role is
// still the caller's.
func (s *Socket) deliver(ev *event) (mine bool) {
	m := received{data: ev.data, buf: ev.buf, binary: ev.kind == eventBinary}
	if s.has(flagOver | flagClosing | flagDraining) {
		m.free()
		return true
	}
	if ev.compressed && !s.inflate(&m) {
		return true
	}
	if s.shard.loop.Rate.on() && !s.allow(len(m.data)) {
		m.limited = true
	}
	for {
		if v := s.phase.Load(); v&phaseMask == phaseFree {
			s.holdReplies()
			if in, ok := s.begin(v); ok {
				s.call(&m)
				m.free()
				return s.returned(in)
			}
		}
		if s.keep(m) {
			return true
		}
	}
}

// inflate replaces the data of m by what it was before it was compressed. It ends the connection if that cannot be or breaks a rule.
func (s *Socket) inflate(m *received) bool {
	buf := getBuffer(2 * len(m.data))
	data, err := s.parser.deflate.Inflate(buf.B, m.data, s.shard.loop.MaxMessage)
	m.free()
	buf.B = data
	m.data, m.buf = data, buf
	var code int
	switch {
	case errors.Is(err, errInflateLimit):
		code, err = statusTooBig, fmt.Errorf("message over %d bytes when inflated", s.shard.loop.MaxMessage)
	case err != nil:
		code = statusNotUTF8 // inconsistent data (RFC 6455, section 7.4.1)
	case !m.binary && !utf8.Valid(data):
		code, err = errNotUTF8.code, errNotUTF8
	default:
		return true
	}
	m.free()
	s.deaf = true
	s.fail(code, err)
	return false
}

// open runs the handler's Open. It reports whether the reading role is still the caller's.
func (s *Socket) open() (mine bool) {
	in, ok := s.begin(s.phase.Load() &^ phaseMask)
	if !ok {
		return true
	}
	s.call(nil)
	return s.returned(in)
}

// begin marks that a handler runs in the goroutine that has the reading role. That may be stolen from now on: the caller touches
// nothing of it until returned says that it is still there. in is what the handler reads from.
func (s *Socket) begin(free uint32) (in *Buffer, ok bool) {
	in = s.in
	if !s.phase.CompareAndSwap(free, free+phaseNext|phaseHandling) {
		return nil, false
	}
	if !s.listed.Load() { // asked behind the swap: onSweep looks in the other order
		s.shard.busy(s)
	}
	return in, true
}

// call hands m to the handler, unless it is too late for that. A nil m is the opening.
func (s *Socket) call(m *received) {
	if m != nil && s.has(flagSlow) && !s.awaitRoom() {
		return
	}
	s.shard.loop.acquire()
	defer s.shard.loop.giveBack()
	if m != nil && s.has(flagOver|flagClosing|flagDraining) {
		return
	}
	count, returned := s.shard.count, false
	defer func() {
		count.done.Add(1)
		if returned {
			return
		}
		p := recover()
		if p == nil && m != nil { // the goroutine ends, and with it who would free m
			m.free()
		}
		s.interrupted(p)
	}()
	switch {
	case m == nil:
		count.opened.Add(1)
		s.h.Open()
	case m.limited:
		count.received.Add(1)
		count.limited.Add(1)
		s.h.Limited(m.data, m.binary)
	default:
		count.received.Add(1)
		s.h.Message(m.data, m.binary)
	}
	returned = true
}

// returned is what follows a handler that ran in the goroutine that had the reading role, and read from in.
func (s *Socket) returned(in *Buffer) (mine bool) {
	v := s.phase.Load()
	if v&phaseMask != phaseHandling || !s.phase.CompareAndSwap(v, v&^phaseMask) {
		s.mu.Lock() // whoever has the role now has taken what it needs of in
		in.free()
		s.mu.Unlock()
		return s.catchUp()
	}
	if s.flags.Load() != 0 {
		s.settle()
	}
	s.flushLate()
	return true
}

// awaitRoom waits until at most half of the outbox waits for the network. A peer that asks faster than it reads the answers is so
// slowed down to its own pace, and the other half is for what it did not ask for. It reports false if the network has failed.
func (s *Socket) awaitRoom() bool {
	for o := &s.out; ; {
		o.mu.Lock()
		if o.rare != nil && o.rare.lost != nil {
			s.unlock()
			return false
		}
		if !o.blocked || o.w == nil || o.w.all() <= s.shard.loop.Outbox/2 || s.has(flagOver|flagClosing|flagDraining) {
			s.unlock()
			return true
		}
		_ = s.wait(context.Background()) // it ends with the write timeout at the latest
	}
}

// acquire waits until one more handler may run.
func (l *Loop) acquire() {
	if l.handlers != nil {
		l.handlers <- struct{}{}
	}
}

func (l *Loop) giveBack() {
	if l.handlers != nil {
		<-l.handlers
	}
}

// A received message has data that lie in buf or, if that is nil, in what was read.
type received struct {
	data    []byte
	buf     *Buffer
	binary  bool
	limited bool
}

func (m *received) free() { m.buf.free() }

// cost is what a message counts for that was read ahead: its bytes, but empty ones are not free.
func (m *received) cost() int { return len(m.data) + 64 }

// ahead is what was read while a handler ran.
type ahead struct {
	queue []received
	bytes int
}

// keep queues m behind the handler that runs elsewhere. It reports false if none does any more.
func (s *Socket) keep(m received) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase.Load() & phaseMask {
	case phaseOver:
		m.free()
		return true
	case phaseStolen:
	default:
		return false
	}
	if m.buf == nil || cap(m.buf.B) > 2*len(m.data)+minBuffer {
		data := append([]byte(nil), m.data...)
		m.free()
		m.data, m.buf = data, nil
	}
	if s.ahead == nil {
		s.ahead = new(ahead)
	}
	s.ahead.queue = append(s.ahead.queue, m)
	s.ahead.bytes += m.cost()
	return true
}

// freeAhead forgets what was read ahead. The caller holds mu.
func (s *Socket) freeAhead() {
	if s.ahead == nil {
		return
	}
	for _, m := range s.ahead.queue {
		m.free()
	}
	s.ahead = nil
}

// next takes the oldest message that was read ahead, and lets somebody read on when there is room again.
func (s *Socket) next() (m received, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.ahead
	if s.has(flagOver|flagClosing|flagDraining) || a == nil || len(a.queue) == 0 {
		return m, false
	}
	m = a.queue[0]
	a.queue[0] = received{}
	a.queue = a.queue[1:]
	a.bytes -= m.cost()
	if s.starved && a.bytes < s.shard.loop.ReadAhead/2 {
		s.starved = false
		go s.run()
	}
	return m, true
}

// catchUp handles what was read ahead while a handler ran. Then either somebody else reads, or nobody did and the reading role is
// the caller's again.
func (s *Socket) catchUp() (mine bool) {
	for {
		m, ok := s.next()
		if ok {
			s.call(&m)
			m.free()
			continue
		}
		s.mu.Lock()
		if s.ahead != nil && len(s.ahead.queue) > 0 && !s.has(flagOver|flagClosing|flagDraining) {
			s.mu.Unlock()
			continue // it came between
		}
		s.freeAhead()
		v := s.phase.Load()
		s.phase.Store(v &^ phaseMask)
		mine = s.starved
		s.starved = false
		s.mu.Unlock()
		s.settle()
		return mine
	}
}

// steal gives the reading role to another goroutine, because the handler with the number in v takes its time. What was read is
// left to that handler, but for the bytes behind its message.
func (s *Socket) steal(v uint32) {
	if v&phaseMask != phaseHandling {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.phase.CompareAndSwap(v, v&^phaseMask|phaseStolen) {
		return
	}
	if old := s.in; old != nil {
		rest := old.B[s.r:]
		s.in, s.r = nil, 0
		if len(rest) > 0 {
			s.in = getBuffer(len(rest))
			s.in.B = append(s.in.B, rest...)
		}
	}
	go s.takeOver()
}

// takeOver begins in a goroutine that has just got the reading role.
func (s *Socket) takeOver() {
	func() {
		defer s.guard()
		s.uncork()
	}()
	s.run()
}

// holdReplies begins to hold back what is sent, if another whole frame is there to be handled.
func (s *Socket) holdReplies() {
	if s.corked() || s.in == nil || !s.parser.whole(s.in.B[s.r:]) {
		return
	}
	s.spared = 0
	s.cork()
	if !s.listed.Load() { // asked behind it, as in begin
		s.shard.busy(s)
	}
	s.shard.watchCork()
}

// flushLate sends what has been held back for corkTime. To look at the clock costs what a small message costs: after quick ones it is spared for as many as
// will not take the rest of the time either.
func (s *Socket) flushLate() {
	at := s.corkedAt.Load()
	switch {
	case at == 0:
		return
	case s.spared > 0:
		s.spared--
		return
	}
	switch now := int64(s.shard.loop.now()); {
	case now-at > int64(corkTime):
		s.corkAnew(at, now)
	case now-at < int64(corkTime)/quickMessages:
		s.spared = quickMessages - 1
	}
}

// noteUnfinished begins or ends the time that a message may take to come.
func (s *Socket) noteUnfinished() {
	if s.shard.loop.MessageTimeout < 0 {
		return
	}
	switch unfinished := s.parser.part != nil; {
	case !unfinished && s.since.Load() != 0:
		s.since.Store(0)
	case unfinished && s.since.Load() == 0:
		now := s.shard.loop.now()
		s.since.Store(int64(now))
		s.schedule(now + s.shard.loop.MessageTimeout)
	}
}
