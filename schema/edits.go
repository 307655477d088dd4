package schema

// edits are what Decode changes in a message before it stores it: defaults are written where members are absent, and
// the envelope's members are taken out of a value that would keep them, such as a map. Offsets are those
// of the message, in ascending order.
type edits struct {
	on       bool
	list     []edit
	text     []byte
	from, to int // the payload's value, if there is one
	first    int // the edits inside it are list[first:last]
	last     int
}

// An edit puts text[start:end] in the place of data[from:to].
type edit struct{ from, to, start, end int }

func (e *edits) reset() {
	e.on, e.list, e.text, e.from, e.to, e.first, e.last = false, e.list[:0], e.text[:0], 0, 0, 0, 0
}

func (e *edits) shrink() {
	if cap(e.list) > 1024 {
		e.list = nil
	}
	if cap(e.text) > maxKept {
		e.text = nil
	}
}

// A cut is the state of one object from which members may be taken out.
type cut struct {
	prev int  // end of the last member that stays, or of the brace, or of what was taken out behind it
	any  bool // a member stays
}

func (e *edits) object(brace int) cut { return cut{prev: brace} }

func (c *cut) kept(end int) { c.prev, c.any = end, true }

// cut takes out the member that ends at pos, with one comma.
func (e *edits) cut(c *cut, s *scanner) {
	end := s.pos
	if s.peek() == ',' && !c.any {
		end = s.pos + 1
	}
	if e.on {
		e.list = append(e.list, edit{from: c.prev, to: end})
	}
	c.prev = end
}

// insert writes the default of f before the closing brace at at.
func (e *edits) insert(at int, f *field, comma bool) {
	if !e.on {
		return
	}
	start := len(e.text)
	if comma {
		e.text = append(e.text, ',')
	}
	e.text = append(append(e.text, f.quoted...), f.def...)
	e.list = append(e.list, edit{at, at, start, len(e.text)})
}

// apply returns data[from:to] with the edits of the list done: data itself where there are none.
func (e *edits) apply(data []byte, from, to int, list []edit) []byte {
	if len(list) == 0 {
		return data[from:to]
	}
	out := make([]byte, 0, to-from+len(e.text))
	for _, ed := range list {
		out = append(append(out, data[from:ed.from]...), e.text[ed.start:ed.end]...)
		from = ed.to
	}
	return append(out, data[from:to]...)
}
