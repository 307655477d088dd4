package natsbroker

import "github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/linger"

// SetArrivals is how many messages may wait for a shard of a broker that connects later.
func SetArrivals(n int) (undo func()) {
	old := arrivals
	arrivals = n
	return func() { arrivals = old }
}

// AlwaysLinger has each Publish of brokers that connect later wait.
func AlwaysLinger() (undo func()) {
	newLinger = linger.Always
	return func() { newLinger = linger.New }
}
