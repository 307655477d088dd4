package ordered

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// What a document may have at most.
const (
	MaxBytes  = 16 << 20
	maxDepth  = 200
	maxValues = 1 << 19
)

// Parse reads a document: JSON if it begins with a brace, else one YAML document. It must be an object. What is wrong with JSON is found
// before anything is built of it.
func Parse(data []byte) (*Object, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(data), MaxBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return nil, errors.New("the document is empty")
	}
	parse := parseYAML
	if data[0] == '{' {
		parse = ParseJSON
	}
	v, err := parse(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	return o, nil
}

// ParseJSON reads one JSON value with no member named twice, no invalid UTF-8 and nothing behind it.
func ParseJSON(data []byte) (any, error) {
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	return readJSON(jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))) // there are none
}

// checkJSON finds all that is wrong.
func checkJSON(data []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	for values := 0; ; {
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		depth := dec.StackDepth()
		in, n := dec.StackIndex(depth)
		kind := tok.Kind()
		if isName := in == '{' && n%2 == 1; !isName && kind != '}' && kind != ']' {
			values++
		}
		switch {
		case depth > maxDepth:
			return fmt.Errorf("nested deeper than %d levels", maxDepth)
		case values > maxValues:
			return fmt.Errorf("more than %d values", maxValues)
		}
		if depth == 0 {
			break
		}
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the first JSON value")
	}
	return nil
}

// readJSON builds the next value.
func readJSON(dec *jsontext.Decoder) (any, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		o := New()
		for dec.PeekKind() != '}' {
			tok, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			name := tok.String()
			v, err := readJSON(dec)
			if err != nil {
				return nil, err
			}
			o.Set(name, v)
		}
		_, err = dec.ReadToken()
		return o, err
	case '[':
		list := []any{}
		for dec.PeekKind() != ']' {
			v, err := readJSON(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.ReadToken()
		return list, err
	case '"':
		return tok.String(), nil
	case '0':
		return Number(tok.String()), nil
	case 'n':
		return nil, nil
	default:
		return tok.Bool(), nil
	}
}
