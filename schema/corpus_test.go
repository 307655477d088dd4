package schema_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/schema"
)

// TestCorpus writes every input of testdata/validate with the printed schema that it is judged by and its issues, for
// engines in other languages: the docs page's has to give the same verdicts (apidoc/page/test).
func TestCorpus(t *testing.T) {
	type issue struct {
		Path    string `json:"path"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	type line struct {
		Data   string  `json:"data,omitempty"`
		Bytes  []byte  `json:"bytes,omitempty"` // where the data is no UTF-8
		Issues []issue `json:"issues"`
	}
	type file struct {
		Name     string          `json:"name"`
		Envelope schema.Envelope `json:"envelope"`
		Schema   json.RawMessage `json:"schema"`
		Inputs   []line          `json:"inputs"`
	}
	var corpus []file
	types := validatedTypes()
	for _, name := range slices.Sorted(maps.Keys(types)) {
		c := types[name]
		p := mustCompile(t, c.v, c.o)
		f := file{Name: name, Schema: p.Schema()}
		if c.o != nil {
			f.Envelope = *c.o.Envelope
		}
		raw, err := os.ReadFile(filepath.Join("testdata", "validate", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(string(raw), "\n") {
			if text == "" || text[0] == '\t' || text[0] == '#' {
				continue
			}
			data := input(t, text)
			l := line{Data: string(data), Issues: []issue{}}
			if strings.ToValidUTF8(l.Data, "") != l.Data {
				l.Data, l.Bytes = "", data
			}
			for _, i := range p.Validate(data) {
				l.Issues = append(l.Issues, issue{i.Path, i.Code, i.Message})
			}
			f.Inputs = append(f.Inputs, l)
		}
		corpus = append(corpus, f)
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(corpus); err != nil {
		t.Fatal(err)
	}
	golden(t, "corpus.json", out.String())
}
