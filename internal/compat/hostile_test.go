package compat

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/apidoc"
	"github.com/wsrouter-go/wsrouter/wsswag"
)

// What a hostile base may cost.
const (
	hostileTime = time.Second
	hostileHeap = 64 << 20
)

// many repeats s until there are n bytes or a little more.
func many(s string, n int) string { return strings.Repeat(s, n/len(s)+1) }

// numbered is a list of n lines.
func numbered(n int, line string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

func bomb(levels int) string {
	b := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range levels {
		b += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	return b
}

// hostile are bases that nobody writes. Those in JSON begin with a brace and have what says which format it is behind it.
var hostile = map[string]func() string{
	"alias bomb":             func() string { return bomb(30) },
	"alias bomb of mappings": func() string { return strings.NewReplacer("[x", "[{k: x}").Replace(bomb(30)) },
	"merge bomb":             func() string { return "b: &b {" + numbered(5000, "k%d: v, ") + "}\nl:\n" + many("- <<: *b\n", 1<<20) },
	"merge bomb by lists": func() string {
		return "b: &b {" + numbered(5000, "k%d: v, ") + "}\nl: {<<: [" + many("*b, ", 1<<19) + "]}\n"
	},
	"alias in itself":        func() string { return "a: &a [*a]\n" },
	"merge in itself":        func() string { return "a: &a\n  <<: *a\n" },
	"a long text by aliases": func() string { return "a: &a " + many("x", 1<<20) + "\nb: [" + many("*a,", 100_000) + "]\n" },
	"deep flow":              func() string { return "a: " + many("[", 8<<20) },
	"deep flow mappings":     func() string { return "a: " + many("{a: ", 8<<20) },
	"deep block":             func() string { return many("- ", 8<<20) + "a" },
	"deep block mappings":    func() string { return many("? ", 8<<20) + "a" },
	"deep by indentation": func() string {
		var b strings.Builder
		for i := range 2000 {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	},
	"deep JSON":                 func() string { return `{"a":` + many("[", 15<<20) },
	"deep JSON objects":         func() string { return many(`{"a":`, 15<<20) },
	"a million scalars, flow":   func() string { return "a: [" + many("0,", 2_000_000) + "]\n" },
	"a million scalars, block":  func() string { return "a:\n" + many("- 0\n", 4_000_000) },
	"a million members, flow":   func() string { return "a: {" + numbered(1_000_000, "k%d,") + "}\n" },
	"a million members, block":  func() string { return numbered(1_000_000, "k%d: v\n") },
	"a million anchors":         func() string { return "a:\n" + numbered(1_000_000, "- &a%d b\n") },
	"a million aliases":         func() string { return "a: &a b\nc:\n" + many("- *a\n", 5_000_000) },
	"a million lists":           func() string { return "a: [" + many("[],", 3_000_000) + "]\n" },
	"a million empty keys":      func() string { return "a: [" + many("{?,?},", 6_000_000) + "]\n" },
	"a million values in JSON":  func() string { return `{"a":[` + many("0,", 2_200_000) + "0]}" },
	"a million members in JSON": func() string { return "{" + numbered(1_100_000, `"k%d":0,`) + `"k":0}` },
	"a million objects, broken": func() string { return `{"a":[` + many("{},", 3_000_000) + "}" },
	"a member twice at the end": func() string { return "{" + numbered(400_000, `"k%d":0,`) + `"k1":0}` },
	"a member twice":            func() string { return "paths: {}\npaths: {}\n" },
	"a member twice, after much": func() string {
		return "x:\n" + numbered(100_000, "  k%d: v\n") + "  k1: v\n"
	},
	"50 MB of JSON":            func() string { return `{"a":"` + many("x", 50<<20) + `"}` },
	"50 MB of YAML":            func() string { return "a: " + many("x", 50<<20) },
	"a long text":              func() string { return "a: " + many("x", 7<<20) + "\nb: [" },
	"a long text of words":     func() string { return "a: " + many("x ", 7<<20) + "\nb: [" },
	"a long text of lines":     func() string { return "a:\n" + many(" x\n", 7<<20) + "\nb: [" },
	"a long quoted text":       func() string { return `a: "` + many(`\x41`, 7<<20) + "\"\nb: [" },
	"a long text of newlines":  func() string { return "a: '" + many("\n", 7<<20) + "'\nb: [" },
	"a long literal":           func() string { return "a: |\n" + many("  x\n", 7<<20) + "b: [" },
	"a long folded text":       func() string { return "a: >\n" + many("  x\n", 7<<20) + "b: [" },
	"a long key":               func() string { return "? " + many("x", 7<<20) + "\n: [" },
	"a long anchor":            func() string { return "a: &" + many("x", 7<<20) + " b\n" },
	"a long tag":               func() string { return "a: !" + many("x", 7<<20) + " b\nb: [" },
	"a long number":            func() string { return "a: 0x" + many("1", 7<<20) + "\nb: [" },
	"a long number in JSON":    func() string { return `{"a":` + many("1", 15<<20) + "x}" },
	"a long comment":           func() string { return "a: b #" + many("x", 7<<20) + "\nb: [" },
	"many comments":            func() string { return many("# x\n", 7<<20) + "a: [" },
	"many comments at an end":  func() string { return "a: b\n" + many("# x\n", 7<<20) + "c: [" },
	"many comments of members": func() string { return numbered(100_000, "# a\n\n#b\n  # c\nk%d: v # d\n") + "a: [" },
	"comments in a list":       func() string { return "a: [\n" + many("# x\n", 7<<20) },
	"blank lines":              func() string { return many("\n", 7<<20) + "a: [" },
	"spaces":                   func() string { return "a:" + many(" ", 7<<20) + "[" },
	"many documents":           func() string { return many("a: b\n---\n", 7<<20) },
	"many empty documents":     func() string { return many("---\n", 7<<20) },
	"many ends of documents":   func() string { return "a: b\n" + many("...\n", 7<<20) + "c: d\n" },
	"many tags":                func() string { return "a: [" + many("!!str x,", 2_000_000) + "[" },
	"many tag directives":      func() string { return numbered(500_000, "%%TAG !a%d! tag:a,2000:\n") + "---\na: [" },
	"many other directives":    func() string { return many("%A b\n", 7<<20) + "---\na: [" },
	"tags of numbers":          func() string { return "a: !!int " + many("9", 1<<20) + "\nb: !!float x\n" },
	"binary":                   func() string { return "a: !!binary " + many("QUJD", 1<<20) + "\nb: [" },
	"ends of lines of Unicode": func() string { return "a:\n" + many("-\u2028", 8<<20) + "[" },
	"UTF-16":                   func() string { return "\xFF\xFE" + many("-\x00 \x00", 7<<20) },
	"not UTF-8":                func() string { return "a: \xFF" },
	"braces":                   func() string { return "a: " + many("}", 7<<20) },
	"quotes":                   func() string { return many("'", 7<<20) + "x" },
	"question marks":           func() string { return "a: [" + many("?,", 900_000) + "{" },
	"colons":                   func() string { return "a: [" + many(":,", 900_000) + "{" },
	"as many nodes as there may be, and then broken": func() string { return "a:\n" + many("- 0\n", 4*295_000) + "b: [" },
	"just many comments":                             func() string { return many("# x\n", 4*120_000) + "a: [" },
	"just many members in JSON":                      func() string { return "{" + numbered(500_000, `"k%d":0,`) + `"k1":0}` },
}

// TestHostileBases measures each in a process of its own, as it costs CPU and as the heap grows.
func TestHostileBases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "base")
	for name, write := range hostile {
		for reader, format := range map[string][2]string{"Merge": {"openapi: 3.1.0\n", `"openapi":"3.1.0",`}, "Convert": {"swagger: '2.0'\n", `"swagger":"2.0",`}} {
			t.Run(name+"/"+reader, func(t *testing.T) {
				base := write()
				switch {
				case base[0] == '{':
					base = "{" + format[1] + base[1:]
				case strings.HasPrefix(base, "-"), strings.HasPrefix(base, "%"), base[0] == '\xFF', strings.HasPrefix(base, "?"):
				default:
					base = format[0] + base
				}
				if err := os.WriteFile(path, []byte(base), 0o666); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(os.Args[0], "-test.run=^TestHostileBase$", "-test.v")
				cmd.Env = append(os.Environ(), "HOSTILE_BASE="+path, "HOSTILE_READER="+reader, "HOSTILE_NAME="+name)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v", err)
				}
				for line := range bytes.Lines(out) {
					if bytes.Contains(line, []byte("hostile_test.go")) {
						t.Logf("%s", bytes.TrimSpace(line))
					}
				}
			})
		}
	}
}

// TestHostileBase is the process that TestHostileBases starts.
func TestHostileBase(t *testing.T) {
	path := os.Getenv("HOSTILE_BASE")
	if path == "" {
		return
	}
	base := read(t, path)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := cpuTime(t)
	var err error
	if os.Getenv("HOSTILE_READER") == "Merge" {
		err = apidoc.New("", "").Merge(base)
	} else {
		_, err = wsswag.Convert(base)
	}
	took := cpuTime(t) - began
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(base)
	grown := max(0, int64(after.HeapSys-before.HeapSys)) // what the heap took at its peak stays mapped
	t.Logf("%v, %d MiB: %.150v", took, grown>>20, err)
	if err == nil {
		t.Error("it was taken")
	}
	most := int64(hostileHeap)
	if took > hostileTime || grown > most {
		t.Errorf("it cost more than %v or %d MiB", hostileTime, most>>20)
	}
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
