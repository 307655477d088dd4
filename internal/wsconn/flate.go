package wsconn

import (
	"compress/flate"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// A Compression is what one connection keeps of permessage-deflate (RFC 7692). Its methods are for one goroutine at a time,
// but Sends, which is for any.
//
// What we send never refers to an earlier message: that would keep a flate.Writer of 1.2 MiB for each connection. Each
// message is therefore compressed alone, and one that is sent to many is compressed once for all of them.
type Compression struct {
	minSize  int
	sendBits uint8 // of the client's window
	windows  *Windows
	size     int    // of window, 0 without context takeover
	window   []byte // the end of what was received, for the next message
}

// Inflate appends the message that a client sent as payload to dst. It fails if the message is longer than limit, when no
// more than limit is written or allocated; a negative limit is none. The connection ends with the first failure.
func (c *Compression) Inflate(dst, payload []byte, limit int) ([]byte, error) {
	out, err := inflate(dst, payload, limit, c.window)
	if err == nil && c.size > 0 {
		c.keep(out[len(dst):])
	}
	return out, err
}

// keep makes message the end of the window.
func (c *Compression) keep(message []byte) {
	if len(message) > c.size {
		message = message[len(message)-c.size:]
	}
	need := len(c.window) + len(message)
	if need > cap(c.window) && cap(c.window) < c.size {
		grown := make([]byte, len(c.window), min(c.size, max(need, 2*cap(c.window))))
		copy(grown, c.window)
		c.window = grown
	}
	if over := need - c.size; over > 0 {
		c.window = c.window[:copy(c.window, c.window[over:])]
	}
	c.window = append(c.window, message...)
}

// Sends reports whether the connection takes a message of size bytes compressed. Short ones are not worth it. A client
// that has asked for a smaller window than that of compress/flate, which is always 32 KiB, takes what fits in its own:
// a distance never reaches beyond the message.
func (c *Compression) Sends(size int) bool {
	return c != nil && size >= c.minSize && (c.sendBits == maxWindowBits || size <= 1<<c.sendBits)
}

// Close gives back what the connection held. Nothing may be inflated afterwards.
func (c *Compression) Close() {
	c.windows.give(c.size)
	c.size, c.window = 0, nil
}

// Windows is the memory for the context of clients, shared by all connections of a router.
// It is safe for use by any goroutine; a nil one is empty.
type Windows struct{ free atomic.Int64 }

// NewWindows returns size bytes of it.
func NewWindows(size int) *Windows {
	w := new(Windows)
	w.free.Store(int64(size))
	return w
}

// take reserves size bytes if they are there.
func (w *Windows) take(size int) bool {
	if w == nil {
		return false
	}
	if w.free.Add(-int64(size)) < 0 {
		w.free.Add(int64(size))
		return false
	}
	return true
}

func (w *Windows) give(size int) {
	if size > 0 {
		w.free.Add(int64(size))
	}
}

var errNotShorter = errors.New("compressed message is not shorter")

// A deflater compresses messages one by one, without context between them.
type deflater struct {
	w   *flate.Writer
	out []byte // what w has written, behind that of the caller
	max int    // of out
}

// A flate.Writer is 1.2 MiB, so there are as many as can run at once, and those that nobody needs go with the garbage.
var (
	deflaters = sync.Pool{New: func() any {
		d := new(deflater)
		d.w, _ = flate.NewWriter(d, flate.BestSpeed)
		return d
	}}
	deflating = make(chan struct{}, runtime.GOMAXPROCS(0))
)

// Deflate appends src as the payload of a compressed message. If that would not be shorter, it returns
// dst and false.
func Deflate(dst, src []byte) ([]byte, bool) {
	deflating <- struct{}{}
	d := deflaters.Get().(*deflater)
	d.out, d.max = dst, len(dst)+len(src)+len(flushTail)
	d.w.Reset(d)
	_, err := d.w.Write(src)
	if err == nil {
		err = d.w.Flush()
	}
	out := d.out
	d.out = nil
	deflaters.Put(d)
	<-deflating
	if err != nil {
		return dst, false
	}
	return out[:len(out)-len(flushTail)], true
}

// Write takes what the writer has compressed, as long as it is worth it.
func (d *deflater) Write(p []byte) (int, error) {
	if len(p) >= d.max-len(d.out) {
		return 0, errNotShorter
	}
	d.out = append(d.out, p...)
	return len(p), nil
}
