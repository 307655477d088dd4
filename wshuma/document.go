package wshuma

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wsrouter-go/wsrouter/apidoc"
)

// A document adds the operations of endpoints to the document of a huma.API while that is marshalled.
//
// Only then are the routers declared and all of huma's schemas registered: huma panics when it registers a type under a name
// that its registry holds already, so ours cannot wait there.
type document struct {
	api *huma.OpenAPI

	mu     sync.Mutex
	mode   apidoc.Mode
	mounts []mount
	check  *apidoc.Doc // finds wrong paths at Mount

	base   []byte // huma's document that merged was made from, nil without
	merged map[string]json.RawMessage
	err    error
}

// A mount is an endpoint at one path of the document.
type mount struct {
	api      huma.API // a group, or the API itself
	path     string   // as mounted in api
	full     string   // as documented
	nth      int      // of the paths that path has in a group with several prefixes
	endpoint apidoc.Endpoint
}

// A section is a member of the document. As an extension it replaces huma's own member of its name.
type section struct {
	*document
	name string
}

var sections = []string{"paths", "components", "tags"}

var documents sync.Mutex // held while one is looked up

// documentOf returns the document of api, which lives in the extensions of huma's.
func documentOf(api huma.API) *document {
	documents.Lock()
	defer documents.Unlock()
	o := api.OpenAPI()
	if s, ok := o.Extensions["paths"].(section); ok {
		return s.document
	}
	d := &document{api: o, check: apidoc.New("", "")}
	if o.Extensions == nil {
		o.Extensions = map[string]any{}
	}
	for _, name := range sections {
		if _, taken := o.Extensions[name]; taken {
			panic(fmt.Sprintf("wshuma: the OpenAPI document has an extension called %q", name))
		}
		o.Extensions[name] = section{d, name}
	}
	return d
}

// add takes the endpoint at every path that path means in api.
func (d *document) add(api huma.API, path string, e apidoc.Endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.base = nil
	expand(api, handshake(path), func(nth int, op *huma.Operation) {
		d.check.Add(op.Path, e)
		if !op.Hidden {
			d.mounts = append(d.mounts, mount{api, path, op.Path, nth, e})
		}
	})
}

// MarshalJSON returns the member with the endpoints added.
func (s section) MarshalJSON() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.merge(); err != nil {
		slog.Error("wshuma: the OpenAPI document cannot be built", "err", err)
		return nil, err
	}
	if data, ok := s.merged[s.name]; ok {
		return data, nil
	}
	return []byte("[]"), nil // only tags may be missing
}

// merge makes the document with all endpoints, unless huma's is still what it was.
func (d *document) merge() error {
	own := *d.api
	own.Extensions = maps.Clone(own.Extensions)
	for _, name := range sections {
		delete(own.Extensions, name)
	}
	base, err := json.Marshal(&own)
	if err != nil {
		return err
	}
	if d.base != nil && bytes.Equal(base, d.base) {
		return d.err
	}
	d.base = base
	d.merged, d.err = d.build(base)
	return d.err
}

// build merges. What apidoc panics with becomes an error, because this happens in a request.
func (d *document) build(base []byte) (merged map[string]json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	doc := apidoc.New("", "")
	doc.Mode = d.mode
	if err := doc.Merge(base); err != nil {
		return nil, err
	}
	for _, m := range d.mounts {
		doc.Add(m.full, m.endpoint)
	}
	if err := json.Unmarshal(doc.OpenAPI(), &merged); err != nil {
		return nil, err
	}
	if merged["paths"], err = d.modified(merged["paths"], base); err != nil {
		return nil, err
	}
	for _, name := range sections[:2] {
		if merged[name] == nil {
			merged[name] = json.RawMessage("{}")
		}
	}
	return merged, nil
}

// modified returns the paths with the changes that modifiers of groups make to our operations.
func (d *document) modified(raw json.RawMessage, base []byte) (json.RawMessage, error) {
	if !slices.ContainsFunc(d.mounts, func(m mount) bool { return isGroup(m.api) }) {
		return raw, nil
	}
	var before struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	var paths map[string]map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(base, &before), json.Unmarshal(raw, &paths)); err != nil {
		return nil, err
	}
	for path, item := range paths {
		m, ok := d.owner(path)
		if !ok || !isGroup(m.api) {
			continue
		}
		for _, method := range []string{"get", "post"} {
			if item[method] == nil || before.Paths[path][method] != nil {
				continue
			}
			op, err := m.modify(path, method, item[method])
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", strings.ToUpper(method), path, err)
			}
			if item[method] = op; op == nil {
				delete(item, method)
			}
		}
		if len(item) == 0 {
			delete(paths, path)
		}
	}
	return json.Marshal(paths)
}

// owner finds the endpoint that an operation at path is of: the one with the longest path that path begins with.
func (d *document) owner(path string) (owner mount, ok bool) {
	for _, m := range d.mounts {
		if strings.HasPrefix(path, m.full) && len(m.full) >= len(owner.full) {
			owner, ok = m, true
		}
	}
	return owner, ok
}
