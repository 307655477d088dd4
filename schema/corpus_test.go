package schema_test

import (
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/golden"
	"github.com/wsrouter-go/wsrouter/schema"
)

var (
	mutations  = flag.Int("mutations", 0, "write so many mutated inputs for each type to -corpus instead of comparing the golden file")
	corpusFile = flag.String("corpus", "", "where -mutations are written")
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
	random := rand.New(rand.NewPCG(1, 2))
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
		var inputs [][]byte
		for text := range strings.SplitSeq(string(raw), "\n") {
			if text == "" || text[0] == '\t' || text[0] == '#' {
				continue
			}
			data := input(t, text)
			inputs = append(inputs, data)
		}
		for range *mutations {
			inputs = append(inputs, mutate(random, inputs[random.IntN(len(inputs))]))
		}
		for _, data := range inputs {
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
	if *mutations > 0 {
		if err := os.WriteFile(*corpusFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden.File(t, "testdata/corpus.json", []byte(out.String()))
}

// mutate changes a few bytes of an input, or writes a piece of JSON into it.
func mutate(r *rand.Rand, data []byte) []byte {
	pieces := []string{`"`, `{`, `}`, `[`, `]`, `,`, `:`, `null`, `true`, `0`, `-0`, `1.0`, `1e2`, `12`, `-1`, `256`, `9007199254740993`, `18446744073709551616`, `1e400`, `0.01`,
		`"a"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud800"`, `{"a":1}`, `[1,1]`, `{}`, `[]`, "é", "😀", "\u2028", "\x00", "\xff", `\`, `2024-02-29T23:59:60Z`, `P1DT2H`, `::1`, `a@b.c`, `%41`, ` `, "\n", "\t"}
	out := slices.Clone(data)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(out) + 1)
		end := min(len(out), at+r.IntN(4))
		switch r.IntN(4) {
		case 0:
			out = slices.Delete(out, at, end)
		case 1:
			out = slices.Insert(out, at, []byte(pieces[r.IntN(len(pieces))])...)
		case 2:
			out = slices.Replace(out, at, end, []byte(pieces[r.IntN(len(pieces))])...)
		default: // a value by another
			value := regexp.MustCompile(`"[^"]*"|-?[0-9.eE+-]+|null|true|false`)
			if all := value.FindAllIndex(out, -1); len(all) > 0 {
				v := all[r.IntN(len(all))]
				out = slices.Replace(out, v[0], v[1], []byte(pieces[r.IntN(len(pieces))])...)
			}
		}
	}
	return out
}
