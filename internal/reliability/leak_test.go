//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// TestLeaks: connections begin and end in every way there is, again and again. Behind them goroutines, descriptors, rooms, members and
// timers are as many as before, and live objects do not become more.
func TestLeaks(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		if !*full {
			t.Parallel()
		}
		const quiet = 2200 * time.Millisecond // workers that nobody needs any more end after 2 s at the latest
		steps, cycles, warm := 5, 5000, 1200
		if *full {
			steps, cycles, warm = 10, 200_000, 10_000
		}
		server, address := serve(t, reliability.ServerConfig{Mode: mode, Profile: true, Outbox: 32 << 10, SendBuffer: 16 << 10})
		crowd := start(t, "clients", reliability.CrowdConfig{Address: address})
		run := func(n int) reliability.Stats {
			ask[any](crowd, "cycles", reliability.Cycling{N: n, Workers: 64})
			return settled(server, quiet)
		}
		run(warm)
		ask[[]reliability.End](server, "ends", nothing{}) // so that it has been encoded once
		before := settled(server, quiet)
		rounds := []reliability.Stats{before}
		ended := map[string]int{}
		for range steps {
			rounds = append(rounds, run(cycles/steps))
			for _, e := range ask[[]reliability.End](server, "ends", nothing{}) {
				ended[fmt.Sprint(e.ID, " ", e.Code)]++
			}
		}
		eventually(20*time.Second, func() bool { // the very last end may take its time
			rounds[steps] = ask[reliability.Stats](server, "stats", nothing{})
			return rounds[steps].Goroutines == before.Goroutines && rounds[steps].Descriptors == before.Descriptors && rounds[steps].Timers <= before.Timers &&
				roomsOf(rounds[steps]) <= roomsOf(before)
		})
		after := rounds[steps]

		t.Run("ends", func(t *testing.T) {
			errs := wrongEnds(ended, cycles/steps/len(reliability.Kinds)*steps)
			judge(t, errs == "", "each of %d kinds ended as it should%s", len(reliability.Kinds), errs)
		})
		t.Run("goroutines", func(t *testing.T) {
			judge(t, after.Goroutines == before.Goroutines, "%d goroutines %v, before %d %v", after.Goroutines, after.Running, before.Goroutines, before.Running)
		})
		t.Run("descriptors", func(t *testing.T) {
			judge(t, after.Descriptors == before.Descriptors, "%d descriptors, before %d", after.Descriptors, before.Descriptors)
		})
		t.Run("members", func(t *testing.T) { judge(t, after.Members == 0, "%d members of rooms", after.Members) })
		t.Run("rooms", func(t *testing.T) {
			was, is := roomsOf(before), roomsOf(after)
			judge(t, is <= was, "%d live objects made by rooms, before %d", is, was)
		})
		t.Run("timers", func(t *testing.T) {
			judge(t, after.Timers <= before.Timers, "%d timers, before %d%s", after.Timers, before.Timers, grown(before, after))
		})
		t.Run("objects", func(t *testing.T) {
			slope := slopeOf(rounds, cycles/steps)
			judge(t, slope < 0.01, "%d live objects after %d cycles, before %d: %+.5f a cycle, less than 0.01 allowed%s",
				after.Objects, cycles, before.Objects, slope, grown(before, after))
		})
	})
}

// settled waits until the ends of the connections are over, and returns what is left: goroutines have not become fewer for some time.
func settled(server process, quiet time.Duration) reliability.Stats {
	var s reliability.Stats
	same, since := 0, time.Now()
	eventually(10*time.Second+quiet, func() bool {
		was := s
		s = ask[reliability.Stats](server, "stats", nothing{})
		if s.Goroutines == was.Goroutines && s.Descriptors == was.Descriptors && s.Timers == was.Timers {
			same++
		} else {
			same, since = 0, time.Now()
		}
		return same >= 3 && time.Since(since) >= quiet
	})
	return s
}

// wrongEnds tells the kinds of cycles that did not end as they should.
func wrongEnds(ended map[string]int, each int) string {
	var wrong strings.Builder
	for i, k := range reliability.Kinds {
		right, all := ended[fmt.Sprint(i, " ", k.Code)], 0
		for key, n := range ended {
			if strings.HasPrefix(key, fmt.Sprint(i, " ")) {
				all += n
			}
		}
		if k.Code == 0 && all != 0 || k.Code != 0 && (all < each || right < all) {
			fmt.Fprintf(&wrong, "; %s: %d ends with %d of %d, want %d", k.Name, right, k.Code, all, each)
		}
	}
	return wrong.String()
}

func roomsOf(s reliability.Stats) (n int) {
	for site, live := range s.Sites {
		if strings.Contains(site, "(*rooms)") && !strings.HasSuffix(site, "(map)") {
			n += live
		}
	}
	return n
}

// slopeOf is the slope of the line that fits the live objects best, in objects per cycle.
func slopeOf(rounds []reliability.Stats, cycles int) float64 {
	var n, x, y, xx, xy float64
	for i, s := range rounds {
		a, b := float64(i*cycles), float64(s.Objects)
		n, x, y, xx, xy = n+1, x+a, y+b, xx+a*a, xy+a*b
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

// grown names the functions of which more objects live.
func grown(before, after reliability.Stats) string {
	var b strings.Builder
	for _, site := range slices.Sorted(maps.Keys(after.Sites)) {
		if more := after.Sites[site] - before.Sites[site]; more > 0 {
			fmt.Fprintf(&b, "\n\t%+d %s", more, site)
		}
	}
	return b.String()
}
