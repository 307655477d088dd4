// Package oapi generates servers and clients from wsrouter's documents as their users would. What is generated is
// committed, so that it is compiled with everything else: package uses registers its routes.
//
// This is a module of its own because the generator must read documents with the kin-openapi that it was released with.
package oapi

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/util"
)

var update = flag.Bool("update", false, "generate again")

func TestGenerate(t *testing.T) {
	server := codegen.GenerateOptions{StdHTTPServer: true, Models: true}
	client := codegen.GenerateOptions{Client: true, Models: true}
	for _, from := range []struct {
		name, document string
		generate       codegen.GenerateOptions
	}{
		{"minimal", "../../../examples/minimal/testdata/openapi.json", server},
		{"chat", "../../../examples/chat/testdata/openapi.json", server},
		{"kitchen", "../testdata/kitchen.openapi.json", server},
		{"merged30", "../testdata/merged-base-3.0.openapi.json", server},
		{"merged31", "../testdata/merged-base-3.1.openapi.json", server},
		{"kitchenclient", "../testdata/kitchen-upgrade-only.openapi.json", client},
	} {
		t.Run(from.name, func(t *testing.T) {
			doc, err := util.LoadSwagger(from.document)
			if err != nil {
				t.Fatal(err)
			}
			version := "v2.8.2" // a test binary does not know what it was built from
			got, err := codegen.Generate(doc, codegen.Configuration{
				PackageName:          from.name,
				Generate:             from.generate,
				OutputOptions:        codegen.OutputOptions{SkipPrune: true},
				NoVCSVersionOverride: &version,
			})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(from.name, "gen.go")
			if *update {
				if err := os.MkdirAll(from.name, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s changed: go test . -update, then go test ./...", path)
			}
		})
	}
}
