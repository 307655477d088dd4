package natsbroker

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
)

const (
	publishTimeout = 5 * time.Second // of Publish, if ctx has none
	ackTimeout     = 2 * time.Second // then it is sent again, under the same id
	retryPause     = 50 * time.Millisecond
	headerRoom     = 64 // bytes of the header beside the id
)

func checkTopic(topic string) error {
	if len(topic) < 1 || len(topic) > maxTopic {
		return fmt.Errorf("natsbroker: topic of %d bytes: only 1 to %d", len(topic), maxTopic)
	}
	return nil
}

// Publish returns when the stream has stored data. While there is no connection it fails at once. Where many are published it waits for a moment
// ([Options].Linger); if ctx ends then, data leaves at once, with what else waits for its topic, and the error is ErrUnknownOutcome. Where a connection is lost behind the
// sending it is sent again under the same id, while ctx lasts, or 5 s if ctx has no deadline, and 108 s at most. What the server refuses, such as a message above its limit, fails with another
// error. Until the connection to a server that takes nothing any more is given up, for 2 s, it may return that much after the end of ctx.
func (b *Broker) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	if err := checkTopic(topic); err != nil {
		return broker.Position{}, err
	}
	if !b.beginPublish() {
		return broker.Position{}, broker.ErrClosed
	}
	defer b.publishing.Done()
	m := publication{topic: token(topic), data: data, foreign: o.ID != ""}
	if m.foreign {
		m.id = foreignID(topic, o.ID)
	} else {
		m.id = b.newID()
	}
	if most := b.conn.Load().payload.Load(); int64(len(data)+len(m.id)+headerRoom) > most {
		return broker.Position{}, fmt.Errorf("natsbroker: message of %d bytes with an id of %d: the NATS server takes at most %d together (max_payload)", len(data), len(m.id)+headerRoom, most)
	}
	if up, _, _ := b.state.now(); up && !m.foreign && ctx.Err() == nil {
		waits := b.linger.Begin(ctx)
		defer b.linger.End()
		if waits {
			return b.gather(ctx, m)
		}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	return b.publish(ctx, &m)
}

func (b *Broker) newID() string { return b.idPrefix + strconv.FormatUint(b.ids.Add(1), 36) }

func (b *Broker) beginPublish() bool {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if b.state.closed {
		return false
	}
	b.publishing.Add(1)
	return true
}

var (
	errNotSent = errors.New("not sent")       // nothing left
	errNotKept = errors.New("nobody took it") // it left, and is known not to be stored
	errNoWord  = errors.New("no answer")      // it left
	errBusy    = errors.New("in process")     // an earlier try is being stored
	errRefused = errors.New("the server refused the message")
)

// publication is a message of the stream on its way there.
type publication struct {
	topic, id string // as subject and header have them
	data      []byte
	foreign   bool  // the id is the caller's
	sent      bool  // something left whose fate is unknown
	in        *life // that it was sent in
	begun     time.Time
}

func (b *Broker) publish(ctx context.Context, m *publication) (broker.Position, error) {
	if m.begun.IsZero() {
		m.begun = time.Now()
	}
	for {
		up, _, change := b.state.now()
		if err := ctx.Err(); err != nil {
			return broker.Position{}, outcome(m.sent, err)
		}
		if !up {
			if !m.sent {
				return broker.Position{}, broker.ErrUnavailable
			}
			select {
			case <-change:
			case <-ctx.Done():
			case <-b.ctx.Done():
				return broker.Position{}, broker.ErrUnknownOutcome
			}
			continue
		}
		l := b.life.Load()
		switch {
		case !m.sent:
			m.in = l
		case l != m.in: // it may have been stored in the other epoch
			return broker.Position{}, broker.ErrUnknownOutcome
		case time.Since(m.begun) > b.duplicates()*9/10: // the server may have forgotten the id soon
			return broker.Position{}, fmt.Errorf("%w: after %v it might be stored twice", broker.ErrUnknownOutcome, b.duplicates())
		}
		ack, err := b.try(ctx, m)
		if at, over, err := b.conclude(m, ack, err); over {
			return at, err
		}
		sleep(ctx, retryPause)
	}
}

// conclude says what came of a try, or that there has to be another.
func (b *Broker) conclude(m *publication, ack pubAck, err error) (at broker.Position, over bool, _ error) {
	switch {
	case err == nil && ack.Duplicate && !m.sent && !m.foreign:
		return at, true, fmt.Errorf("natsbroker: the server has another message with the id %q", m.id)
	case err == nil:
		m.in.see(ack.Seq)
		subject := m.in.in + m.topic
		m.in.recent.Store(&subject)
		return m.in.position(ack.Seq), true, nil
	case errors.Is(err, errNoWord), errors.Is(err, errBusy):
		m.sent = true
		return at, false, nil
	case errors.Is(err, errNotSent), errors.Is(err, errNotKept):
		b.keep.check()
		return at, !m.sent, unavailable(err)
	case m.sent:
		return at, true, fmt.Errorf("%w: %w", broker.ErrUnknownOutcome, err)
	}
	return at, true, err
}

func outcome(sent bool, err error) error {
	if sent {
		return fmt.Errorf("%w: %w", broker.ErrUnknownOutcome, err)
	}
	return err
}

// pubAck is what the server answers.
type pubAck struct {
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

func (b *Broker) try(ctx context.Context, m *publication) (pubAck, error) {
	done := make(chan struct{})
	c := b.requests.begin(false, func() { close(done) })
	defer b.requests.end(c)
	if err := b.send(m, c); err != nil {
		return pubAck{}, err
	}
	t := time.NewTimer(ackTimeout)
	defer t.Stop()
	select {
	case <-done:
		return b.readAck(c)
	case <-t.C:
		b.keep.check()
	case <-ctx.Done():
	}
	return pubAck{}, errNoWord
}

// send sends m, whose answer is c's.
func (b *Broker) send(m *publication, c *call) error {
	err := b.conn.Load().PublishMsg(&nats.Msg{Subject: m.in.in + m.topic, Reply: b.requests.prefix + c.token, Header: nats.Header{hdrID: {m.id}}, Data: m.data})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		return fmt.Errorf("%w: %w", errNotSent, err)
	case errors.Is(err, nats.ErrMaxPayload): // which has become less
		return fmt.Errorf("natsbroker: message of %d bytes with an id of %d: %w", len(m.data), len(m.id), err)
	}
	return errNoWord // some of it may have been written
}

// readAck reads what the server answered.
func (b *Broker) readAck(c *call) (ack pubAck, err error) {
	if c.err != nil {
		return ack, errNoWord
	}
	answer := c.answers[0]
	if answer.Header.Get(hdrStatus) == "503" {
		return ack, fmt.Errorf("%w: no stream takes messages of this epoch", errNotKept)
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return ack, errNoWord
	}
	switch e := ack.Error; {
	case e == nil && ack.Stream == b.o.Namespace && ack.Seq > 0:
		return ack, nil
	case e == nil:
		return ack, errNoWord // not an answer of the stream
	case e.Code == 409:
		return ack, fmt.Errorf("%w: %s", errBusy, e.Description)
	case e.Code >= 500:
		return ack, fmt.Errorf("%w: %s", errNotKept, e.Description)
	default:
		return ack, fmt.Errorf("natsbroker: %w: %s", errRefused, e.Description)
	}
}

// foreignID makes a caller's id fit for a header. The server knows ids of a stream, callers those of a topic.
func foreignID(topic, id string) string {
	sum := sha256.Sum256([]byte(topic))
	return foreignMark + base64.RawURLEncoding.EncodeToString(sum[:12]) + "~" + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// foreignMark begins ids that are the caller's.
const foreignMark = "~"

func isForeign(header string) bool { return strings.HasPrefix(header, foreignMark) }

// messageID is the id of the header as it was given to Publish.
func messageID(header string) string {
	if s, ok := strings.CutPrefix(header, foreignMark); ok {
		if _, s, ok = strings.Cut(s, "~"); ok {
			if id, err := base64.RawURLEncoding.DecodeString(s); err == nil {
				return string(id)
			}
		}
	}
	return header
}
