// Package wsconn is the socket under a connection: RFC 6455 on a [net.Conn] that was taken from net/http.
//
// A [Loop] runs the sockets of one router. The way in: bytes are read without a buffer being held while there are none
// (receive.go), taken apart in place (frame.go) and handed to a [Handler], one message at a time. The way out: a message
// is written at once if nothing is in its way, else it waits in the outbox (send.go), whose queue (queue.go) is bounded; what many sockets
// are to get is queued for all of them and then written once for each (flush.go). How a socket ends is in end.go.
//
// Time costs a socket no timer: a [Loop]'s shards keep a wheel each (wheel.go), and sweep over the handlers that
// run (sweep.go), so that the peer of one that blocks is still heard.
//
// A socket waits in its own goroutine (stream.go, raw.go), or without one in an epoll set of the loop (idle_linux.go).
package wsconn
