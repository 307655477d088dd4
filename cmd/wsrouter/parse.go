package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// A pkg is the declarations of one package, by name.
type pkg struct {
	name    string
	fset    *token.FileSet
	types   map[string]*declared
	funcs   []*ast.FuncDecl
	sent    map[string]bool // types that the arguments of a Sends name
	dirName string
}

// declared is a type with what stands around it.
type declared struct {
	spec *ast.TypeSpec
	doc  *ast.CommentGroup
}

// parsePackage reads the Go files of dir but for tests and the generated one. Files for other systems count, so that the
// result is the same on each.
func parsePackage(dir, generated string) (*pkg, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &pkg{fset: token.NewFileSet(), types: map[string]*declared{}, sent: map[string]bool{}, dirName: dir}
	var first *ast.File
	for _, e := range entries { // sorted
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == generated || name[0] == '_' || name[0] == '.' {
			continue
		}
		file, err := parser.ParseFile(p.fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err // begins with file:line:column
		}
		if left(file) || file.Name.Name == "documentation" {
			continue
		}
		if first == nil {
			first = file
		}
		if first.Name.Name != file.Name.Name {
			return nil, fmt.Errorf("%s: package %s, but package %s in %s",
				p.fset.Position(file.Name.Pos()), file.Name.Name, first.Name.Name, p.fset.Position(first.Pos()).Filename)
		}
		p.add(file)
	}
	if first == nil {
		return nil, fmt.Errorf("%s: there are no Go files", dir)
	}
	p.name = first.Name.Name
	return p, nil
}

// left reports whether the file is in no build: its constraint wants a tag such as ignore, and nothing else could make it true.
func left(file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			expr, err := constraint.Parse(c.Text)
			if err == nil && !expr.Eval(func(tag string) bool { return tag != "ignore" }) && expr.Eval(func(string) bool { return true }) {
				return true
			}
		}
	}
	return false
}

// add takes the declarations of a file. Of one name in files for several systems, the first with a comment counts.
func (p *pkg) add(file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			p.funcs = append(p.funcs, d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				spec, ok := s.(*ast.TypeSpec)
				if !ok {
					continue
				}
				doc := spec.Doc
				if doc == nil && !d.Lparen.IsValid() {
					doc = d.Doc
				}
				doc = cmp.Or(doc, spec.Comment)
				if old := p.types[spec.Name.Name]; old == nil || old.doc == nil && doc != nil {
					p.types[spec.Name.Name] = &declared{spec, doc}
				}
			}
		}
	}
	ast.Inspect(file, p.findSends)
}

// findSends notes the types of the package that arguments of a call of Sends name: Sends(A{}, &B{}, (*C)(nil), new(D)).
func (p *pkg) findSends(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return true
	}
	name := ""
	switch fun := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = fun.Sel.Name
	case *ast.Ident: // a dot import
		name = fun.Name
	}
	if name != "Sends" {
		return true
	}
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				p.sent[id.Name] = true
			}
			return true
		})
	}
	return true
}

// structOf is the struct that the type of a name is, directly or by way of another name. seen breaks cycles.
func (p *pkg) structOf(name string, seen map[string]bool) *ast.StructType {
	d := p.types[name]
	if d == nil || seen[name] {
		return nil
	}
	switch t := d.spec.Type.(type) {
	case *ast.StructType:
		return t
	case *ast.Ident:
		if seen == nil {
			seen = map[string]bool{}
		}
		seen[name] = true
		return p.structOf(t.Name, seen)
	}
	return nil
}
