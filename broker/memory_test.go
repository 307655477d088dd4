package broker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
	"github.com/wsrouter-go/wsrouter/internal/race"
)

var seed = flag.Uint64("seed", 0, "of the random tests; 0: another one each time")

func TestContract(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, o *broker.Options) brokertest.Subject {
		return brokertest.Subject{Broker: broker.New(o)}
	})
}

// memory is what broker.New returns.
type memory interface {
	broker.Broker
	broker.Historian
	broker.Stateful
}

func open(t testing.TB, o *broker.Options) memory {
	b := broker.New(o).(memory)
	t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

func publish(t testing.TB, b broker.Broker, topic, data string) broker.Position {
	t.Helper()
	return publishID(t, b, topic, data, "")
}

func publishID(t testing.TB, b broker.Broker, topic, data, id string) broker.Position {
	t.Helper()
	at, err := b.Publish(t.Context(), topic, []byte(data), broker.PublishOptions{ID: id})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return at
}

func source(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("repeat with -seed=%d", s)
	return rand.New(rand.NewPCG(s, s))
}

// Ten thousand times history does not reach back far enough, and each time that is said; as often it just does, and everything is there. The
// model keeps every message and knows the limits.
func TestOverrunsOfHistory(t *testing.T) {
	each := race.Part(10_000)
	random := source(t)
	overruns, recovered, justRecovered := 0, 0, 0
	for overruns < each || justRecovered < each {
		o := broker.Options{Messages: 1 + random.IntN(40), Bytes: -1}
		if o.Bytes = 1 << 30; random.IntN(2) == 0 {
			o.Messages, o.Bytes = 1<<30, 30+random.IntN(600)
		}
		b := open(t, &o)
		model := model{limits: o, watched: map[string]bool{}, forgotten: map[string]uint64{}}
		topics := []string{"a", "bb", "ccc", "dddd"}[:1+random.IntN(4)]
		unsubscribe := map[string]func() error{}
		epoch := ""
		for range 200 {
			topic := topics[random.IntN(len(topics))]
			switch random.IntN(10) {
			case 0:
				if u := unsubscribe[topic]; u != nil {
					u()
					delete(unsubscribe, topic)
					model.unwatch(topic)
				} else {
					at, u, err := b.Subscribe(t.Context(), topic, func(broker.Message) {})
					if err != nil {
						t.Fatal(err)
					}
					if epoch = at.Epoch; at.Seq != uint64(len(model.all)) {
						t.Fatalf("Subscribe behind %d messages is at %d", len(model.all), at.Seq)
					}
					unsubscribe[topic] = u
					model.watch(topic)
				}
			case 1, 2, 3, 4:
				data := strings.Repeat("x", random.IntN(30))
				epoch = publishID(t, b, topic, data, fmt.Sprint(len(model.all))).Epoch
				model.publish(topic, data)
			default:
				if epoch == "" {
					continue
				}
				since := uint64(random.IntN(len(model.all) + 1))
				if edge := model.evicted; random.IntN(2) == 0 { // around the edge of history
					since = uint64(min(max(int(edge)-2+random.IntN(4), 0), len(model.all)))
				}
				want, gone, known := model.after(topic, since)
				got, err := b.History(t.Context(), topic, broker.Position{Epoch: epoch, Seq: since}, 0)
				switch {
				case err != nil && !errors.Is(err, broker.ErrOverrun):
					t.Fatal(err)
				case gone && err == nil:
					t.Fatalf("History of %q since %d is %v, but a message is gone; history begins after %d", topic, since, got, model.evicted)
				case known && err != nil:
					t.Fatalf("History of %q since %d: %v; but all is there, it begins after %d", topic, since, err, model.evicted)
				case !gone && !known && err == nil:
					t.Fatalf("History of %q since %d claims what it cannot know: nothing of the topic was left in between", topic, since)
				case err == nil && !slices.EqualFunc(got, want, func(m broker.Message, w message) bool {
					return m.Seq == w.seq && m.Topic == w.topic && string(m.Data) == w.data && m.Prev == w.prev
				}):
					t.Fatalf("History of %q since %d: %v; want %v", topic, since, got, want)
				}
				if gone {
					overruns++
				} else if known {
					recovered++
					if since == model.evicted || model.lastGone(topic) > 0 && since == model.lastGone(topic) {
						justRecovered++
					}
				}
			}
		}
	}
	t.Logf("%d overruns, %d recovered, %d of them with nothing to spare", overruns, recovered, justRecovered)
}

// model is what history should be.
type model struct {
	limits    broker.Options
	all       []message
	evicted   uint64            // its Seq and all before are not in history
	watched   map[string]bool   // topics that have a subscriber
	forgotten map[string]uint64 // up to where nothing is known of a topic, because it had neither history nor subscribers
}

type message struct {
	topic, data string
	seq, prev   uint64
}

func (m *model) publish(topic, data string) {
	m.recall(topic)
	last := uint64(0)
	for _, e := range m.all {
		if e.topic == topic && e.seq > m.forgotten[topic] {
			last = e.seq
		}
	}
	m.all = append(m.all, message{topic, data, uint64(len(m.all) + 1), last})
	for {
		n, bytes := 0, 0
		for _, e := range m.all[m.evicted:] {
			n++
			bytes += len(e.topic) + len(e.data) + len(fmt.Sprint(e.seq-1))
		}
		if n <= m.limits.Messages && bytes <= m.limits.Bytes {
			return
		}
		m.evicted++
	}
}

// known: the broker has history or subscribers of the topic.
func (m *model) known(topic string) bool {
	return m.watched[topic] || slices.ContainsFunc(m.all[m.evicted:], func(e message) bool { return e.topic == topic })
}

// recall is before a topic comes back.
func (m *model) recall(topic string) {
	if !m.known(topic) {
		m.forgotten[topic] = m.evicted
	}
}

func (m *model) watch(topic string)   { m.recall(topic); m.watched[topic] = true }
func (m *model) unwatch(topic string) { m.watched[topic] = false }

func (m *model) lastGone(topic string) (seq uint64) {
	for _, e := range m.all[:m.evicted] {
		if e.topic == topic {
			seq = e.seq
		}
	}
	return seq
}

// after is what history must return; or a message is gone, or it must say what it can know.
func (m *model) after(topic string, since uint64) (want []message, gone, known bool) {
	for _, e := range m.all[since:] {
		if e.topic == topic {
			want = append(want, e)
			gone = gone || e.seq <= m.evicted
		}
	}
	floor := m.evicted
	if m.known(topic) {
		floor = m.forgotten[topic]
	}
	return want, gone, !gone && since >= floor
}

// Subscribers that stand still while history moves on hear all that is left and that the rest is lost: nothing is missing without word of it.
func TestOverrunsOfSubscribers(t *testing.T) {
	each := race.Part(10_000)
	random := source(t)
	gaps, complete := 0, 0
	for gaps < each || complete < each/10 {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, &broker.Options{Messages: random.IntN(60) - 1})
			var mu sync.Mutex
			turn := make(chan struct{})
			var heard []broker.Message
			at, unsubscribe, err := b.Subscribe(t.Context(), "a", func(m broker.Message) {
				<-turn
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, m)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer unsubscribe()
			var published []uint64
			most := 12 // at once; of two topics' messages nothing is lost for a while
			if random.IntN(2) == 0 {
				most = 3000 // and then not much more can wait
			}
			for range random.IntN(200) {
				for range random.IntN(most) {
					topic := []string{"a", "a", "b"}[random.IntN(3)]
					if p := publish(t, b, topic, ""); topic == "a" {
						published = append(published, p.Seq)
					}
				}
				most = 12
				for range random.IntN(8) {
					synctest.Wait()
					select {
					case turn <- struct{}{}:
					default:
					}
				}
			}
			close(turn)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			last, i, lost := at.Seq, 0, 0
			for _, m := range heard {
				if m.Seq <= last {
					t.Fatalf("%d was heard behind %d", m.Seq, last)
				}
				last = m.Seq
				if !m.Lost {
					if published[i] != m.Seq {
						t.Fatalf("heard %d, want %d: lost without a word", m.Seq, published[i])
					}
					i++
					continue
				}
				before := i
				for i < len(published) && published[i] <= m.Seq {
					i++
				}
				if i == before {
					t.Fatalf("word of a loss at %d, but nothing is missing", m.Seq)
				}
				lost++
			}
			if i != len(published) {
				t.Fatalf("heard all up to %d of %d", i, len(published))
			}
			if gaps += lost; lost == 0 {
				complete++
			}
		})
	}
	t.Logf("%d gaps, %d subscribers that were slow and missed nothing", gaps, complete)
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &broker.Options{Age: time.Minute})
		first := publishID(t, b, "a", "first", "id")
		time.Sleep(time.Minute - 1)
		publish(t, b, "a", "later")
		if again := publishID(t, b, "a", "first", "id"); again != first {
			t.Errorf("a repetition within Age is at %v, want %v", again, first)
		}
		if past, err := b.History(t.Context(), "a", broker.Position{}, 0); err != nil || len(past) != 2 {
			t.Errorf("History within Age: %v, %v", past, err)
		}
		time.Sleep(time.Nanosecond)
		if past, err := b.History(t.Context(), "a", broker.Position{}, 0); !errors.Is(err, broker.ErrOverrun) {
			t.Errorf("History of a message of Age: %v, %v; want ErrOverrun", past, err)
		}
		if past, err := b.History(t.Context(), "a", first, 0); err != nil || len(past) != 1 {
			t.Errorf("History since it: %v, %v; want the later one", past, err)
		}
		if again := publishID(t, b, "a", "first", "id"); again == first {
			t.Error("an ID is known after Age")
		}
		time.Sleep(24 * time.Hour)
		if past, err := b.History(t.Context(), "a", broker.Position{Epoch: first.Epoch, Seq: 3}, 0); err != nil || len(past) != 0 {
			t.Errorf("History of a topic that aged away, since its end: %v, %v", past, err)
		}
	})
}

func TestNoAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &broker.Options{Age: -1})
		publish(t, b, "a", "first")
		time.Sleep(10 * 365 * 24 * time.Hour)
		if past, err := b.History(t.Context(), "a", broker.Position{}, 0); err != nil || len(past) != 1 {
			t.Errorf("History: %v, %v", past, err)
		}
	})
}

func TestDefaults(t *testing.T) {
	b := open(t, nil)
	for range 100_001 {
		publish(t, b, "a", "")
	}
	at := broker.Position{}
	if _, err := b.History(t.Context(), "a", at, 0); !errors.Is(err, broker.ErrOverrun) {
		t.Errorf("History before 100,001 messages: %v, want ErrOverrun", err)
	}
	at = publish(t, b, "a", strings.Repeat("x", 64<<20))
	if past, err := b.History(t.Context(), "a", at, 0); err != nil || len(past) != 0 {
		t.Errorf("History behind more than 64 MiB: %v, %v", past, err)
	}
	at.Seq--
	if _, err := b.History(t.Context(), "a", at, 0); !errors.Is(err, broker.ErrOverrun) {
		t.Errorf("History before more than 64 MiB: %v, want ErrOverrun", err)
	}
}

// Without history messages arrive all the same, and who stands still loses what is more than 1,024.
func TestNoHistory(t *testing.T) {
	for _, o := range []broker.Options{{Messages: -1}, {Bytes: -1}} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, &o)
			turn := make(chan struct{})
			var heard []broker.Message
			_, _, err := b.Subscribe(t.Context(), "a", func(m broker.Message) {
				heard = append(heard, m)
				<-turn
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 1500 {
				publish(t, b, "a", "x")
				synctest.Wait()
			}
			close(turn)
			synctest.Wait()
			if n := len(heard); n != 1026 || !heard[n-1].Lost || heard[n-1].Seq != 1500 {
				t.Errorf("heard %d messages, the last one %+v; want the one that blocked, 1,024, and word of a loss up to 1500", n, heard[n-1])
			}
			if _, err := b.History(t.Context(), "a", heard[0].Position, 0); !errors.Is(err, broker.ErrOverrun) {
				t.Errorf("History: %v, want ErrOverrun", err)
			}
			first := publishID(t, b, "a", "x", "id")
			if again := publishID(t, b, "a", "x", "id"); again == first {
				t.Error("an ID is known without history")
			}
		})
	}
}

// One message that is larger than what a slow subscriber may hold arrives if it is the first one.
func TestLargeWithoutHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &broker.Options{Bytes: -1})
		sizes := []int{}
		if _, _, err := b.Subscribe(t.Context(), "a", func(m broker.Message) { sizes = append(sizes, len(m.Data)) }); err != nil {
			t.Fatal(err)
		}
		publish(t, b, "a", strings.Repeat("x", 10<<20))
		synctest.Wait()
		if !slices.Equal(sizes, []int{10 << 20}) {
			t.Errorf("heard %v", sizes)
		}
	})
}

// A thousand subscribers that stand still do not keep anybody from unsubscribing, and the one behind them is served as soon as one goes on.
func TestAllWorkersBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, nil)
		turn := make(chan struct{})
		for range 1000 {
			if _, _, err := b.Subscribe(t.Context(), "a", func(broker.Message) { <-turn }); err != nil {
				t.Fatal(err)
			}
		}
		publish(t, b, "a", "x")
		synctest.Wait()
		heard := 0
		for range 2 {
			_, unsubscribe, err := b.Subscribe(t.Context(), "b", func(broker.Message) { heard++ })
			if err != nil {
				t.Fatal(err)
			}
			publish(t, b, "b", "x")
			synctest.Wait()
			if heard > 0 {
				t.Fatal("more than 1,000 subscribers run")
			}
			unsubscribe()
		}
		if _, _, err := b.Subscribe(t.Context(), "b", func(broker.Message) { heard++ }); err != nil {
			t.Fatal(err)
		}
		publish(t, b, "b", "x")
		turn <- struct{}{}
		synctest.Wait()
		if heard != 1 {
			t.Errorf("heard %d messages, want 1", heard)
		}
		close(turn)
	})
}

func TestIDOfAnotherTopic(t *testing.T) {
	b := open(t, nil)
	publishID(t, b, "a", "x", "id")
	if _, err := b.Publish(t.Context(), "b", nil, broker.PublishOptions{ID: "id"}); err == nil {
		t.Error("an ID was taken for two topics")
	}
}

func TestNotifyClose(t *testing.T) {
	b := open(t, nil)
	var heard []broker.State
	for range 2 {
		b.Notify(func(s broker.State) { heard = append(heard, s) })
	}
	b.Close(t.Context())
	b.Close(t.Context())
	b.Notify(func(s broker.State) { heard = append(heard, s) })
	if want := []broker.State{broker.Up, broker.Up, broker.Down, broker.Down, broker.Down}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
}

// Topics that went silent leave nothing once their messages have gone, nor do IDs.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &broker.Options{Age: time.Minute, Messages: 1 << 20})
		before := heap()
		for i := range 100_000 {
			name := fmt.Sprint("topic ", i)
			publishID(t, b, name, name, name)
		}
		if used := heap() - before; used < 10<<20 {
			t.Errorf("100,000 messages take %d bytes, the test sees nothing", used)
		}
		time.Sleep(time.Minute)
		publish(t, b, "a", "x")
		if after := heap(); after > before+64<<10 {
			t.Errorf("%d bytes are left of 100,000 topics", after-before)
		}
		runtime.KeepAlive(b)
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A broker that nobody closes leaves no goroutine when it is idle.
func TestNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		if _, _, err := b.Subscribe(t.Context(), "a", func(broker.Message) {}); err != nil {
			t.Fatal(err)
		}
		publish(t, b, "a", "x")
	}) // it would panic if a goroutine were left
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100} {
		b.Run(fmt.Sprint("subscribers=", subscribers), func(b *testing.B) {
			m := open(b, nil)
			var wg sync.WaitGroup
			for range subscribers {
				if _, _, err := m.Subscribe(b.Context(), "room", func(broker.Message) { wg.Done() }); err != nil {
					b.Fatal(err)
				}
			}
			data := make([]byte, 256)
			b.ReportAllocs()
			for b.Loop() {
				wg.Add(subscribers)
				if _, err := m.Publish(b.Context(), "room", data, broker.PublishOptions{}); err != nil {
					b.Fatal(err)
				}
				wg.Wait()
			}
		})
	}
}
