package wsconn

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"sync"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

var (
	// errInflate ends a connection with 1007 (RFC 6455 section 7.4.1): the data of a message is not what its type, here
	// RSV1, says. RFC 7692 names no code.
	errInflate = errors.New("compressed message is not valid DEFLATE data")
	// errInflateLimit ends a connection with 1009.
	errInflateLimit = errors.New("compressed message is longer than the limit when inflated")
)

// flushTail is what a sender removed from the end of a message (RFC 7692 section 7.2.1): a flush's empty block without its header.
const flushTail = "\x00\x00\xff\xff"

// An inflater decodes DEFLATE (RFC 1951) from one slice into another.
//
// compress/flate decodes streams. It has a window of its own, 40 KiB in each reader where here the output is the window,
// allocates where a block has long codes, and starts anew with a copy of the window behind a final block, which RFC 7692
// section 7.2.3.4 allows anywhere in a message: 64 KiB of these would keep it busy for 70 ms.
// It is the oracle of the tests.
type inflater struct {
	src []byte
	pos int    // in src, then in flushTail behind it
	acc uint64 // bits of src before pos that are not used yet, the next one lowest
	n   uint   // how many; what acc holds above them is not counted, but right

	window []byte // what was written before out[base]
	out    []byte // as long as it may be filled
	base   int    // where the message begins
	o      int    // where it ends as yet
	most   int    // of o

	lit, dist huffman
	lengths   [maxLit + maxDist]uint8
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate appends the message that src is the payload of to dst. A message that is longer than limit fails with
// errInflateLimit before more than limit is written or allocated; a negative limit is none. Each distance reaches back
// into this message, then into window. src must end with a block (RFC 7692 section 7.2.2); two ends that are not of the
// RFC's making are taken for it: no data at all for an empty message, and a final block without the empty one behind it.
// If inflate fails, it returns dst.
func inflate(dst, src []byte, limit int, window []byte) ([]byte, error) {
	d := inflaters.Get().(*inflater)
	out, err := d.inflate(dst, src, limit, window)
	if testhook.Poison {
		d.poison()
	}
	inflaters.Put(d)
	return out, err
}

// poison is testhook.Freed for the codes, which every block reads or builds before it uses them.
func (d *inflater) poison() {
	testhook.Freed(d.lengths[:])
	for _, h := range []*huffman{&d.lit, &d.dist} {
		h.mask = testhook.PoisonByte
		for i := range h.table {
			h.table[i] = testhook.PoisonByte<<8 | testhook.PoisonByte
		}
		for i := range h.symbols {
			h.symbols[i] = testhook.PoisonByte
		}
	}
}

func (d *inflater) inflate(dst, src []byte, limit int, window []byte) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	d.src, d.pos, d.acc, d.n = src, 0, 0, 0
	d.window, d.base, d.o, d.most = window, len(dst), len(dst), math.MaxInt
	if limit >= 0 && limit < math.MaxInt-len(dst) {
		d.most = len(dst) + limit
	}
	d.out = dst[:min(cap(dst), d.most)]
	err := d.blocks()
	out := d.out[:d.o]
	d.src, d.window, d.out = nil, nil, nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

// blocks decodes to the end of the message.
func (d *inflater) blocks() error {
	for {
		header, ok := d.bits(3)
		if !ok {
			return errInflate
		}
		var err error
		switch header >> 1 {
		case 0:
			err = d.stored()
		case 1:
			err = d.coded(&fixedLit, &fixedDist)
		case 2:
			if !d.readCodes() {
				return errInflate
			}
			err = d.coded(&d.lit, &d.dist)
		default:
			err = errInflate
		}
		if err != nil {
			return err
		}
		final := header&1 == 1
		if final { // the next block begins with a byte (RFC 7692 section 7.2.1)
			d.align()
		}
		used := d.pos - int(d.n/8)
		if d.n%8 == 0 && used == len(d.src)+len(flushTail) || final && used == len(d.src) {
			return nil
		}
	}
}

// stored copies a block without compression.
func (d *inflater) stored() error {
	d.align()
	sizes, ok := d.bits(32)
	size := int(sizes & 0xffff)
	if !ok || sizes>>16 != ^sizes&0xffff {
		return errInflate
	}
	d.pos -= int(d.n / 8) // bytes are copied from where they are
	d.acc, d.n = 0, 0
	if size > len(d.src)+len(flushTail)-d.pos {
		return errInflate
	}
	if size > len(d.out)-d.o && !d.grow(size) {
		return errInflateLimit
	}
	to := d.out[d.o : d.o+size]
	k := 0
	if d.pos < len(d.src) {
		k = copy(to, d.src[d.pos:])
	}
	if k < size {
		copy(to[k:], flushTail[d.pos+k-len(d.src):])
	}
	d.pos += size
	d.o += size
	return nil
}

// coded decodes a block of Huffman codes.
func (d *inflater) coded(lit, dist *huffman) error {
	for {
		d.fill()
		sym := d.symbol(lit)
		if sym < 256 {
			if sym < 0 {
				return errInflate
			}
			if d.o == len(d.out) && !d.grow(1) {
				return errInflateLimit
			}
			d.out[d.o] = byte(sym)
			d.o++
			continue
		}
		if sym == 256 {
			return nil
		}
		// What fill has read is enough for all of a match: 15+5 bits of length, 15+13 of distance.
		if sym -= 257; sym >= len(lengthBase) {
			return errInflate
		}
		extra, ok := d.take(uint(lengthExtra[sym]))
		length := int(lengthBase[sym]) + extra
		far := d.symbol(dist)
		if !ok || uint(far) >= uint(len(distBase)) {
			return errInflate
		}
		extra, ok = d.take(uint(distExtra[far]))
		distance := int(distBase[far]) + extra
		if !ok || distance > d.o-d.base+len(d.window) {
			return errInflate
		}
		if length > len(d.out)-d.o && !d.grow(length) {
			return errInflateLimit
		}
		d.copy(distance, length)
	}
}

// copy appends what was written distance bytes before, which may reach into what it appends itself.
func (d *inflater) copy(distance, length int) {
	to := d.out[d.o : d.o+length]
	d.o += length
	if before := distance - (d.o - length - d.base); before > 0 {
		k := copy(to, d.window[len(d.window)-before:])
		to = to[k:]
	}
	for len(to) > 0 { // distance bytes are there, then twice as many
		end := d.o - len(to)
		k := copy(to, d.out[end-distance:end])
		to = to[k:]
	}
}

// grow makes room for k bytes if the limit allows that many.
func (d *inflater) grow(k int) bool {
	if k > d.most-d.o {
		return false
	}
	const least = 512
	size := max(d.o+k, 2*len(d.out), d.base+least)
	out := make([]byte, min(size, d.most))
	copy(out, d.out[:d.o])
	d.out = out
	return true
}

// fill reads until there are 56 bits, or no more.
func (d *inflater) fill() {
	if len(d.src)-d.pos >= 8 {
		d.acc |= binary.LittleEndian.Uint64(d.src[d.pos:]) << (d.n & 63)
		d.pos += int(63-d.n) >> 3
		d.n |= 56
		return
	}
	for d.n <= 56 && d.pos < len(d.src)+len(flushTail) {
		var b byte
		if d.pos < len(d.src) {
			b = d.src[d.pos]
		} else {
			b = flushTail[d.pos-len(d.src)]
		}
		d.acc |= uint64(b) << d.n
		d.n += 8
		d.pos++
	}
}

// take uses k of the bits that are there.
func (d *inflater) take(k uint) (v int, ok bool) {
	if k > d.n {
		return 0, false
	}
	v = int(d.acc & (1<<k - 1))
	d.acc >>= k
	d.n -= k
	return v, true
}

func (d *inflater) bits(k uint) (v int, ok bool) {
	d.fill()
	return d.take(k)
}

// align drops the bits up to the next byte.
func (d *inflater) align() {
	d.acc >>= d.n % 8
	d.n -= d.n % 8
}

// symbol decodes a code of at most 15 bits of those that are there. It returns a negative number if there is none.
func (d *inflater) symbol(h *huffman) int {
	e := h.table[d.acc&h.mask]
	if k := uint(e & 15); e != 0 && k <= d.n {
		d.acc >>= k
		d.n -= k
		return int(e >> 4)
	}
	return d.longSymbol(h)
}

// longSymbol goes through the codes by their length.
func (d *inflater) longSymbol(h *huffman) int {
	code, first, index := 0, 0, 0
	for k := uint(1); k <= maxCode && k <= d.n; k++ {
		code |= int(d.acc>>(k-1)) & 1
		count := int(h.count[k])
		if code-first < count {
			d.acc >>= k
			d.n -= k
			return int(h.symbols[index+code-first])
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -1
}

// readCodes reads the codes of a block with codes of its own (RFC 1951 section 3.2.7).
func (d *inflater) readCodes() bool {
	sizes, ok := d.bits(14)
	lits, dists, codes := sizes&31+257, sizes>>5&31+1, sizes>>10+4
	if !ok || lits > maxLit || dists > maxDist {
		return false
	}
	lengths := &d.lengths
	clear(lengths[:len(codeOrder)])
	for _, i := range codeOrder[:codes] {
		v, ok := d.bits(3)
		if !ok {
			return false
		}
		lengths[i] = uint8(v)
	}
	h := &d.dist // free until these are read
	if !h.build(lengths[:len(codeOrder)]) {
		return false
	}
	for i := 0; i < lits+dists; {
		d.fill()
		sym := d.symbol(h)
		if sym < 0 {
			return false
		}
		if sym < 16 {
			lengths[i] = uint8(sym)
			i++
			continue
		}
		var same uint8
		var more int
		switch sym {
		case 16:
			if i == 0 {
				return false
			}
			same = lengths[i-1]
			more, ok = d.take(2)
			more += 3
		case 17:
			more, ok = d.take(3)
			more += 3
		default:
			more, ok = d.take(7)
			more += 11
		}
		if !ok || more > lits+dists-i {
			return false
		}
		for range more {
			lengths[i] = same
			i++
		}
	}
	return d.lit.build(lengths[:lits]) && d.dist.build(lengths[lits:lits+dists])
}

const (
	maxCode   = 15 // bits
	maxLit    = 286
	maxDist   = 30
	tableBits = 9
)

// A huffman decodes one set of codes. Those of at most tableBits bits are in table, which is no larger than the codes need:
// a block may be 12 bytes.
type huffman struct {
	mask    uint64                 // of table
	table   [1 << tableBits]uint16 // by the next bits: symbol<<4 | length of the code. 0: a longer code, or none
	count   [maxCode + 1]uint16    // of codes by length
	symbols [288]uint16            // in the order of their codes
}

// build makes the codes from their lengths (RFC 1951 section 3.2.2). They must use up all bits, but a single code of one
// bit and none at all are also allowed.
func (h *huffman) build(lengths []uint8) bool {
	h.count = [maxCode + 1]uint16{}
	for _, k := range lengths {
		if k != 0 {
			h.count[k]++
		}
	}
	var next, index [maxCode + 2]uint16
	free, longest := 1, 0
	for k := 1; k <= maxCode; k++ {
		if h.count[k] > 0 {
			longest = k
		}
		free = free<<1 - int(h.count[k])
		if free < 0 {
			return false
		}
		index[k+1] = index[k] + h.count[k]
		next[k+1] = (next[k] + h.count[k]) << 1
	}
	if used := index[maxCode+1]; free > 0 && used != 0 && (used != 1 || longest != 1) {
		return false
	}
	table := h.table[:1<<min(longest, tableBits)]
	h.mask = uint64(len(table) - 1)
	if free > 0 || longest > tableBits {
		clear(table)
	}
	for sym, k := range lengths {
		if k == 0 {
			continue
		}
		h.symbols[index[k]] = uint16(sym)
		index[k]++
		if k <= tableBits {
			e := uint16(sym<<4) | uint16(k)
			for i := int(bits.Reverse16(next[k]) >> (16 - k)); i < len(table); i += 1 << k {
				table[i] = e
			}
		}
		next[k]++
	}
	return true
}

var (
	codeOrder   = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lengthBase  = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [len(lengthBase)]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [maxDist]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [maxDist]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

	fixedLit, fixedDist = fixedCodes()
)

// fixedCodes are those of RFC 1951 section 3.2.6. Symbols that never occur have codes too.
func fixedCodes() (lit, dist huffman) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	lit.build(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	dist.build(lengths[:32])
	return lit, dist
}
