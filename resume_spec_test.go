package wsrouter_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
)

// TestResumeSpec: a description says how to come back, under the names that the options give, before and after the router is frozen.
func TestResumeSpec(t *testing.T) {
	if s := wsrouter.New[struct{}](nil).Describe(); s.Resume != nil || len(s.Params) != 0 {
		t.Errorf("without Resume: %+v, %+v", s.Resume, s.Params)
	}
	r := wsrouter.New[struct{}](&wsrouter.Options{
		Resume: &wsrouter.Resume{Param: "since", Member: "place"},
		Names:  map[string]any{"entered": wsrouter.Joined{}, "start_over": wsrouter.Resync{}},
	})
	before := r.Params()
	s := r.Describe()
	if want := (wsrouter.ResumeSpec{Param: "since", Member: "place", Joined: "entered", Resync: "start_over"}); s.Resume == nil || *s.Resume != want {
		t.Errorf("%+v, want %+v", s.Resume, want)
	}
	if len(before) != 1 || len(s.Params) != 1 || before[0].Description != s.Params[0].Description {
		t.Fatalf("Params says %+v, Describe %+v", before, s.Params)
	}
	p := s.Params[0]
	if p.Name != "since" || p.In != "query" || p.Required {
		t.Errorf("%+v", p)
	}
	for _, word := range []string{"`entered`", "`start_over`", "`place`", "8 KiB", "128 rooms"} {
		if !strings.Contains(p.Description, word) {
			t.Errorf("%q does not say %s", p.Description, word)
		}
	}
	var schema struct{ Examples []string }
	if err := json.Unmarshal(p.Schema, &schema); err != nil || len(schema.Examples) != 1 {
		t.Fatalf("%s: %v", p.Schema, err)
	}
	var at map[string]string
	if err := json.Unmarshal([]byte(schema.Examples[0]), &at); err != nil || len(at) == 0 {
		t.Errorf("the example %q is no object of positions: %v", schema.Examples[0], err)
	}
	var names []string
	for _, m := range s.Sends {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, " "); got != "entered start_over" {
		t.Errorf("sends %s", got)
	}
}

// TestResumeParamTaken: two meanings of one query parameter stop the program.
func TestResumeParamTaken(t *testing.T) {
	type session struct {
		Since string `query:"since"`
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, `query parameter "since" is that of Options.Resume`) {
			t.Errorf("panic %q", p)
		}
	}()
	wsrouter.New[session](&wsrouter.Options{Resume: &wsrouter.Resume{Param: "since"}})
}
