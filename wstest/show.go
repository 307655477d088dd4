package wstest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

const (
	maxLine  = 100  // bytes of JSON that is left on one line
	maxBytes = 2000 // of a frame in a failure
	maxLines = 40

	maxLevels = 20 // of JSON that is indented
)

// show returns data for a failure's text: JSON as it came if it is short, indented if it is long.
func show(data []byte) string {
	if len(data) == 0 {
		return "\t(empty)"
	}
	if !utf8.Valid(data) {
		return cut(fmt.Sprintf("\t%q", data))
	}
	if v := jsontext.Value(data).Clone(); len(data) > maxLine && depth(data) <= maxLevels && v.Indent() == nil {
		data = v
	}
	return cut("\t" + strings.ReplaceAll(strings.TrimRight(string(data), "\n"), "\n", "\n\t"))
}

// depth is an upper bound of how deep data is nested: indented, deep JSON is nothing but white space.
func depth(data []byte) int {
	deepest, n := 0, 0
	for _, c := range data {
		switch c {
		case '{', '[':
			n++
			deepest = max(deepest, n)
		case '}', ']':
			n--
		}
	}
	return deepest
}

// cut shortens s to what one likes to read, at the end of a character.
func cut(s string) string {
	n := 0
	for lines := 1; n < len(s); n++ {
		if s[n] == '\n' {
			lines++
		}
		if n >= maxBytes && utf8.RuneStart(s[n]) || lines > maxLines {
			return fmt.Sprintf("%s … (%d bytes more)", s[:n], len(s)-n)
		}
	}
	return s
}

// sample is a message of m's type as it looks on the wire.
func sample(codec testhook.Codec, m any) string {
	data, err := codec.Encode(m)
	if err != nil {
		return fmt.Sprintf("\t%T, which cannot be encoded: %v", m, err)
	}
	return show(data)
}

// faults lists what is wrong with a message, an issue a line.
func faults(err error) string {
	var invalid *wsrouter.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Issues) == 0 {
		return "because: " + err.Error()
	}
	var b strings.Builder
	b.WriteString("because:")
	for _, issue := range invalid.Issues {
		b.WriteString("\n\t" + strings.TrimSpace(issue.Path+" "+issue.Message))
	}
	return b.String()
}

func typeName[M any]() string { return reflect.TypeFor[M]().String() }

func kind(binary bool) string {
	if binary {
		return "binary"
	}
	return "text"
}
