package wshuma

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func isGroup(api huma.API) bool {
	_, ok := api.(*huma.Group)
	return ok
}

// expand calls next with every operation that op becomes by the modifiers of api, and its number.
func expand(api huma.API, op *huma.Operation, next func(nth int, op *huma.Operation)) {
	nth := 0
	var walk func(huma.API, *huma.Operation)
	walk = func(api huma.API, op *huma.Operation) {
		g, ok := api.(*huma.Group)
		if !ok {
			next(nth, op)
			nth++
			return
		}
		g.ModifyOperation(op, func(op *huma.Operation) { walk(g.API, op) })
	}
	walk(api, op)
}

// An outline is what modifiers can see and change of an operation of ours.
type outline struct {
	OperationID string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Deprecated  bool     `json:"deprecated"`
}

// modify applies the modifiers to an operation of m, nil if they hide it.
func (m mount) modify(path, method string, raw json.RawMessage) (json.RawMessage, error) {
	var o outline
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	plain := func() *huma.Operation {
		return &huma.Operation{
			Method:      strings.ToUpper(method),
			Path:        m.path + strings.TrimPrefix(path, m.full),
			OperationID: o.OperationID,
			Summary:     o.Summary,
			Description: o.Description,
			Tags:        append([]string(nil), o.Tags...),
			Deprecated:  o.Deprecated,
		}
	}
	var op *huma.Operation
	expand(m.api, plain(), func(nth int, modified *huma.Operation) {
		if nth == m.nth {
			op = modified
		}
	})
	if op == nil {
		return nil, fmt.Errorf("a modifier of the group passes on another number of operations than at Mount")
	}
	if op.Hidden {
		return nil, nil
	}
	changed, err := changes(plain(), op)
	if err != nil {
		return nil, err
	}
	for name, value := range changed {
		switch name {
		case "parameters":
			value, err = joinLists(members[name], value)
		case "responses":
			value, err = joinObjects(members[name], value)
		}
		if err != nil {
			return nil, err
		}
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// changes lists the members that differ, nil for those that are gone.
func changes(before, after *huma.Operation) (map[string]json.RawMessage, error) {
	old, err := membersOf(before)
	if err != nil {
		return nil, err
	}
	now, err := membersOf(after)
	if err != nil {
		return nil, err
	}
	diff := map[string]json.RawMessage{}
	for name, value := range now {
		if !bytes.Equal(value, old[name]) {
			diff[name] = value
		}
	}
	for name := range old {
		if now[name] == nil {
			diff[name] = nil
		}
	}
	return diff, nil
}

func membersOf(op *huma.Operation) (members map[string]json.RawMessage, err error) {
	data, err := json.Marshal(op)
	if err == nil {
		err = json.Unmarshal(data, &members)
	}
	return members, err
}

// joinLists appends the parameters of b to those of a, of which one with an equal name and place is replaced.
func joinLists(a, b json.RawMessage) (json.RawMessage, error) {
	var list, more []map[string]any
	if err := unmarshal(a, &list); err != nil {
		return nil, err
	}
	if err := unmarshal(b, &more); err != nil {
		return nil, err
	}
	for _, p := range more {
		replaced := false
		for i := range list {
			if reflect.DeepEqual(list[i]["name"], p["name"]) && reflect.DeepEqual(list[i]["in"], p["in"]) {
				list[i], replaced = p, true
			}
		}
		if !replaced {
			list = append(list, p)
		}
	}
	return json.Marshal(list)
}

// joinObjects adds the members of b to those of a.
func joinObjects(a, b json.RawMessage) (json.RawMessage, error) {
	joined := map[string]json.RawMessage{}
	if err := unmarshal(a, &joined); err != nil {
		return nil, err
	}
	if err := unmarshal(b, &joined); err != nil {
		return nil, err
	}
	return json.Marshal(joined)
}

// unmarshal keeps numbers as they are. Nothing is nothing.
func unmarshal(data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}
