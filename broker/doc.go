// Package broker is the seam between rooms and what carries them from process to process.
package broker
