package wsrouter

import "encoding/json"

// A Spec is a router as plain data, all that documents, clients and pages need. Whoever got it owns it.
type Spec struct {
	Name, Description  string
	Tags               []string
	Deprecated, Hidden bool
	Discriminator      string // member that names the message. "": none
	Payload            string // member that holds the message. "": beside the discriminator
	ID                 string // member of the correlation id. "": none
	Binary             bool   // JSON travels in binary frames
	Subprotocols       []string
	Params             []Param
	Resolves           bool // the session has a Resolve, which may refuse the upgrade with any status
	Receives           []Operation
	Sends              []Message // what a client may get at any time
	Error              Message
	Limits             map[string]int64 // "maxMessage", "outbox" in bytes, "pingInterval", "pongTimeout", "writeTimeout" in ms, "depth"
}

// Param is one source of one tagged field of the session. A field with several sources has one Param for each,
// none of them required.
type Param struct {
	Name        string
	In          string // "path", "query", "header", "cookie" or "subprotocol" (Name is then a prefix)
	Description string
	Required    bool
	Deprecated  bool
	Schema      json.RawMessage
}

// Operation is one handler.
type Operation struct {
	Handler, Summary, Description string
	Path                          *string // nil: by the handler's name
	Tags                          []string
	Deprecated, Hidden            bool
	Message                       Message
	Sends                         []Message // what it may answer
	Responds                      bool      // Sends[0] answers with the id of the question
}

// Message is one message type as it travels.
type Message struct {
	Name        string   // wire name for people
	Names       []string // every value of the discriminator that means it, as JSON literals
	GoType      string   // import path, dot, name
	Description string
	Deprecated  bool
	Delivery    string          // "", "drop" or "latest=member"
	Frame       string          // "" is JSON; "text" or "binary" is a frame without any, Schema then says string
	Schema      json.RawMessage // JSON Schema with its $defs, keyed by Go type, and examples
}
