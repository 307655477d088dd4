// Command wsrouter is what a project with WebSocket messages runs beside the go command.
//
//	wsrouter comments [-o file] [-check] [directory]
//
// comments writes a Go file that registers the comments of a package's message types, their fields and its handlers, so that
// documents show them. Put this line into the package, and run go generate:
//
//	//go:generate go run github.com/wsrouter-go/wsrouter/cmd/wsrouter comments
//
// A doc tag, Summary or Description wins over a comment. Each package whose types or handlers stand in a document has such a line of its
// own. What is taken for one:
//
//   - a struct type that has a ws tag or a field with a json, path, query, header, cookie or subprotocol tag; that a handler
//     takes or answers with; that an argument of Sends names; or that a field of such a type holds;
//   - a function or method that takes a context.Context, a pointer and one value more, and returns an error last.
//
// The comment of a field is the one above it, else the one behind it. Lines of a paragraph are joined, directives are left out, and
// a handler's comment loses the handler's name in front. Types inside functions and fields of structs without a name have none.
//
// With -check nothing is written: the command fails if the file is not what it would write.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `wsrouter comments [-o file] [-check] [directory]
	write the comments of messages and handlers into a Go file, for documents
`

// run is main without the process: 0 for success, 1 for failure, 2 for a command that makes no sense.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "comments":
		return runComments(args[1:], stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "wsrouter: there is no command %q\n%s", args[0], usage)
	return 2
}
