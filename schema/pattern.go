package schema

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// compilePattern takes the patterns that mean the same in RE2, which checks them here, and in ECMA-262, which checks them in
// a browser (with the flag u): literals, ., classes, \d \w \s \b and their opposites, ^ $, groups ( ) and (?: ), |,
// * + ? {n,m} and their lazy forms, \t \n \v \f \r \xHH and escaped punctuation, but not \S inside a class. A pattern matches anywhere in the
// string, as JSON Schema has it: write ^…$ for all of it.
func compilePattern(text string) (*pattern, error) {
	if _, err := regexp.Compile(text); err != nil {
		return nil, fmt.Errorf("pattern %q: %s", text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	translated, why := translate(text)
	if why == "" {
		why = foreignNode(text)
	}
	if why != "" {
		return nil, fmt.Errorf("pattern %q: %s", text, why)
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return &pattern{re, text}, nil
}

// A pattern is an expression that is matched in RE2, in time linear in the string, as ECMA-262 means it.
type pattern struct {
	*regexp.Regexp
	text string // as it was written and is printed
}

// What . and \s are in ECMA-262; RE2 knows fewer line ends and fewer spaces.
const (
	dotClass   = `[^\n\r\x{2028}\x{2029}]`
	spaceRange = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
)

// translate writes the pattern as RE2 must read it to mean what ECMA-262 does, or says what only RE2 understands.
func translate(text string) (out, why string) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		rest := text[i+n:]
		replaced := ""
		switch {
		case r == '\\':
			next, size := utf8.DecodeRuneInString(rest)
			if replaced, why = translateEscape(next, rest, inClass); why != "" {
				return "", why
			}
			n += size
		case inClass && r == '[' && strings.HasPrefix(rest, ":"):
			return "", "ECMA-262 has no classes such as [:alpha:]"
		case inClass && r == '[':
			return "", "write \\[ inside a class"
		case inClass && r == ']':
			inClass = false
		case inClass:
		case r == '[':
			inClass = true
			if strings.HasPrefix(rest, "^") {
				n++
			}
			if strings.HasPrefix(text[i+n:], "]") {
				return "", "write \\] for a bracket at the start of a class"
			}
		case r == '.':
			replaced = dotClass
		case r == '(' && strings.HasPrefix(rest, "?") && !strings.HasPrefix(rest, "?:"):
			return "", "of the groups that begin with (? only (?: ) means the same in ECMA-262"
		case r == '{' && !repetition(text[i:]):
			return "", "write \\{ for a brace"
		case r == '{':
			n = strings.IndexByte(text[i:], '}') + 1
		case r == '}' || r == ']':
			return "", "write \\" + string(r) + " for a bracket"
		}
		if replaced == "" {
			replaced = text[i : i+n]
		}
		b.WriteString(replaced)
		i += n
	}
	return b.String(), ""
}

func repetition(text string) bool {
	end := strings.IndexByte(text, '}')
	return end > 1 && text[1] >= '0' && text[1] <= '9' && strings.Trim(text[1:end], "0123456789,") == ""
}

func translateEscape(next rune, rest string, inClass bool) (replaced, why string) {
	switch {
	case strings.ContainsRune(`^$\.*+?()[]{}|/`, next), strings.ContainsRune("dDwWtnvfr", next):
		return "", ""
	case next == '-' && inClass, strings.ContainsRune("bB", next) && !inClass:
		return "", ""
	case next == 's' && inClass:
		return spaceRange, ""
	case next == 's':
		return "[" + spaceRange + "]", ""
	case next == 'S' && !inClass:
		return "[^" + spaceRange + "]", ""
	case next == 'x' && len(rest) > 2 && hex4([]byte("00"+rest[1:3])) >= 0:
		return "", ""
	}
	return "", "\\" + string(next) + " is not known to ECMA-262, or means something else there"
}

// foreignNode looks at the parsed pattern for repetitions of what matches nothing, which engines count differently.
func foreignNode(text string) string {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err.Error()
	}
	var walk func(*syntax.Regexp) string
	walk = func(re *syntax.Regexp) string {
		switch re.Op {
		case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
			switch re.Sub[0].Op {
			case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
				return "an assertion such as ^ or \\b cannot be repeated"
			}
		}
		for _, sub := range re.Sub {
			if why := walk(sub); why != "" {
				return why
			}
		}
		return ""
	}
	return walk(re)
}
