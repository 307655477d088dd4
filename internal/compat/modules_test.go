package compat

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/golden"
)

// mostModules is what one require of wsrouter may add to a user's module graph.
const mostModules = 5

func TestModuleGraph(t *testing.T) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Path}}", "all")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	golden.File(t, "testdata/modules.txt", out)
	if modules := strings.Fields(string(out)); len(modules) > mostModules {
		t.Errorf("a user gets %d modules, at most %d are allowed: %s", len(modules), mostModules, modules)
	}
}
