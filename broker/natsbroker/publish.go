package natsbroker

import (
	"bytes"
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
// ([Options].Linger). Where a connection is lost behind the sending it is sent again under the same id, while ctx lasts, or 5 s if ctx has no deadline. What the
// server refuses, such as a message above its limit, fails with another error.
func (b *Broker) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	if err := checkTopic(topic); err != nil {
		return broker.Position{}, err
	}
	if !b.beginPublish() {
		return broker.Position{}, broker.ErrClosed
	}
	defer b.publishing.Done()
	id := o.ID
	if id == "" {
		id = b.idPrefix + strconv.FormatUint(b.ids.Add(1), 36)
	} else {
		id = foreignID(topic, id)
	}
	if most := b.nc.MaxPayload(); int64(len(data)+len(id)+headerRoom) > most {
		return broker.Position{}, fmt.Errorf("natsbroker: message of %d bytes with an id of %d: the NATS server takes at most %d together (max_payload)", len(data), len(id)+headerRoom, most)
	}
	if up, _, change := b.state.now(); up {
		b.linger.Begin(ctx, change)
		defer b.linger.End()
	}
	if _, ok := ctx.Deadline(); !ok { // from now on: a process that was stopped while it waited has its time all the same
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	return b.publish(ctx, token(topic), id, data, o.ID != "")
}

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
)

func (b *Broker) publish(ctx context.Context, topic, id string, data []byte, foreign bool) (broker.Position, error) {
	sent := false // something left whose fate is unknown
	var in *life
	for {
		up, _, change := b.state.now()
		if err := ctx.Err(); err != nil {
			return broker.Position{}, outcome(sent, err)
		}
		if !up {
			if !sent {
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
		if sent && l != in {
			return broker.Position{}, broker.ErrUnknownOutcome // it may have been stored in the other epoch
		}
		in = l
		ack, err := b.try(ctx, l, topic, id, data)
		switch {
		case err == nil && ack.Duplicate && !sent && !foreign:
			return broker.Position{}, fmt.Errorf("natsbroker: the server has another message with the id %q", id)
		case err == nil:
			l.see(ack.Seq)
			subject := l.in + topic
			l.recent.Store(&subject)
			return broker.Position{Epoch: l.epoch, Seq: ack.Seq}, nil
		case errors.Is(err, errNoWord), errors.Is(err, errBusy):
			sent = true
		case errors.Is(err, errNotSent), errors.Is(err, errNotKept):
			b.keep.check()
			if !sent {
				return broker.Position{}, unavailable(err)
			}
		case sent:
			return broker.Position{}, fmt.Errorf("%w: %w", broker.ErrUnknownOutcome, err)
		default:
			return broker.Position{}, err
		}
		if !errors.Is(err, errNoWord) {
			sleep(ctx, retryPause)
		}
	}
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

func (b *Broker) try(ctx context.Context, l *life, topic, id string, data []byte) (pubAck, error) {
	var ack pubAck
	c := b.requests.begin(false)
	defer b.requests.end(c)
	m := &nats.Msg{Subject: l.in + topic, Reply: b.requests.prefix + c.token, Header: nats.Header{hdrID: {id}}, Data: data}
	if err := b.nc.PublishMsg(m); err != nil {
		if errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionDraining) {
			return ack, fmt.Errorf("%w: %w", errNotSent, err)
		}
		return ack, errNoWord // some of it may have been written
	}
	t := time.NewTimer(ackTimeout)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		b.keep.check()
		return ack, errNoWord
	case <-ctx.Done():
		return ack, errNoWord
	}
	if c.err != nil {
		return ack, errNoWord
	}
	answer := c.answers[0]
	if answer.Header.Get(hdrStatus) == "503" {
		return ack, fmt.Errorf("%w: no stream takes messages of this epoch", errNotKept)
	}
	if err := json.NewDecoder(bytes.NewReader(answer.Data)).Decode(&ack); err != nil {
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
		return ack, fmt.Errorf("natsbroker: the server refused the message: %s", e.Description)
	}
}

// foreignID makes a caller's id fit for a header. The server knows ids of a stream, callers those of a topic.
func foreignID(topic, id string) string {
	sum := sha256.Sum256([]byte(topic))
	return "~" + base64.RawURLEncoding.EncodeToString(sum[:12]) + "~" + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// messageID is the id of the header as it was given to Publish.
func messageID(header string) string {
	if s, ok := strings.CutPrefix(header, "~"); ok {
		if _, s, ok = strings.Cut(s, "~"); ok {
			if id, err := base64.RawURLEncoding.DecodeString(s); err == nil {
				return string(id)
			}
		}
	}
	return header
}
