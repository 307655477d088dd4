package wsrouter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strconv"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"
)

// tryLater is the reason of a close for what may soon be over.
const tryLater = "try again later"

// Open runs OnConnect: it implements wsconn.Handler, as what follows does.
func (c *conn) Open() {
	if c.untold {
		c.close(1011, "internal error")
	}
	defer c.recoverPanic()
	var err error
	if c.router.onConnect != nil {
		c.phase = inOnConnect
		err = c.router.onConnect(&c.ctx, c)
	}
	var failure *Error
	switch {
	case err == nil:
		c.resume()
	case c.closedBy(err):
	case errors.As(err, &failure) && failure != nil:
		c.answer(failure, nil)
		c.close(1008, shorten(failure.Code))
	case over(&c.ctx, err) && c.socket.Over():
	case errors.Is(err, broker.ErrUnavailable):
		c.logRefused(codeUnavailable, "in", c.phase.String(), "err", err)
		c.close(1013, tryLater)
	default: // also ErrClosed of another connection: this one has not been let in
		c.logger().Error("wsrouter: OnConnect failed", "err", err)
		c.close(1011, "internal error")
	}
}

// Message handles one message.
func (c *conn) Message(data []byte, binary bool) {
	f := Frame{Data: data, Binary: binary}
	begun := c.messageBegins()
	outcome := c.handle(f)
	c.observeMessage(f, begun, outcome)
	c.handling.Store(nil)
}

// handle does all for one message.
func (c *conn) handle(f Frame) (outcome Outcome) {
	outcome = OutcomePanic // unless it returns
	defer c.recoverPanic()
	c.phase = inRouting
	return c.settle(f, c.take(f))
}

// take leads a frame to whoever is to handle it.
func (c *conn) take(f Frame) error {
	r := c.router
	if f.Binary != r.opts.Binary && !(r.dispatch != nil && r.handlesRaw(f.Binary)) {
		return r.fallback(&c.ctx, c, f, wrongKind(f.Binary))
	}
	if r.dispatch != nil {
		c.phase = inDispatch
		return r.dispatch(&c.ctx, c, f)
	}
	return r.route(&c.ctx, c, f)
}

// wrongKind is the error for a binary frame where messages are text, or the reverse.
func wrongKind(binary bool) *ProtocolError {
	if binary {
		return &ProtocolError{1003, "messages are text frames here, this one is binary"}
	}
	return &ProtocolError{1003, "messages are binary frames here, this one is text"}
}

// handlesRaw reports whether a dispatcher has a handler for raw frames of that kind.
func (r *router) handlesRaw(binary bool) bool {
	for _, rt := range r.routes {
		if rt.message.frame == "text" && !binary || rt.message.frame == "binary" && binary {
			return true
		}
	}
	return false
}

// route finds the handler of a frame, decodes the message and calls it.
func (r *router) route(ctx context.Context, c *conn, f Frame) error {
	rt, refused := r.table.find(f.Data)
	if refused != nil {
		return r.fallback(ctx, c, f, refused)
	}
	issues, err := r.handleAs(ctx, c, rt, rt.message.plan, f)
	if issues != nil {
		return r.fallback(ctx, c, f, invalid(issues))
	}
	return err
}

// handleAs decodes a frame by plan and calls the handler of rt, unless the frame has issues.
func (r *router) handleAs(ctx context.Context, c *conn, rt *route, plan *schema.Plan, f Frame) (issues []schema.Issue, err error) {
	c.handling.Store(rt)
	c.phase = inDecoding
	in := rt.arrivals.get()
	if issues := plan.Decode(f.Data, in.Value); issues != nil && !r.tolerate(c, plan, f.Data, in.Value, issues) {
		return issues, nil
	}
	err = c.call(ctx, rt, in, f)
	if len(r.middleware) == 0 { // else somebody may have kept it
		rt.arrivals.put(in)
	}
	return nil, err
}

// call hands a decoded message to its handler.
func (c *conn) call(ctx context.Context, rt *route, in *Incoming, f Frame) error {
	in.Name, in.Frame = rt.wireName(f.Data, c.router.opts.Discriminator), f
	c.phase = inHandler
	return rt.call(ctx, c, in)
}

// wireName is the name that the message in data came under, one of those that are declared. "" if it has none.
func (rt *route) wireName(data []byte, discriminator string) string {
	if rt.message.wire == nil {
		return rt.as
	}
	return rt.declaredName(data, discriminator)
}

// tolerate reports whether a message with issues is handled all the same, under ReportOnly.
func (r *router) tolerate(c *conn, plan *schema.Plan, data []byte, v any, issues []schema.Issue) bool {
	if !r.opts.ReportOnly || plan.Unmarshal(data, v) != nil {
		return false
	}
	c.logger().Warn("wsrouter: message breaks rules", "issues", invalid(issues).Error())
	return true
}

// fallback hands a frame that no handler takes to the hook, or back as the default does.
func (r *router) fallback(ctx context.Context, c *conn, f Frame, err error) error {
	if r.onFallback == nil {
		return err
	}
	c.phase = inOnFallback
	return r.onFallback(ctx, c, f, err)
}

// decodeBody is route for a message that a dispatcher has already named.
func (r *router) decodeBody(ctx context.Context, c *conn, rt *route, name string, body []byte) error {
	f := Frame{Data: body, Binary: r.opts.Binary}
	if rt.message.frame != "" {
		c.handling.Store(rt)
		return c.call(ctx, rt, &Incoming{Value: rawValue(rt.message.frame, body)}, f)
	}
	plan := rt.bare
	if literal, ok := schema.Member(body, r.opts.Discriminator); ok && !rt.message.plain && text(literal) == name {
		plan = rt.message.plan
	}
	issues, err := r.handleAs(ctx, c, rt, plan, f)
	if issues != nil {
		return invalid(issues)
	}
	return err
}

// rawValue is the Go value of a raw frame, by pointer.
func rawValue(frame string, data []byte) any {
	if frame == "text" {
		s := string(data)
		return &s
	}
	data = bytes.Clone(data) // a message is the handler's, a frame is not
	return &data
}

// callWith calls the handler of v's type.
func (r *router) callWith(ctx context.Context, c *conn, v any) error {
	if v == nil {
		return errors.New("wsrouter: Call: the value is nil")
	}
	t := reflect.TypeOf(v)
	value := reflect.ValueOf(v)
	if t.Kind() == reflect.Pointer {
		if value.IsNil() {
			return errors.New("wsrouter: Call: the value is a nil " + t.String())
		}
		t, value = t.Elem(), value.Elem()
	}
	var found *route
	for _, rt := range r.routes {
		if rt.message.typ != t {
			continue
		}
		if found != nil {
			return fmt.Errorf("wsrouter: Call: %v has the handlers %q and %q: use Handle", t, found.name(), rt.name())
		}
		found = rt
	}
	if found == nil {
		return fmt.Errorf("wsrouter: Call: no handler receives %v", t)
	}
	p := reflect.New(t)
	p.Elem().Set(value)
	c.handling.Store(found)
	return c.call(ctx, found, &Incoming{Value: p.Interface()}, Frame{Binary: r.opts.Binary})
}

// Limited answers a message that came too soon.
func (c *conn) Limited(data []byte, binary bool) {
	f := Frame{Data: data, Binary: binary}
	begun := c.messageBegins()
	c.limit(f)
	c.observeMessage(f, begun, OutcomeLimited)
}

func (c *conn) limit(f Frame) {
	defer c.recoverPanic()
	c.phase = inLimiting
	o := &c.router.opts
	c.logRefused(codeRateLimited)
	if o.RateClose {
		c.close(1008, "too many messages: "+o.rate())
		return
	}
	var id []byte
	if f.Binary == o.Binary {
		id = c.router.correlationID(f.Data)
	}
	c.answer(&Error{Code: codeRateLimited, Detail: "too many messages, this one was not handled: " + o.rate()}, id)
}

// settle does what the outcome of a handler, middleware, dispatcher or fallback asks for.
func (c *conn) settle(f Frame, err error) Outcome {
	if err == nil {
		return OutcomeOK
	}
	var (
		protocol   *ProtocolError
		failure    *Error
		validation *ValidationError
	)
	switch {
	case c.closedBy(err):
		return OutcomeClose
	case errors.As(err, &protocol):
		c.logRefused(strconv.Itoa(protocol.Code), "reason", protocol.Reason)
		c.closeAs(protocol.Code, protocol.Reason)
		return OutcomeClose
	case errors.As(err, &failure) && failure != nil:
		if failure.cause != nil {
			c.logger().Warn("wsrouter: error answered", "code", failure.Code, "err", err)
		}
		c.answer(failure, c.router.correlationID(f.Data))
		return OutcomeError
	case errors.As(err, &validation):
		c.logRefused(validation.Code, "issues", brief(validation.Error()))
		c.answer(validation.reply(), c.router.correlationID(f.Data))
		return OutcomeInvalid
	case over(&c.ctx, err), errors.Is(err, ErrDropped): // of drops the outbox has told, once for each episode
		c.logger().Debug("wsrouter: handler saw the end, or a full outbox", "err", err)
		return OutcomeOver
	case errors.Is(err, broker.ErrUnavailable):
		c.logRefused(codeUnavailable, "in", c.phase.String(), "err", err)
		c.answer(&Error{Code: codeUnavailable, Detail: "the server cannot reach the others: try again later"}, c.router.correlationID(f.Data))
		return OutcomeFailed
	}
	c.logger().Error("wsrouter: handler failed", "in", c.phase.String(), "err", err)
	c.answer(&Error{Code: codeInternal, Detail: "internal error"}, c.router.correlationID(f.Data))
	return OutcomeFailed
}

// closedBy closes the connection if err was made by Close.
func (c *conn) closedBy(err error) bool {
	var by *closeError
	if !errors.As(err, &by) {
		return false
	}
	c.close(by.code, by.reason)
	return true
}

// answer sends an error reply.
func (c *conn) answer(e *Error, id []byte) {
	var msg any = e
	if reshape := c.router.opts.ErrorMessage; reshape != nil {
		c.phase = inErrorMessage
		msg = reshape(e)
	}
	if err := c.send(&c.ctx, msg, id); err != nil && !over(&c.ctx, err) && !errors.Is(err, ErrDropped) {
		c.logger().Error("wsrouter: error reply not sent", "code", e.Code, "err", err)
	}
}

// recoverPanic closes the connection if the function that it is deferred in panics.
func (c *conn) recoverPanic() {
	if p := recover(); p != nil {
		c.panicked(c.phase.String(), p)
	}
}

// recoverLog is the same for what only tells the log, beside a handler that may run.
func (c *conn) recoverLog() {
	if p := recover(); p != nil {
		c.panicked("Options.Logger", p)
	}
}

// panicked closes the connection because of the panic p.
func (c *conn) panicked(in string, p any) {
	stack := string(debug.Stack())
	tell(func() { c.logger().Error("wsrouter: panic", "in", in, "panic", fmt.Sprint(p), "stack", stack) })
	if !c.socket.Over() { // else the end has its code
		c.close(1011, "internal error")
	}
}

// tell logs where nothing else may come to harm. If the log panics, there is nobody left to tell.
func tell(log func()) {
	defer func() { _ = recover() }()
	log()
}

// Ended takes note of the end, as soon as it is seen.
func (c *conn) Ended(end wsconn.End) {
	if unbase := c.rarely().unbase; unbase != nil {
		unbase()
	}
	c.router.live.release(c)
	c.ctx.end()
	c.router.rooms.leaveAll(c)
	if end.Code == 1013 && end.Err != nil { // not who closes with that code on purpose
		defer c.recoverLog()
		c.logger().Warn("wsrouter: connection closed, the peer reads too slowly", "outbox", c.router.opts.Outbox)
	}
}

// Finish runs OnDisconnect.
func (c *conn) Finish(end wsconn.End) {
	c.finish(end)
	c.observeClose(end)
}

func (c *conn) finish(end wsconn.End) {
	defer c.recoverPanic()
	c.phase = inOnDisconnect
	c.handling.Store(nil)
	c.logger().Debug("wsrouter: connection closed", "code", end.Code, "reason", end.Reason, "by_peer", end.Remote, "err", end.Err)
	if c.router.onDisconnect == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(&c.ctx), farewell)
	defer cancel()
	c.router.onDisconnect(ctx, c, CloseInfo(end))
}

// Released forgets the connection: nothing of it runs any more.
func (c *conn) Released() { c.router.live.remove(c) }

// Dropped logs that an episode of drops has begun, and tells the observer of each.
func (c *conn) Dropped(d wsconn.Drops) {
	defer c.recoverLog()
	if d.Names != nil {
		c.observeDrops(d.Names)
	}
	if d.Begin {
		c.logger().Warn("wsrouter: messages dropped, the peer reads too slowly", "outbox", c.router.opts.Outbox, "dropped_before", d.Before)
	}
}
