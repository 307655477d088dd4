package linger_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/linger"
)

const (
	window = 20 * time.Millisecond
	answer = 1300 * time.Microsecond // after which a call ends
	first  = time.Millisecond / 4    // behind the beginning of a window, so that none begins with one
)

// begin returns when a call may leave.
func begin(ctx context.Context, l *linger.Linger) {
	if l.Begin(ctx) {
		over := make(chan struct{})
		l.Next(func() { close(over) })
		<-over
	}
}

// calls makes n of them, with these pauses in turn, which end a while after they have left. It returns how many left at each moment, without the first second.
func calls(l *linger.Linger, n int, pauses ...time.Duration) map[time.Duration]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	left, start := map[time.Duration]int{}, time.Now()
	time.Sleep(first)
	for i := range n {
		time.Sleep(pauses[i%len(pauses)])
		all.Go(func() {
			begin(context.Background(), l)
			if at := time.Since(start); at >= time.Second {
				mu.Lock()
				left[at]++
				mu.Unlock()
			}
			time.Sleep(answer)
			l.End()
		})
	}
	all.Wait()
	return left
}

// TestBusy: many calls leave at multiples of the window alone.
func TestBusy(t *testing.T) {
	const ms = time.Millisecond
	for _, pauses := range [][]time.Duration{
		{4 * ms},
		{9500 * time.Microsecond}, // groups of two and three
		{3 * ms, 17 * ms},         // some of one
	} {
		synctest.Test(t, func(t *testing.T) {
			groups := calls(linger.New(window), 2000, pauses...)
			for at, n := range groups {
				if at%window != 0 {
					t.Fatalf("pauses %v: %d calls left at %v", pauses, n, at)
				}
			}
			if len(groups) < 100 {
				t.Errorf("pauses %v: %d groups", pauses, len(groups))
			}
		})
	}
}

// TestLooksAgain: after a minute of waiting nobody waits for a slot or two, in which it is seen how many calls there are.
func TestLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := calls(linger.New(window), 90*125, 8*time.Millisecond) // for 90 s
		single := 0
		for moment := range at {
			if moment%window != 0 {
				single++
			}
		}
		if single < 40 || single > 160 {
			t.Errorf("%d calls did not wait", single)
		}
	})
}

// TestNobodyWaits: at once leave the calls of a process in which there are few, of one whose window is 0, and those of who makes them
// one after the other, however many they are.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, of := range map[string]struct {
			window, every time.Duration
		}{
			"few":       {window, 11 * time.Millisecond},
			"no window": {0, time.Millisecond / 2},
		} {
			for at, n := range calls(linger.New(of.window), 500, of.every) {
				if at%of.every != first || n != 1 {
					t.Fatalf("%s: %d calls left at %v", name, n, at)
				}
			}
			time.Sleep(time.Second)
		}
		l := linger.New(window)
		if took := oneAfterTheOther(l, 1000, 0); took != 1000*answer {
			t.Errorf("1000 calls that take %v each took %v", answer, took)
		}
	})
}

// TestFewer: when there are not many calls any more nobody waits.
func TestFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := linger.New(window)
		calls(l, 1000, 8*time.Millisecond)
		for at, n := range calls(l, 500, 11*time.Millisecond) {
			if (at-first)%(11*time.Millisecond) != 0 {
				t.Fatalf("%d calls left at %v", n, at)
			}
		}
	})
}

// TestSilence: what was called before a silence counts no more.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := linger.New(window)
		calls(l, 1099, 4*time.Millisecond) // 99 of them in the last 400 ms
		time.Sleep(2*400*time.Millisecond + window/2)
		if took := oneAfterTheOther(l, 1, 0); took != answer {
			t.Errorf("after a silence a call of %v took %v", answer, took)
		}
	})
}

// TestLull: when calls have been fewer for a moment, so few as if waiting had slowed them down, they wait again soon.
func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := linger.New(window)
		calls(l, 1000, 4*time.Millisecond)
		calls(l, 50, 8*time.Millisecond)                           // 45 in a slot in place of 100
		if n := len(calls(l, 1000, 4*time.Millisecond)); n > 350 { // behind the first second: 750 if nobody waits, 150 if all do
			t.Errorf("calls left at %d moments", n)
		}
	})
}

// oneAfterTheOther makes n calls, with a pause behind each, and returns what they took.
func oneAfterTheOther(l *linger.Linger, n int, pause time.Duration) time.Duration {
	start := time.Now()
	for range n {
		begin(context.Background(), l)
		time.Sleep(answer)
		l.End()
		time.Sleep(pause)
	}
	return time.Since(start)
}

// TestSlowed: those who make calls one after the other, with other work between them, are not held up for long.
func TestSlowed(t *testing.T) {
	for _, publishers := range []int{1, 2, 20} {
		synctest.Test(t, func(t *testing.T) {
			const n, pause = 10_000, answer
			l := linger.New(window)
			took := make([]time.Duration, publishers)
			var all sync.WaitGroup
			for i := range publishers {
				time.Sleep(answer / 10)
				all.Go(func() { took[i] = oneAfterTheOther(l, n, pause) })
			}
			all.Wait()
			for _, d := range took {
				if without := n * (answer + pause); d < without || d > without*110/100 || publishers == 1 && d < without+window {
					t.Fatalf("%d publishers: calls of %v took %v", publishers, without, d)
				}
			}
		})
	}
}

// TestBeside: who makes calls one after the other beside many others waits before the first.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := linger.New(window)
		var others sync.WaitGroup
		others.Go(func() { calls(l, 1000, 4*time.Millisecond) })
		time.Sleep(time.Second + time.Microsecond)
		if took := oneAfterTheOther(l, 1000, 0); took < window/2 || took > 1000*answer+window {
			t.Errorf("1000 calls that take %v each took %v", answer, took)
		}
		others.Wait()
	})
}

// TestDeadline: nobody waits whose context ends within two windows.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := linger.New(time.Second), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for range 1500 {
			time.Sleep(time.Millisecond)
			if after, waits := time.Since(start), l.Begin(ctx); waits != (after >= 400*time.Millisecond && after <= time.Second) {
				t.Fatalf("%v after the start, of 3 s: waits %v", after, waits)
			}
		}
	})
}

// TestOrder: what is given to Next is called at the end of the window, in that order, and not a second time.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := linger.New(window), time.Now()
		var mu sync.Mutex
		var got []int
		for i := range 30 {
			time.Sleep(window / 10)
			l.Next(func() {
				if after := time.Since(start); after%window != 0 {
					t.Errorf("%d is called after %v", i, after)
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, i)
			})
		}
		time.Sleep(2 * window)
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 30 || !slices.IsSorted(got) {
			t.Errorf("called were %v", got)
		}
	})
}
