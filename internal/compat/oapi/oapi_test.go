package oapi

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"text/template"

	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/util"
	_ "github.com/oapi-codegen/runtime" // what is generated needs these
	_ "github.com/oapi-codegen/runtime/types"
)

var (
	server = codegen.GenerateOptions{StdHTTPServer: true, Models: true}
	client = codegen.GenerateOptions{Client: true, Models: true}
)

var documents = []struct {
	name, path string
	generate   codegen.GenerateOptions
}{
	{"minimal", "../../../examples/minimal/testdata/openapi.json", server},
	{"chat", "../../../examples/chat/testdata/openapi.json", server},
	{"kitchen", "../testdata/kitchen.openapi.json", server},
	{"merged30", "../testdata/merged-base-3.0.openapi.json", server},
	{"merged31", "../testdata/merged-base-3.1.openapi.json", server},
	{"kitchenclient", "../testdata/kitchen-upgrade-only.openapi.json", client},
}

// program registers all generated servers: where two patterns of one exclude each other, or one is none,
// http.ServeMux panics.
var program = template.Must(template.New("").Parse(`package main

import (
	"fmt"
	"net/http"
{{range .}}
	"github.com/wsrouter-go/wsrouter/internal/compat/oapi/{{.Dir}}/{{.Package}}"{{end}}
)

func main() {
{{range .}}{{if .Server}}
	fmt.Println("{{.Package}}")
	{{.Package}}.HandlerFromMux(struct{ {{.Package}}.ServerInterface }{}, http.NewServeMux()){{else}}
	if _, err := {{.Package}}.NewClient("http://localhost"); err != nil {
		panic(err)
	}{{end}}{{end}}
	fmt.Println("all registered")
}
`))

// TestGeneratedCode generates Go from every document, compiles it, and registers its routes.
func TestGeneratedCode(t *testing.T) {
	// Inside the module, so that its go.sum counts; under testdata, so that ./... does not see it.
	if err := os.MkdirAll("testdata", 0o777); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("testdata", "generated-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })

	type part struct {
		Dir, Package string
		Server       bool
	}
	var parts []part
	for _, d := range documents {
		code, err := generate(d.path, d.name, d.generate)
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		write(t, filepath.Join(dir, d.name, "gen.go"), []byte(code))
		parts = append(parts, part{filepath.ToSlash(dir), d.name, d.generate.StdHTTPServer})
	}
	var main bytes.Buffer
	if err := program.Execute(&main, parts); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.go"), main.Bytes())

	out, err := exec.Command("go", "run", "./"+filepath.ToSlash(dir)).CombinedOutput()
	if err != nil || !bytes.HasSuffix(out, []byte("all registered\n")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func generate(document, name string, what codegen.GenerateOptions) (string, error) {
	doc, err := util.LoadSwagger(document)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", document, err)
	}
	return codegen.Generate(doc, codegen.Configuration{
		PackageName:   name,
		Generate:      what,
		OutputOptions: codegen.OutputOptions{SkipPrune: true},
	})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}
