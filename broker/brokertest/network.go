package brokertest

import (
	"context"
	"fmt"
	"sync"

	"github.com/wsrouter-go/wsrouter/broker"
)

// A Network is an in-process broker that several processes seem to be connected to, with faults: for tests of what stands on a broker. Its
// methods and those of its nodes are safe from any goroutine.
type Network struct {
	options *broker.Options

	mu     sync.Mutex
	server server
	nodes  []*Node
}

// server is a broker of this process.
type server interface {
	broker.Broker
	broker.Recaller
}

// NewNetwork returns a network whose history has the given limits; nil: the defaults. When all nodes are closed nothing of it runs.
func NewNetwork(o *broker.Options) *Network {
	return &Network{options: o, server: broker.New(o).(server)}
}

// Connect returns one more connection.
func (n *Network) Connect() *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &Node{network: n, server: n.server, subs: map[*remote]struct{}{}, gone: make(chan struct{})}
	n.nodes = append(n.nodes, d)
	return d
}

// Restart replaces the server by one without history. A node that is not cut off sees [broker.EpochChanged] at once, another one when it is
// restored.
func (n *Network) Restart() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.server = broker.New(n.options).(server)
	for _, d := range n.nodes {
		d.connect(n.server)
	}
}

// Subscriptions is how many the nodes have that are not cut off.
func (n *Network) Subscriptions() (sum int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.nodes {
		d.mu.Lock()
		if !d.cut {
			sum += len(d.subs)
		}
		d.mu.Unlock()
	}
	return sum
}

// A Node is one connection of a [Network] and has all that a [broker.Broker] may have. What it missed while it was cut off it reads back from
// the history.
type Node struct {
	network *Network
	running sync.WaitGroup // goroutines that read back
	gone    chan struct{}  // closed when Close has ended everything

	mu     sync.Mutex
	server server
	life   int // changes with every cut and restart
	cut    bool
	closed bool
	subs   map[*remote]struct{}

	telling sync.Mutex // taken before mu
	state   broker.State
	tell    []func(broker.State)
}

// Cut cuts the node off: it hears nothing, refuses calls, and does not know what became of those that run.
func (d *Node) Cut() {
	d.change(func() (broker.State, bool) {
		if d.cut || d.closed {
			return 0, false
		}
		d.cut = true
		d.life++
		return broker.Down, true
	})
}

// Restore undoes Cut.
func (d *Node) Restore() {
	d.network.mu.Lock()
	defer d.network.mu.Unlock()
	d.change(func() (broker.State, bool) {
		if !d.cut || d.closed {
			return 0, false
		}
		d.cut = false
		return d.attach(d.network.server), true
	})
}

// connect tells a node of a new server.
func (d *Node) connect(s server) {
	d.change(func() (broker.State, bool) {
		if d.cut || d.closed {
			return 0, false
		}
		d.life++
		return d.attach(s), true
	})
}

// attach makes every subscription read back what it missed. The caller holds d.mu.
func (d *Node) attach(s server) broker.State {
	state := broker.Up
	if d.server != s {
		state = broker.EpochChanged
	}
	d.server = s
	for r := range d.subs {
		d.running.Go(r.catchUp)
	}
	return state
}

// change makes a change and tells of it.
func (d *Node) change(do func() (to broker.State, changed bool)) {
	d.telling.Lock()
	defer d.telling.Unlock()
	d.mu.Lock()
	to, changed := do()
	d.mu.Unlock()
	if !changed {
		return
	}
	if d.state = to; to == broker.EpochChanged {
		d.state = broker.Up
	}
	for _, f := range d.tell {
		f(to)
	}
}

// Notify is that of [broker.Stateful].
func (d *Node) Notify(f func(broker.State)) {
	d.telling.Lock()
	defer d.telling.Unlock()
	f(d.state)
	d.tell = append(d.tell, f)
}

// reach returns the server, or why there is none.
func (d *Node) reach() (s server, life int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, d.life, broker.ErrClosed
	case d.cut:
		return nil, d.life, broker.ErrUnavailable
	}
	return d.server, d.life, nil
}

// Publish is that of [broker.Broker].
func (d *Node) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	s, life, err := d.reach()
	if err != nil {
		return broker.Position{}, err
	}
	at, err := s.Publish(ctx, topic, data, o)
	if _, now, _ := d.reach(); err == nil && now != life {
		return broker.Position{}, fmt.Errorf("%w: the connection went meanwhile", broker.ErrUnknownOutcome)
	}
	return at, err
}

// Subscribe is that of [broker.Broker].
func (d *Node) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	s, life, err := d.reach()
	if err != nil {
		return broker.Position{}, nil, err
	}
	r := &remote{node: d, topic: topic, h: h}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.subscribe(ctx, s); err != nil {
		return broker.Position{}, nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life != life { // what was subscribed to is gone
		r.ended = true
		go r.unsubscribe() // may wait for hear, which waits for us
		if d.closed {
			return broker.Position{}, nil, broker.ErrClosed
		}
		return broker.Position{}, nil, broker.ErrUnavailable
	}
	d.subs[r] = struct{}{}
	return r.at, func() error { r.end(); return nil }, nil
}

// History is that of [broker.Historian].
func (d *Node) History(ctx context.Context, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	s, _, err := d.reach()
	if err != nil {
		return nil, err
	}
	return s.History(ctx, topic, since, limit)
}

// Recall is that of [broker.Recaller].
func (d *Node) Recall(ctx context.Context, topic string, before broker.Position, limit, bytes int) ([]broker.Message, bool, error) {
	s, _, err := d.reach()
	if err != nil {
		return nil, false, err
	}
	return s.Recall(ctx, topic, before, limit, bytes)
}

// Close is that of [broker.Broker]. The network and its other nodes stay.
func (d *Node) Close(ctx context.Context) error {
	d.change(func() (broker.State, bool) {
		if d.closed {
			return 0, false
		}
		d.closed = true
		d.life++
		subs := d.subs
		d.subs = nil
		go func() {
			for r := range subs {
				r.end()
			}
			d.running.Wait()
			close(d.gone)
		}()
		return broker.Down, true
	})
	select {
	case <-d.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remote is a subscription of a node.
type remote struct {
	node  *Node
	topic string
	h     func(broker.Message)

	mu          sync.Mutex // held while h runs
	server      server
	unsubscribe func() error
	at          broker.Position // h has heard all up to here
	ended       bool
}

func (r *remote) subscribe(ctx context.Context, s server) (err error) {
	r.server = s
	r.at, r.unsubscribe, err = s.Subscribe(ctx, r.topic, r.hear)
	return err
}

// hear is what the server calls. What comes while the node is cut off does not reach it.
func (r *remote) hear(m broker.Message) {
	s, _, err := r.node.reach()
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s != r.server || m.Epoch != r.at.Epoch {
		return // catchUp is on its way
	}
	if m.Prev > r.at.Seq {
		r.readBack()
	}
	r.tell(m)
}

// catchUp reads back what was missed while the node was cut off. From a new server that is all there is.
func (r *remote) catchUp() {
	s, _, err := r.node.reach()
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	if s != r.server {
		go r.unsubscribe() // may wait for hear, which waits for us
		if r.subscribe(context.Background(), s) != nil {
			return
		}
		r.at.Seq = 0
		r.h(broker.Message{Topic: r.topic, Position: r.at, Lost: true})
	}
	r.readBack()
}

// readBack tells what follows r.at according to the history, or that it is lost.
func (r *remote) readBack() {
	missed, err := r.server.History(context.Background(), r.topic, r.at, 0)
	if err != nil {
		at, unsubscribe, err := r.server.Subscribe(context.Background(), r.topic, func(broker.Message) {})
		if err != nil {
			return // closed
		}
		unsubscribe()
		r.tell(broker.Message{Topic: r.topic, Position: at, Lost: true})
	}
	for _, m := range missed {
		r.tell(m)
	}
}

// tell calls h unless it has heard m.
func (r *remote) tell(m broker.Message) {
	if !r.ended && m.Seq > r.at.Seq {
		r.at.Seq = m.Seq
		r.h(m)
	}
}

func (r *remote) end() {
	r.mu.Lock()
	r.ended = true
	unsubscribe := r.unsubscribe
	r.mu.Unlock()
	unsubscribe()
	d := r.node
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.subs, r)
	if len(d.subs) == 0 && d.subs != nil {
		d.subs = map[*remote]struct{}{} // the old one never shrinks
	}
}
