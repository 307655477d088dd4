package apidoc_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// object is a schema with one property of its own and $defs.
func object(property, defs string) json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{` + property + `},"$defs":{` + defs + `}}`)
}

// schemas documents messages, each under a handler of its own, and returns the components without Refusal.
func schemas(t *testing.T, list ...wsrouter.Message) map[string]any {
	t.Helper()
	var spec wsrouter.Spec
	for i, m := range list {
		spec.Receives = append(spec.Receives, wsrouter.Operation{Handler: "h" + itoa(i), Message: m})
	}
	doc := apidoc.New("", "")
	doc.Add("/ws", endpoint(spec))
	got, _ := at(decode(t, doc.OpenAPI()), "components", "schemas").(map[string]any)
	delete(got, "Refusal")
	return got
}

func TestSchemaNames(t *testing.T) {
	type m = wsrouter.Message
	ref := func(key string) string {
		return `"x":{"$ref":"#/$defs/` + strings.NewReplacer("~", "~0", "/", "~1", "[", "%5B", "]", "%5D").Replace(key) + `"}`
	}
	def := func(key, property string) string {
		return quote(key) + `:{"type":"object","properties":{` + property + `}}`
	}
	a, b := `"a":{"type":"string"}`, `"b":{"type":"string"}`
	for name, c := range map[string]struct {
		in   []m
		want string
	}{
		"plain":         {[]m{{GoType: "example.com/app.User", Schema: object(a, "")}}, "User"},
		"generic":       {[]m{{GoType: "example.com/app.Page[example.com/app.User]", Schema: object(a, "")}}, "Page_User"},
		"generic lists": {[]m{{GoType: "example.com/app.Map[string,[]example.com/app.User]", Schema: object(a, "")}}, "Map_string_List_User"},
		"two packages":  {[]m{{GoType: "example.com/chat.Message", Schema: object(a, "")}, {GoType: "example.com/rooms.Message", Schema: object(a, "")}}, "chat_Message rooms_Message"},
		"version":       {[]m{{GoType: "example.com/chat/v2.Message", Schema: object(a, "")}, {GoType: "example.com/rooms/v2.Message", Schema: object(a, "")}}, "chat_Message rooms_Message"},
		"equal package names": {[]m{{GoType: "a.com/chat.Message", Schema: object(a, "")}, {GoType: "b.com/chat.Message", Schema: object(a, "")}},
			"a_com_chat_Message b_com_chat_Message"},
		"arguments of two packages": {[]m{{GoType: "x/app.Page[x/a.User]", Schema: object(a, "")}, {GoType: "x/app.Page[x/b.User]", Schema: object(a, "")}},
			"app_Page_a_User app_Page_b_User"},
		"same twice":   {[]m{{GoType: "x/a.T", Schema: object(a, "")}, {GoType: "x/a.T", Schema: object(a, "")}}, "T"},
		"two forms":    {[]m{{GoType: "x/a.T", Schema: object(a, "")}, {GoType: "x/a.T", Schema: object(b, "")}}, "T T_2"},
		"no name":      {[]m{{GoType: "struct { A string }", Name: "my msg", Schema: object(a, "")}}, "my_msg"},
		"nothing":      {[]m{{Schema: object(a, "")}}, "Message"},
		"not ASCII":    {[]m{{GoType: "x/a.Größe", Schema: object(a, "")}, {GoType: "x/a.消息", Name: "n", Schema: object(a, "")}}, "Gr_e n"},
		"list":         {[]m{{GoType: "[]a.T", Schema: object(a, "")}}, "List_T"},
		"nested value": {[]m{{GoType: "x/a.Order", Schema: object(a, "")}, {GoType: "x/a.Batch", Schema: object(ref("x/a.Order"), def("x/a.Order", b))}}, "Batch Order Order_value"},
		"nested first": {[]m{{GoType: "x/a.Batch", Schema: object(ref("x/a.Order"), def("x/a.Order", b))}, {GoType: "x/a.Order", Schema: object(a, "")}}, "Batch Order Order_value"},
		"nested same":  {[]m{{GoType: "x/a.Order", Schema: object(b, "")}, {GoType: "x/a.Batch", Schema: object(ref("x/a.Order"), def("x/a.Order", b))}}, "Batch Order"},
		"only nested":  {[]m{{GoType: "x/a.Batch", Schema: object(ref("x/a.Order"), def("x/a.Order", b))}}, "Batch Order"},
		"the value's name is taken": {[]m{{GoType: "x/a.Order", Schema: object(a, "")}, {GoType: "x/a.Order_value", Schema: object(a, "")},
			{GoType: "x/a.Batch", Schema: object(ref("x/a.Order"), def("x/a.Order", b))}}, "Batch Order Order_value Order_value_2"},
		"keys with every character": {[]m{{GoType: "x/a.P[x~y/b.U]", Schema: object(ref("x~y/b.U[x/c.V]"), def("x~y/b.U[x/c.V]", a))}}, "P_U U_V"},
		// Equal text, but what it refers to differs: two classes each.
		"difference behind a reference": {[]m{
			{GoType: "x/a.M", Schema: object(ref("x/a.N"), def("x/a.N", ref("x/a.O"))+","+def("x/a.O", a))},
			{GoType: "x/a.M", Schema: object(ref("x/a.N"), def("x/a.N", ref("x/a.O"))+","+def("x/a.O", b))}}, "M M_2 N N_2 O O_2"},
		"recursion": {[]m{{GoType: "x/a.T", Schema: object(ref("x/a.N"), def("x/a.N", `"x":{"$ref":"#/$defs/x~1a.N"}`))},
			{GoType: "x/a.U", Schema: object(ref("x/a.N"), def("x/a.N", `"x":{"$ref":"#/$defs/x~1a.N"}`))}}, "N T U"},
		"only a reference":          {[]m{{GoType: "x/a.T", Schema: json.RawMessage(`{"$ref":"#/$defs/x~1a.T","examples":[{}],"$defs":{` + def("x/a.T", `"x":{"$ref":"#"}`) + `}}`)}}, "T"},
		"Refusal is a type of ours": {[]m{{GoType: "x/a.Refusal", Schema: object(a, "")}}, "a_Refusal wsrouter_Refusal"},
	} {
		t.Run(name, func(t *testing.T) {
			got := schemas(t, c.in...)
			if names := strings.Join(slices.Sorted(maps.Keys(got)), " "); names != c.want {
				t.Errorf("got %s, want %s", names, c.want)
			}
			checkRefs(t, got, got)
		})
	}
}

// checkRefs fails on references that lead nowhere.
func checkRefs(t *testing.T, v any, components map[string]any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if name, ok := strings.CutPrefix(ref, "#/components/schemas/"); !ok || components[name] == nil {
				t.Errorf("the reference %s leads nowhere", ref)
			}
		}
		if v["$defs"] != nil {
			t.Error("$defs were left")
		}
		for _, e := range v {
			checkRefs(t, e, components)
		}
	case []any:
		for _, e := range v {
			checkRefs(t, e, components)
		}
	}
}

// A $ref that is data is no reference.
func TestSchemaDataIsLeftAlone(t *testing.T) {
	schema := `{"type":"object","properties":{"$ref":{"type":"string"},"e":{"const":{"$ref":"#/$defs/x"},"default":{"$ref":"#"}}},` +
		`"examples":[{"$ref":"#/$defs/y"}],"x-y":{"$ref":"#/$defs/z"}}`
	got := schemas(t, wsrouter.Message{GoType: "x/a.T", Schema: json.RawMessage(schema)})
	if want := decode(t, []byte(schema)); !equalJSON(got["T"], want) {
		t.Errorf("got %v\nwant %v", got["T"], want)
	}
}

// Whether []User is a definition depends on where a message meets it first; the component of User does not.
func TestUnnamedDefinitions(t *testing.T) {
	user := func(friends string) string {
		return `"x/a.User":{"type":"object","properties":{"friends":` + friends + `}}`
	}
	inline := user(`{"type":"array","items":{"$ref":"#/$defs/x~1a.User"},"maxItems":9}`)
	for _, key := range []string{"", "_2", "[]a.User"} {
		list := quote(key) + `:{"type":"array","items":{"$ref":"#/$defs/x~1a.User"}}`
		got := schemas(t,
			wsrouter.Message{GoType: "x/a.A", Schema: object(`"u":{"$ref":"#/$defs/x~1a.User"}`, inline)},
			wsrouter.Message{GoType: "x/a.B", Schema: object(`"u":{"$ref":"#/$defs/`+key+`"}`, list+","+user(`{"allOf":[{"$ref":"#/$defs/`+key+`"}],"maxItems":9}`))})
		if names := strings.Join(slices.Sorted(maps.Keys(got)), " "); names != "A B User" {
			t.Errorf("%q: %s", key, names)
		}
		checkRefs(t, got, got)
	}
}

func TestOperationIDs(t *testing.T) {
	named := chat()
	named.Name = "Chat rooms!"
	doc := apidoc.New("", "")
	doc.Add("/a", endpoint(named))
	doc.Add("/b", endpoint(named))
	doc.Add("/ws/{x}", endpoint(wsrouter.Spec{Receives: []wsrouter.Operation{{Handler: "connect", Message: said()}, {Handler: "send", Message: activity()}}}))
	doc.Add("/", endpoint(wsrouter.Spec{}))
	var ids []string
	for _, item := range at(decode(t, doc.OpenAPI()), "paths").(map[string]any) {
		for _, op := range item.(map[string]any) {
			ids = append(ids, at(op, "operationId").(string))
		}
	}
	slices.Sort(ids)
	want := "Chat_rooms_2_connect Chat_rooms_2_onChatActivity Chat_rooms_2_onChatMessage " +
		"Chat_rooms_connect Chat_rooms_onChatActivity Chat_rooms_onChatMessage root_connect ws_x_connect ws_x_connect_2 ws_x_send_2"
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
