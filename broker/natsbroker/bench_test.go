package natsbroker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// cpu of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpu of the server so far.
func (p *process) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	user, _ := strconv.Atoi(f[13])
	system, _ := strconv.Atoi(f[14])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// measure reports the CPU of both processes for each of b.N.
func measure(b *testing.B, p *process) (done func()) {
	node, server := cpu(), p.cpu()
	b.ResetTimer()
	return func() {
		b.StopTimer()
		b.ReportMetric(float64(cpu()-node)/1e3/float64(b.N), "node-µs/op")
		b.ReportMetric(float64(p.cpu()-server)/1e3/float64(b.N), "server-µs/op")
	}
}

func BenchmarkPublish(b *testing.B) {
	p := startProcess(b)
	br := closeLater(b, connect(b, p.url(), nil))
	var heard atomic.Int64
	if _, _, err := br.Subscribe(context.Background(), "a", func(broker.Message) { heard.Add(1) }); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 256)
	defer measure(b, p)()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := br.Publish(context.Background(), "a", data, broker.PublishOptions{}); err != nil {
				b.Error(err)
			}
		}
	})
}

// A join and a leave, of 64 at the same time.
func BenchmarkJoin(b *testing.B) {
	p := startProcess(b)
	br := closeLater(b, connect(b, p.url(), nil))
	if _, err := br.Publish(context.Background(), "a", nil, broker.PublishOptions{}); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	defer measure(b, p)()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, leave, err := br.Subscribe(context.Background(), fmt.Sprint(n.Add(1)), func(broker.Message) {})
			if err != nil {
				b.Error(err)
				return
			}
			leave()
		}
	})
}

// 1,000 joins and leaves a second, over 10,000 topics.
func BenchmarkChurn(b *testing.B) {
	p := startProcess(b)
	br := closeLater(b, connect(b, p.url(), nil))
	if _, err := br.Publish(context.Background(), "a", nil, broker.PublishOptions{}); err != nil {
		b.Fatal(err)
	}
	defer measure(b, p)()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	for i := range b.N {
		<-tick.C
		wg.Go(func() {
			_, leave, err := br.Subscribe(context.Background(), fmt.Sprint(i%10_000), func(broker.Message) {})
			if err != nil {
				b.Error(err)
				return
			}
			leave()
		})
	}
	wg.Wait()
}

func BenchmarkHistory(b *testing.B) {
	p := startProcess(b)
	br := closeLater(b, connect(b, p.url(), nil))
	fill := func(topic string, n int) broker.Position {
		var first broker.Position
		var err error
		if first, err = br.Publish(context.Background(), topic, make([]byte, 256), broker.PublishOptions{}); err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range n / 50 {
					br.Publish(context.Background(), topic, make([]byte, 256), broker.PublishOptions{})
				}
			})
		}
		wg.Wait()
		return first
	}
	first := fill("long", 10_000)
	b.Run("10000 messages", func(b *testing.B) {
		defer measure(b, p)()
		for b.Loop() {
			if past, err := br.History(context.Background(), "long", first, 0); err != nil || len(past) != 10_000 {
				b.Fatal(len(past), err)
			}
		}
	})
	var firsts []broker.Position
	for i := range 500 {
		firsts = append(firsts, fill(fmt.Sprint(i), 50))
	}
	b.Run("500 at once of 50 messages", func(b *testing.B) {
		defer measure(b, p)()
		for b.Loop() {
			var wg sync.WaitGroup
			for i, first := range firsts {
				wg.Go(func() {
					if past, err := br.History(context.Background(), fmt.Sprint(i), first, 0); err != nil || len(past) != 50 {
						b.Error(len(past), err)
					}
				})
			}
			wg.Wait()
		}
	})
}

// The newest 50 messages of topics, in a stream of 300,000 messages in all.
func BenchmarkRecall(b *testing.B) {
	p := startProcess(b)
	br := closeLater(b, connect(b, p.url(), nil))
	ctx := context.Background()
	publish := func(topic string) {
		if _, err := br.Publish(ctx, topic, make([]byte, 256), broker.PublishOptions{}); err != nil {
			b.Error(err)
		}
	}
	for range 20 {
		publish("old")
	}
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 6_000 {
				switch n := r.IntN(5000); {
				case n == 0:
					publish("quiet")
				case n < 500:
					publish("busy")
				default:
					publish(fmt.Sprint(r.IntN(1000)))
				}
			}
		})
	}
	wg.Wait()
	for _, c := range []struct {
		topic string
		want  int
	}{{"busy", 50}, {"7", 50}, {"quiet", 50}, {"old", 20}, {"none", 0}} {
		b.Run(c.topic, func(b *testing.B) {
			defer measure(b, p)()
			for b.Loop() {
				if past, _, err := br.Recall(ctx, c.topic, broker.Position{}, 50, 1<<20); err != nil || len(past) != c.want {
					b.Fatal(len(past), err)
				}
			}
		})
	}
	b.Run("busy, 100 at once", func(b *testing.B) {
		defer measure(b, p)()
		b.SetParallelism(50)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if past, _, err := br.Recall(ctx, "busy", broker.Position{}, 50, 1<<20); err != nil || len(past) != 50 {
					b.Error(len(past), err)
				}
			}
		})
	})
}
