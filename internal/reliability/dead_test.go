//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// TestDeadPeers: a thousand peers die without a word: their processes are stopped, they read and do not answer, or they do not even read.
// Each is found within ping interval + pong timeout + 1 s. Nobody is closed who lives: not who answers late, nor who sends and
// answers no ping.
func TestDeadPeers(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		if !*full {
			t.Parallel()
		}
		ping, pong, watch := time.Second, time.Second, 10*time.Second
		if *full {
			ping, pong, watch = 5*time.Second, 3*time.Second, 5*time.Minute
		}
		server, address := serve(t, reliability.ServerConfig{Mode: mode, Ping: ping, Pong: pong})
		live := start(t, "clients", reliability.CrowdConfig{Address: address, Pause: pong * 6 / 10})
		began := time.Now()
		for _, habit := range []reliability.Habit{reliability.Reads, reliability.Late, reliability.Talks} {
			ask[int64](live, "dial", reliability.Dialling{Group: string(habit), N: 100, Habit: habit})
		}

		died := map[string]int64{} // by group, the latest of it
		for _, habit := range []reliability.Habit{reliability.Swallows, reliability.Deaf} {
			died[string(habit)] = ask[int64](live, "dial", reliability.Dialling{Group: string(habit), N: 300, Habit: habit})
		}
		for i := range 4 {
			group := fmt.Sprint("stopped", i)
			p := start(t, "clients", reliability.CrowdConfig{Address: address})
			ask[int64](p, "dial", reliability.Dialling{Group: group, N: 100, Habit: reliability.Reads})
			p.stop()
			died[group] = time.Now().UnixNano()
		}

		found := map[string]int{}
		var last time.Duration
		var wrong []string
		take := func() {
			for _, e := range ask[[]reliability.End](server, "ends", nothing{}) {
				group := e.ID[:strings.LastIndex(e.ID, "-")]
				if died[group] == 0 || e.Code != 1006 {
					wrong = append(wrong, fmt.Sprintf("%s closed with %d", e.ID, e.Code))
				}
				found[group]++
				last = max(last, time.Duration(e.At-died[group]))
			}
		}
		dead := func() (n int) {
			for group := range died {
				n += found[group]
			}
			return n
		}
		bound := ping + pong + time.Second
		eventually(bound+10*time.Second, func() bool { take(); return dead() == 1000 })
		t.Run("found", func(t *testing.T) {
			judge(t, dead() == 1000 && last <= bound, "%d of 1000 dead peers found, the last after %v, at most %v: %v", dead(), last.Round(time.Millisecond), bound, found)
		})
		<-time.After(watch - time.Since(began))
		take()
		t.Run("live", func(t *testing.T) {
			judge(t, len(wrong) == 0, "in %v %d live peers of 300 were closed %.300v", watch, len(wrong), wrong)
		})
	})
}

// TestStalledServer: the server's process stands still for longer than peers have to answer, as on a machine that is suspended. It was the
// server that did not hear; nobody is closed for it.
func TestStalledServer(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		if !*full {
			t.Parallel()
		}
		ping, pong := 500*time.Millisecond, 500*time.Millisecond
		server, address := serve(t, reliability.ServerConfig{Mode: mode, Ping: ping, Pong: pong})
		live := start(t, "clients", reliability.CrowdConfig{Address: address, Pause: pong / 2})
		ask[int64](live, "dial", reliability.Dialling{Group: "live", N: 300, Habit: reliability.Late})
		<-time.After(ping * 12 / 10) // the answers to the first ping are on their way
		server.stop()
		<-time.After(ping + pong + time.Second)
		server.signal(syscall.SIGCONT)
		<-time.After(3 * time.Second)
		ends := ask[[]reliability.End](server, "ends", nothing{})
		judge(t, len(ends) == 0, "%d live peers of 300 were closed after the server stood still", len(ends))
	})
}
