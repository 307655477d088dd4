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
	maxLine  = 100  // of a frame on one line
	maxShown = 2000 // bytes of a frame in a failure
)

// show returns data for a failure's text: JSON as it came if it is short, indented if it is long.
func show(data []byte) string {
	if !utf8.Valid(data) {
		return cut(fmt.Sprintf("%q", data))
	}
	if len(data) == 0 {
		return "\t(empty)"
	}
	if v := jsontext.Value(data).Clone(); len(data) > maxLine && v.Indent() == nil {
		data = v
	}
	return cut("\t" + strings.ReplaceAll(string(data), "\n", "\n\t"))
}

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s… (%d bytes more)", s[:n], len(s)-n)
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
		fmt.Fprintf(&b, "\n\t%s %s", orRoot(issue.Path), issue.Message)
	}
	return b.String()
}

// orRoot names the root, whose path is empty.
func orRoot(path string) string {
	if path == "" {
		return "the message"
	}
	return path
}

func typeName[M any]() string { return reflect.TypeFor[M]().String() }

func kind(binary bool) string {
	if binary {
		return "binary"
	}
	return "text"
}
