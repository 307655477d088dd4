package wsrouter

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/wsrouter-go/wsrouter/internal/comment"
	"github.com/wsrouter-go/wsrouter/internal/credential"
	"github.com/wsrouter-go/wsrouter/internal/spell"
	"github.com/wsrouter-go/wsrouter/schema"
)

// session decodes upgrade requests into values of one struct type.
type session struct {
	typ       reflect.Type
	params    []param
	resolvers []func(ctx context.Context, session reflect.Value, r *http.Request) error
	repeated  repeated
}

// param is one tagged field.
type param struct {
	field   schema.Field
	name    string       // of the Go field, for panics
	owner   reflect.Type // that declares the field
	goName  string
	index   []int
	typ     reflect.Type
	sources []source

	deprecated bool
}

// source is one place of the request where a value may stand.
type source struct{ in, name string }

// isSecret reports whether what stands there is not to be repeated: it is a credential by its name, or where credentials usually stand.
func (s source) isSecret() bool {
	return s.in == "header" || s.in == "cookie" || s.in == "subprotocol" || credential.IsName(s.name)
}

// sourceTags in the order in which a field with several looks for its value.
var sourceTags = []string{"path", "query", "header", "cookie", "subprotocol"}

// newSession compiles S. It panics if S has a tag or a method that cannot be honoured.
func newSession[S any]() *session {
	s := &session{typ: reflect.TypeFor[S]()}
	if s.typ.Kind() != reflect.Struct {
		panic(fmt.Sprintf("wsrouter: New[%v]: the session must be a struct", s.typ))
	}
	if err := s.compile(s.typ, nil); err != nil {
		panic(fmt.Sprintf("wsrouter: New[%v]: %v", s.typ, err))
	}
	if err := s.refuseSharedSources(); err != nil {
		panic(fmt.Sprintf("wsrouter: New[%v]: %v", s.typ, err))
	}
	return s
}

// compile adds the fields and the Resolve of t, embedded structs first.
func (s *session) compile(t reflect.Type, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		sources := sourcesOf(f)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct && len(sources) == 0:
			if err := s.compile(f.Type, at); err != nil {
				return err
			}
		case len(sources) > 0:
			if err := s.addParam(t, f, at, sources); err != nil {
				return err
			}
		default:
			if err := refuseNearMiss(t, f); err != nil {
				return err
			}
			if err := refuseUnread(t, f); err != nil {
				return err
			}
		}
	}
	return s.addResolver(t, index)
}

// refuseUnread fails if f is embedded by pointer and has fields with sources: it is nil, so that they would never be read.
func refuseUnread(t reflect.Type, f reflect.StructField) error {
	if !f.Anonymous || f.Type.Kind() != reflect.Pointer || f.Type.Elem().Kind() != reflect.Struct {
		return nil
	}
	for _, inner := range reflect.VisibleFields(f.Type.Elem()) {
		if sources := sourcesOf(inner); len(sources) > 0 {
			return fmt.Errorf("%v.%s: it is embedded by pointer, so that %s:%q of its field %s would never be read: embed the struct itself", t, f.Name, sources[0].in, sources[0].name, inner.Name)
		}
	}
	return nil
}

// sourcesOf reads the source tags of f in their fixed order.
func sourcesOf(f reflect.StructField) []source {
	var list []source
	for _, in := range sourceTags {
		if name, ok := f.Tag.Lookup(in); ok {
			list = append(list, source{in, name})
		}
	}
	return list
}

// addParam compiles one field.
func (s *session) addParam(t reflect.Type, f reflect.StructField, index []int, sources []source) error {
	where := fmt.Sprintf("%v.%s", t, f.Name)
	if !f.IsExported() {
		return fmt.Errorf("%s: it is not exported, so that nothing can be decoded into it", where)
	}
	for _, src := range sources {
		if src.name == "" || strings.ContainsAny(src.name, ", \t") {
			return fmt.Errorf("%s: tag %s:%q: want a name", where, src.in, src.name)
		}
		if src.in == "path" && len(sources) > 1 {
			return fmt.Errorf("%s: a path parameter is always there, other sources would never be read", where)
		}
	}
	if !isParam(f.Type) {
		return fmt.Errorf("%s: a parameter cannot be a %v: want a scalar, a type with UnmarshalText, or a slice of those", where, f.Type)
	}
	field, err := schema.CompileField(f)
	if err != nil {
		return fmt.Errorf("%v.%w", t, err)
	}
	if sources[0].in == "path" {
		if f.Tag.Get("required") == "false" || field.Default != nil {
			return fmt.Errorf("%s: a path parameter is always required", where)
		}
		field.Required = true
	} else if _, said := f.Tag.Lookup("required"); !said && f.Type.Kind() == reflect.Pointer {
		field.Required = false // the only thing that a pointer adds to a parameter is that it may be absent
	}
	s.params = append(s.params, param{*field, where, t, f.Name, index, f.Type, sources, f.Tag.Get("deprecated") == "true"})
	return nil
}

// isParam reports whether the text of a request can be decoded into a t.
func isParam(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && !unmarshalsText(t) {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Interface, reflect.Pointer:
		return unmarshalsText(t)
	}
	return true
}

func unmarshalsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]())
}

// refuseNearMiss fails if a field without a source has a tag that looks like one.
func refuseNearMiss(t reflect.Type, f reflect.StructField) error {
	for tag := string(f.Tag); tag != ""; {
		key, rest, ok := strings.Cut(tag, ":")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil
		}
		if near, ok := spell.Nearest(key, sourceTags); ok && near != key {
			return fmt.Errorf("%v.%s: there is no tag %q, did you mean %q?", t, f.Name, key, near)
		}
		value, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil
		}
		tag = rest[len(value):]
	}
	return nil
}

// refuseSharedSources fails if two fields read the same place.
func (s *session) refuseSharedSources() error {
	taken := map[source]string{}
	for _, p := range s.params {
		for _, src := range p.sources {
			if src.in == "header" {
				src.name = http.CanonicalHeaderKey(src.name)
			}
			if other, ok := taken[src]; ok {
				return fmt.Errorf("%s and %s both read %s %q", other, p.name, src.in, src.name)
			}
			taken[src] = p.name
		}
	}
	return nil
}

// addResolver adds the Resolve of t itself, not one promoted from an embedded struct, which has been added before.
func (s *session) addResolver(t reflect.Type, index []int) error {
	method, ok := reflect.PointerTo(t).MethodByName("Resolve")
	if !ok || isPromoted(t, method) {
		if err := refuseSkipped(t); err != nil {
			return err
		}
	}
	if !ok {
		return nil
	}
	if !reflect.PointerTo(t).Implements(reflect.TypeFor[Resolver]()) {
		return fmt.Errorf("(*%v).Resolve is %v, want func(context.Context, *http.Request) error: it would be skipped, and what it checks with it", t, withoutReceiver(method.Type))
	}
	if isPromoted(t, method) {
		return nil
	}
	s.resolvers = append(s.resolvers, func(ctx context.Context, v reflect.Value, r *http.Request) error {
		if len(index) > 0 {
			v = v.FieldByIndex(index)
		}
		// Not v.Addr().Interface(), which reflect forbids where the embedded type is not exported.
		return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface().(Resolver).Resolve(ctx, r)
	})
	return nil
}

// refuseSkipped fails if t embeds something whose Resolve nobody would call: a pointer or an interface, which are nil, or a
// struct that is itself a parameter.
func refuseSkipped(t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous || f.Type.Kind() == reflect.Struct && len(sourcesOf(f)) == 0 {
			continue
		}
		methods := f.Type
		if methods.Kind() == reflect.Struct {
			methods = reflect.PointerTo(methods)
		}
		if _, ok := methods.MethodByName("Resolve"); ok {
			return fmt.Errorf("%v.%s: its Resolve would be skipped, and what it checks with it: embed the struct itself, or write a Resolve that calls it", t, f.Name)
		}
	}
	return nil
}

// isPromoted reports whether the compiler wrote a method of *t, because an embedded struct has it, and not t's author. A method
// that its author declared on t itself, not on *t, is wrapped too, so that t is asked as well.
func isPromoted(t reflect.Type, method reflect.Method) bool {
	if !isAutogenerated(method) {
		return false
	}
	onValue, ok := t.MethodByName(method.Name)
	return !ok || isAutogenerated(onValue)
}

func isAutogenerated(method reflect.Method) bool {
	file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
	return file == "<autogenerated>"
}

// withoutReceiver prints the type of a method as it is declared.
func withoutReceiver(t reflect.Type) string {
	in := make([]reflect.Type, 0, t.NumIn())
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	out := make([]reflect.Type, 0, t.NumOut())
	for i := range t.NumOut() {
		out = append(out, t.Out(i))
	}
	return reflect.FuncOf(in, out, t.IsVariadic()).String()
}

// decode fills the session v with what the request says. Issues have paths such as /query/level.
func (s *session) decode(v reflect.Value, r *http.Request) []schema.Issue {
	var issues []schema.Issue
	at := reader{request: r}
	for i := range s.params {
		p := &s.params[i]
		src, values := at.first(p.sources)
		path := "/" + src.in + "/" + pointerEscape(src.name)
		if src.in == "query" && at.query.isBroken(src.name) {
			issues = append(issues, schema.Issue{Path: path, Code: "encoding", Message: notEncoded})
			continue
		}
		if values == nil {
			switch {
			case p.field.Default != nil:
				p.field.Plan.Decode(p.field.Default, v.FieldByIndex(p.index).Addr().Interface())
			case p.field.Required:
				issues = append(issues, schema.Issue{Path: path, Code: "required", Message: p.isRequired()})
			}
			continue
		}
		if len(values) > 1 && !isList(p.typ) {
			issues = append(issues, schema.Issue{Path: path, Code: "duplicate", Message: fmt.Sprintf("is given %d times, want one value", len(values))})
			continue
		}
		found := p.field.Plan.Decode(paramJSON(p.typ, values), v.FieldByIndex(p.index).Addr().Interface())
		for _, issue := range found {
			issue.Path = path + issue.Path
			if src.isSecret() {
				issue.Input = nil
			}
			issues = append(issues, issue)
		}
		if f := v.FieldByIndex(p.index); src.in == "header" && f.Kind() == reflect.String && !credential.IsName(src.name) {
			f.SetString(s.repeated.one(f.String()))
		}
	}
	return issues
}

// repeated are texts that many connections bring, such as the User-Agent. They are kept once: one for each connection would be an
// eighth of what that holds.
type repeated struct {
	mu   sync.Mutex
	last [64]string // by hash
}

// maxRepeated is how long a text may be to be kept.
const maxRepeated = 256

var repeatedSeed = maphash.MakeSeed()

// one returns a text that equals s.
func (r *repeated) one(s string) string {
	if s == "" || len(s) > maxRepeated {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := &r.last[maphash.String(repeatedSeed, s)%uint64(len(r.last))]
	if *at != s {
		*at = s
	}
	return *at
}

// isList reports whether a parameter may be given several times.
func isList(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Slice && !unmarshalsText(t) && t.Elem().Kind() != reflect.Uint8
}

// paramJSON writes the texts of a request as the JSON value that a t is decoded from.
func paramJSON(t reflect.Type, values []string) []byte {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !isList(t) {
		return literal(t, values[0])
	}
	out := []byte{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, literal(t.Elem(), v)...)
	}
	return append(out, ']')
}

// literal writes one text as JSON: as it is if a t is a number or bool and the text is one, else as a string, which the
// plan will refuse for such a t.
func literal(t reflect.Type, text string) []byte {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isBare(t) {
		var v any
		if jsonv2.Unmarshal([]byte(text), &v) == nil {
			switch v.(type) {
			case float64, bool:
				return []byte(strings.TrimSpace(text))
			}
		}
	}
	out, err := jsonv2.Marshal(strings.ToValidUTF8(text, "�"))
	if err != nil {
		return []byte("null")
	}
	return out
}

// isBare reports whether JSON writes a t without quotes.
func isBare(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return !unmarshalsText(t)
	}
	return false
}

// reader finds parameters in a request.
type reader struct {
	request *http.Request
	query   *query
}

// query is that of a URL. net/url leaves out what it cannot read.
type query struct {
	values url.Values
	broken []string // names of what is left out
}

const notEncoded = "is not URL-encoded: %, ; and & stand for themselves only as %25, %3B and %26"

func parseQuery(u *url.URL) *query {
	values, err := url.ParseQuery(u.RawQuery)
	q := &query{values: values}
	if err == nil {
		return q
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if _, err := url.ParseQuery(pair); err != nil {
			name, _, _ := strings.Cut(pair, "=")
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
			q.broken = append(q.broken, name)
		}
	}
	return q
}

func (q *query) isBroken(name string) bool { return q != nil && slices.Contains(q.broken, name) }

// first returns the first source that is present, with its values; else the first of all.
func (a *reader) first(sources []source) (source, []string) {
	for _, src := range sources {
		if values := a.values(src); len(values) > 0 || src.in == "query" && a.query.isBroken(src.name) {
			return src, values
		}
	}
	return sources[0], nil
}

// values returns what stands at src, nil if nothing does.
func (a *reader) values(src source) []string {
	switch src.in {
	case "path":
		if v := a.request.PathValue(src.name); v != "" {
			return []string{v}
		}
	case "query":
		if a.query == nil {
			a.query = parseQuery(a.request.URL)
		}
		return a.query.values[src.name]
	case "header":
		return a.request.Header.Values(src.name)
	case "cookie":
		var values []string
		for _, c := range a.request.CookiesNamed(src.name) {
			values = append(values, c.Value)
		}
		return values
	case "subprotocol":
		for offered := range offeredSubprotocols(a.request) {
			if v, ok := strings.CutPrefix(offered, src.name); ok {
				return []string{v}
			}
		}
	}
	return nil
}

// describe returns the parameters for documents.
func (s *session) describe() []Param {
	var list []Param
	for _, p := range s.params {
		for _, src := range p.sources {
			list = append(list, Param{
				Name:        src.name,
				In:          src.in,
				Description: p.description(),
				Required:    p.field.Required && len(p.sources) == 1,
				Deprecated:  p.deprecated,
				Schema:      append(json.RawMessage(nil), p.field.Plan.Schema()...),
			})
		}
	}
	return list
}

func (p *param) description() string {
	text := orElse(p.field.Doc, comment.Field(p.owner, p.goName))
	if p.field.Required && len(p.sources) > 1 {
		text = strings.TrimSpace(text + " One of " + p.names("and") + " is required.")
	}
	return text
}

func (p *param) isRequired() string {
	if len(p.sources) == 1 {
		return "is required"
	}
	return "is required, as " + p.names("or")
}

// names lists the sources.
func (p *param) names(conjunction string) string {
	var all []string
	for _, src := range p.sources {
		all = append(all, src.in+" "+src.name)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " " + conjunction + " " + all[last]
}

// resolve runs every Resolve on the session v.
func (s *session) resolve(ctx context.Context, v reflect.Value, r *http.Request) error {
	for _, resolve := range s.resolvers {
		if err := resolve(ctx, v, r); err != nil {
			return err
		}
	}
	return nil
}
