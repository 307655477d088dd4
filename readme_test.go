package wsrouter_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADME: the first Go code of the README is a part of examples/minimal, which is compiled and tested, and stands near the top.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(readme), "```go\n")
	code, _, _ := strings.Cut(rest, "```")
	if line := strings.Count(before, "\n") + 2; line >= 30 {
		t.Errorf("the first Go code stands at line %d, want it before 30", line)
	}
	program, err := os.ReadFile("examples/minimal/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(program), code) {
		t.Errorf("examples/minimal/main.go does not end with the README's code:\n%s", code)
	}
	if n := strings.Count(string(program), "\n"); n >= 45 {
		t.Errorf("examples/minimal/main.go has %d lines, want less than 45", n)
	}
}

// TestSeedTable: every feature of the seed has its row in the README, with the test of its number.
func TestSeedTable(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("seed_test.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (\\d+) \\|.*`(TestSeed(\\d\\d))` \\|$").FindAllStringSubmatch(string(readme), -1)
	if len(rows) != 29 {
		t.Errorf("the table has %d rows, want 29", len(rows))
	}
	for _, row := range rows {
		if strings.TrimPrefix(row[3], "0") != row[1] {
			t.Errorf("row %s names %s", row[1], row[2])
		}
		if !strings.Contains(string(tests), "func "+row[2]+"(") {
			t.Errorf("there is no %s", row[2])
		}
	}
}

// TestREADMERooms: the rooms across machines of the README are compiled.
func TestREADMERooms(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Rooms across machines\n")
	_, rest, _ := strings.Cut(section, "```go\n")
	code, _, ok := strings.Cut(rest, "```")
	program, err := os.ReadFile("readme_rooms_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !ok || !strings.Contains(string(program), "\n"+code) {
		t.Errorf("readme_rooms_test.go does not hold the README's code:\n%s", code)
	}
}
