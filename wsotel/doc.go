// Package wsotel makes OpenTelemetry metrics and traces of a router.
//
//	chat := wsrouter.New[Session](&wsrouter.Options{
//		Observer: observer,       // of NewObserver: metrics
//		Context:  wsotel.Context, // messages link to the span of the upgrade request
//	})
//	chat.Use(wsotel.Middleware[Session](nil)) // a span around every handler
//	stop, err := wsotel.Rooms(chat, nil)      // metrics of rooms and their broker
//
// OpenTelemetry has no semantic conventions for WebSockets; names follow the style of those for HTTP and messaging.
//
//	instrument                    kind             unit          attributes
//	wsrouter.active_connections   updowncounter    {connection}
//	wsrouter.connection.duration  histogram        s             wsrouter.close.code, wsrouter.close.remote
//	wsrouter.upgrade.refused      counter          {request}     http.response.status_code, error.type
//	wsrouter.message.duration     histogram        s             wsrouter.message.name, wsrouter.message.outcome
//	wsrouter.message.count        counter          {message}     network.io.direction, wsrouter.message.name
//	wsrouter.message.io           counter          By            network.io.direction, wsrouter.message.name
//	wsrouter.message.dropped      counter          {message}     wsrouter.message.name
//	wsrouter.active_rooms         updowncounter    {room}
//	wsrouter.active_members       updowncounter    {member}
//	wsrouter.room.gaps            counter          {gap}
//	wsrouter.room.resyncs         counter          {message}
//	wsrouter.room.replays         counter          {replay}
//	wsrouter.broker.up            gauge            1
//	wsrouter.broker.outages       counter          {outage}
//	wsrouter.broker.published     counter          {message}
//	wsrouter.broker.unpublished   counter          {message}
//	wsrouter.broker.malformed     counter          {message}
//
// All have wsrouter.endpoint.name too, if Options.Endpoint is set. The count of wsrouter.connection.duration is how many connections ended, by
// close code. wsrouter.close.code is "other" for a code that the peer made up, wsrouter.message.name is "unknown" for what is not
// declared, and every attribute set is made once: how many there are depends on what is declared and never on who connects.
package wsotel
