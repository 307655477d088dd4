package wsconn

import "time"

// Rate limits what one peer sends. The zero value: nothing.
type Rate struct {
	Messages float64 // in a second, also at once. Zero: no limit
	Bytes    float64 // of messages in a second. Zero: no limit; else at least MaxMessage may come at once
}

func (r Rate) on() bool { return r.Messages > 0 || r.Bytes > 0 }

// A bucket holds what a peer may still send.
type bucket struct {
	messages, bytes float64
	at              time.Duration
}

// allow takes a message of n bytes out of the bucket, and reports false if there is not enough.
func (s *Socket) allow(n int) bool {
	r, now := s.shard.loop.Rate, s.shard.loop.now()
	mostMessages, mostBytes := max(r.Messages, 1), max(r.Bytes, float64(s.shard.loop.MaxMessage))
	b := s.rate
	if b == nil {
		b = &bucket{mostMessages, mostBytes, now}
		s.rate = b
	}
	past := (now - b.at).Seconds()
	b.at = now
	b.messages = min(b.messages+past*r.Messages, mostMessages)
	b.bytes = min(b.bytes+past*r.Bytes, mostBytes)
	if r.Messages > 0 && b.messages < 1 || r.Bytes > 0 && b.bytes < float64(n) {
		return false
	}
	b.messages--
	b.bytes -= float64(n)
	return true
}
