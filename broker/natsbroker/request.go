package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers that the server adds.
const (
	hdrStream  = "Nats-Stream"
	hdrSubject = "Nats-Subject"
	hdrSeq     = "Nats-Sequence"
	hdrLast    = "Nats-Last-Sequence"
	hdrPending = "Nats-Num-Pending"
	hdrUpTo    = "Nats-UpTo-Sequence"
	hdrStatus  = "Status"
	hdrID      = "Nats-Msg-Id"
)

const (
	readMessages = 1000    // of one answer
	readBytes    = 1 << 20 // after which the server ends an answer
	readsAtOnce  = 8       // so that answers never fill what the server lets one connection have outstanding
	readTimeout  = 5 * time.Second
)

var errConnectionLost = errors.New("natsbroker: connection lost")

// requests are those that wait for answers, which all arrive on one subscription.
type requests struct {
	prefix string // of the inbox
	mu     sync.Mutex
	next   uint64
	calls  map[string]*call
}

// call is one request. over is called behind the last answer, or when the connection is lost.
type call struct {
	token   string
	many    bool // answers end with one that has a status
	answers []*nats.Msg
	err     error
	over    func()
}

func (r *requests) begin(many bool, over func()) *call {
	c := &call{many: many, over: over}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	c.token = strconv.FormatUint(r.next, 36)
	r.calls[c.token] = c
	return c
}

// end tells whether c was not over, and is not any more.
func (r *requests) end(c *call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, open := r.calls[c.token]
	delete(r.calls, c.token)
	return open
}

func (r *requests) answer(m *nats.Msg) {
	if c := r.answered(m); c != nil {
		c.over()
	}
}

// answered returns the call that m is the last answer to, if it is one.
func (r *requests) answered(m *nats.Msg) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.calls[strings.TrimPrefix(m.Subject, r.prefix)]
	if c == nil {
		return nil
	}
	c.answers = append(c.answers, m)
	if c.many && m.Header.Get(hdrStatus) == "" {
		return nil
	}
	delete(r.calls, c.token)
	return c
}

func (r *requests) fail(err error) {
	r.mu.Lock()
	failed := r.calls
	r.calls = map[string]*call{}
	r.mu.Unlock()
	for _, c := range failed {
		c.err = err
		c.over()
	}
}

// record is a message of the stream.
type record struct {
	subject, id string
	seq, last   uint64
	data        []byte
}

// parse reads what the server says of a message that it republishes or that it was asked for.
func parse(stream string, m *nats.Msg) (record, error) {
	h := m.Header
	rec := record{subject: h.Get(hdrSubject), id: h.Get(hdrID), data: m.Data}
	if s := h.Get(hdrStream); s != stream {
		return rec, fmt.Errorf("stream %q", s)
	}
	var err error
	if rec.seq, err = strconv.ParseUint(h.Get(hdrSeq), 10, 64); err != nil || rec.seq == 0 || rec.seq > math.MaxUint64/mostPacked {
		return rec, fmt.Errorf("sequence %q", h.Get(hdrSeq))
	}
	if rec.last, err = strconv.ParseUint(h.Get(hdrLast), 10, 64); err != nil || rec.last >= rec.seq {
		return rec, fmt.Errorf("last sequence %q of sequence %d", h.Get(hdrLast), rec.seq)
	}
	return rec, nil
}

// get is a request of the server's direct API.
type get struct {
	Seq      uint64   `json:"seq,omitempty"`
	NextFor  string   `json:"next_by_subj,omitempty"`
	Multi    []string `json:"multi_last,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
}

// ask returns what the stream answers, the last one with a status.
func (b *Broker) ask(ctx context.Context, g get) ([]*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	body, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	c := b.requests.begin(true, func() { close(done) })
	defer b.requests.end(c)
	if err := b.conn.Load().PublishRequest("$JS.API.DIRECT.GET."+b.o.Namespace, b.requests.prefix+c.token, body); err != nil {
		return nil, err
	}
	select {
	case <-done:
		return c.answers, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("natsbroker: reading the stream: %w", ctx.Err())
	}
}

// upTo returns the stream's last sequence, or 0 where it has no message of subject any more. It costs the server a tenth of its whole state.
func (b *Broker) upTo(ctx context.Context, subject string) (uint64, error) {
	answers, err := b.ask(ctx, get{Seq: math.MaxUint64, Multi: []string{subject}})
	if err != nil {
		return 0, err
	}
	seq, _ := strconv.ParseUint(answers[len(answers)-1].Header.Get(hdrUpTo), 10, 64)
	return seq, nil
}

// read asks the stream for messages. more: there were others behind them.
func (b *Broker) read(ctx context.Context, g get) (recs []record, more bool, err error) {
	select {
	case b.reads <- struct{}{}:
		defer func() { <-b.reads }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	answers, err := b.ask(ctx, g)
	if err != nil {
		return nil, false, err
	}
	return b.readAnswer(answers)
}

func (b *Broker) readAnswer(answers []*nats.Msg) (recs []record, more bool, err error) {
	end := answers[len(answers)-1].Header
	switch status := end.Get(hdrStatus); {
	case status == "404" && len(answers) == 1:
		return nil, false, nil
	case status != "204":
		return nil, false, fmt.Errorf("natsbroker: reading the stream: the server answered %s %s", status, end.Get("Description"))
	}
	var last uint64
	for _, m := range answers[:len(answers)-1] {
		rec, err := parse(b.o.Namespace, m)
		if err != nil || rec.last != last {
			return nil, false, fmt.Errorf("natsbroker: reading the stream: an answer is incomplete (%d after %d, %v)", rec.seq, last, err)
		}
		last = rec.seq
		recs = append(recs, rec)
	}
	if end.Get(hdrLast) != strconv.FormatUint(last, 10) {
		return nil, false, fmt.Errorf("natsbroker: reading the stream: an answer ends with %s, not with %d", end.Get(hdrLast), last)
	}
	pending, err := strconv.ParseUint(end.Get(hdrPending), 10, 64)
	return recs, pending > 0, err
}
