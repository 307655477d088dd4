package schema

// Member returns the raw value of the first member called name of the object in data, without copying.
// Names are compared as they read, so "\u0074ype" is "type". Member reads no further than it must: ok says nothing about
// the rest of data. It does not allocate unless a name has escapes.
func Member(data []byte, name string) (value []byte, ok bool) {
	if value := firstMember(data, name); value != nil {
		return value, true
	}
	s := newScanner(data)
	defer s.release()
	if s.peek() != '{' || !s.enter() || s.peek() == '}' {
		return nil, false
	}
	for {
		got, ok := s.member()
		if !ok {
			return nil, false
		}
		found := string(got) == name
		s.peek()
		start := s.pos
		if !s.pass() {
			return nil, false
		}
		if found {
			return data[start:s.pos], true
		}
		if more, _ := s.next('}'); !more {
			return nil, false
		}
	}
}

// firstMember is what Member finds where everybody puts it: {"name":"value", without a space or an escape; else nil.
func firstMember(data []byte, name string) []byte {
	end := 2 + len(name)
	if len(data) < end+4 || string(data[:2]) != `{"` || special(data, 2) != end || string(data[2:end]) != name || string(data[end:end+3]) != `":"` {
		return nil
	}
	value := end + 2
	if end = special(data, value+1); end == len(data) || data[end] != '"' {
		return nil
	}
	return data[value : end+1]
}

// pass is skip without a look at member names: a second of one name does not matter to what the first says.
func (s *scanner) pass() bool {
	switch s.peek() {
	case '{':
		if !s.enter() {
			return false
		}
		if s.peek() == '}' {
			return s.leave()
		}
		for {
			if _, ok := s.member(); !ok || !s.pass() {
				return false
			}
			if more, ok := s.next('}'); !more {
				return ok
			}
		}
	case '[':
		if !s.enter() {
			return false
		}
		if s.peek() == ']' {
			return s.leave()
		}
		for {
			s.path[s.depth-1] = step{0, -1}
			if !s.pass() {
				return false
			}
			if more, ok := s.next(']'); !more {
				return ok
			}
		}
	}
	return s.skip(false)
}

// Check lists what is wrong with data as JSON, whatever its type: malformed JSON, invalid UTF-8, a second member of
// one name, nesting deeper than 64. It is nil if nothing is.
func Check(data []byte) []Issue {
	s := newScanner(data)
	if s.skip(false) {
		s.end()
	}
	issues := s.faults()
	s.release()
	return issues
}
