package wsrouter

import (
	"reflect"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/comment"
)

// Comments registers Go comments, so that documents can show them: code that "wsrouter comments" generates calls it. T is a type of
// the package that the comments are from. The keys are Go names: "ChatMessage" and "ChatMessage.Text" for a type and its field, "onChat" and
// "(*Chat).join" for a function and a method.
//
// A doc tag, Summary or Description wins over a comment. Comments are read when a router is described, so that a later call has no
// effect on a router that was.
func Comments[T any](list map[string]string) {
	t := reflect.TypeFor[T]()
	if t.PkgPath() == "" {
		panic("wsrouter: Comments[" + t.String() + "]: the type is of no package")
	}
	comment.Register(t.PkgPath(), list)
}

// firstSentence is what a handler's comment says in short: the text up to the first full stop that ends a sentence, without it.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	if end := sentenceEnd(text); end >= 0 {
		text = text[:end]
	}
	return strings.TrimSuffix(text, ".")
}

// sentenceEnd finds the first full stop before a blank that does not end an initial or an abbreviation such as e.g.
func sentenceEnd(text string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], ". ")
		if i < 0 {
			return -1
		}
		end := from + i
		word := text[strings.LastIndexAny(text[:end], " (")+1 : end]
		if len(word) > 1 && !strings.Contains(word, ".") {
			return end
		}
		from = end + 2
	}
}
