// Package wire runs wsrouter under other people's routers and against another people's client, on real connections.
package wire
