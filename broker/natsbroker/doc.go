// Package natsbroker carries the rooms of several processes over NATS JetStream.
package natsbroker
