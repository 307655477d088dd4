package wsrouter_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
)

// TestReportOnlyBeyondTheLastIssue: what no decoder may read is refused, also behind so many issues that it is not among them:
// there depth had no limit.
func TestReportOnlyBeyondTheLastIssue(t *testing.T) {
	type list struct {
		_     none     `ws:"list"`
		Items []string `json:"items" required:"false" maxItems:"1000"`
		Texts []string `json:"texts" required:"false"`
		Rest  any      `json:"rest" required:"false"`
	}
	for name, rest := range map[string]string{
		"deep":     `"rest":` + strings.Repeat("[", 70) + strings.Repeat("]", 70),
		"repeated": `"rest":{"a":1,"a":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := wsrouter.New[none](&wsrouter.Options{ReportOnly: true, Logger: quiet})
				wsrouter.Receive(r, func(_ context.Context, _ *wsrouter.Conn[none], m list) error {
					return wsrouter.Errorf("handled", "%d texts", len(m.Texts))
				})
				got := exchange(t, r, `{"type":"list","items":[`+strings.Repeat("null,", 200)+`""],"texts":["a"],`+rest+`}`)
				if len(got) != 1 || strings.Contains(got[0], "handled") {
					t.Errorf("answer %.200s", got)
				}
			})
		})
	}
}
