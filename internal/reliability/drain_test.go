//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// TestDrain: clients with one message outstanding each, and as many that are idle, when the router is shut down. The answer of every
// handler that began stands before the 1001, who comes meanwhile is told 503, and the closes are spread over the time allowed, so that
// the clients do not all come back at once.
func TestDrain(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		clients, within := 1000, 3*time.Second
		if *full {
			clients, within = 5000, 20*time.Second
		}
		server, address := serve(t, reliability.ServerConfig{Mode: mode})
		crowd := start(t, "clients", reliability.CrowdConfig{Address: address})
		for _, group := range []string{"busy", "idle"} {
			ask[int64](crowd, "dial", reliability.Dialling{Group: group, N: clients, Habit: reliability.Reads})
		}
		// Two messages: the second waits behind the first, and is lost if the first returns when the router is shut down.
		for range 2 {
			ask[any](crowd, "say", reliability.Saying{Group: "busy", Text: `{"type":"do","what":"wait","n":%d}`, Vary: int(within.Milliseconds() / 2)})
		}
		var began []string
		if !eventually(30*time.Second, func() bool {
			began = ask[[]string](server, "began", nothing{})
			return len(began) == clients
		}) {
			t.Fatalf("%d handlers began, want %d", len(began), clients)
		}

		stopped := make(chan reliability.Stopped, 1)
		go func() { stopped <- ask[reliability.Stopped](server, "shutdown", within) }()
		if !eventually(5*time.Second, func() bool { return refused(address) == nil }) {
			t.Error(refused(address))
		}
		ask[any](server, "release", nothing{})
		st := <-stopped
		busy := ask[[]reliability.Fate](crowd, "fates", reliability.Fates{Group: "busy", Within: 5 * time.Second})
		idle := ask[[]reliability.Fate](crowd, "fates", reliability.Fates{Group: "idle", Within: 5 * time.Second})
		again := ask[[]string](server, "began", nothing{})

		t.Run("answers", func(t *testing.T) {
			began := map[string]int{} // of a client also the second, if the first returned before its connection was told
			for _, id := range again {
				began[id]++
			}
			answered := 0
			var wrong []reliability.Fate
			for _, f := range busy {
				if f.Replies == began[f.ID] && f.Code == 1001 {
					answered += f.Replies
				} else {
					wrong = append(wrong, f)
				}
			}
			judge(t, st.Err == "" && answered == len(again), "of %d handlers that began, %d for a second message, the answers of %d stood before a 1001; Shutdown took %v of %v, error %q; otherwise: %.500v",
				len(again), len(again)-clients, answered, seconds(st.Done-st.Began), within, st.Err, wrong)
		})
		t.Run("idle", func(t *testing.T) {
			closed := 0
			for _, f := range idle {
				if f.Replies == 0 && f.Code == 1001 {
					closed++
				}
			}
			judge(t, closed == clients, "%d of %d idle clients got a 1001", closed, clients)
		})
		t.Run("newcomers", func(t *testing.T) { judge(t, refused(address) == nil, "503 with Retry-After: %v", refused(address)) })
		t.Run("spread", func(t *testing.T) {
			most := busiest(idle, st.Began, within/10)
			judge(t, most*100 <= clients*30, "in the busiest tenth of the %v allowed %d of %d idle clients were closed, at most 30 %% may be", within, most, clients)
		})
	})
}

// refused fails unless a new client is told to come again later.
func refused(address string) error {
	c, err := reliability.Dial(address, "/?id=late", "")
	if err == nil {
		c.Reset()
		return errors.New("connected during Shutdown")
	}
	var no *reliability.Refusal
	if !errors.As(err, &no) || no.Status != http.StatusServiceUnavailable || no.RetryAfter == "" {
		return fmt.Errorf("want 503 with Retry-After, got %w", err)
	}
	return nil
}

// busiest is how many ended in the busiest of the slices of time since began.
func busiest(fates []reliability.Fate, began int64, slice time.Duration) int {
	ended := map[int64]int{}
	most := 0
	for _, f := range fates {
		k := (f.At - began) / int64(slice)
		ended[k]++
		most = max(most, ended[k])
	}
	return most
}
