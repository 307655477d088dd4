// Package apidoc writes the documents of routers and serves them: OpenAPI and AsyncAPI, each as JSON and YAML, and a
// page for people that talks to the live sockets.
//
//	doc := apidoc.New("Chat", "1.0.0")
//	doc.Mount(mux, "/ws/{room_id}", chat) // the route and its place in the documents
//	doc.Serve(mux, "/docs")               // the page, /openapi.json, /openapi.yaml, /asyncapi.json, /asyncapi.yaml
//
// AsyncAPI is made for messages. OpenAPI knows HTTP and no WebSockets, so there they are written as what its tools can show:
//
//	in Go                         in OpenAPI 3.1.1                                    in AsyncAPI 3.0.0
//	a router at /ws/{room_id}     GET /ws/{room_id} with the answers 101, 400, 403,   a channel at that address
//	                              426, 503, default, and 421 and 429 if limited
//	fields of the session         its parameters; those of the path on every          parameters of the channel, and query and
//	                              operation                                           headers of its ws binding
//	router.Sends(A{}, B{})        the content of the 101: oneOf with a                an operation of action send, the error
//	                              discriminator mapping; the error reply is one       reply among its messages
//	Receive(router, onChat)       a pseudo POST /ws/{room_id}/(onChat), whose body    an operation of action receive
//	                              is the message
//	Sends of a handler            its 200; without any, a 200 without content         its reply
//	Respond(router, onAsk)        the same                                            the same, x-responds, and the correlationId
//	                                                                                  of both messages
//	the error reply               its 400                                             a message of the send operation
//	Path(": WS join")             the POST stands at /ws/{room_id}: WS join           (no matter)
//	Path("") and equal paths      one POST for all of them, its body oneOf them;      (no matter)
//	                              the GET stays
//	Deprecated                    deprecated                                          x-deprecated
//	Hidden                        left out                                            left out
//	a message type                components/schemas, under the name of the Go type   the same schema under the same name, and
//	                                                                                  components/messages
//	raw frames                    text/plain, application/octet-stream                messages of these content types
//	Reject and failed handshakes  components/schemas/Refusal                          (before the channel opens)
//	Doc.Servers                   servers                                             servers, those that name a host
//	Merge                         the document is the base                            title and version of the base
//
// OpenAPI's GET carries x-websocket, from which programs learn what OpenAPI has no words for:
//
//	asyncapi       the channel in AsyncAPI, where Serve puts it beside
//	subprotocols   those of the server, by preference
//	messageType    the kind of frame that JSON travels in: "text" or "binary"
//	discriminator  the member that names a message, payload the one that holds it, id the correlation id
//	resume         how a client that comes back has what it missed: the query parameter for the positions it knows, the member of messages that
//	               holds one, the names of the messages "joined" and "resync"
//	receive        what the server takes, by handler: {name, message, replies, delivery, responds}
//	send           what the server may send at any time
//	compression    "permessage-deflate" if it is agreed on with a client that offers it
//	limits         in bytes, milliseconds, levels and numbers; negative: none
//
// A pseudo operation carries x-websocket-message: {direction, path, handler, name}. Nothing routes it, and its own
// path segment keeps code generators working: oapi-codegen's servers panic on anything else behind a path
// parameter, such as a Path of ": WS join". [UpgradeOnly] leaves the pseudo operations out.
//
// # AsyncAPI
//
// The document is the server's: it receives what clients send. A reply comes on the channel of its question, so it has no address;
// an answer of Respond and its question are matched by the correlationId, which the error reply repeats. Where
// AsyncAPI has no words there are extensions:
//
//	x-websocket      of a channel: subprotocols, messageType, discriminator, payload, id, resume and limits as in OpenAPI; closeCodes, those of the
//	                 server itself; errorCodes, those of the library in the error reply (rate_limited where there is a rate, unavailable where there is a broker). An application may have more of both
//	x-schema         of a parameter: its schema, if it is more than a string with an enum
//	x-cookies        of a ws binding: a schema of the cookies
//	x-discriminator  of a message: {propertyName, value}, or values if it has several names
//	x-delivery       of a message: "drop" or "latest=member", what may be lost under load
//	x-responds       of an operation: there is exactly one reply, or the error reply
//	x-deprecated     of a channel, operation, message or parameter
//
// Without Servers that name a host there are no servers in it, since AsyncAPI knows no relative ones: clients then connect to the host that
// they got the document from.
//
// A parameter of the session is a credential, one of components/securitySchemes, by its name: token, access_token, auth_token, api_token,
// id_token, session_token, bearer_token, bearer, jwt, api_key, access_key, auth, authorization and ticket, in any case, with _, - or
// nothing between words, and with X- in front; as a cookie also session, session_id and sid, with __Host- or __Secure- in front. Parameters of
// the path never are. The scheme is httpApiKey in query, header or cookie; for the Authorization header it is http bearer,
// or http basic if its description or schema says so. A subprotocol that carries a credential is an httpApiKey in
// Sec-WebSocket-Protocol. Any one of an endpoint's credentials is enough to AsyncAPI; which of them are required, the binding says.
//
// # The page
//
// The page is a reference, and where there is JavaScript a console: it connects to the live endpoints, checks messages by
// their schemas before they are sent, names every message that comes and flags what is not documented. A refused handshake
// is asked for its reason by a plain GET. Links to a message, a field, a close code or an error code carry the parameters but
// no credentials, and never connect by themselves; #/ws/{room_id} is the endpoint of that path, which its answers link to. It needs nothing from elsewhere, and its Content-Security-Policy lets
// it run its own script only and talk to its own origin and [Doc.Servers] only.
//
// # Names
//
// Operations are called endpoint_connect and endpoint_handler, where endpoint is the router's Name, else its path. Schemas are
// called like their Go types, Page[User] as Page_User. Two types of one name get their packages: chat_Message and
// rooms_Message. A message type that also stands inside another value is written twice, as Order with and as Order_value
// without what its envelope adds. In AsyncAPI an endpoint's channel is called endpoint, what it sends at any time endpoint_send,
// and messages like their schemas.
//
// # Schemas
//
// OpenAPI 3.1 schemas are JSON Schema. A schema is written as its message prints it, with three changes: its $defs
// become components, definitions of types without a name are written where they are used, and a choice of several
// types becomes an anyOf, which generators understand. Into a merged 3.0 document schemas are translated; what 3.0
// cannot say is left out, so that they allow more and never less. AsyncAPI's are draft-07, where they mean the same; what a
// type's own Schema method brings beyond that is said in its words or left out likewise.
package apidoc
