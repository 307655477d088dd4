package wsconn

import "sync/atomic"

// Counters count what all loops of one router do. The zero value counts from nothing.
type Counters struct {
	cells    [16]cell
	buffered atomic.Int64 // bytes that wait for all peers
}

// A cell is one share of the counters, that of some shards, so that cores do not fight for a cache line.
type cell struct {
	received, sent, opened, done, bytesIn, bytesOut, dropped, replaced, limited atomic.Uint64

	_ [56]byte // 128 bytes: processors fetch lines in pairs
}

// Totals are the sums of Counters, and what is so at this moment.
type Totals struct {
	Received, Sent    uint64 // messages handed to a handler; messages queued or written
	BytesIn, BytesOut uint64 // of the network, without handshakes
	Dropped, Replaced uint64 // messages
	Limited           uint64 // messages beyond Config.Rate, which Received counts too
	Buffered          int64  // bytes that wait for all peers
	Handlers          int    // that run
}

// Totals adds up. Each number is exact; they are not of one moment.
func (c *Counters) Totals() (t Totals) {
	var done, begun uint64
	for i := range c.cells { // before what begins, so that no handler seems to end that did not begin
		done += c.cells[i].done.Load()
	}
	for i := range c.cells {
		k := &c.cells[i]
		received := k.received.Load()
		begun += received + k.opened.Load()
		t.Received += received
		t.Sent += k.sent.Load()
		t.BytesIn += k.bytesIn.Load()
		t.BytesOut += k.bytesOut.Load()
		t.Dropped += k.dropped.Load()
		t.Replaced += k.replaced.Load()
		t.Limited += k.limited.Load()
	}
	t.Buffered, t.Handlers = c.buffered.Load(), int(begun-done)
	return t
}

// cell is the share of the shard with that number.
func (c *Counters) cell(shard int) *cell { return &c.cells[shard%len(c.cells)] }

// Workers returns how many goroutines run sockets in idle mode, and how many sockets are ready and wait for one.
func (l *Loop) Workers() (count, ready int) { return l.poller.now() }
