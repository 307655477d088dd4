//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// kernelMost is how much of what waits for one client may lie in the kernel, on both sides.
const kernelMost = 256 << 10

// stoppedBuffer is how much of it those who stop leave to their own side (the kernel takes the double). What a client's machine holds is its own affair; one
// that has read fast, or that had no CPU for a moment, may hold megabytes.
const stoppedBuffer = 64 << 10

// slow is the size of a run with slow readers.
type slow struct {
	members, stopped int
	pairs            int
	size             int // of a message, bytes
	perSecond        int
	outbox           int
}

// rate is in bytes per second for one member.
func (s slow) rate() int { return s.size * s.perSecond }

// takes is how long n bytes take at the rate.
func (s slow) takes(n int) time.Duration {
	return time.Duration(float64(n) / float64(s.rate()) * float64(time.Second))
}

// TestSlowReaders: some members of a room stop reading while it gets a steady stream. The others get it as fast as before, those who
// stopped are closed when their outbox and their share of the kernel are full, and neither takes more memory than it may.
func TestSlowReaders(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		size := slow{members: 50, stopped: 5, pairs: 4, size: 8 << 10, perSecond: 100, outbox: 256 << 10}
		if *full {
			size = slow{members: 3000, stopped: 100, pairs: 9, size: 4 << 10, perSecond: 10, outbox: 64 << 10}
		}
		slowReaders(t, mode, size)
	})
}

// room is where everybody is.
const room = "all"

func slowReaders(t *testing.T, mode reliability.Mode, size slow) {
	server, address := serve(t, reliability.ServerConfig{Mode: mode, Outbox: size.outbox})
	crowd := start(t, "clients", reliability.CrowdConfig{Address: address})
	empty := ask[reliability.Holding](server, "held", nothing{}).RssAnon
	dial := func(group string, n, buffer int) {
		ask[int64](crowd, "dial", reliability.Dialling{Group: group, Room: room, N: n, Habit: reliability.Reads, Buffer: buffer})
	}
	dial("others", size.members-size.stopped, 0)
	window := size.takes(size.outbox+kernelMost) + time.Second // the longest that any may be there
	var ratios []float64
	fill := filling{others: map[string]int{}}
	for i := range size.pairs {
		group := fmt.Sprint("stopped", i)
		dial(group, size.stopped, stoppedBuffer)
		end := fill.watch(t, server, address, ask[[]int](crowd, "ports", group)) // in both windows, because looking takes time too
		before := stream(t, server, crowd, size, window)
		ask[[]reliability.End](server, "ends", nothing{})

		stopped := ask[int64](crowd, "stop", group)
		during := stream(t, server, crowd, size, window)
		end()
		fill.take(ask[[]reliability.End](server, "ends", nothing{}), stopped)
		ask[any](crowd, "drop", group)

		ratios = append(ratios, float64(during.P99)/float64(before.P99))
		t.Logf("p50 %v → %v, p99 %v → %v, of %d and %d messages", before.P50, during.P50, before.P99, during.P99, before.Count, during.Count)
		if before.Count == 0 || during.Count == 0 || len(fill.others) > 0 {
			t.Fatalf("this machine is too slow for %+v: others were closed: %v", size, fill.others)
		}
		eventually(30*time.Second, func() bool { // those that were dropped are gone
			return ask[reliability.Stats](server, "stats", nothing{}).Members == size.members-size.stopped
		})
	}
	slices.Sort(ratios)

	t.Run("others", func(t *testing.T) {
		which, ratio := "median", ratios[len(ratios)/2]
		if !*full { // beside the tests of other packages most pairs measure those
			which, ratio = "least", ratios[0]
		}
		judge(t, ratio <= 1.5, "p99 with %d of %d stopped over p99 without: %.2f is the %s of %.2f, at most 1.5", size.stopped, size.members, ratio, which, ratios)
	})
	t.Run("closed", func(t *testing.T) {
		bound := size.takes(size.outbox+min(fill.share, kernelMost)) + time.Second
		judge(t, fill.closed == size.stopped*size.pairs && fill.last <= bound && len(fill.others) == 0,
			"%d of %d that stopped were closed with 1013, the last after %v, at most %v (outbox %d KiB and kernel %d KiB at %d KiB/s, and 1 s); others closed: %v",
			fill.closed, size.stopped*size.pairs, fill.last.Round(time.Millisecond), bound.Round(time.Millisecond), size.outbox>>10, min(fill.share, kernelMost)>>10, size.rate()>>10, fill.others)
	})
	t.Run("kernel", func(t *testing.T) {
		judge(t, fill.share <= kernelMost, "the kernel took up to %d KiB for one that stopped, at most %d", fill.share>>10, kernelMost>>10)
	})
	t.Run("kernel of all", func(t *testing.T) {
		judge(t, fill.kernel <= size.members*kernelMost, "the kernel held up to %d KiB for the server's %d sockets, at most %d", fill.kernel>>10, size.members, size.members*kernelMost>>10)
	})
	t.Run("memory", func(t *testing.T) {
		grown, most := fill.rss-empty, size.members*size.outbox*12/10
		judge(t, grown <= most, "RssAnon grew by %d KiB for %d connections, at most %d", grown>>10, size.members, most>>10)
	})
}

// stream sends to the room for as long as window and tells how late the messages came.
func stream(t *testing.T, server, crowd process, size slow, window time.Duration) reliability.Latencies {
	t.Helper()
	ask[reliability.Latencies](crowd, "latencies", nothing{})
	ask[int](server, "broadcast", reliability.Broadcast{Room: room, Size: size.size, PerSecond: size.perSecond, For: window})
	return ask[reliability.Latencies](crowd, "latencies", nothing{})
}

// filling is what was seen of those who stopped.
type filling struct {
	share  int            // the most that the kernel took for one connection, bytes
	kernel int            // for all of the server's
	rss    int            // the most RssAnon
	closed int            // with 1013
	last   time.Duration  // from the stop to the last of those
	others map[string]int // how others were closed
}

// watch looks four times a second until end is called, at the latest by the end of the test. ports are those of the clients that stop.
func (f *filling) watch(t *testing.T, server process, address string, ports []int) (end func()) {
	over, done := make(chan struct{}), make(chan struct{})
	port := portOf(t, address)
	go func() {
		defer close(done)
		f.look(t, server, port, ports, over)
	}()
	end = sync.OnceFunc(func() {
		close(over)
		<-done
	})
	t.Cleanup(end)
	return end
}

func (f *filling) look(t *testing.T, server process, port int, ports []int, over <-chan struct{}) {
	for {
		queues, err := reliability.Queues(port)
		if err != nil {
			t.Error(err)
			return
		}
		for _, of := range ports {
			f.share = max(f.share, queues[of])
		}
		var held reliability.Holding
		if err := server.Ask(t.Context(), "held", nothing{}, &held); err != nil {
			t.Error(err)
			return
		}
		f.rss, f.kernel = max(f.rss, held.RssAnon), max(f.kernel, held.Kernel)
		select {
		case <-over:
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// take notes closes since the stop.
func (f *filling) take(ends []reliability.End, stopped int64) {
	for _, e := range ends {
		if e.Code == 1013 && strings.HasPrefix(e.ID, "stopped") {
			f.closed++
			f.last = max(f.last, time.Duration(e.At-stopped))
		} else {
			f.others[fmt.Sprint(strings.Split(e.ID, "-")[0], " ", e.Code)]++
		}
	}
}

// TestStoppedMemory: everybody stops reading and gets messages of their own, so that nothing is shared, until no outbox takes any more.
// Memory is what the outboxes hold and a fifth, and the kernel's is within its share.
func TestStoppedMemory(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		const n, outbox = 200, 256 << 10 // fewer, and the 2 MiB that the process takes for itself are a good part of it
		server, address := serve(t, reliability.ServerConfig{Mode: mode, Outbox: outbox, Overflow: wsrouter.OverflowDropNewest})
		crowd := start(t, "clients", reliability.CrowdConfig{Address: address})
		machine, err := reliability.TCPMemory()
		if err != nil {
			t.Fatal(err)
		}
		ask[int64](crowd, "dial", reliability.Dialling{Group: "all", Room: room, N: n, Habit: reliability.Deaf})
		ask[any](server, "collect", nothing{})
		empty := ask[reliability.Holding](server, "held", nothing{})
		taken := 0
		eventually(10*time.Second, func() bool { // the kernel may take some more meanwhile
			more := ask[int](server, "fill", reliability.Broadcast{Room: room, Size: 1000})
			taken += more
			return more == 0
		})
		held := ask[reliability.Holding](server, "held", nothing{})
		ask[any](server, "collect", nothing{})
		live := ask[reliability.Holding](server, "held", nothing{})
		read := ask[int](crowd, "kernel", nothing{})
		grown, err := reliability.TCPMemory()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d KiB taken of messages for %d connections; the clients' kernel holds %d KiB, all TCP of the machine %d KiB more than before",
			taken>>10, n, read>>10, (grown-machine)>>10)
		t.Run("memory", func(t *testing.T) {
			judge(t, live.RssAnon-empty.RssAnon <= n*outbox*12/10, "RssAnon grew by %d KiB for %d outboxes of %d KiB, at most %d; with garbage by %d KiB",
				(live.RssAnon-empty.RssAnon)>>10, n, outbox>>10, n*outbox*12/10>>10, (held.RssAnon-empty.RssAnon)>>10)
		})
		t.Run("kernel", func(t *testing.T) {
			judge(t, held.Kernel <= n*kernelMost, "the kernel holds %d KiB for %d connections, at most %d", held.Kernel>>10, n, n*kernelMost>>10)
		})
	})
}
