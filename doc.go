// Package wsrouter routes, validates and documents the typed messages of a WebSocket endpoint.
//
// A message is a Go struct. Its name on the wire stands in a tag, its rules stand in tags, and a handler is registered
// for its type:
//
//	type ChatMessage struct {
//		_       struct{} `ws:"message" doc:"A text said in the chat."`
//		Message string   `json:"message" minLength:"1" maxLength:"500"`
//	}
//
//	chat := wsrouter.New[struct{}](&wsrouter.Options{Discriminator: "action"})
//	wsrouter.Receive(chat, func(ctx context.Context, c *wsrouter.Conn[struct{}], m ChatMessage) error {
//		return c.Send(ctx, ChatMessage{Message: "Got message: " + m.Message})
//	}, wsrouter.Sends(ChatMessage{}))
//
// The router is an http.Handler. A client that sends {"action":"message","message":"hi"} reaches the handler; one that sends
// anything else hears why, with every fault listed. Package apidoc writes the same declarations into an OpenAPI document, and
// package wstest connects tests to the router without a port.
//
// # The way of a message
//
// accept.go checks the upgrade request: method, origin, parameters, [Resolver], handshake. There HTTP ends, and neither the
// request nor its context is kept. serve.go takes the connection's messages one at a time and in order, while the socket beneath goes on
// watching the connection. route.go finds the handler by the discriminator, package schema validates and decodes the message, and
// handle.go calls the function that was registered. What it sends goes through conn.go into outbox.go, which
// queues it in bounds and has one writer. room.go encodes a message once for many connections.
//
// # Sessions
//
// The type parameter of a router is its session: one value for each connection, decoded from the path, query, headers, cookies and
// subprotocols of the upgrade request by tags of those names, validated and documented like a message. A method Resolve
// on it decides who may connect, before the 101, so that a refusal is a plain HTTP answer.
//
// # Rooms across machines
//
// A [Room] is a set of connections to which a message is sent, encoded once. In one process that is all (room.go). With [Options].Broker or
// [Options].Resume rooms ride on a broker: hub.go publishes what is broadcast, in the envelope of envelope.go, and feed.go brings it
// back, for each room with members here by one subscription, to the members of the publishing node too, so that all hear one order. resume.go keeps the
// last messages of each such room, reads the positions that a client presents in the handshake, and replays what it missed, or
// says [Resync]. past.go answers [Room.History] by the broker. shield.go keeps panics of an application's broker to its calls. user.go carries SendTo and CloseUser on topics of their own. Package broker says what a broker has to do, brokertest
// tests it, and the module broker/natsbroker is one over NATS JetStream.
//
// # Errors
//
// A handler returns nil when the message is handled. An error made by [Errorf] reaches the peer as the error reply; one made by
// [Close] closes the connection; one that wraps [broker.ErrUnavailable], as of a Broadcast or Join while the broker is away, is answered "unavailable";
// any other is logged and the peer is told "internal". A panic closes that one connection with 1011.
// Mistakes in declarations panic when they are made, or when the first request freezes the router.
package wsrouter
