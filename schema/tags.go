package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/spell"
)

// keywords are the tag keys that this package reads.
var keywords = []string{
	"json", "ws", "doc", "required", "minLength", "maxLength", "pattern", "format", "enum", "const",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
	"default", "example", "deprecated", "nullable", "additionalProperties",
}

// foreign are keys of other libraries that look like one of ours or are often beside them.
var foreign = map[string]bool{}

func init() {
	for key := range strings.FieldsSeq(`
		yaml xml toml ini csv hcl bson msgpack protobuf cbor avro parquet jsonapi jsonschema graphql json5 jsonb
		db sql bun pg orm gorm xorm ch cql es redis datastore firestore dynamodbav
		form uri url path query header cookie param params subprotocol schema mapstructure source
		validate binding valid rule rules mod conform swaggertype swaggerignore extensions
		env envconfig flag kong arg cli long short help usage default-env
		title description readOnly writeOnly hidden dependentRequired contentType encoding timeFormat
		patternDescription examples enums min max oneof oneOf name docs
		faker fake copier inject log test diff hash`) {
		foreign[key] = true
	}
}

// tags are the keys and values of one struct tag.
type tags struct {
	keys   []string
	values map[string]string
}

func (t *tags) get(key string) (string, bool) {
	v, ok := t.values[key]
	return v, ok
}

// parseTags takes a struct tag apart and refuses what looks like a slip: a tag that Go cannot read, a key that is
// nearly one of ours, a rule of a validator that we would not check.
func parseTags(tag reflect.StructTag) (*tags, error) {
	t := &tags{values: map[string]string{}}
	rest := strings.TrimLeft(string(tag), " ")
	for rest != "" {
		key, after, ok := strings.Cut(rest, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \"") || !strings.HasPrefix(after, `"`) {
			return nil, fmt.Errorf("the tag `%s` is malformed at %q", tag, rest)
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return nil, fmt.Errorf("the tag `%s` is malformed at %q", tag, rest)
		}
		value, _ := strconv.Unquote(quoted)
		if _, ok := t.values[key]; ok {
			return nil, fmt.Errorf("the tag key %s is given twice", key)
		}
		t.keys = append(t.keys, key)
		t.values[key] = value
		rest = strings.TrimLeft(after[len(quoted):], " ")
	}
	for _, key := range t.keys {
		if near := misspelt(key); near != "" {
			return nil, fmt.Errorf("the tag key %s is unknown, did you mean %s", key, near)
		}
	}
	return t, t.foreignRules()
}

// misspelt returns the keyword that key is a slip of, "" if it is one itself or somebody else's: within two edits, of
// a short keyword one, since two turn it into any other word.
func misspelt(key string) (near string) {
	best := 3
	for _, k := range keywords {
		if k == key {
			return ""
		}
		limit := best
		if len(k) < 6 {
			limit = min(best, 2)
		}
		if len(k) < 4 {
			limit = 1
		}
		if len(k) < 6 && key[0]|0x20 != k[0]|0x20 && len(k) != len(key) {
			continue
		}
		if d := spell.Distance(strings.ToLower(key), strings.ToLower(k), limit); d < limit {
			near, best = k, d
		}
	}
	if foreign[key] {
		return ""
	}
	return near
}

// foreignRules refuses rules of go-playground/validator that no keyword repeats: they would be printed nowhere and
// checked by nobody.
func (t *tags) foreignRules() error {
	for _, key := range []string{"validate", "binding"} {
		list, ok := t.get(key)
		if !ok {
			continue
		}
		for rule := range strings.SplitSeq(list, ",") {
			name, arg, _ := strings.Cut(rule, "=")
			switch name {
			case "", "-", "required", "omitempty", "dive", "keys", "endkeys", "structonly", "omitnil", "omitzero":
				continue
			}
			wanted, hint := ruleKeyword(name, arg)
			if wanted == nil {
				return fmt.Errorf("the rule %s in %s:%q is not checked here; say it with a keyword tag or in a Validate method, and remove it", rule, key, list)
			}
			if !t.hasAny(wanted) {
				return fmt.Errorf("the rule %s in %s:%q is not checked here, write %s", rule, key, list, hint)
			}
		}
	}
	return nil
}

func (t *tags) hasAny(keys []string) bool {
	for _, k := range keys {
		if _, ok := t.get(k); ok {
			return true
		}
	}
	return false
}

// ruleKeyword says which of our keywords, any of keys, stands for a validator's rule, and how to write it.
func ruleKeyword(name, arg string) (keys []string, hint string) {
	q := strconv.Quote
	switch name {
	case "min", "gte":
		return []string{"minLength", "minimum", "minItems", "minProperties"}, "minLength:" + q(arg) + ", minimum or minItems"
	case "max", "lte":
		return []string{"maxLength", "maximum", "maxItems", "maxProperties"}, "maxLength:" + q(arg) + ", maximum or maxItems"
	case "gt":
		return []string{"exclusiveMinimum", "minLength", "minItems", "minProperties", "minimum"}, "exclusiveMinimum:" + q(arg)
	case "lt":
		return []string{"exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maximum"}, "exclusiveMaximum:" + q(arg)
	case "len":
		return []string{"minLength", "minItems", "minProperties"}, "minLength:" + q(arg) + " maxLength:" + q(arg)
	case "eq":
		return []string{"const", "enum"}, "const:" + q(arg)
	case "oneof":
		return []string{"enum", "const"}, "enum:" + q(strings.Join(strings.Fields(arg), ","))
	case "email", "uuid", "hostname", "ipv4", "ipv6":
		return []string{"format"}, "format:" + q(name)
	case "uuid4", "uuid3", "uuid5":
		return []string{"format", "pattern"}, `format:"uuid"`
	case "url", "uri", "http_url":
		return []string{"format", "pattern"}, `format:"uri"`
	case "datetime":
		return []string{"format", "pattern"}, `format:"date-time" or format:"date"`
	case "unique":
		return []string{"uniqueItems"}, `uniqueItems:"true"`
	case "alpha", "alphanum", "numeric", "hexadecimal", "e164", "lowercase", "uppercase", "startswith", "endswith", "contains", "base64", "ascii", "printascii":
		return []string{"pattern"}, "a pattern"
	}
	return nil, ""
}

func parseBool(key, text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s %q is neither true nor false", key, text)
}

func parseCount(key, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a whole number ≥ 0", key, text)
	}
	return int(n), nil
}

// tagged applies the keywords of one field.
func (c *compiler) tagged(f *field, t *tags) (err error) {
	n := *f.node
	f.node = &n
	f.doc = t.values["doc"]
	for _, key := range t.keys {
		text := t.values[key]
		switch key {
		case "nullable":
			n.nullable, err = parseBool(key, text)
		case "deprecated":
			f.deprecated, err = parseBool(key, text)
		case "minItems", "maxItems", "uniqueItems":
			err = n.arrayRule(key, text)
		case "minProperties", "maxProperties":
			err = n.objectRule(key, text)
		case "additionalProperties", "ws":
			err = fmt.Errorf("%s belongs on a blank field of the struct that it is about: _ struct{} `%s:%q`", key, key, text)
		}
		if err != nil {
			return err
		}
	}
	if err := c.scalarRules(&n, t, f.goName); err != nil {
		return err
	}
	if err := n.bounds(); err != nil {
		return err
	}
	return c.samples(f, t)
}

func (n *node) arrayRule(key, text string) (err error) {
	if n.kind != kindArray {
		return fmt.Errorf("%s is for slices and arrays, not for %s", key, n.typ)
	}
	if n.length >= 0 && key != "uniqueItems" {
		return fmt.Errorf("%s is for slices: the length of %s is fixed", key, n.typ)
	}
	switch key {
	case "minItems":
		n.minLen, err = parseCount(key, text)
	case "maxItems":
		n.maxLen, err = parseCount(key, text)
	default:
		n.unique, err = parseBool(key, text)
	}
	return err
}

func (n *node) objectRule(key, text string) (err error) {
	if n.kind != kindObject || n.elem == nil {
		return fmt.Errorf("%s is for maps, not for %s", key, n.typ)
	}
	if key == "minProperties" {
		n.minLen, err = parseCount(key, text)
	} else {
		n.maxLen, err = parseCount(key, text)
	}
	return err
}

var scalarKeys = []string{
	"format", "minLength", "maxLength", "pattern",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const",
}

// scalarRules applies the keywords of strings, numbers and booleans. On slices and maps they are about the
// innermost items and members.
func (c *compiler) scalarRules(n *node, t *tags, where string) error {
	var err error
	apply := func(target *node) {
		for _, key := range scalarKeys {
			if text, ok := t.get(key); ok && err == nil {
				err = c.scalarRule(target, key, text, where)
			}
		}
		if err == nil && target.kind == kindDuration && target.format == nil {
			err = errors.New(`time.Duration must say format:"duration" (an ISO 8601 string) or format:"nanoseconds" (an integer)`)
		}
		if err == nil && target != n {
			err = target.bounds()
		}
	}
	if !t.hasAny(scalarKeys) && innermost(n.typ) != typeDuration {
		return nil
	}
	if innermost(n.typ) == nil {
		return fmt.Errorf("%s has no items that %s could be about", n.typ, firstOf(t, scalarKeys))
	}
	refine(n, apply)
	return err
}

func firstOf(t *tags, keys []string) string {
	for _, k := range keys {
		if _, ok := t.get(k); ok {
			return k
		}
	}
	return ""
}

// innermost is the type of the values in a slice, an array or a map, however deep; nil if it goes on for ever.
func innermost(t reflect.Type) reflect.Type {
	for range 32 {
		switch {
		case ownCodec(t):
			return t
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "":
			return t
		case t.Kind() == reflect.Slice, t.Kind() == reflect.Array, t.Kind() == reflect.Map, t.Kind() == reflect.Pointer:
			t = t.Elem()
		default:
			return t
		}
	}
	return nil
}

// refine calls apply with a copy of the innermost value of n, and n refers to the copy then.
func refine(n *node, apply func(*node)) {
	if n.kind != kindArray && (n.kind != kindObject || n.typ.Kind() != reflect.Map) || n.elem == nil {
		apply(n)
		return
	}
	elem := *n.elem
	refine(&elem, apply)
	s := *n.shape
	s.elem = &elem
	n.shape = &s
}

func (c *compiler) scalarRule(n *node, key, text, where string) (err error) {
	switch key {
	case "format":
		return c.formatRule(n, text)
	case "minLength", "maxLength":
		if n.kind != kindString && n.kind != kindText && n.kind != kindBytes {
			return n.unfit(key, "strings")
		}
		if key == "minLength" {
			n.minLen, err = parseCount(key, text)
		} else {
			n.maxLen, err = parseCount(key, text)
		}
		return err
	case "pattern":
		if n.kind != kindString && n.kind != kindText {
			return n.unfit(key, "strings")
		}
		n.pattern, err = compilePattern(text)
		return err
	case "enum", "const":
		return c.valuesRule(n, key, text, where)
	}
	return n.numberRule(key, text)
}

func (n *node) unfit(key, what string) error {
	return fmt.Errorf("%s is for %s, not for %s", key, what, n.typ)
}

func (c *compiler) formatRule(n *node, name string) error {
	f := formats[name]
	switch n.kind {
	case kindDuration:
		switch name {
		case "duration":
			n.format, c.iso = f, true
			return nil
		case "nanoseconds":
			s := &shape{typ: n.typ, length: -1}
			s.integer(64, true)
			n.shape, n.min, n.max, n.format, c.nanos = s, s.lo, s.hi, numberFormats[name], true
			return nil
		}
		return fmt.Errorf(`format %q is not for time.Duration: "duration" or "nanoseconds"`, name)
	case kindTime:
		if name != "date-time" {
			return fmt.Errorf(`format %q is not for time.Time: it is always "date-time"`, name)
		}
		return nil
	case kindString, kindText:
		if f == nil {
			return fmt.Errorf("format %q is unknown: date-time, date, time, duration, email, uuid, uri, hostname, ipv4, ipv6 or password", name)
		}
		n.format = f
		return nil
	case kindInt, kindFloat:
		if f := numberFormats[name]; f != nil && name != "nanoseconds" {
			n.format = f
			return nil
		}
		return fmt.Errorf("format %q is not for numbers: int32, int64, float or double, which are printed only", name)
	}
	return n.unfit("format", "strings")
}

// numberFormats are printed and not checked.
var numberFormats = map[string]*format{
	"int32": {name: "int32"}, "int64": {name: "int64"}, "float": {name: "float"}, "double": {name: "double"},
	"nanoseconds": {name: "nanoseconds"},
}

func (n *node) numberRule(key, text string) error {
	if n.kind != kindInt && n.kind != kindFloat {
		return n.unfit(key, "numbers")
	}
	if n.quoted {
		return fmt.Errorf("%s cannot be printed for a number inside a string", key)
	}
	b, err := newBound(n.kind, text)
	if err != nil {
		return fmt.Errorf("%s %w", key, err)
	}
	if n.kind == kindInt && !newNode(n.shape).contains(b.whole) {
		return fmt.Errorf("%s %s does not fit %s", key, text, n.typ)
	}
	switch key {
	case "minimum":
		n.min = b
	case "maximum":
		n.max = b
	case "exclusiveMinimum":
		n.exMin = b
	case "exclusiveMaximum":
		n.exMax = b
	case "multipleOf":
		if b.dec.neg || len(b.dec.digits) == 0 {
			return fmt.Errorf("multipleOf %s must be more than 0", text)
		}
		n.multiple = b
	}
	return nil
}

// bounds refuses rules that no value can keep.
func (n *node) bounds() error {
	if n.maxLen >= 0 && n.minLen > n.maxLen {
		low, high, _ := n.lengthKeys()
		return fmt.Errorf("%s %d is more than %s %d", low, n.minLen, high, n.maxLen)
	}
	if n.kind != kindInt && n.kind != kindFloat {
		return nil
	}
	for _, low := range []struct {
		key string
		b   *bound
		ex  bool
	}{{"minimum", n.min, false}, {"exclusiveMinimum", n.exMin, true}} {
		for _, high := range []struct {
			key string
			b   *bound
			ex  bool
		}{{"maximum", n.max, false}, {"exclusiveMaximum", n.exMax, true}} {
			if low.b == nil || high.b == nil {
				continue
			}
			if d := low.b.dec.cmp(high.b.dec); d > 0 || d == 0 && (low.ex || high.ex) {
				return fmt.Errorf("no number is right for both %s %s and %s %s", low.key, low.b.raw, high.key, high.b.raw)
			}
		}
	}
	return nil
}

// lengthKeys are the keywords of minLen and maxLen, and what they count.
func (n *node) lengthKeys() (low, high, unit string) {
	switch n.kind {
	case kindArray:
		return "minItems", "maxItems", "item"
	case kindObject:
		return "minProperties", "maxProperties", "member"
	}
	return "minLength", "maxLength", "character"
}
