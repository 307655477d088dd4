package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// appendString appends text as a JSON string.
func appendString(dst []byte, text string) []byte {
	out, _ := jsontext.AppendQuote(dst, text) // invalid UTF-8 is replaced
	return out
}

// valuesRule reads enum and const.
func (c *compiler) valuesRule(n *node, key, text, where string) error {
	switch n.kind {
	case kindString, kindText, kindInt, kindFloat, kindBool:
	default:
		return n.unfit(key, "strings, numbers and booleans")
	}
	list := []string{text}
	if key == "enum" {
		list = strings.Split(text, ",")
	} else if len(n.enum) > 0 && len(n.values) == 0 {
		return fmt.Errorf("const and enum cannot stand together")
	}
	allowed := n.enum
	n.enum = nil
	for _, item := range list {
		if item == "" && key == "enum" || strings.TrimSpace(item) != item {
			return fmt.Errorf("%s %q has an empty value or spaces around one", key, text)
		}
		raw, err := literal(n, item)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		v, err := newValue(n.kind, raw)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		if slices.ContainsFunc(n.enum, func(o value) bool { return o.raw == v.raw }) {
			return fmt.Errorf("%s names %s twice", key, v.raw)
		}
		if len(allowed) > 0 && !slices.ContainsFunc(allowed, func(o value) bool { return o.raw == v.raw }) {
			return fmt.Errorf("%s names %s, which the method Enum of %s does not", key, v.raw, n.typ)
		}
		n.enum = append(n.enum, v)
	}
	n.isConst = key == "const"
	c.checks = append(c.checks, func() error {
		for _, v := range n.enum {
			if issues := n.check([]byte(v.raw)); issues != nil {
				return at(where, fmt.Errorf("%s %s breaks the field's own rules: %s", key, v.raw, issues[0].Message))
			}
		}
		return nil
	})
	return nil
}

// literal turns the text of a tag into JSON, as the kind of n asks: strings are written without quotes.
func literal(n *node, text string) (json.RawMessage, error) {
	switch n.kind {
	case kindString, kindText, kindTime, kindDuration, kindBytes:
		return appendString(nil, text), nil
	case kindArray:
		return listLiteral(n, text)
	case kindInt, kindFloat:
		if _, ok := isNumber([]byte(text)); !ok {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		if n.quoted {
			return appendString(nil, text), nil
		}
	case kindBool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
	}
	raw, err := compact([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%q is no JSON: %w", text, err)
	}
	return raw, nil
}

// listLiteral reads a JSON array, or values with commas between them.
func listLiteral(n *node, text string) (json.RawMessage, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		raw, err := compact([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%q is no JSON: %w", text, err)
		}
		return raw, nil
	}
	out := json.RawMessage("[")
	for i, item := range strings.Split(text, ",") {
		raw, err := literal(n.elem, item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return append(out, ']'), nil
}

// samples reads default and example, and checks them when the plan is complete.
func (c *compiler) samples(f *field, t *tags) (err error) {
	if text, ok := t.get("default"); ok {
		if f.def, err = literal(f.node, text); err != nil {
			return fmt.Errorf("default %w", err)
		}
		c.checks = append(c.checks, func() (err error) {
			f.def, err = filled(f.node, f.def)
			if err != nil {
				return at(f.goName, fmt.Errorf("default %q breaks the field's own rules: %w", text, err))
			}
			return nil
		})
	}
	if text, ok := t.get("example"); ok {
		if f.example, err = literal(f.node, text); err != nil {
			return fmt.Errorf("example %w", err)
		}
		c.checks = append(c.checks, func() error {
			if issues := f.node.check(f.example); issues != nil {
				return at(f.goName, fmt.Errorf("example %q breaks the field's own rules: %s", text, explain(issues[0])))
			}
			return nil
		})
	}
	if s := innermostNode(f.node); s.pattern != nil && f.example == nil && f.def == nil && len(s.enum) == 0 {
		return fmt.Errorf("a pattern needs an example tag: nobody can guess a value that matches %s", s.pattern.text)
	}
	return nil
}

func innermostNode(n *node) *node {
	for n.elem != nil && (n.kind == kindArray || n.kind == kindObject && len(n.fields) == 0) && !n.recursive {
		n = n.elem
	}
	return n
}

func explain(i Issue) string {
	if i.Path == "" {
		return i.Message
	}
	return i.Path + " " + i.Message
}

// check lists what is wrong with raw as a value of n.
func (n *node) check(raw []byte) []Issue {
	s := newScanner(raw)
	if s.value(n, nowhere) {
		s.end()
	}
	issues := s.faults()
	s.release()
	return issues
}

// filled returns raw with the defaults of members that it lacks, theirs too.
func filled(n *node, raw json.RawMessage) (json.RawMessage, error) {
	for range maxDepth {
		s := newScanner(raw)
		s.edits.on = true
		if s.value(n, nowhere) {
			s.end()
		}
		if issues := s.faults(); issues != nil {
			s.release()
			return nil, fmt.Errorf("%s", explain(issues[0]))
		}
		done := len(s.edits.list) == 0
		raw = append(json.RawMessage(nil), s.edits.apply(raw, 0, len(raw), s.edits.list)...)
		s.release()
		if done {
			return raw, nil
		}
		if len(raw) > maxKept {
			break
		}
	}
	return nil, fmt.Errorf("it has defaults inside defaults without end")
}
