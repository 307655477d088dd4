package apidoc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// A schemaNode is one schema as a message brought it: the message itself or one of its $defs.
type schemaNode struct {
	goType  string
	wire    string // name of last resort, for types without one
	message bool
	schema  *ordered.Object // without $defs
	defs    map[string]*schemaNode
	root    *schemaNode // what "#" means in schema
	class   string      // nodes of one class become one component
	comp    *component
}

// A component is a schema that the document names.
type component struct {
	name    string
	goType  string
	wire    string
	message bool
	schema  *ordered.Object // references are those of the document
	node    *schemaNode
	shared  bool // the merged document has it already
}

// A registry turns the schemas of all messages into named components.
type registry struct {
	nodes      []*schemaNode
	components []*component
}

// add takes the schema of a message or a parameter apart and returns the node of its root.
func (r *registry) add(goType, wire, what string, message bool, raw []byte) (*schemaNode, error) {
	schema, err := parseSchema(what, raw)
	if err != nil {
		return nil, err
	}
	schema.Remove("$schema")
	defs := schema.Object("$defs")
	schema.Remove("$defs")
	schema, defs = spell(schema, defs)
	root := &schemaNode{goType: goType, wire: wire, message: message, schema: schema, defs: map[string]*schemaNode{}}
	root.root = root
	for _, key := range defs.Names() {
		def, ok := defs.Get(key).(*ordered.Object)
		if !ok {
			def = ordered.New()
		}
		root.defs[key] = &schemaNode{goType: key, wire: wire, schema: def, defs: root.defs, root: root}
	}
	if err := root.check(what); err != nil {
		return nil, err
	}
	root = root.unwrap()
	if message {
		r.nodes = append(r.nodes, root)
	}
	for _, key := range defs.Names() {
		if n := root.defs[key]; n != root {
			r.nodes = append(r.nodes, n)
		}
	}
	return root, nil
}

// unwrap returns the definition of n's own type if n only refers to it, as the printed form of a recursive type may.
func (n *schemaNode) unwrap() *schemaNode {
	key, rest, ok := defRef(n.schema.Text("$ref"))
	def := n.defs[key]
	if !ok || rest != "" || def == nil || def.goType != n.goType {
		return n
	}
	for _, name := range n.schema.Names() {
		if name != "$ref" && name != "title" && name != "examples" {
			return n
		}
	}
	if n.schema.Has("examples") && !def.schema.Has("examples") {
		def.schema = def.schema.Clone().Set("examples", n.schema.Get("examples"))
	}
	def.message = n.message
	for _, d := range n.defs {
		d.root = def
	}
	return def
}

// check reports a reference within the schema that leads nowhere.
func (n *schemaNode) check(what string) (err error) {
	look := func(s *ordered.Object) any {
		if key, _, ok := defRef(s.Text("$ref")); ok && key != rootKey && n.defs[key] == nil && err == nil {
			err = fmt.Errorf("the schema of %s refers to %q, which its $defs lack", what, key)
		}
		return s
	}
	mapSchema(n.schema, look)
	for _, def := range n.defs {
		mapSchema(def.schema, look)
	}
	return err
}

// targets lists the nodes that n refers to, in order.
func (n *schemaNode) targets() (list []*schemaNode) {
	mapSchema(n.schema, func(s *ordered.Object) any {
		if t := n.target(s); t != nil {
			list = append(list, t)
		}
		return s
	})
	return list
}

// target returns the node that the $ref of s, a part of n, names.
func (n *schemaNode) target(s *ordered.Object) *schemaNode {
	if !s.Has("$ref") {
		return nil
	}
	key, _, ok := defRef(s.Text("$ref"))
	if !ok {
		return nil
	}
	if key == rootKey {
		return n.root
	}
	return n.defs[key]
}

// resolve merges equal nodes and names the components, in the order in which they were added. base is the
// components/schemas of a merged document; convert brings a schema into its dialect.
func (r *registry) resolve(base *ordered.Object, convert func(any) any) {
	r.classify()
	byClass := map[string]*component{}
	for _, n := range r.nodes {
		c := byClass[n.class]
		if c == nil {
			c = &component{goType: n.goType, wire: n.wire, message: n.message, node: n}
			byClass[n.class] = c
			r.components = append(r.components, c)
		}
		if n.schema.Has("examples") && !c.node.schema.Has("examples") {
			c.node = n
		}
		c.message = c.message || n.message
		n.comp = c
	}
	taken := map[string]bool{}
	r.name(taken)
	r.avoid(base, taken, convert)
	for _, c := range r.components {
		c.schema = c.node.inDocument()
	}
}

// classify gives the same class to nodes of one Go type that mean the same: equal text, and references to nodes of
// equal classes. It starts with the text and refines until nothing splits any more.
func (r *registry) classify() {
	ids := map[string]string{}
	id := func(key string) string {
		if ids[key] == "" {
			ids[key] = strconv.Itoa(len(ids) + 1)
		}
		return ids[key]
	}
	targets := make([][]*schemaNode, len(r.nodes))
	for i, n := range r.nodes {
		text := n.schema.Clone()
		text.Remove("title")
		text.Remove("examples")
		n.class = id(n.goType + "\x00" + string(ordered.AppendJSON(nil, text, -1)))
		targets[i] = n.targets()
	}
	for classes := 0; ; {
		next := make([]string, len(r.nodes))
		for i, n := range r.nodes {
			key := []string{n.class}
			for _, t := range targets[i] {
				key = append(key, t.class)
			}
			next[i] = id("\x01" + strings.Join(key, " "))
		}
		for i, n := range r.nodes {
			n.class = next[i]
		}
		slices.Sort(next)
		if count := len(slices.Compact(next)); count == classes {
			return
		} else {
			classes = count
		}
	}
}

// name names every component: the short name of its Go type; with its package where two types would share it;
// Order and Order_value where one type travels both as a message and inside others.
func (r *registry) name(taken map[string]bool) {
	level := map[string]int{}
	for range 8 { // each round takes one more part of the import path
		types := map[string]map[string]bool{}
		for _, c := range r.components {
			short := shortName(c.goType, c.wire, level[c.goType])
			if types[short] == nil {
				types[short] = map[string]bool{}
			}
			types[short][c.goType] = true
		}
		clash := false
		for _, group := range types {
			for t := range group {
				if len(group) > 1 {
					level[t]++
					clash = true
				}
			}
		}
		if !clash {
			break
		}
	}
	both := map[string]bool{}
	for _, c := range r.components {
		both[c.goType] = both[c.goType] || c.message
	}
	for _, c := range r.components {
		c.name = shortName(c.goType, c.wire, level[c.goType])
		if !c.message && both[c.goType] {
			c.name += "_value"
		}
		c.name = uniqueType(c.name, taken)
	}
}

// avoid renames components whose name the base has for something else, and marks those that the base has already.
// Whether two schemas are the same depends on the names of what they refer to, so it repeats until nothing changes.
func (r *registry) avoid(base *ordered.Object, taken map[string]bool, convert func(any) any) {
	for _, n := range base.Names() {
		taken[generated(n)] = true
	}
	for changed := true; changed; {
		changed = false
		for _, c := range r.components {
			if !base.Has(c.name) || ordered.Equal(base.Get(c.name), convert(c.node.inDocument())) {
				continue
			}
			c.name = uniqueType(shortName(c.goType, c.wire, 1), taken)
			changed = true
		}
	}
	for _, c := range r.components {
		c.shared = base.Has(c.name)
	}
}

// inDocument returns the schema with its references turned into those of the document.
func (n *schemaNode) inDocument() *ordered.Object {
	return mapSchema(n.schema, func(s *ordered.Object) any {
		if t := n.target(s); t != nil && t.comp != nil {
			_, rest, _ := defRef(s.Text("$ref"))
			s.Set("$ref", componentRef(t.comp.name)+rest)
		}
		return s
	}).(*ordered.Object)
}
