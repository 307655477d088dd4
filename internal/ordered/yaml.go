package ordered

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// What YAML may hold.
const (
	maxYAML      = 8 << 20
	maxNodes     = 300_000      // names are nodes too; the library takes 190 bytes for each
	maxYAMLBytes = 4 * MaxBytes // with all aliases followed
)

// parseYAML reads one YAML document as the tree of a JSON value.
func parseYAML(data []byte) (any, error) {
	switch {
	case len(data) > maxYAML:
		return nil, fmt.Errorf("%d bytes of YAML are more than %d", len(data), maxYAML)
	case !utf8.Valid(data): // nor UTF-16, which YAML allows
		return nil, errors.New("the document is not UTF-8")
	case nodes(data) > maxNodes:
		return nil, fmt.Errorf("more than %d YAML nodes: write a base of this size as JSON, which takes less to read", maxNodes)
	case bytes.Count(data, []byte("\n%")) > 100:
		return nil, errors.New("more than 100 YAML directives")
	}
	var doc yaml.Node
	limits := yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth)))
	if err := yaml.Load(data, &doc, limits); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	r := &yamlReader{done: map[*yaml.Node]*yamlValue{}}
	v, err := r.value(doc.Content[0], 0)
	return v.v, err
}

// nodes is how many nodes a YAML document has at most: the items of lists and the names and values of mappings, by the indicators that they
// need. A tree of nodes may take a hundred times the memory of its text, so that it must be known before it is built. A comment takes as much as some nodes.
func nodes(data []byte) int {
	n := 1
	for i, c := range data {
		switch c {
		case ',', '{', ':', '?': // a name and a value, or an item
			n += 2
		case '[':
			n++
		case '#':
			if i == 0 || data[i-1] <= ' ' || data[i-1] >= utf8.RuneSelf {
				n += 4
			}
		case '-': // an item, if a blank is next; some are not ASCII
			if i+1 == len(data) || data[i+1] <= ' ' || data[i+1] >= utf8.RuneSelf {
				n++
			}
		}
	}
	return n
}

// A yamlReader turns nodes into values. What has an anchor is converted once and shared; its weight counts at each alias.
type yamlReader struct {
	done map[*yaml.Node]*yamlValue // of nodes with an anchor, nil while under way
}

// A yamlValue is a value and what it weighs when it is written.
type yamlValue struct {
	v             any
	values, bytes int
	depth         int // of its innermost part
}

func (r *yamlReader) value(n *yaml.Node, depth int) (v yamlValue, err error) {
	if depth > maxDepth {
		return v, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		v := r.done[n.Alias]
		if v == nil {
			return yamlValue{}, fmt.Errorf("line %d: the alias *%.50s stands inside of what it names", n.Line, n.Value)
		}
		return *v, nil
	}
	if len(n.Anchor) > 1000 {
		return v, fmt.Errorf("line %d: an anchor of %d bytes", n.Line, len(n.Anchor))
	}
	v = yamlValue{values: 1, bytes: len(n.Value) + 2}
	switch n.Kind {
	case yaml.MappingNode:
		v.v, err = r.mapping(n, &v, depth)
	case yaml.SequenceNode:
		v.v, err = r.sequence(n, &v, depth)
	default:
		v.v, err = scalar(n)
	}
	if n.Anchor != "" {
		r.done[n] = &v
	}
	return v, err
}

// part converts a part of v, forgets its node and adds its weight.
func (r *yamlReader) part(n **yaml.Node, v *yamlValue, depth int) (any, error) {
	line := (*n).Line
	p, err := r.value(*n, depth+1)
	if err != nil {
		return nil, err
	}
	*n = nil
	v.values += p.values
	v.bytes += p.bytes
	v.depth = max(v.depth, p.depth+1)
	switch {
	case depth+v.depth > maxDepth:
		return nil, fmt.Errorf("line %d: nested deeper than %d levels", line, maxDepth)
	case v.values > maxValues:
		return nil, fmt.Errorf("line %d: more than %d values, with aliases followed", line, maxValues)
	case v.bytes > maxYAMLBytes:
		return nil, fmt.Errorf("line %d: more than %d bytes, with aliases followed", line, maxYAMLBytes)
	}
	return p.v, nil
}

func (r *yamlReader) sequence(n *yaml.Node, v *yamlValue, depth int) (any, error) {
	list := []any{}
	for i := range n.Content {
		e, err := r.part(&n.Content[i], v, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// mapping reads members in their order. The members of << come behind, unless they are there already.
func (r *yamlReader) mapping(n *yaml.Node, v *yamlValue, depth int) (any, error) {
	o := sized(len(n.Content) / 2)
	var merges []any
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: the name of a member must be a scalar", key.Line)
		}
		if _, err := r.value(key, depth+1); err != nil { // an alias may name it
			return nil, err
		}
		before := v.values
		member, err := r.part(&n.Content[i+1], v, depth)
		if err != nil {
			return nil, err
		}
		v.bytes += len(key.Value) + 4
		if key.Value == "<<" && key.Style == 0 {
			merges = append(merges, member)
			v.values += 3 * (v.values - before) // a copied member takes as much as four values
			continue
		}
		if o.Has(key.Value) {
			return nil, fmt.Errorf("line %d: the member %.50q stands there twice", key.Line, key.Value)
		}
		o.Set(key.Value, member)
	}
	for _, m := range merges {
		if err := inherit(o, m); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
	}
	return o, nil
}

func inherit(o *Object, from any) error {
	switch from := from.(type) {
	case *Object:
		for _, name := range from.names {
			if !o.Has(name) {
				o.Set(name, from.Get(name))
			}
		}
		return nil
	case []any:
		for _, f := range from {
			if _, ok := f.(*Object); !ok {
				break
			}
			if err := inherit(o, f); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("<< wants a mapping")
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// scalar reads what YAML 1.2 and JSON have in common; dates and the like stay the text that they are.
func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err
	case "!!int", "!!float":
		if jsonNumber.MatchString(n.Value) {
			return Number(n.Value), nil
		}
		return otherNumber(n)
	}
	return strings.ToValidUTF8(n.Value, "\uFFFD"), nil
}

// otherNumber reads spellings that JSON lacks, such as 0x1F, +1 and .5.
func otherNumber(n *yaml.Node) (any, error) {
	if len(n.Value) > 100 {
		return nil, fmt.Errorf("line %d: a number of %d characters", n.Line, len(n.Value))
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	if text := fmt.Sprint(v); jsonNumber.MatchString(text) {
		return Number(text), nil
	}
	return nil, fmt.Errorf("line %d: JSON has no number %s", n.Line, n.Value)
}
