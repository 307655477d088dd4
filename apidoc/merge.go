package apidoc

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// maxDocument is what Merge reads at most, in bytes.
const maxDocument = 16 << 20

// Merge makes openapi, an OpenAPI 3.0 or 3.1 document in JSON or YAML, the base of d's, once: its info, servers and
// everything else stay as they are and in their order, JSON numbers in their spelling; only comments and, in YAML,
// anchors are lost. Operations, tags and schemas of the endpoints come behind its own. Into a 3.0 document schemas go in
// the dialect of 3.0. A schema name that the base uses for something else is given to the base: ours is renamed.
// The base's security, if it has any, holds for the endpoints' operations as for its own.
//
// Merge fails, and changes nothing, if openapi is anything else: Swagger 2.0, more than one YAML document, a member
// named twice, nested deeper than 200 levels, larger than 16 MiB or than 1,048,576 values with all aliases followed.
// Nothing that it refers to is fetched. An operation that both have, by path and method, is found at the first use,
// where [Doc.OpenAPI] panics.
func (d *Doc) Merge(openapi []byte) error {
	d.configurable("Merge")
	if d.merged != nil {
		return errors.New("apidoc: Merge: a document was merged already")
	}
	base, err := parseDocument(openapi)
	if err == nil {
		err = checkBase(base)
	}
	if err != nil {
		return fmt.Errorf("apidoc: Merge: %.500s", err) // a parser's error may quote megabytes
	}
	d.merged = base
	return nil
}

// parseDocument reads JSON if data begins with a brace, else YAML.
func parseDocument(data []byte) (*object, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%d bytes are more than %d", len(data), maxDocument)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return nil, errors.New("the document is empty")
	}
	parse := parseYAML
	if bytes.HasPrefix(data, []byte("{")) {
		parse = parseJSON
	}
	v, err := parse(data)
	if err != nil {
		return nil, err
	}
	base, ok := v.(*object)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	return base, nil
}

var baseVersion = regexp.MustCompile(`^3\.[01]\.[0-9]`)

// checkBase refuses what endpoints cannot be added to.
func checkBase(base *object) error {
	if base.has("swagger") {
		return errors.New("this is Swagger 2.0: convert it first, by wsswag.Convert or another tool")
	}
	if !baseVersion.MatchString(base.text("openapi")) {
		return fmt.Errorf(`openapi is %s, but must be a string such as "3.0.4" or "3.1.1"`, brief(base.get("openapi")))
	}
	if err := wantObject(base, "paths", "paths"); err != nil {
		return err
	}
	paths := base.object("paths")
	for _, path := range paths.names {
		if err := wantObject(paths, path, "paths, "+path); err != nil {
			return err
		}
	}
	if err := wantObject(base, "components", "components"); err != nil {
		return err
	}
	if err := wantObject(base.object("components"), "schemas", "components, schemas"); err != nil {
		return err
	}
	if _, ok := base.get("tags").([]any); base.has("tags") && !ok {
		return errors.New("tags is not a list")
	}
	return nil
}

func wantObject(o *object, name, what string) error {
	if _, ok := o.get(name).(*object); o.has(name) && !ok {
		return fmt.Errorf("%.200s is not an object", what)
	}
	return nil
}

// brief is v in an error.
func brief(v any) string {
	switch v := v.(type) {
	case nil:
		return "missing"
	case string, number, bool:
		return fmt.Sprintf("%.40s", appendJSON(nil, v, -1))
	default:
		return "no string"
	}
}
