package apidoc

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unique returns name, or name_2, name_3, …, and takes it.
func unique(name string, taken map[string]bool) string {
	free := name
	for i := 2; taken[free]; i++ {
		free = name + "_" + strconv.Itoa(i)
	}
	taken[free] = true
	return free
}

// uniqueType is unique for names that generators make types of: they drop what is no letter or digit and change the case, so that
// numbers and Numbers, a_b and AB would be one.
func uniqueType(name string, taken map[string]bool) string {
	free := name
	for i := 2; taken[generated(free)]; i++ {
		free = name + "_" + strconv.Itoa(i)
	}
	taken[generated(free)] = true
	return free
}

// generated is what is left of a name in every generator.
func generated(name string) string {
	return strings.ToLower(notInType.ReplaceAllString(name, ""))
}

var (
	notInType   = regexp.MustCompile(`[^A-Za-z0-9]+`)
	notInName   = regexp.MustCompile(`[^A-Za-z0-9_]+`)
	versionPart = regexp.MustCompile(`^v[0-9]+$`)
	goWord      = regexp.MustCompile(`[^\[\]*,(){}\s]+`)
)

// shortName is goType without import paths, Page[User] as Page_User, with the last level parts of each import path
// in front of the name.
func shortName(goType, wire string, level int) string {
	if strings.ContainsAny(goType, "{ ") { // an unnamed struct
		goType = ""
	}
	s := strings.ReplaceAll(goType, "[]", "List ")
	s = goWord.ReplaceAllStringFunc(s, func(word string) string {
		slash := strings.LastIndexByte(word, '/')
		dot := strings.LastIndexByte(word, '.')
		if dot <= slash {
			return word
		}
		parts := slices.DeleteFunc(strings.Split(word[:dot], "/"), versionPart.MatchString)
		parts = parts[max(0, len(parts)-level):]
		return strings.Join(append(parts, word[dot+1:]), "_")
	})
	if s = identifier(s); s != "" {
		return s
	}
	if s = identifier(wire); s != "" {
		return s
	}
	return "Message"
}

// identifier keeps of s what names in documents and generated code may hold.
func identifier(s string) string {
	return strings.Trim(notInName.ReplaceAllString(s, "_"), "_")
}
