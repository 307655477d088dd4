package apidoc

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// What YAML may hold. Every node of a tree is parted from the next by one of these characters, so that their
// number bounds the memory of a tree before it is built.
const (
	yamlParting    = "\n,:-[{?"
	maxYAMLParting = 3 << 19
	maxYAMLBytes   = 4 * maxDocument // with all aliases followed
)

// parseYAML reads one YAML document as the tree of a JSON value.
func parseYAML(data []byte) (any, error) {
	parting := 0
	for _, c := range []byte(yamlParting) {
		parting += bytes.Count(data, []byte{c})
	}
	if parting > maxYAMLParting {
		return nil, fmt.Errorf("more than %d YAML indicators", maxYAMLParting)
	}
	var doc yaml.Node
	limits := yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth)))
	if err := yaml.Load(data, &doc, limits); err != nil {
		return nil, err
	}
	r := &yamlReader{done: map[*yaml.Node]*yamlValue{}}
	v, err := r.value(&doc, 0)
	if err != nil {
		return nil, err
	}
	return v.v, nil
}

// A yamlReader turns nodes into values. What an alias names is converted once and shared; its weight counts each time.
type yamlReader struct {
	done map[*yaml.Node]*yamlValue // nil while under way
}

// A yamlValue is a value and what it weighs when it is written.
type yamlValue struct {
	v             any
	values, bytes int
	depth         int // of its innermost part
}

func (r *yamlReader) value(n *yaml.Node, depth int) (*yamlValue, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) != 1 {
			return nil, errors.New("the document is empty")
		}
		return r.value(n.Content[0], depth)
	case yaml.AliasNode:
		v, known := r.done[n.Alias]
		if !known || v == nil {
			return nil, fmt.Errorf("line %d: the alias *%.50s stands inside of what it names", n.Line, n.Value)
		}
		return v, nil
	}
	if len(n.Anchor) > 1000 {
		return nil, fmt.Errorf("line %d: an anchor of %d bytes", n.Line, len(n.Anchor))
	}
	r.done[n] = nil
	v := &yamlValue{values: 1, bytes: len(n.Value) + 2}
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		v.v, err = r.mapping(n, v, depth)
	case yaml.SequenceNode:
		v.v, err = r.sequence(n, v, depth)
	case yaml.ScalarNode:
		v.v, err = scalar(n)
	default:
		err = errors.New("the document is empty")
	}
	r.done[n] = v
	return v, err
}

// part converts a part of v and adds its weight.
func (r *yamlReader) part(n *yaml.Node, v *yamlValue, depth int) (any, error) {
	p, err := r.value(n, depth+1)
	if err != nil {
		return nil, err
	}
	v.values += p.values
	v.bytes += p.bytes
	v.depth = max(v.depth, p.depth+1)
	switch {
	case depth+v.depth > maxDepth:
		return nil, fmt.Errorf("line %d: nested deeper than %d levels", n.Line, maxDepth)
	case v.values > maxValues:
		return nil, fmt.Errorf("line %d: more than %d values, with aliases followed", n.Line, maxValues)
	case v.bytes > maxYAMLBytes:
		return nil, fmt.Errorf("line %d: more than %d bytes, with aliases followed", n.Line, maxYAMLBytes)
	}
	return p.v, nil
}

func (r *yamlReader) sequence(n *yaml.Node, v *yamlValue, depth int) (any, error) {
	list := []any{}
	for _, c := range n.Content {
		e, err := r.part(c, v, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// mapping reads members in their order. The members of << come behind, unless they are there already.
func (r *yamlReader) mapping(n *yaml.Node, v *yamlValue, depth int) (any, error) {
	o := newObject()
	var merges []any
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: the name of a member must be a scalar", key.Line)
		}
		member, err := r.part(n.Content[i+1], v, depth)
		if err != nil {
			return nil, err
		}
		v.bytes += len(key.Value) + 4
		if key.Value == "<<" && key.Style == 0 {
			merges = append(merges, member)
			continue
		}
		if o.has(key.Value) {
			return nil, fmt.Errorf("line %d: the member %.50q stands there twice", key.Line, key.Value)
		}
		o.set(key.Value, member)
	}
	for _, m := range merges {
		if err := inherit(o, m); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
	}
	return o, nil
}

func inherit(o *object, from any) error {
	switch from := from.(type) {
	case *object:
		for _, name := range from.names {
			if !o.has(name) {
				o.set(name, from.get(name))
			}
		}
		return nil
	case []any:
		for _, f := range from {
			if _, ok := f.(*object); !ok {
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
			return number(n.Value), nil
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
		return number(text), nil
	}
	return nil, fmt.Errorf("line %d: JSON has no number %s", n.Line, n.Value)
}
