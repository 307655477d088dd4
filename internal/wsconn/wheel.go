package wsconn

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

const (
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 512 // a longer time waits in the last slot and is put back from there
)

// A wheel keeps sockets by when they are due, in slots of one tick. The zero value is empty, at time 0.
type wheel struct {
	slots [wheelSlots]*Socket
	at    int64 // tick whose slot comes first
	count int
}

// An entry is a socket's place in a wheel.
type entry struct {
	next, prev *Socket
	due        time.Duration
	slot       int16
	in         bool
	gone       bool   // not to be added again
	swept      uint32 // Socket.phase, when onSweep last looked: here is room
}

// add puts s in, which is in no wheel.
func (w *wheel) add(s *Socket, due time.Duration) {
	tick := min(max(int64(due/wheelTick), w.at), w.at+wheelSlots-1)
	e := &s.timers
	e.due, e.slot, e.in = due, int16(tick%wheelSlots), true
	e.prev, e.next = nil, w.slots[e.slot]
	if e.next != nil {
		e.next.timers.prev = s
	}
	w.slots[e.slot] = s
	w.count++
}

func (w *wheel) remove(s *Socket) {
	e := &s.timers
	if !e.in {
		return
	}
	if e.prev != nil {
		e.prev.timers.next = e.next
	} else {
		w.slots[e.slot] = e.next
	}
	if e.next != nil {
		e.next.timers.prev = e.prev
	}
	e.next, e.prev, e.in = nil, nil, false
	w.count--
}

// expired removes those that are due at now and appends them to list.
func (w *wheel) expired(now time.Duration, list []*Socket) []*Socket {
	last := max(w.at, int64(now/wheelTick))
	var later *Socket // by entry.next
	for tick := w.at; tick <= min(last, w.at+wheelSlots-1); tick++ {
		for s := w.slots[tick%wheelSlots]; s != nil; {
			next := s.timers.next
			switch {
			case s.timers.due <= now:
				w.remove(s)
				list = append(list, s)
			case tick < int64(s.timers.due/wheelTick): // this was as far as the wheel reached
				w.remove(s)
				s.timers.next, later = later, s
			}
			s = next
		}
	}
	w.at = last
	for later != nil {
		s := later
		later = s.timers.next
		w.add(s, s.timers.due)
	}
	return list
}

// soon is when the wheel wants to be looked at again: when the first is due, or at the end of its tick if there are many.
func (w *wheel) soon() (due time.Duration, ok bool) {
	if w.count == 0 {
		return 0, false
	}
	for tick := w.at; ; tick++ {
		s := w.slots[tick%wheelSlots]
		if s == nil {
			continue
		}
		end := time.Duration(tick+1) * wheelTick
		due = end
		for n := 0; s != nil; n++ {
			if n == 16 {
				return end, true
			}
			due, s = min(due, s.timers.due), s.timers.next
		}
		return due, true
	}
}

// schedule sees to it that s ticks at due or before.
func (s *Socket) schedule(due time.Duration) {
	h := s.shard
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := &s.timers; e.gone || e.in && e.due <= due {
		return
	}
	h.wheel.remove(s)
	h.wheel.add(s, due)
	if h.alarmAt == 0 || due < h.alarmAt {
		h.setAlarm()
	}
}

// forget ends the time of s.
func (h *shard) forget(s *Socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.timers.gone = true
	h.wheel.remove(s)
	if h.wheel.count == 0 && h.alarm != nil {
		h.alarm.Stop()
		h.alarmAt = 0
	}
}

// all iterates over a snapshot of the shard's sockets.
func (h *shard) all() iter.Seq[*Socket] {
	var list []*Socket
	h.mu.Lock()
	for _, s := range h.wheel.slots {
		for ; s != nil; s = s.timers.next {
			list = append(list, s)
		}
	}
	h.mu.Unlock()
	return func(yield func(*Socket) bool) {
		for _, s := range list {
			if !yield(s) {
				return
			}
		}
	}
}

// setAlarm lets the wheel be looked at in time. The caller holds mu.
func (h *shard) setAlarm() {
	due, ok := h.wheel.soon()
	if due = max(due, h.putOff); !ok || h.ringing || h.alarmAt != 0 && h.alarmAt <= due {
		return
	}
	wait := max(due-h.loop.now(), 0)
	h.alarmAt = max(due, 1)
	if h.alarm == nil {
		h.alarm = time.AfterFunc(wait, h.ring)
	} else {
		h.alarm.Reset(wait)
	}
}

// ring lets those tick that are due.
func (h *shard) ring() {
	h.mu.Lock()
	if h.ringing {
		h.mu.Unlock()
		return
	}
	now := h.loop.now()
	if h.late(now) {
		h.mu.Unlock()
		return
	}
	h.ringing = true
	list := h.wheel.expired(now, h.due[:0])
	h.mu.Unlock()
	for _, s := range list {
		s.tickGuarded(now)
	}
	clear(list)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = list[:0]
	if cap(list) > maxDue {
		h.due = nil
	}
	h.ringing = false
	h.alarmAt = 0
	h.setAlarm()
}

// late puts the alarm off, once, if it comes late: the process stood still, or had no time. What peers have sent meanwhile, and room in the
// network, is looked at first, or whoever answered in time would be closed for it. The caller holds mu.
func (h *shard) late(now time.Duration) bool {
	by := now - h.alarmAt
	if h.alarmAt == 0 || by < maxLate || h.putOff != 0 {
		h.putOff = 0
		return false
	}
	h.putOff = now + min(by, maxGrace)
	h.alarmAt = h.putOff
	h.alarm.Reset(h.putOff - now)
	return true
}

const (
	maxLate  = 2 * wheelTick
	maxGrace = time.Second
)

func (s *Socket) tickGuarded(now time.Duration) {
	defer s.guard()
	s.tick(now)
}

// maxDue is how many sockets a shard keeps room for that are due together.
const maxDue = 1 << 10

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// beginLife sets the first deadline.
func (s *Socket) beginLife() {
	now := s.shard.loop.now()
	s.life.Store(int64(now))
	s.nextPing = never
	if s.shard.loop.PingInterval > 0 {
		s.nextPing = now + s.pause()
	}
	s.schedule(s.nextPing)
}

// pause is the interval or up to 10 % less, so that connections that came together do not ping together.
func (s *Socket) pause() time.Duration {
	return time.Duration(float64(s.shard.loop.PingInterval) * (1 - 0.1*rand.Float64()))
}

// tick does what is due and schedules what comes next. The loop's shard calls it, one at a time for each socket.
func (s *Socket) tick(now time.Duration) {
	next := min(s.checkClose(now), s.checkWrite(now), s.checkMessage(now), s.checkExpiry(now))
	next = min(next, s.checkLife(now), s.checkEnd(now))
	if !s.has(flagGone) {
		s.schedule(next)
	}
}

func (s *Socket) checkClose(now time.Duration) time.Duration {
	by := time.Duration(s.closeBy.Load())
	switch {
	case by == 0:
		return never
	case now < by:
		return by
	}
	if !s.has(flagSent) {
		s.finish(End{Code: statusAbnormal, Err: fmt.Errorf("write timeout: the peer did not take what was sent before the close frame within %v", s.shard.loop.WriteTimeout)})
	}
	s.drop()
	return never
}

// checkWrite drops a connection whose peer takes nothing.
func (s *Socket) checkWrite(now time.Duration) time.Duration {
	o := &s.out
	o.mu.Lock()
	waits, by := o.blocked && o.w != nil, time.Duration(0)
	if waits {
		by = o.w.stalled + s.shard.loop.WriteTimeout
	}
	o.mu.Unlock()
	switch {
	case !waits:
		return never
	case now < by:
		return by
	}
	s.Abort(fmt.Errorf("write timeout: the peer took nothing for %v", s.shard.loop.WriteTimeout))
	return never
}

func (s *Socket) checkMessage(now time.Duration) time.Duration {
	since := time.Duration(s.since.Load())
	switch by := since + s.shard.loop.MessageTimeout; {
	case since == 0 || s.has(flagClosing):
		return never
	case now < by:
		return by
	}
	if s.isDeaf() { // it was us who did not read
		s.since.CompareAndSwap(int64(since), int64(now))
		return now + s.shard.loop.MessageTimeout
	}
	s.fail(statusPolicy, fmt.Errorf("a message was not complete within %v", s.shard.loop.MessageTimeout))
	return never
}

// checkEnd finds the end of a connection that nobody reads, because much has been read ahead.
func (s *Socket) checkEnd(now time.Duration) time.Duration {
	s.mu.Lock()
	starved := s.starved
	s.mu.Unlock()
	switch {
	case !starved || s.has(flagGone):
		return never
	case s.conn.ended():
		s.finish(End{Code: statusAbnormal, Err: lost("reading", errEndUnread)})
		s.drop()
		return never
	}
	return now + sweepTime
}

func (s *Socket) checkExpiry(now time.Duration) time.Duration {
	at := time.Duration(s.expireAt.Load())
	switch {
	case at == 0 || s.has(flagClosing):
		return never
	case now < at:
		return at
	}
	s.Close(statusExpired, "credentials expired")
	return never
}

// ExpireAt closes the connection with 4401 at t, unless another time is set before. The zero time: never.
func (s *Socket) ExpireAt(t time.Time) {
	if t.IsZero() {
		s.expireAt.Store(0)
		return
	}
	at := max(t.Sub(s.shard.loop.epoch), 1)
	s.expireAt.Store(int64(at))
	s.schedule(at)
}

// checkLife pings a silent peer, and drops one that stays so.
func (s *Socket) checkLife(now time.Duration) time.Duration {
	life := time.Duration(s.life.Load())
	switch {
	case s.nextPing == never || s.has(flagClosing):
		return never
	case !s.pinged && now < s.nextPing:
		return s.nextPing
	case !s.pinged && life+s.shard.loop.PingInterval*9/10 > now: // it has not been silent
		s.nextPing = max(life+s.pause(), now+1)
		return s.nextPing
	case !s.pinged:
		s.pinged, s.nextPing = true, now
		s.ping()
		return now + s.shard.loop.PongTimeout
	case life >= s.nextPing:
		s.pinged, s.nextPing = false, max(life+s.pause(), now+1)
		return s.nextPing
	case now < s.nextPing+s.shard.loop.PongTimeout:
		return s.nextPing + s.shard.loop.PongTimeout
	case s.isDeaf(), s.conn.unread(s), s.moves(): // it was us who did not read, or the ping is still on its way
		s.pinged, s.nextPing = false, now+s.pause()
		return s.nextPing
	}
	s.Abort(fmt.Errorf("no pong within %v", s.shard.loop.PongTimeout))
	return never
}

// moves reports whether the peer has taken something of what waits since it was pinged.
func (s *Socket) moves() bool {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return s.out.blocked && s.out.w != nil && s.out.w.moved > s.nextPing
}

// isDeaf reports whether what the peer sends is not being read now.
func (s *Socket) isDeaf() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starved || s.phase.Load()&phaseMask == phaseHandling || s.conn.behind()
}
