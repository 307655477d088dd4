// Package oapi generates servers and clients from wsrouter's documents as their users would.
//
// It is a module of its own because the generator must read documents with the kin-openapi that it was released with.
package oapi
