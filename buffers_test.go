package wsrouter_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
)

// TestReadAheadInMemory: what is read ahead of a blocking handler takes about the memory that it counts for. Each of a thousand
// tiny messages kept the buffer that it was read into, of 1 KiB or more.
func TestReadAheadInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const peers = 20
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, PingInterval: -1})
		wsrouter.Receive(r, func(ctx context.Context, c *conn, m ask) error {
			<-ctx.Done()
			return nil
		})
		before := heap()
		for range peers {
			p := connect(t, r, "/", nil)
			p.send(`{"type":"ask","text":"a"}`)
			go func() {
				for range 3000 {
					p.send("{}")
				}
			}()
		}
		synctest.Wait() // nothing more is read
		if each := (heap() - before) / peers; each > 300<<10 {
			t.Errorf("%d KiB for each connection that may read 64 KiB ahead", each>>10)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = r.Shutdown(ctx)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
