//go:build !linux

package wsconn

// A poller lets sockets wait without a goroutine, which is done on Linux only.
type poller struct{}

func (*poller) adopt(*Socket) bool { return false }

func (*poller) stop() {}

func (*poller) now() (count, ready int) { return 0, 0 }
