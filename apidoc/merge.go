package apidoc

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// Merge makes openapi, an OpenAPI 3.0 or 3.1 document in JSON or YAML, the base of d's, once: its info, servers and
// everything else stay as they are and in their order, JSON numbers in their spelling; only comments and, in YAML,
// anchors are lost. Operations, tags and schemas of the endpoints come behind its own. Into a 3.0 document schemas go in
// the dialect of 3.0. A schema name that the base uses for something else is given to the base: ours is renamed.
// The base's security, if it has any, holds for the endpoints' operations as for its own.
//
// Merge fails, and changes nothing, if openapi is anything else: Swagger 2.0, more than one YAML document, a member
// named twice, a reference that leads to itself, nested deeper than 200 levels, larger than 16 MiB or than 524,288 values with all aliases followed, or
// than 8 MiB or 300,000 nodes of YAML, names among them: a larger base has to be JSON.
// Nothing that it refers to is fetched. An operation that both have, by path and method, is found at the first use,
// where [Doc.OpenAPI] panics.
func (d *Doc) Merge(openapi []byte) error {
	d.configurable("Merge")
	if d.merged != nil {
		return errors.New("apidoc: Merge: a document was merged already")
	}
	base, err := ordered.Parse(openapi)
	if err == nil {
		err = checkBase(base)
	}
	if err != nil {
		return fmt.Errorf("apidoc: Merge: %.500s", err) // a parser's error may quote megabytes
	}
	d.merged = base
	return nil
}

var baseVersion = regexp.MustCompile(`^3\.[01]\.[0-9]`)

// checkBase refuses what endpoints cannot be added to.
func checkBase(base *ordered.Object) error {
	if base.Has("swagger") {
		return errors.New("this is Swagger 2.0: convert it first, by wsswag.Convert or another tool")
	}
	if !baseVersion.MatchString(base.Text("openapi")) {
		return fmt.Errorf(`openapi is %s, but must be a string such as "3.0.4" or "3.1.1"`, brief(base.Get("openapi")))
	}
	if err := wantObject(base, "paths", "paths"); err != nil {
		return err
	}
	paths := base.Object("paths")
	for _, path := range paths.Names() {
		if err := wantObject(paths, path, "paths, "+path); err != nil {
			return err
		}
	}
	if err := wantObject(base, "components", "components"); err != nil {
		return err
	}
	if err := wantObject(base.Object("components"), "schemas", "components, schemas"); err != nil {
		return err
	}
	if _, ok := base.Get("tags").([]any); base.Has("tags") && !ok {
		return errors.New("tags is not a list")
	}
	return checkReferences(base)
}

// checkReferences refuses a path and a component that is a reference which leads, maybe over others, to itself: there is nothing that it
// could mean. A type that holds itself is another thing, and good.
func checkReferences(base *ordered.Object) error {
	const underWay, ends = 1, 2
	known := map[*ordered.Object]int{}
	groups := []*ordered.Object{base.Object("paths")}
	components := base.Object("components")
	for _, name := range components.Names() {
		groups = append(groups, components.Object(name))
	}
	for _, group := range groups {
		for _, name := range group.Names() {
			var way []*ordered.Object
			o, _ := group.Get(name).(*ordered.Object)
			for ; o != nil && known[o] != ends; o = referred(base, o.Text("$ref")) {
				if known[o] == underWay {
					return fmt.Errorf("the reference %.200q leads to itself", o.Text("$ref"))
				}
				known[o] = underWay
				way = append(way, o)
			}
			for _, o := range way {
				known[o] = ends
			}
		}
	}
	return nil
}

// referred is the object of base that a reference names, nil if there is none.
func referred(base *ordered.Object, ref string) *ordered.Object {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	if plain, err := url.PathUnescape(pointer); err == nil {
		pointer = plain
	}
	o := base
	for part := range strings.SplitSeq(pointer, "/") {
		o, _ = o.Get(strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")).(*ordered.Object)
		if o == nil {
			return nil
		}
	}
	return o
}

func wantObject(o *ordered.Object, name, what string) error {
	if _, ok := o.Get(name).(*ordered.Object); o.Has(name) && !ok {
		return fmt.Errorf("%.200s is not an object", what)
	}
	return nil
}

// brief is v in an error.
func brief(v any) string {
	switch v := v.(type) {
	case nil:
		return "missing"
	case string, ordered.Number, bool:
		return fmt.Sprintf("%.40s", ordered.AppendJSON(nil, v, -1))
	default:
		return "no string"
	}
}
