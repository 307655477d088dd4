//go:build linux && (amd64 || arm64)

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A bed is a cluster under a load.
type bed struct {
	*cluster
	load  loadProcess
	rooms int
	socks [][]int // rooms of each client, in the order in which the load has them
	next  int     // number of the next message
}

// crowded says who is in which room: Members in each, of Socks clients, who take turns.
type crowded struct{ Rooms, Members, Socks int }

// newBed has clients enter rooms, spread over the nodes.
func newBed(c *cluster, cr crowded) (b *bed, err error) {
	b = &bed{cluster: c, rooms: cr.Rooms}
	if err := c.healthy(30 * time.Second); err != nil {
		return b, err
	}
	if b.load, err = startLoad(); err != nil {
		return b, err
	}
	socks := make([][]int, cr.Socks)
	for i := range cr.Rooms * cr.Members {
		socks[i%cr.Socks] = append(socks[i%cr.Socks], i/cr.Members)
	}
	for n, node := range c.nodes {
		d := dialling{Group: n}
		_, d.Address = node.running()
		for i := n; i < cr.Socks; i += len(c.nodes) {
			d.Targets = append(d.Targets, targetOf(socks[i]))
			b.socks = append(b.socks, socks[i])
		}
		if err := b.load.Ask(context.Background(), "dial", d, nil); err != nil {
			return b, err
		}
	}
	return b, b.wait("entered", cr.Rooms*cr.Members, func(h heard) int { return h.Messages })
}

func targetOf(rooms []int) string {
	names := make([]string, len(rooms))
	for i, room := range rooms {
		names[i] = roomName(room)
	}
	return "/?" + url.Values{"rooms": {strings.Join(names, ",")}}.Encode()
}

// stop ends the load first, so that it sees no ends.
func (b *bed) stop() {
	if b.load.Process != nil {
		b.load.Kill()
	}
	b.cluster.stop()
}

// wait waits until the load has heard so much, as long as it hears anything new.
func (b *bed) wait(what string, want int, got func(heard) int) error {
	before, since := -1, time.Now()
	for {
		h, err := b.heard()
		if err != nil {
			return err
		}
		switch n := got(h); {
		case n >= want:
			return nil
		case n > before:
			before, since = n, time.Now()
		case time.Since(since) > 20*time.Second:
			return fmt.Errorf("%s: the load has heard %d of %d messages", what, n, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *bed) heard() (h heard, err error) {
	return h, b.load.Ask(context.Background(), "heard", struct{}{}, &h)
}

// A flow is what is published to the rooms of a bed in turn.
type flow struct {
	PerSecond float64
	For       time.Duration
	Bytes     int   // of a message as its type encodes it
	From      []int // nodes that publish; nil: all
}

// cost of a flow.
type cost struct {
	Published, Deliveries           int
	Took                            time.Duration
	Nodes, Broker, Load             time.Duration // CPU
	P50, P99                        time.Duration
	Late                            [groups]histogram // by node of the client
	Behind                          time.Duration     // of the publishers, at worst
	perDelivery                     float64           // µs of CPU of nodes and broker
	nodesPerDelivery, brokerPerThat float64
}

// noteBytes is how long a note is without padding.
const noteBytes = len(`{"type":"note","n":"","due":"","pad":""}`) + numberDigits + dueDigits

// pour publishes a flow and waits until every client has heard all that it has to hear, each once; meanwhile is called when it begins.
func (b *bed) pour(f flow, meanwhile func()) (c cost, err error) {
	from := f.From
	if from == nil {
		for n := range b.nodes {
			from = append(from, n)
		}
	}
	each := int(f.PerSecond*f.For.Seconds()) / len(from)
	c.Published = each * len(from)
	first := b.next
	b.next += c.Published
	if err := b.load.Ask(context.Background(), "forget", struct{}{}, nil); err != nil {
		return c, err
	}
	nodes, broker, err := b.cpu()
	if err != nil {
		return c, err
	}
	began := time.Now().Add(50 * time.Millisecond)
	out := make([]streamed, len(from))
	errs := make([]error, len(from))
	var wg sync.WaitGroup
	for i, n := range from {
		s := streaming{Rooms: b.rooms, First: first + i, Step: len(from), N: each, PerSecond: f.PerSecond / float64(len(from)),
			Pad: strings.Repeat("x", max(0, f.Bytes-noteBytes)), Start: began.Add(time.Duration(float64(i) / f.PerSecond * 1e9))}
		wg.Go(func() { errs[i] = b.nodes[n].ask("stream", s, &out[i]) })
	}
	if meanwhile != nil {
		meanwhile()
	}
	wg.Wait()
	for i, o := range out {
		if errs[i] == nil && o.Outcomes[acknowledged] != each {
			errs[i] = fmt.Errorf("node %d: %d of %d messages were acknowledged: %s", from[i], o.Outcomes[acknowledged], each, o.Err)
		}
		c.Behind = max(c.Behind, o.Late)
	}
	if err := errors.Join(errs...); err != nil {
		return c, err
	}
	counts, sums := b.expected(first, c.Published)
	want := 0
	for _, n := range counts {
		want += n
	}
	if err := b.wait("heard", want, func(h heard) int { return h.Notes }); err != nil {
		return c, err
	}
	c.Took = time.Since(began)
	nodesAfter, brokerAfter, err := b.cpu()
	if err != nil {
		return c, err
	}
	h, err := b.heard()
	if err != nil {
		return c, err
	}
	if !slices.Equal(h.Counts, counts) || !slices.Equal(h.Sums, sums) {
		return c, errors.New("clients have heard as many messages as they should, but not each once")
	}
	c.Nodes, c.Broker, c.Load, c.Deliveries, c.Late = nodesAfter-nodes, brokerAfter-broker, h.CPU, h.Notes, h.Late
	var all histogram
	for i := range c.Late {
		all.sum(&c.Late[i])
	}
	c.P50, c.P99 = all.quantile(0.5), all.quantile(0.99)
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(c.Deliveries) }
	c.perDelivery, c.nodesPerDelivery, c.brokerPerThat = per(c.Nodes+c.Broker), per(c.Nodes), per(c.Broker)
	return c, nil
}

// expected is how many messages each client has to hear, and the sum of their numbers.
func (b *bed) expected(first, published int) (counts []int, sums []uint64) {
	perRoom, sumOf := make([]int, b.rooms), make([]uint64, b.rooms)
	for n := first; n < first+published; n++ {
		perRoom[n%b.rooms]++
		sumOf[n%b.rooms] += uint64(n)
	}
	for _, rooms := range b.socks {
		count, sum := 0, uint64(0)
		for _, room := range rooms {
			count += perRoom[room]
			sum += sumOf[room]
		}
		counts, sums = append(counts, count), append(sums, sum)
	}
	return counts, sums
}

// A row is one thing that was measured, and the bar for it.
type row struct {
	What, Value, Bar string
	Met              bool
}

// A report is what one command measured.
type report struct {
	Title, About string
	When         string
	Machine      string
	Rows         []row
}

func (r *report) add(met bool, what, value, bar string) {
	r.Rows = append(r.Rows, row{what, value, bar, met})
}

// note adds what no bar is for.
func (r *report) note(what, value string) { r.add(true, what, value, "") }

// print prints a table of Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n%s, %s.\n\n| | measured | bar | |\n| --- | ---: | ---: | --- |\n", r.Title, r.About, r.When, r.Machine)
	for _, row := range r.Rows {
		verdict := ""
		if row.Bar != "" {
			verdict = map[bool]string{true: "met", false: "**missed**"}[row.Met]
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", row.What, row.Value, row.Bar, verdict)
	}
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
