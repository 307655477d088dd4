package apidoc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// The YAML is written here rather than by a YAML library because it must mean the same to every reader: a
// YAML 1.1 parser takes a bare on, 0123 or 12:30:00 for something else than a string, a 1.2 parser does not.
// What is not plainly a word is therefore quoted the way JSON quotes, which both read alike.

// appendYAML appends v in block style. The cursor stands at column indent behind a key, a dash or at the start.
func appendYAML(dst []byte, v any, indent int) []byte {
	switch v := v.(type) {
	case *ordered.Object:
		if len(v.Names()) == 0 {
			return append(dst, "{}\n"...)
		}
		for i, name := range v.Names() {
			if i > 0 {
				dst = appendSpaces(dst, indent)
			}
			dst = appendYAMLKey(dst, name, indent)
			dst = appendYAMLChild(dst, v.Get(name), indent)
		}
		return dst
	case []any:
		if len(v) == 0 {
			return append(dst, "[]\n"...)
		}
		for i, e := range v {
			if i > 0 {
				dst = appendSpaces(dst, indent)
			}
			dst = appendYAML(append(dst, "- "...), e, indent+2)
		}
		return dst
	case string:
		return append(appendYAMLString(dst, v, indent), '\n')
	case ordered.Number:
		return append(append(dst, yamlNumber(v)...), '\n')
	case bool:
		return append(strconv.AppendBool(dst, v), '\n')
	case nil:
		return append(dst, "null\n"...)
	}
	panic(fmt.Sprintf("apidoc: a %T is no part of a document", v))
}

// appendYAMLChild appends the value behind a key: collections start on a line of their own.
func appendYAMLChild(dst []byte, v any, indent int) []byte {
	collection := false
	switch v := v.(type) {
	case *ordered.Object:
		collection = len(v.Names()) > 0
	case []any:
		collection = len(v) > 0
	}
	if !collection {
		return appendYAML(append(dst, ' '), v, indent+2)
	}
	dst = append(dst, '\n')
	return appendYAML(appendSpaces(dst, indent+2), v, indent+2)
}

// appendYAMLKey appends the key and its colon. A key over 1,024 characters is legal only in the explicit form.
func appendYAMLKey(dst []byte, name string, indent int) []byte {
	if len(name) > 500 {
		dst = append(appendYAMLQuoted(append(dst, "? "...), name), '\n')
		return append(appendSpaces(dst, indent), ':')
	}
	if plainYAML(name) {
		return append(append(dst, name...), ':')
	}
	return append(appendYAMLQuoted(dst, name), ':')
}

func appendYAMLString(dst []byte, s string, indent int) []byte {
	switch {
	case plainYAML(s):
		return append(dst, s...)
	case literalYAML(s):
		return appendYAMLLiteral(dst, s, indent)
	default:
		return appendYAMLQuoted(dst, s)
	}
}

var (
	yamlWord = regexp.MustCompile(`^[A-Za-z/_$](?:[A-Za-z0-9/_$.(){}+,;@'-]|  ?[A-Za-z0-9/_$.(){}+;@'-])*$`)
	yamlTrap = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)
)

// plainYAML reports whether s needs no quotes in any version of YAML.
func plainYAML(s string) bool {
	return len(s) < 500 && yamlWord.MatchString(s) && !yamlTrap.MatchString(s)
}

// literalYAML reports whether s can stand as a block of lines.
func literalYAML(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasSuffix(body, "\n") || strings.HasPrefix(body, "\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.TrimSpace(line) == "" && line != "" {
			return false
		}
	}
	return body[0] != ' ' && body[0] != '\t' && strings.IndexFunc(body, yamlUnsafe) < 0
}

// yamlUnsafe reports characters that some YAML reader takes for a line break or refuses unless escaped.
func yamlUnsafe(r rune) bool {
	return r != '\n' && (r == unicode.ReplacementChar || r == '\uFEFF' || !unicode.IsPrint(r))
}

func appendYAMLLiteral(dst []byte, s string, indent int) []byte {
	body, ended := strings.CutSuffix(s, "\n")
	dst = append(dst, '|')
	if !ended {
		dst = append(dst, '-')
	}
	for line := range strings.SplitSeq(body, "\n") {
		dst = append(dst, '\n')
		if line != "" {
			dst = append(appendSpaces(dst, max(indent, 2)), line...)
		}
	}
	return dst
}

// appendYAMLQuoted is JSON's quoting, with every character escaped that YAML does not call printable.
func appendYAMLQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case !yamlUnsafe(r):
			dst = append(dst, string(r)...)
		case r > 0xFFFF:
			dst = fmt.Appendf(dst, `\U%08X`, r)
		default:
			dst = fmt.Appendf(dst, `\u%04X`, r)
		}
	}
	return append(dst, '"')
}

// yamlNumber spells n so that YAML 1.1 readers, which want a dot and a sign in 1e3, see the same number.
func yamlNumber(n ordered.Number) string {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(string(n)), "e")
	if !ok {
		return string(n)
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent[0] != '+' && exponent[0] != '-' {
		exponent = "+" + exponent
	}
	return mantissa + "e" + exponent
}

func appendSpaces(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}
