package main

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// comments lists the comments of the message types, their fields and the handlers, by the names of Comments.
func (p *pkg) comments() (map[string]string, error) {
	list := map[string]string{}
	handlers := p.handlers()
	types, err := p.messages(handlers)
	if err != nil {
		return nil, err
	}
	if len(types) == 0 && len(handlers) == 0 {
		return nil, fmt.Errorf("%s: package %s has no message types and no handlers", p.dirName, p.name)
	}
	put := func(name, text string) {
		if text != "" && list[name] == "" {
			list[name] = text
		}
	}
	for name := range types {
		put(name, plain(p.types[name].doc))
		for _, f := range p.structOf(name, nil).Fields.List {
			text := plain(f.Doc)
			if text == "" {
				text = plain(f.Comment)
			}
			for _, id := range f.Names {
				if id.IsExported() {
					put(name+"."+id.Name, text)
				}
			}
		}
	}
	for _, fn := range handlers {
		put(funcName(fn), withoutName(plain(fn.Doc), fn.Name.Name))
	}
	return list, nil
}

// handlers lists the functions that can be one: func(ctx context.Context, c *Conn, m M) error, or (A, error). Generic functions have no
// name at run time.
func (p *pkg) handlers() []*ast.FuncDecl {
	return slices.DeleteFunc(slices.Clone(p.funcs), func(fn *ast.FuncDecl) bool {
		in, out := flatten(fn.Type.Params), flatten(fn.Type.Results)
		if fn.Type.TypeParams != nil || len(in) != 3 || len(out) == 0 || len(out) > 2 {
			return true
		}
		_, pointer := in[1].(*ast.StarExpr)
		return !isContext(in[0]) || !pointer || !isError(out[len(out)-1])
	})
}

// flatten lists the types of parameters, one for each name.
func flatten(fields *ast.FieldList) (list []ast.Expr) {
	if fields == nil {
		return nil
	}
	for _, f := range fields.List {
		for range max(1, len(f.Names)) {
			list = append(list, f.Type)
		}
	}
	return list
}

func isContext(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Context"
}

func isError(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "error"
}

// funcName is what runtime calls fn: name, Type.name or (*Type).name, without type arguments.
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	recv, format := ast.Unparen(fn.Recv.List[0].Type), "%s.%s"
	if star, ok := recv.(*ast.StarExpr); ok {
		recv, format = ast.Unparen(star.X), "(*%s).%s"
	}
	return fmt.Sprintf(format, baseName(recv), fn.Name.Name)
}

// baseName is the name of a type without its type arguments, "" for one of another package or without a name.
func baseName(e ast.Expr) string {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	}
	return ""
}

// messages finds the struct types that documents can show.
func (p *pkg) messages(handlers []*ast.FuncDecl) (map[string]bool, error) {
	found := map[string]bool{}
	var reach func(e ast.Node)
	take := func(name string) {
		s := p.structOf(name, nil)
		if s == nil || found[name] {
			return
		}
		found[name] = true
		for _, f := range s.Fields.List {
			reach(f.Type)
		}
	}
	reach = func(e ast.Node) {
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr, *ast.FuncType, *ast.ChanType: // another package's, or nothing of JSON
				return false
			case *ast.Ident:
				take(n.Name)
				d := p.types[n.Name]
				if _, seen := found[n.Name]; d != nil && !seen && isContainer(d.spec.Type) {
					found[n.Name] = false // passed through, once
					reach(d.spec.Type)
				}
			}
			return true
		})
	}
	for _, name := range slices.Sorted(maps.Keys(p.types)) {
		tagged, err := p.tagged(name)
		if err != nil {
			return nil, err
		}
		if tagged || p.sent[name] {
			take(name)
		}
	}
	for _, fn := range handlers {
		in, out := flatten(fn.Type.Params), flatten(fn.Type.Results)
		reach(in[2])
		for _, e := range out[:len(out)-1] {
			reach(e)
		}
	}
	maps.DeleteFunc(found, func(_ string, ok bool) bool { return !ok })
	return found, nil
}

// isContainer reports types by whose name others are reached.
func isContainer(e ast.Expr) bool {
	switch ast.Unparen(e).(type) {
	case *ast.ArrayType, *ast.MapType, *ast.StarExpr:
		return true
	}
	return false
}

// wireTags are the keys that make a struct one that travels.
var wireTags = []string{"ws", "json", "path", "query", "header", "cookie", "subprotocol"}

// tagged reports whether the struct called name says that it travels.
func (p *pkg) tagged(name string) (bool, error) {
	s, ok := p.types[name].spec.Type.(*ast.StructType)
	if !ok {
		return false, nil
	}
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return false, fmt.Errorf("%s: the tag %s is no string: %w", p.fset.Position(f.Tag.Pos()), f.Tag.Value, err)
		}
		for _, key := range wireTags {
			if v, ok := reflect.StructTag(tag).Lookup(key); ok && v != "-" {
				return true, nil
			}
		}
	}
	return false, nil
}

// plain is a comment as text that reads well as it is and as Markdown: without directives and markers, with the lines of a paragraph joined.
func plain(group *ast.CommentGroup) string {
	text := group.Text() // nil is fine
	if text == "" {
		return ""
	}
	var parser comment.Parser
	doc := parser.Parse(text)
	spellLinks(doc.Content)
	doc.Links = nil // those that are used stand where they are used now
	printer := comment.Printer{TextWidth: -1}
	return strings.TrimSpace(string(printer.Text(doc)))
}

// spellLinks writes links as Markdown does. The printer of text would leave their URLs out.
func spellLinks(blocks []comment.Block) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *comment.Paragraph:
			for i, t := range b.Text {
				link, ok := t.(*comment.Link)
				if !ok || link.Auto {
					continue
				}
				text := comment.Printer{TextWidth: -1}
				words := text.Text(&comment.Doc{Content: []comment.Block{&comment.Paragraph{Text: link.Text}}})
				b.Text[i] = comment.Plain("[" + strings.TrimSpace(string(words)) + "](" + link.URL + ")")
			}
		case *comment.List:
			for _, item := range b.Items {
				spellLinks(item.Content)
			}
		}
	}
}

// withoutName takes the name of a handler off its comment, which documents show under a name of its own: "join enters a room" says "Enters a room".
func withoutName(text, name string) string {
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok || rest == "" {
		return text
	}
	first, size := utf8.DecodeRuneInString(rest)
	return string(unicode.ToUpper(first)) + rest[size:]
}
