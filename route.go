package wsrouter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/spell"
	"github.com/wsrouter-go/wsrouter/schema"
)

// route is one handler in the table.
type route struct {
	handler
	handlerName string // of the Go function, "" if it has none
	function    string // the same with its package, as runtime writes it
	message     *message
	sends       []declaration
	responds    bool
	arrivals    arrivals
	call        handlerFunc  // the user's function; freeze wraps the middleware around it
	bare        *schema.Plan // the message without its envelope, for Routes.Handle
}

// name is the route's wire name for people.
func (rt *route) name() string {
	if rt.as != "" {
		return rt.as
	}
	return rt.message.name()
}

// declaredName is the name under which the message in data came, or the handler's if that cannot be told.
func (rt *route) declaredName(data []byte, discriminator string) string {
	if rt.as != "" {
		return rt.as
	}
	return rt.message.nameIn(data, discriminator)
}

// who is the handler in a panic's text.
func (rt *route) who() string { return orElse(rt.handlerName, "another handler") }

// table finds the route of a frame. It does not change after freeze.
type table struct {
	member    string            // that decides: the discriminator or a const member that all types share. "": none does
	byLiteral map[string]*route // JSON literal of the member's value → route
	ordered   []*route          // all that a frame can reach, in order of registration
	known     []string          // wire names that a peer may be told
}

// newTable sorts routes by what decides between them. It panics if two cannot be told apart.
func newTable(discriminator string, routes []*route) table {
	t := table{member: discriminator, byLiteral: map[string]*route{}}
	for _, rt := range routes {
		if !rt.message.plain {
			t.ordered = append(t.ordered, rt)
		}
	}
	if t.member == "" {
		t.member, t.byLiteral = sharedConst(t.ordered)
	} else {
		for _, rt := range t.ordered {
			for _, literal := range rt.message.wire {
				t.byLiteral[literal] = rt
			}
		}
	}
	if t.member == "" {
		refuseEqualTypes(t.ordered)
	}
	for _, rt := range t.ordered {
		if !rt.hidden {
			t.known = append(t.known, rt.knownNames(t)...)
		}
	}
	return t
}

// knownNames lists the texts of the literals that lead to rt.
func (rt *route) knownNames(t table) []string {
	if literals := rt.message.wire; literals != nil {
		names := make([]string, len(literals))
		for i, l := range literals {
			names[i] = text([]byte(l))
		}
		return names
	}
	for literal, other := range t.byLiteral {
		if other == rt {
			return []string{text([]byte(literal))}
		}
	}
	return nil
}

// find returns the route of a frame, or the error for the fallback.
func (t *table) find(data []byte) (*route, *ValidationError) {
	if t.member == "" {
		return t.firstFit(data)
	}
	value, ok := schema.Member(data, t.member)
	if ok {
		if rt := t.byLiteral[string(canonical(value))]; rt != nil {
			return rt, nil
		}
	}
	if issues := schema.Check(data); issues != nil {
		return nil, invalid(issues)
	}
	return nil, t.unknown(data, value, ok)
}

// unknown says why a frame that is JSON has no route.
func (t *table) unknown(data, value []byte, present bool) *ValidationError {
	path := "/" + pointerEscape(t.member)
	switch {
	case !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")):
		return invalid([]schema.Issue{{Code: "type", Message: "must be an object", Params: map[string]any{"type": "object"}}})
	case !present:
		return invalid([]schema.Issue{{Path: path, Code: "required", Message: "is required"}})
	case !t.mayName(value):
		want := "string"
		if t.integersOnly() {
			want = "integer"
		}
		return invalid([]schema.Issue{{Path: path, Code: "type", Message: "must be " + article(want), Params: map[string]any{"type": want}, Input: input(value)}})
	}
	word := text(value)
	issue := schema.Issue{Path: path, Code: codeUnknownType, Message: "unknown type " + quoteShort(word), Input: input(value)}
	issue.Params = map[string]any{"known": t.known[:min(len(t.known), maxKnown)]}
	if near, ok := spell.Nearest(word, t.known); ok {
		issue.Params["did_you_mean"] = near
		issue.Message += fmt.Sprintf(", did you mean %q?", near)
	}
	return &ValidationError{Code: codeUnknownType, Issues: []schema.Issue{issue}}
}

// maxKnown is how many names an unknown type is answered with.
const maxKnown = 10

// mayName reports whether value is of a type that some name has.
func (t *table) mayName(value []byte) bool {
	if value[0] == '"' {
		return !t.integersOnly()
	}
	for literal := range t.byLiteral {
		if literal[0] != '"' {
			return value[0] == '-' || value[0] >= '0' && value[0] <= '9'
		}
	}
	return false
}

// integersOnly reports whether no name is a string.
func (t *table) integersOnly() bool {
	for literal := range t.byLiteral {
		if literal[0] == '"' {
			return false
		}
	}
	return len(t.byLiteral) > 0
}

// firstFit returns the first route whose type accepts data. If none does, it reports the issues of the nearest: the one with the
// fewest.
func (t *table) firstFit(data []byte) (*route, *ValidationError) {
	if issues := schema.Check(data); issues != nil {
		return nil, invalid(issues)
	}
	var nearest []schema.Issue
	for _, rt := range t.ordered {
		issues := rt.message.plan.Validate(data)
		if issues == nil {
			return rt, nil
		}
		if nearest == nil || len(issues) < len(nearest) {
			nearest = issues
		}
	}
	if nearest == nil {
		nearest = []schema.Issue{{Code: codeUnknownType, Message: "nothing is received here"}}
		return nil, &ValidationError{Code: codeUnknownType, Issues: nearest}
	}
	return nil, invalid(nearest)
}

// sharedConst finds the member that has a const of its own in every route's schema.
func sharedConst(routes []*route) (member string, byLiteral map[string]*route) {
	if len(routes) < 2 {
		return "", nil
	}
	candidates := constMembers(routes[0].message.plan.Schema())
next:
	for _, c := range candidates {
		byLiteral = map[string]*route{c.literal: routes[0]}
		for _, rt := range routes[1:] {
			literal := ""
			for _, other := range constMembers(rt.message.plan.Schema()) {
				if other.member == c.member {
					literal = other.literal
				}
			}
			if literal == "" || byLiteral[literal] != nil {
				continue next
			}
			byLiteral[literal] = rt
		}
		return c.member, byLiteral
	}
	return "", nil
}

// constMember is a required member of an object schema that has one value.
type constMember struct{ member, literal string }

// constMembers lists the const members of a printed schema in the order of required.
func constMembers(printed json.RawMessage) []constMember {
	var s struct {
		Required   []string `json:"required"`
		Properties map[string]struct {
			Const json.RawMessage `json:"const"`
		} `json:"properties"`
	}
	if json.Unmarshal(printed, &s) != nil {
		return nil
	}
	var list []constMember
	for _, name := range s.Required {
		if literal := s.Properties[name].Const; len(literal) > 0 && strings.ContainsAny(string(literal[:1]), `"-0123456789`) {
			list = append(list, constMember{name, string(canonical(literal))})
		}
	}
	return list
}

// refuseEqualTypes panics if two types accept the same objects, so that the second could never be chosen.
func refuseEqualTypes(routes []*route) {
	seen := map[string]*route{}
	for _, rt := range routes {
		rules := rulesOf(rt.message.plan.Schema())
		if first := seen[rules]; first != nil {
			panic(fmt.Sprintf("wsrouter: Receive[%v]: without a discriminator it accepts the same messages as %v, which is tried first", rt.message.typ, first.message.typ))
		}
		seen[rules] = rt
	}
}

// rulesOf returns a printed schema without what does not decide, in one form.
func rulesOf(printed json.RawMessage) string {
	var v any
	if json.Unmarshal(printed, &v) != nil {
		return string(printed)
	}
	out, err := json.Marshal(withoutAnnotations(v, true))
	if err != nil {
		return string(printed)
	}
	return string(out)
}

// withoutAnnotations drops the keywords that do not validate from a schema, but not members of the same name under properties.
func withoutAnnotations(v any, keywords bool) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if keywords && isAnnotation(k) {
				delete(v, k)
				continue
			}
			v[k] = withoutAnnotations(e, !(keywords && (k == "properties" || k == "$defs")))
		}
	case []any:
		for i := range v {
			v[i] = withoutAnnotations(v[i], keywords)
		}
	}
	return v
}

func isAnnotation(keyword string) bool {
	switch keyword {
	case "title", "description", "default", "examples", "deprecated":
		return true
	}
	return false
}

// Routes is the table of a router as its dispatcher sees it.
type Routes[S any] struct {
	core *router
}

// Names returns the wire names in order of registration.
func (t *Routes[S]) Names() []string {
	names := make([]string, len(t.core.routes))
	for i, rt := range t.core.routes {
		names[i] = rt.name()
	}
	return names
}

// Handle validates and decodes body as the message of that name and calls its handler. body may carry the discriminator or
// leave it out. The error is the handler's; a *[ValidationError] if the name is unknown or the body has faults. It does not
// call the fallback: return the error for the default answer.
func (t *Routes[S]) Handle(ctx context.Context, c *Conn[S], name string, body []byte) error {
	for _, rt := range t.core.routes {
		if rt.name() == name || rt.answersTo(name) {
			return t.core.decodeBody(ctx, &c.conn, rt, name, body)
		}
	}
	value, _ := json.Marshal(name)
	e := t.core.table.unknown([]byte("{}"), value, true)
	e.Issues[0].Path = ""
	return e
}

// answersTo reports whether name is one of the route's names.
func (rt *route) answersTo(name string) bool {
	for _, literal := range rt.message.wire {
		if text([]byte(literal)) == name {
			return true
		}
	}
	return false
}

// Call calls the handler registered for v's type, which may be one that is no JSON message. v may be a pointer. It fails if the
// type has no handler, or several: use Handle then.
func (t *Routes[S]) Call(ctx context.Context, c *Conn[S], v any) error {
	return t.core.callWith(ctx, &c.conn, v)
}

// Default does what the router would have done without a dispatcher, fallback included.
func (t *Routes[S]) Default(ctx context.Context, c *Conn[S], f Frame) error {
	return t.core.route(ctx, &c.conn, f)
}
