package wsconn

// A Parser is the parser on its own, for cases that are about bytes alone.
type Parser struct {
	p parser
	l limits
}

// An Event is what a Parser has found. Kind is that of a frame: "text", "binary", "ping", "pong" or "close".
type Event struct {
	Kind       string
	Compressed bool
	Data       string
	Code       int // of a close frame, as are what Data says
}

func NewParser(deflated bool, message, frames int) *Parser {
	return &Parser{*parserOf(deflated), limits{message, frames}}
}

func parserOf(deflated bool) *parser {
	p := new(parser)
	if deflated {
		p.deflate = new(Compression)
	}
	return p
}

// Close gives back what is unfinished.
func (p *Parser) Close() { p.p.release() }

// Feed takes a piece of a stream. A code that is not 0 says what to close with. The piece is overwritten.
func (p *Parser) Feed(piece []byte) (events []Event, code int) {
	kinds := map[eventKind]string{eventText: "text", eventBinary: "binary", eventPing: "ping", eventPong: "pong", eventClosing: "close"}
	for rest := piece; len(rest) > 0; {
		ev, n, err := p.p.next(rest, &p.l)
		if err != nil {
			return events, err.code
		}
		rest = rest[n:]
		if ev.kind != eventNone {
			events = append(events, Event{kinds[ev.kind], ev.compressed, string(ev.data) + ev.reason, ev.code})
			ev.buf.free()
		}
	}
	for i := range piece {
		piece[i] = 0xAA
	}
	return events, 0
}

// Unfinished reports whether there is part of a message or frame.
func (p *Parser) Unfinished() bool { return p.p.part != nil }
