package apidoc_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wsrouter-go/wsrouter/apidoc"
)

// traps are strings that some YAML reader takes for something else.
var traps = []string{
	"", " ", "a", "on", "On", "y", "N", "yes", "null", "~", "true", "1e3", "0123", "0x1F", "1_000", "12:30:00", "2026-01-02", ".inf", "=", "<<",
	"- a", "-", "?", ": a", "a: b", "a:", "a #b", "#", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "{a", "[a", "'a'", `"a"`, `\n`, "---", "...",
	"a\nb", "a\nb\n", "a\n\n", "\na", " a\nb", "a \nb", "a\n b", "a\n\n\nb", "a\n \nb", "\t", "a\tb", "a\r\nb", "a\rb", "\u2028", "a\u2029b", "\u0085",
	"\uFEFF", "\uFFFD", "\u0000", "\x7f", "\u200b", "é", "日本語", "😀", "a😀b", "\U000E0001", "a ", " a", "a  b", "a   b", "---\na", "a\n---\nb", "a\n# b",
	"/ws/{room}", "/ws: WS join", "$ref", "#/components/schemas/A", strings.Repeat("long ", 400), strings.Repeat("x", 3000),
}

// randomValue makes a JSON value out of traps.
func randomValue(r *rand.Rand, depth int) any {
	word := func() string { return traps[r.IntN(len(traps))] }
	switch n := r.IntN(8); {
	case depth > 0 && n == 0:
		m := map[string]any{}
		for range r.IntN(4) {
			m[word()] = randomValue(r, depth-1)
		}
		return m
	case depth > 0 && n == 1:
		l := []any{}
		for range r.IntN(4) {
			l = append(l, randomValue(r, depth-1))
		}
		return l
	case n == 2:
		return []any{true, false, nil}[r.IntN(3)]
	case n == 3:
		return []any{0.0, 1e21, -2.5, 3e-9, 12345678.0, 1e3}[r.IntN(6)]
	default:
		return word()
	}
}

// Everything in a document is the same value in both formats.
func TestYAMLMeansTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		base := map[string]any{"openapi": "3.1.0", "paths": map[string]any{}}
		if i == 0 {
			all := map[string]any{}
			for _, s := range traps {
				all[s] = []any{s, map[string]any{s: s}, []any{[]any{s}}}
			}
			base["x"] = all
		} else {
			base["x"] = randomValue(r, 5)
		}
		in, err := json.Marshal(base)
		if err != nil {
			t.Fatal(err)
		}
		doc := apidoc.New("", "")
		if err := doc.Merge(in); err != nil {
			t.Fatal(err)
		}
		out := doc.OpenAPIYAML()
		var got any
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		want := decode(t, doc.OpenAPI())
		if !reflect.DeepEqual(plain(got), want) {
			t.Fatalf("the YAML means something else:\n%s\n%s", out, in)
		}
		again := apidoc.New("", "") // and our own reader agrees, order included
		if err := again.Merge(out); err != nil {
			t.Fatal(err)
		}
		if string(again.OpenAPIYAML()) != string(out) {
			t.Fatalf("reading and writing changes it:\n%s", out)
		}
	}
}

// plain turns what a YAML reader makes of numbers into what encoding/json does.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	return v
}

func TestYAMLGoldensMeanTheSame(t *testing.T) {
	doc, _ := full()
	var got any
	if err := yaml.Unmarshal(doc.OpenAPIYAML(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(plain(got), decode(t, doc.OpenAPI())) {
		t.Error("the YAML differs from the JSON")
	}
}
