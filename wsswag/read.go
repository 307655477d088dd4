package wsswag

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The bounds of apidoc's Merge.
const (
	maxDocument = 16 << 20
	maxDepth    = 200
	maxValues   = 1 << 20
)

// What parts the nodes of a YAML document from each other; their number bounds the memory of its tree.
const (
	yamlParting    = "\n,:-[{?"
	maxYAMLParting = 3 << 19
)

var errLarge = fmt.Errorf("more than %d bytes or %d values", maxDocument, maxValues)

// readDocument reads JSON or YAML within the bounds.
func readDocument(data []byte) (*object, error) {
	if len(data) > maxDocument {
		return nil, errLarge
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return nil, errors.New("the document is empty")
	}
	if data[0] != '{' {
		var err error
		if data, err = readYAML(data); err != nil {
			return nil, err
		}
	}
	r := &reader{dec: jsontext.NewDecoder(bytes.NewBuffer(data))}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the first JSON value")
	}
	o, ok := v.(*object)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	return o, nil
}

// A reader builds the tree of a JSON value: *object, []any, string, number, bool and nil.
type reader struct {
	dec    *jsontext.Decoder
	values int
}

func (r *reader) value(depth int) (any, error) {
	if r.values++; r.values > maxValues {
		return nil, errLarge
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	tok, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		o := newObject()
		for r.dec.PeekKind() != '}' {
			tok, err := r.dec.ReadToken()
			if err != nil {
				return nil, err
			}
			name := tok.String()
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			o.set(name, v)
		}
		_, err = r.dec.ReadToken()
		return o, err
	case '[':
		list := []any{}
		for r.dec.PeekKind() != ']' {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = r.dec.ReadToken()
		return list, err
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String()), nil
	case 'n':
		return nil, nil
	}
	return tok.Bool(), nil
}

// readYAML writes one YAML document as JSON.
func readYAML(data []byte) ([]byte, error) {
	parting := 0
	for _, c := range []byte(yamlParting) {
		parting += bytes.Count(data, []byte{c})
	}
	if parting > maxYAMLParting {
		return nil, errLarge
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth)))); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	w := &yamlWriter{}
	if err := w.value(doc.Content[0], 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

// A yamlWriter writes nodes as JSON, aliases as often as they stand there.
type yamlWriter struct {
	out    []byte
	values int
}

func (w *yamlWriter) value(n *yaml.Node, depth int) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	w.values++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("line %d: nested deeper than %d levels", n.Line, maxDepth)
	case w.values > maxValues || len(w.out) > maxDocument:
		return errLarge
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, depth)
	case yaml.SequenceNode:
		w.out = append(w.out, '[')
		for i, item := range n.Content {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			if err := w.value(item, depth+1); err != nil {
				return err
			}
		}
		w.out = append(w.out, ']')
		return nil
	}
	return w.scalar(n)
}

// mapping writes the members, and those of << behind them unless they are there already.
func (w *yamlWriter) mapping(n *yaml.Node, depth int) error {
	seen := map[string]bool{}
	w.out = append(w.out, '{')
	var members func(n *yaml.Node, merged bool, depth int) error
	members = func(n *yaml.Node, merged bool, depth int) error {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind == yaml.SequenceNode && merged && depth <= maxDepth {
			for _, m := range n.Content {
				if err := members(m, true, depth+1); err != nil {
					return err
				}
			}
			return nil
		}
		if n.Kind != yaml.MappingNode || depth > maxDepth {
			return fmt.Errorf("line %d: << wants a mapping", n.Line)
		}
		var merges []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			switch {
			case key.Kind != yaml.ScalarNode:
				return fmt.Errorf("line %d: the name of a member must be a scalar", key.Line)
			case key.Value == "<<" && key.Style == 0:
				merges = append(merges, value)
				continue
			case seen[key.Value] && merged:
				continue
			case seen[key.Value]:
				return fmt.Errorf("line %d: the member %.50q stands there twice", key.Line, key.Value)
			}
			if len(seen) > 0 {
				w.out = append(w.out, ',')
			}
			seen[key.Value] = true
			if err := w.text(key.Value); err != nil {
				return err
			}
			w.out = append(w.out, ':')
			if err := w.value(value, depth+1); err != nil {
				return err
			}
		}
		for _, m := range merges {
			if err := members(m, true, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := members(n, false, depth); err != nil {
		return err
	}
	w.out = append(w.out, '}')
	return nil
}

func (w *yamlWriter) text(s string) (err error) {
	w.out, err = jsontext.AppendQuote(w.out, strings.ToValidUTF8(s, "\uFFFD"))
	return err
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalar writes what YAML 1.2 and JSON have in common; dates and the like stay the text that they are.
func (w *yamlWriter) scalar(n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!null":
		w.out = append(w.out, "null"...)
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return err
		}
		w.out = fmt.Append(w.out, b)
	case "!!int", "!!float":
		number := n.Value
		if !jsonNumber.MatchString(number) && len(number) < 100 { // 0x1F, +1, .5
			var v any
			if err := n.Decode(&v); err != nil {
				return err
			}
			number = fmt.Sprint(v)
		}
		if !jsonNumber.MatchString(number) {
			return fmt.Errorf("line %d: JSON has no number %.50s", n.Line, n.Value)
		}
		w.out = append(w.out, number...)
	default:
		return w.text(n.Value)
	}
	return nil
}
