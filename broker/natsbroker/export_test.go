package natsbroker

// SetArrivals is how many messages may wait for a shard of a broker that connects later.
func SetArrivals(n int) (undo func()) {
	old := arrivals
	arrivals = n
	return func() { arrivals = old }
}
