// Package apidoc writes the documents of routers and serves them: an OpenAPI document, as JSON and YAML, and a page
// for people that talks to the live sockets.
//
//	doc := apidoc.New("Chat", "1.0.0")
//	doc.Mount(mux, "/ws/{room_id}", chat) // the route and its place in the documents
//	doc.Serve(mux, "/docs")               // the page, /openapi.json and /openapi.yaml
//
// OpenAPI knows HTTP and no WebSockets, so the messages of a router are written as what its tools can show:
//
//	in Go                         in OpenAPI
//	a router at /ws/{room_id}     GET /ws/{room_id} with the answers 101, 400, 403, 426 and default
//	fields of the session         its parameters; those of the path on every operation
//	router.Sends(A{}, B{})        the content of the 101: oneOf with a discriminator mapping; the error reply is one of it
//	Receive(router, onChat)       a pseudo POST /ws/{room_id}/(onChat), whose body is the message
//	Sends of a handler            its 200; without any, a 200 without content
//	the error reply               its 400
//	Path(": WS join")             the POST stands at /ws/{room_id}: WS join
//	Path("") and equal paths      one POST for all of them, its body oneOf them; the GET stays
//	a message type                components/schemas, under the name of the Go type
//	Reject and failed handshakes  components/schemas/Refusal
//
// The GET carries x-websocket, from which programs learn what OpenAPI has no words for:
//
//	subprotocols   those of the server, by preference
//	messageType    the kind of frame that JSON travels in: "text" or "binary"
//	discriminator  the member that names a message, payload the one that holds it, id the correlation id
//	receive        what the server takes, by handler: {name, message, replies, delivery, responds}
//	send           what the server may send at any time
//	limits         in bytes, milliseconds and levels
//
// A pseudo operation carries x-websocket-message: {direction, path, handler, name}. Nothing routes it, and its own
// path segment keeps code generators working: oapi-codegen's servers panic on anything else behind a path
// parameter, such as a Path of ": WS join". [UpgradeOnly] leaves the pseudo operations out.
//
// # The page
//
// The page is a reference, and where there is JavaScript a console: it connects to the live endpoints, checks messages by
// their schemas before they are sent, names every message that comes and flags what is not documented. A refused handshake
// is asked for its reason by a plain GET. Links to a message, a field, a close code or an error code carry the parameters but
// no credentials, and never connect by themselves. It needs nothing from elsewhere, and its Content-Security-Policy lets
// it run its own script only and talk to its own origin and [Doc.Servers] only.
//
// # Names
//
// Operations are called endpoint_connect and endpoint_handler, where endpoint is the router's Name, else its path. Schemas are
// called like their Go types, Page[User] as Page_User. Two types of one name get their packages: chat_Message and
// rooms_Message. A message type that also stands inside another value is written twice, as Order with and as Order_value
// without what its envelope adds.
//
// # Schemas
//
// OpenAPI 3.1 schemas are JSON Schema. A schema is written as its message prints it, with three changes: its $defs
// become components, definitions of types without a name are written where they are used, and a choice of several
// types becomes an anyOf, which generators understand. Into a merged 3.0 document schemas are translated; what 3.0
// cannot say is left out, so that they allow more and never less.
package apidoc
