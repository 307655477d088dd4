// Package testhook is how wstest looks into a connection that it opened through any http.Handler: the router finds
// the hook in the context of the upgrade request.
package testhook

import "context"

// A Hook belongs to one connection.
type Hook struct {
	// Opened is called before the 101 with the codec of the router that took the request.
	Opened func(Codec)
	// Violation is called when the server sends what its router does not declare, or what breaks its schema.
	// It may be called from any goroutine.
	Violation func(error)
}

// A Codec speaks a router's messages from the client's side.
type Codec interface {
	// Encode returns msg as a client sends it.
	Encode(msg any) ([]byte, error)
	// Decode stores a frame in v, a pointer to a message type, and fails if the frame is of another type
	// or breaks its rules.
	Decode(frame []byte, v any) error
	// Binary reports whether JSON travels in binary frames.
	Binary() bool
}

type key struct{}

// With returns a context that carries h.
func With(ctx context.Context, h *Hook) context.Context { return context.WithValue(ctx, key{}, h) }

// From returns the hook of ctx, or nil.
func From(ctx context.Context) *Hook { h, _ := ctx.Value(key{}).(*Hook); return h }
