package natsbroker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// TestHistoriesAtOnce: those that ask together, from different places and with different limits, have what each would have alone.
func TestHistoriesAtOnce(t *testing.T) {
	s, err := embedded.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	ctx := context.Background()
	b, err := natsbroker.Connect(ctx, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(ctx)
	const topics, messages = 300, 5
	var at [messages][topics]broker.Position
	for k := range messages {
		for i := range topics {
			if at[k][i], err = b.Publish(ctx, fmt.Sprint("topic", i), fmt.Append(nil, k), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var wg sync.WaitGroup
	ask := func(i, k, limit int) {
		all, err := b.History(ctx, fmt.Sprint("topic", i), at[k][i], limit)
		switch missed := messages - 1 - k; {
		case limit > 0 && missed > limit:
			if !errors.Is(err, broker.ErrOverrun) {
				t.Errorf("topic %d, %d behind, at most %d: %d messages, %v", i, missed, limit, len(all), err)
			}
			return
		case err != nil || len(all) != missed:
			t.Errorf("topic %d, %d behind: %d messages, %v", i, missed, len(all), err)
			return
		}
		for j, m := range all {
			want, prev := at[k+1+j][i], uint64(0)
			if j > 0 {
				prev = at[k+j][i].Seq
			}
			if string(m.Data) != fmt.Sprint(k+1+j) || m.Epoch != want.Epoch || m.Seq != want.Seq || m.Prev != prev || m.Topic != fmt.Sprint("topic", i) {
				t.Errorf("topic %d, %d behind, message %d: %q at %+v, want it at %+v after %d", i, messages-1-k, j, m.Data, m.Position, want, prev)
			}
		}
	}
	for i := range topics {
		wg.Go(func() { ask(i, i%messages, 0) })
		wg.Go(func() { ask(i, (i+1)%messages, 2) }) // the same topic, from elsewhere
		wg.Go(func() {
			since := at[0][i]
			since.Epoch = "another"
			if _, err := b.History(ctx, fmt.Sprint("topic", i), since, 0); !errors.Is(err, broker.ErrOverrun) {
				t.Errorf("another epoch: %v", err)
			}
		})
	}
	wg.Wait()
}
