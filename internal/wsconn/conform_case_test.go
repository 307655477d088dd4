package wsconn_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A conformance is one line of testdata/frames.tsv: id, options, what a client sends, what has to follow.
//
// Options are words: message=N and frames=N are limits, deflate agrees on permessage-deflate. "-" is none.
//
// A client sends items, with blanks between them:
//
//	text:"hi"            a masked frame with FIN; also binary, cont, ping, pong, close and op0 to op15
//	text+more:"hi"       without FIN; also +rsv1, +rsv2, +rsv3
//	text+bare:"hi"       without MASK and key; +nomask has the key but not the bit; +zero has a key of zeros
//	text+len16:"hi"      with a length of 16 bits, +len64 of 64
//	text+claim=9:"hi"    with a length of 9; the payload is as it stands
//	close:1000"bye"      a number is two bytes of payload, big endian
//	text:"ab"*3"c"       ababab and c
//	raw:"\x81"           bytes
//
// What has to follow is a sequence of
//
//	text:"hi"     the handler is given it, and it is sent back; also binary
//	pong:"hi"     the answer to a ping
//	close:1000    the client has closed, and its code is sent back. 1005: it gave none
//	fail:1002     the connection is closed with that code
//
// and without one of the last two the connection stays open until the client hangs up, which is the end with 1006.
type conformance struct {
	id              string
	message, frames int
	deflate         bool
	in              []byte
	want            []item
}

// An item of a notation.
type item struct {
	kind    string
	flags   []string
	payload string
	number  int // in front of the payload's strings. -1: none
}

func (i item) String() string {
	if i.kind == "close" || i.kind == "fail" {
		return fmt.Sprintf("%s:%d", i.kind, i.number)
	}
	return fmt.Sprintf("%s:%q", i.kind, i.payload)
}

// readTable returns the rows of a file in testdata, which are the lines that are neither empty nor comments. Columns are separated
// by tabs.
func readTable(t *testing.T, name string, columns int) (rows [][]string) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		if sc.Text() == "" || strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		row := strings.Split(sc.Text(), "\t")
		if len(row) != columns {
			t.Errorf("%s:%d: %d columns, want %d", name, n, len(row), columns)
			continue
		}
		rows = append(rows, row)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// conformances are all lines of frames.tsv.
func conformances(t *testing.T) (all []conformance) {
	t.Helper()
	for _, row := range readTable(t, "frames.tsv", 4) {
		c := conformance{id: row[0], message: 64 << 10, frames: 4096}
		if err := c.parse(row[1], row[2], row[3]); err != nil {
			t.Errorf("frames.tsv: %s: %v", c.id, err)
			continue
		}
		all = append(all, c)
	}
	return all
}

func (c *conformance) parse(options, in, want string) (err error) {
	for _, o := range strings.Fields(options) {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "message":
			c.message, err = strconv.Atoi(value)
		case "frames":
			c.frames, err = strconv.Atoi(value)
		case "deflate":
			c.deflate = true
		case "-":
		default:
			err = fmt.Errorf("unknown option %q", o)
		}
		if err != nil {
			return err
		}
	}
	items, err := parseItems(in)
	if err != nil {
		return err
	}
	for _, i := range items {
		b, err := i.frame()
		if err != nil {
			return err
		}
		c.in = append(c.in, b...)
	}
	if c.want, err = parseItems(want); err != nil {
		return err
	}
	for n, i := range c.want {
		switch i.kind {
		case "text", "binary", "pong":
		case "close", "fail":
			if n < len(c.want)-1 {
				return fmt.Errorf("something follows %s", i)
			}
		default:
			return fmt.Errorf("nothing of kind %q can follow", i.kind)
		}
	}
	return nil
}

// end is what the connection ends with.
func (c *conformance) end() item {
	if len(c.want) > 0 {
		if last := c.want[len(c.want)-1]; last.kind == "close" || last.kind == "fail" {
			return last
		}
	}
	return item{kind: "hangup", number: 1006}
}

func parseItems(s string) (items []item, err error) {
	for s = strings.TrimLeft(s, " "); s != "" && s != "-"; s = strings.TrimLeft(s, " ") {
		i := item{number: -1}
		head, rest, ok := strings.Cut(s, ":")
		if !ok {
			return nil, fmt.Errorf("no colon in %.40q", s)
		}
		i.kind, s = head, rest
		if words := strings.Split(head, "+"); len(words) > 1 {
			i.kind, i.flags = words[0], words[1:]
		}
		if digits := leadingDigits(s); digits != "" {
			if i.number, err = strconv.Atoi(digits); err != nil {
				return nil, err
			}
			s = s[len(digits):]
		}
		for strings.HasPrefix(s, `"`) {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("%w in %.40q", err, s)
			}
			s = s[len(quoted):]
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(s, "*") {
				digits := leadingDigits(s[1:])
				n, err := strconv.Atoi(digits)
				if err != nil {
					return nil, err
				}
				text, s = strings.Repeat(text, n), s[1+len(digits):]
			}
			i.payload += text
		}
		if s != "" && s[0] != ' ' {
			return nil, fmt.Errorf("what is %.40q", s)
		}
		items = append(items, i)
	}
	return items, nil
}

func leadingDigits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

var opcodes = map[string]byte{"cont": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}

// frame is what a client sends for i.
func (i item) frame() ([]byte, error) {
	payload := []byte(i.payload)
	if i.number >= 0 {
		payload = append(binary.BigEndian.AppendUint16(nil, uint16(i.number)), payload...)
	}
	if i.kind == "raw" {
		return payload, nil
	}
	op, ok := opcodes[i.kind]
	if n, err := strconv.Atoi(strings.TrimPrefix(i.kind, "op")); !ok && err == nil && n < 16 {
		op, ok = byte(n), true
	}
	if !ok {
		return nil, fmt.Errorf("no frame is called %q", i.kind)
	}
	first, mask, length := fin|op, byte(0x80), uint64(len(payload))
	key, form := []byte{0x37, 0xfa, 0x21, 0x3d}, 0
	for _, f := range i.flags {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "more":
			first &^= fin
		case "rsv1", "rsv2", "rsv3":
			first |= 0x40 >> (name[3] - '1')
		case "bare":
			mask, key = 0, nil
		case "nomask":
			mask = 0
		case "zero":
			key = make([]byte, 4)
		case "len16", "len64":
			form, _ = strconv.Atoi(name[3:])
		case "claim":
			var err error
			if length, err = strconv.ParseUint(value, 10, 64); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("no frame is %q", f)
		}
	}
	b := head(first, mask, length)
	switch form {
	case 16:
		b = binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(length))
	case 64:
		b = binary.BigEndian.AppendUint64([]byte{first, mask | 127}, length)
	}
	b = append(b, key...)
	for n, p := range payload {
		if key != nil {
			p ^= key[n%4]
		}
		b = append(b, p)
	}
	return b, nil
}

func TestNotation(t *testing.T) {
	for in, want := range map[string]string{
		`text+zero:"hi"`:                    "\x81\x82\x00\x00\x00\x00hi",
		`text:"hi"`:                         "\x81\x82\x37\xfa\x21\x3d" + string([]byte{'h' ^ 0x37, 'i' ^ 0xfa}),
		`cont+more+rsv1+rsv3+zero:"a"*3"b"`: "\x50\x84\x00\x00\x00\x00aaab",
		`close+zero:1000"x"`:                "\x88\x83\x00\x00\x00\x00\x03\xe8x",
		`op3+bare: ping+nomask:""`:          "\x83\x00" + "\x89\x00\x37\xfa\x21\x3d",
		`text+len16+zero:"a"`:               "\x81\xfe\x00\x01\x00\x00\x00\x00a",
		`text+len64+zero+claim=9:"a"`:       "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00a",
		`raw:"\x00"`:                        "\x00",
	} {
		var c conformance
		if err := c.parse("-", in, "-"); err != nil || !bytes.Equal(c.in, []byte(want)) {
			t.Errorf("%s: %x, %v; want %x", in, c.in, err, want)
		}
	}
	for _, in := range []string{"text", `text:"a`, `text:a`, `no:"a"`, `text+no:""`, `text:"a"*`, `op16:""`} {
		var c conformance
		if err := c.parse("-", in, "-"); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}
