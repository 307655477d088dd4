package wsconn

var (
	ErrInflate      = errInflate
	ErrInflateLimit = errInflateLimit
	Inflate         = inflate
)

// An Inflater is one of the pool.
type Inflater struct{ d inflater }

func (d *Inflater) Inflate(dst, src []byte, limit int, window []byte) ([]byte, error) {
	return d.d.inflate(dst, src, limit, window)
}

// Poison fills what the last message has left behind.
func (d *Inflater) Poison() {
	d.d.acc, d.d.n = 0xAAAAAAAAAAAAAAAA, 0xAA
	for _, h := range []*huffman{&d.d.lit, &d.d.dist} {
		for i := range h.table {
			h.table[i] = 0xAAAA
		}
		for i := range h.symbols {
			h.symbols[i] = 0xAAAA
		}
		for i := range h.count {
			h.count[i] = 0xAAAA
		}
	}
	for i := range d.d.lengths {
		d.d.lengths[i] = 0xAA
	}
}

// Held is what the inflater keeps of the last message.
func (d *Inflater) Held() bool { return d.d.src != nil || d.d.out != nil || d.d.window != nil }

// Used is how much of the last message was read.
func (d *Inflater) Used() int { return d.d.pos }

// Context is the size that c may grow its window to, and what the window holds now.
func (c *Compression) Context() (size, held int) { return c.size, cap(c.window) }

// Free is what is left of w.
func (w *Windows) Free() int { return int(w.free.Load()) }

// FrameOf is a text message that many send.
func FrameOf(data []byte) *Frame {
	b := NewBuffer()
	b.B = append(b.B, data...)
	return NewFrame(b, false)
}

// Payload is what c sends of f.
func (f *Frame) Payload(c *Compression) (payload []byte, compressed bool) {
	frame := f.of(c)
	head := 2
	switch frame[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	return frame[head:], frame[0]&rsv1 != 0
}
