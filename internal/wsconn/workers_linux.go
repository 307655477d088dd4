package wsconn

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// workers run the sockets that are ready, in the order in which they became so. There is one for each core, and more while some are
// held up by their handlers; those beyond need end after workerIdle.
type workers struct {
	mu          sync.Mutex
	first, last *idle // the queue
	length      int
	spare       []*worker // those that wait; the last one is the warmest
	count       int       // all there are
	jobs        uint64    // taken so far
	seen        uint64    // jobs, when it was last looked
	watching    bool
	watch       *time.Timer
	retiring    bool
	retire      *time.Timer
	stopped     bool
}

// A worker waits for a job.
type worker struct {
	job   chan *idle // nil: end
	since time.Time
}

const (
	workerIdle  = 100 * time.Millisecond
	workerWatch = time.Millisecond
	maxWorkers  = 10_000 // a handler that waits for Config.MaxHandlers holds one too, or nobody would answer the pings of others
)

// queue puts c behind those that are ready.
func (w *workers) queue(c *idle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.spare); n > 0 && w.first == nil {
		next := w.spare[n-1]
		w.spare[n-1] = nil
		w.spare = w.spare[:n-1]
		w.jobs++
		next.job <- c
		return
	}
	if w.last == nil {
		w.first = c
	} else {
		w.last.next = c
	}
	w.last = c
	w.length++
	if w.count < runtime.GOMAXPROCS(0) {
		w.add()
	} else if !w.watching {
		w.watching, w.seen = true, w.jobs
		w.watch = alarm(w.watch, workerWatch, w.onWatch)
	}
}

// now returns how many workers there are, and how many sockets wait for one.
func (w *workers) now() (count, ready int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count, w.length
}

// none reports whether nobody waits.
func (w *workers) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first == nil
}

// add starts a worker. The caller holds mu.
func (w *workers) add() {
	w.count++
	go w.work()
}

func (w *workers) work() {
	returned := false
	defer func() {
		if !returned { // a handler ended its goroutine
			w.mu.Lock()
			w.count--
			if w.first != nil {
				w.add()
			}
			w.mu.Unlock()
		}
	}()
	var self worker
	for {
		c := w.take(&self)
		if c == nil {
			returned = true
			return
		}
		c.s.run()
	}
}

// take returns the socket that has waited longest, or waits for one; nil: the worker is to end.
func (w *workers) take(self *worker) *idle {
	w.mu.Lock()
	if c := w.first; c != nil {
		w.first, c.next = c.next, nil
		if w.first == nil {
			w.last = nil
		}
		w.length--
		w.jobs++
		w.mu.Unlock()
		return c
	}
	if w.stopped {
		w.count--
		w.mu.Unlock()
		return nil
	}
	if self.job == nil {
		self.job = make(chan *idle, 1)
	}
	self.since = time.Now()
	w.spare = append(w.spare, self)
	if !w.retiring && w.count > runtime.GOMAXPROCS(0) {
		w.retiring = true
		w.retire = alarm(w.retire, workerIdle, w.onRetire)
	}
	w.mu.Unlock()
	return <-self.job
}

// onWatch adds workers if sockets wait and none was taken since the last time: all are held up by their handlers.
func (w *workers) onWatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watching = w.first != nil; !w.watching {
		return
	}
	if w.seen == w.jobs {
		for n := min(w.count, w.length, maxWorkers-w.count); n > 0; n-- {
			w.add()
		}
	}
	w.seen = w.jobs
	w.watch.Reset(workerWatch)
}

// onRetire ends workers that have long had nothing to do.
func (w *workers) onRetire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := 0
	for old < len(w.spare) && w.count > runtime.GOMAXPROCS(0) && time.Since(w.spare[old].since) >= workerIdle {
		w.spare[old].job <- nil
		w.count--
		old++
	}
	w.spare = slices.Delete(w.spare, 0, old) // which keeps none of them behind the end
	if w.retiring = w.count > runtime.GOMAXPROCS(0) && len(w.spare) > 0; w.retiring {
		w.retire.Reset(workerIdle - time.Since(w.spare[0].since))
	}
}

// stop ends all workers.
func (w *workers) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for _, s := range w.spare {
		s.job <- nil
		w.count--
	}
	w.spare = nil
}
