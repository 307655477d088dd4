package wsrouter

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/wsrouter-go/wsrouter/internal/comment"
)

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
	Broker             bool        // rooms are those of several processes, which may not reach each other
	Resume             *ResumeSpec // nil: a client that comes back starts afresh
	Resolves           bool        // the session has a Resolve, which may refuse the upgrade with any status
	Refuses            []int       // statuses of a refused upgrade beside 400, 403, 426 and 503, which any may get
	Receives           []Operation
	Sends              []Message // what a client may get at any time
	Error              Message
	Compression        bool             // permessage-deflate is agreed on with who offers it
	RateClose          bool             // a message beyond the rate closes, it is not answered
	Limits             map[string]int64 // "maxMessage", "outbox" in bytes, "maxFrames", "messageTimeout", "pingInterval", "pongTimeout", "writeTimeout" in ms, "depth"; "messagesPerSecond", "bytesPerSecond", "maxConns", "maxConnsPerKey" if limited
}

// ResumeSpec says how a client has what it missed; see [Resume].
type ResumeSpec struct {
	Param          string // of the query, in Params too
	Member         string // of messages, which holds their [RoomPosition]
	Joined, Resync string // wire names of the messages in Sends
}

// Param is one source of one tagged field of the session. A field with several sources has one Param for each,
// none of them required: where one has to be there, each Description says so.
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

// describe freezes the router and writes it down.
func (r *router) describe() Spec {
	r.freeze()
	o := &r.opts
	s := Spec{
		Name:          o.Name,
		Description:   o.Description,
		Tags:          slices.Clone(o.Tags),
		Deprecated:    o.Deprecated,
		Hidden:        o.Hidden,
		Discriminator: o.Discriminator,
		Payload:       o.Payload,
		ID:            o.IDMember,
		Binary:        o.Binary,
		Subprotocols:  slices.Clone(o.Subprotocols),
		Compression:   o.Compression != nil,
		RateClose:     o.RateClose,
		Params:        r.params(),
		Broker:        o.Broker != nil,
		Resume:        r.resumeSpec(),
		Resolves:      len(r.session.resolvers) > 0,
		Sends:         r.describeSent(r.sends),
		Error:         r.messages.failure.describe(),
		Limits: map[string]int64{
			"maxMessage":     int64(o.MaxMessage),
			"outbox":         int64(o.Outbox),
			"pingInterval":   o.PingInterval.Milliseconds(),
			"pongTimeout":    o.PongTimeout.Milliseconds(),
			"writeTimeout":   o.WriteTimeout.Milliseconds(),
			"maxFrames":      int64(o.MaxFrames),
			"messageTimeout": o.MessageTimeout.Milliseconds(),
			"depth":          maxDepth,
		},
	}
	if o.MessagesPerSecond > 0 {
		s.Limits["messagesPerSecond"] = int64(o.MessagesPerSecond)
	}
	if o.BytesPerSecond > 0 {
		s.Limits["bytesPerSecond"] = int64(o.BytesPerSecond)
	}
	if o.MaxConns > 0 {
		s.Limits["maxConns"] = int64(o.MaxConns)
	}
	if len(o.Hosts) > 0 {
		s.Refuses = append(s.Refuses, http.StatusMisdirectedRequest)
	}
	if o.MaxConnsPerKey > 0 {
		s.Limits["maxConnsPerKey"] = int64(o.MaxConnsPerKey)
		s.Refuses = append(s.Refuses, http.StatusTooManyRequests)
	}
	for _, rt := range r.routes {
		s.Receives = append(s.Receives, r.describeRoute(rt))
	}
	return s
}

// params are those of the session, and of Options.Resume.
func (r *router) params() []Param {
	list := r.session.describe()
	if r.opts.Resume != nil {
		list = append(list, r.describeResume())
	}
	return list
}

// describeRoute writes one handler down.
func (r *router) describeRoute(rt *route) Operation {
	op := Operation{
		Handler:     rt.handlerName,
		Summary:     rt.summary,
		Description: rt.description,
		Tags:        slices.Clone(rt.tags),
		Deprecated:  rt.deprecated,
		Hidden:      rt.hidden,
		Message:     rt.message.describe(),
		Sends:       r.describeSent(rt.sends),
		Responds:    rt.responds,
	}
	if text := comment.Func(rt.function); text != "" {
		op.Summary = orElse(op.Summary, firstSentence(text))
		op.Description = orElse(op.Description, text)
	}
	if rt.path != nil {
		path := *rt.path
		op.Path = &path
	}
	if rt.message.plain || op.Message.Name == "" {
		op.Message.Name = rt.name()
	}
	return op
}

// describeSent writes declared types down, each once.
func (r *router) describeSent(decls []declaration) []Message {
	var list []Message
	seen := map[*message]bool{}
	for _, d := range decls {
		if m := r.messages.sent[d.typ]; !seen[m] {
			seen[m] = true
			list = append(list, m.describe())
		}
	}
	return list
}

// describe writes a message down.
func (m *message) describe() Message {
	d := Message{Name: m.name(), Names: slices.Clone(m.wire), GoType: m.goType(), Frame: m.frame}
	switch {
	case m.frame == "text":
		d.Schema = json.RawMessage(`{"type":"string"}`)
	case m.frame == "binary":
		d.Schema = json.RawMessage(`{"type":"string","contentEncoding":"binary"}`)
	default:
		d.Description = m.plan.Doc()
		d.Deprecated = m.plan.Deprecated()
		d.Delivery = m.plan.Delivery()
		d.Schema = slices.Clone(m.plan.Schema())
	}
	return d
}

// goType is the name that documents know m's type by: that of the message if the type is of no package.
func (m *message) goType() string {
	if m.typ.PkgPath() == "" {
		return m.name()
	}
	return m.typ.PkgPath() + "." + m.typ.Name()
}
