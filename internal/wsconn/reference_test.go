package wsconn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reference reads a client's frames one byte after the other, as section 5 of RFC 6455 tells it, and returns what it found as
// line prints events. It shares nothing with parser: it is slow, and right where it is as simple as the RFC.
func reference(in []byte, deflated bool, l limits) []string {
	r := &slowReader{in: in, deflated: deflated, limits: l}
	for {
		if len(r.in) == 0 && !r.inMessage {
			return r.lines
		}
		if err := r.frame(); err == errOver {
			return r.lines
		} else if err == errShort {
			return append(r.lines, "unfinished")
		} else if err != nil {
			return append(r.lines, "error "+err.Error())
		}
	}
}

var (
	errShort = errors.New("the input ends here")
	errOver  = errors.New("a close frame came")
)

type slowReader struct {
	in       []byte
	deflated bool
	limits   limits
	lines    []string

	inMessage, compressed bool
	kind                  string
	frames                int
	message, char         []byte // char: of a text, the character that is not complete
}

func (r *slowReader) byte() (byte, error) {
	if len(r.in) == 0 {
		return 0, errShort
	}
	b := r.in[0]
	r.in = r.in[1:]
	return b, nil
}

func (r *slowReader) frame() error {
	// FIN, RSV1 to RSV3 and the opcode.
	b, err := r.byte()
	if err != nil {
		return err
	}
	fin, rsv, opcode := b>>7 == 1, b>>4&7, b&15
	data := opcode == 1 || opcode == 2
	switch {
	case rsv != 0 && !(rsv == 4 && r.deflated && data):
		return fmt.Errorf("1002 a reserved bit (rsv) is set")
	case data && r.inMessage:
		return fmt.Errorf("1002 new message without finishing the one before")
	case opcode == 0 && !r.inMessage:
		return fmt.Errorf("1002 continuation without a message to continue")
	case opcode >= 3 && opcode <= 7 || opcode >= 11:
		return fmt.Errorf("1002 unknown opcode")
	case opcode >= 8 && !fin:
		return fmt.Errorf("1002 fragmented control frame")
	}
	control := opcode >= 8

	// MASK and the length.
	if b, err = r.byte(); err != nil {
		return err
	}
	if b < 128 {
		return fmt.Errorf("1002 unmasked frame")
	}
	length := uint64(b - 128)
	if control && length > 125 {
		return fmt.Errorf("1002 control frame over 125 bytes")
	}
	if length >= 126 {
		more := map[uint64]int{126: 2, 127: 8}[length]
		length = 0
		for range more {
			if b, err = r.byte(); err != nil {
				return err
			}
			length = length<<8 | uint64(b)
		}
		if more == 2 && length < 126 || more == 8 && length < 65536 || length >= 1<<63 {
			return fmt.Errorf("1002 payload length is not minimal or has its top bit set")
		}
	}

	// What the message may be.
	if data {
		r.inMessage, r.compressed, r.frames, r.message, r.char = true, rsv == 4, 0, nil, nil
		r.kind = map[byte]string{1: "text", 2: "binary"}[opcode]
	}
	if !control {
		r.frames++
		sum, most := uint64(len(r.message))+length, uint64(r.limits.message)
		if r.compressed {
			most += most/4 + 64
		}
		if r.limits.message >= 0 && sum > most {
			return fmt.Errorf("1009 message over %d bytes: %d", r.limits.message, sum)
		}
		if r.limits.frames >= 0 && r.frames > r.limits.frames {
			return fmt.Errorf("1008 message in more than %d frames", r.limits.frames)
		}
	}

	// The masking key and the payload.
	var key [4]byte
	for i := range key {
		if key[i], err = r.byte(); err != nil {
			return err
		}
	}
	var payload []byte
	for i := uint64(0); i < length; i++ {
		if b, err = r.byte(); err != nil {
			return err
		}
		b ^= key[i%4]
		if control {
			payload = append(payload, b)
			continue
		}
		r.message = append(r.message, b)
		if r.kind == "text" && !r.compressed {
			if r.char = append(r.char, b); !nextCharacter(&r.char) {
				return fmt.Errorf("1007 text message is not valid UTF-8")
			}
		}
	}
	if control {
		return r.control(opcode, payload)
	}
	if !fin {
		return nil
	}
	r.inMessage = false
	if len(r.char) > 0 {
		return fmt.Errorf("1007 text message is not valid UTF-8")
	}
	if r.compressed {
		r.kind = "compressed " + r.kind
	}
	r.lines = append(r.lines, fmt.Sprintf("%s %q", r.kind, r.message))
	return nil
}

func (r *slowReader) control(opcode byte, payload []byte) error {
	switch {
	case opcode == 9:
		r.lines = append(r.lines, fmt.Sprintf("ping %q", payload))
		return nil
	case opcode == 10:
		r.lines = append(r.lines, fmt.Sprintf("pong %q", payload))
		return nil
	case len(payload) == 0:
		r.lines = append(r.lines, `close 1005 ""`)
		return errOver
	case len(payload) == 1:
		return fmt.Errorf("1002 close payload of one byte")
	}
	code := int(payload[0])*256 + int(payload[1])
	registered := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
	if !slices.Contains(registered, code) && (code < 3000 || code > 4999) {
		return fmt.Errorf("1002 close frame with status code %d", code)
	}
	var char []byte
	for _, b := range payload[2:] {
		if char = append(char, b); !nextCharacter(&char) {
			break
		}
	}
	if len(char) > 0 {
		return fmt.Errorf("1007 close reason is not valid UTF-8")
	}
	r.lines = append(r.lines, fmt.Sprintf("close %d %q", code, payload[2:]))
	return errOver
}

// wellFormed is table 3-7 of the Unicode standard: the ranges of a character's bytes.
const wellFormed = `00-7F
C2-DF 80-BF
E0-E0 A0-BF 80-BF
E1-EC 80-BF 80-BF
ED-ED 80-9F 80-BF
EE-EF 80-BF 80-BF
F0-F0 90-BF 80-BF 80-BF
F1-F3 80-BF 80-BF 80-BF
F4-F4 80-8F 80-BF 80-BF`

// nextCharacter empties char if it is complete, and reports whether it is or can become so.
func nextCharacter(char *[]byte) bool {
	for row := range strings.Lines(wellFormed) {
		if ranges := strings.Fields(row); fits(*char, ranges) {
			if len(*char) == len(ranges) {
				*char = nil
			}
			return true
		}
	}
	return false
}

func fits(b []byte, ranges []string) bool {
	if len(b) > len(ranges) {
		return false
	}
	for i, c := range b {
		var from, to byte
		if _, err := fmt.Sscanf(ranges[i], "%X-%X", &from, &to); err != nil {
			panic(err)
		}
		if c < from || c > to {
			return false
		}
	}
	return true
}
