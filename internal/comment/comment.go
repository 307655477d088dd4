// Package comment keeps the Go comments that generated code registers, by the names that reflect and runtime know them under.
package comment

import (
	"maps"
	"net/url"
	"reflect"
	"strings"
	"sync"
)

var (
	mu       sync.RWMutex
	packages = map[string]map[string]string{} // import path → Type, Type.Field, function, (*Type).method → comment
)

// Register adds the comments of a package.
func Register(pkg string, list map[string]string) {
	mu.Lock()
	defer mu.Unlock()
	if packages[pkg] == nil {
		packages[pkg] = map[string]string{}
	}
	maps.Copy(packages[pkg], list)
}

func find(pkg, name string) string {
	mu.RLock()
	defer mu.RUnlock()
	return packages[pkg][name]
}

// Type returns the comment of t, "" without. A nil t has none.
func Type(t reflect.Type) string {
	if t == nil {
		return ""
	}
	return find(t.PkgPath(), bare(t))
}

// Field returns the comment of a field that t declares, "" without. A nil t has none.
func Field(t reflect.Type, field string) string {
	if t == nil || t.Name() == "" {
		return ""
	}
	return find(t.PkgPath(), bare(t)+"."+field)
}

// bare is the name of t without its type arguments.
func bare(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// Func returns the comment of the function that runtime.Func calls name, "" without.
func Func(name string) string {
	name = strings.ReplaceAll(strings.TrimSuffix(name, "-fm"), "[...]", "")
	slash := strings.LastIndexByte(name, '/') + 1
	pkg, fn, _ := strings.Cut(name[slash:], ".")
	pkg = name[:slash] + pkg
	if path, err := url.PathUnescape(pkg); err == nil { // the linker writes gopkg.in/yaml%2ev3
		pkg = path
	}
	return find(pkg, fn)
}
