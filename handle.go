package wsrouter

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

// Receive registers fn for messages of type M. It panics, and names the call, if M cannot be a message or if M or its name is
// already handled.
//
// The messages of one connection are handled one at a time, in order; while a handler blocks the connection is watched, and ctx
// ends with it. Messages that have not begun when the connection ends are discarded, also those before a peer's close frame. A nil error means handled; an *[Error] is answered; a [Close] error closes; one that wraps
// [broker.ErrUnavailable] is answered "unavailable"; any other is logged and answered "internal" without its text. A panic closes the connection with 1011.
func Receive[S, M any](r *Router[S], fn func(ctx context.Context, c *Conn[S], m M) error, opts ...HandlerOption) {
	r.core.handle("Receive", registration{
		message:  reflect.TypeFor[M](),
		fn:       fn,
		missing:  fn == nil,
		arrivals: arrivalsOf[M](),
		call: func(ctx context.Context, c *conn, in *Incoming) error {
			return fn(ctx, c.owner.(*Conn[S]), *in.Value.(*M))
		},
		opts: opts,
	})
}

// Respond is [Receive] for a question with one answer: A is sent with the correlation id that the question carried, and without
// if it carried none. Where Q has a field of that name ([Options.IDMember]) it is both; where A has one, the question's id takes its place: call it otherwise, or
// rename IDMember. A is declared by it; Sends declares what else the handler may send.
func Respond[S, Q, A any](r *Router[S], fn func(ctx context.Context, c *Conn[S], q Q) (A, error), opts ...HandlerOption) {
	var answer A
	r.core.handle("Respond", registration{
		message:  reflect.TypeFor[Q](),
		answer:   reflect.TypeFor[A](),
		fn:       fn,
		missing:  fn == nil,
		arrivals: arrivalsOf[Q](),
		call: func(ctx context.Context, c *conn, in *Incoming) error {
			a, err := fn(ctx, c.owner.(*Conn[S]), *in.Value.(*Q))
			if err != nil {
				return err
			}
			return c.send(ctx, a, c.router.correlationID(in.Frame.Data))
		},
		opts: append([]HandlerOption{Sends(answer)}, opts...),
	})
}

// arrivals are the messages of one type on their way to its handler.
type arrivals struct {
	get func() *Incoming   // with a zero *M in it
	put func(in *Incoming) // takes back what get returned, if nobody else can have kept it
}

func arrivalsOf[M any]() arrivals {
	var idle sync.Pool
	return arrivals{
		get: func() *Incoming {
			if in, ok := idle.Get().(*Incoming); ok {
				return in
			}
			var a struct {
				in      Incoming
				message M
			}
			a.in.Value = &a.message
			return &a.in
		},
		put: func(in *Incoming) {
			var zero M
			*in.Value.(*M) = zero
			in.Name, in.Frame = "", Frame{}
			idle.Put(in)
		},
	}
}

// registration is one call of Receive or Respond.
type registration struct {
	message  reflect.Type
	answer   reflect.Type // nil: none
	fn       any
	missing  bool // fn is nil
	arrivals arrivals
	call     handlerFunc
	opts     []HandlerOption
}

// handle adds a route.
func (r *router) handle(call string, reg registration) {
	r.declaring(call)
	call = fmt.Sprintf("%s[%v]", call, reg.message)
	if reg.missing {
		panic(fmt.Sprintf("wsrouter: %s: the handler is nil", call))
	}
	var h handler
	for _, o := range reg.opts {
		if o == nil {
			panic(fmt.Sprintf("wsrouter: %s: an option is nil", call))
		}
		o(&h)
	}
	rt := &route{
		handlerName: functionName(reg.fn),
		function:    runtimeName(reg.fn),
		handler:     h,
		message:     r.messages.received(call, reg.message, h.as, reg.answer != nil),
		responds:    reg.answer != nil,
		arrivals:    reg.arrivals,
		call:        reg.call,
	}
	rt.sends = r.declare(call+": Sends", h.sends)
	if rt.responds {
		if t := rt.sends[0].typ; r.opts.Payload == "" && !isObject(t) {
			panic(fmt.Sprintf("wsrouter: %s: the answer %v is no JSON object, so that it has no place for the correlation id", call, t))
		}
		r.messages.printID[rt.sends[0].typ] = true
	}
	r.refuseTwins(call, rt)
	r.routes = append(r.routes, rt)
}

// refuseTwins panics if rt's type or one of its names already has a handler. Several handlers of one type that As tells apart wait
// for freeze, which knows whether there is a dispatcher.
func (r *router) refuseTwins(call string, rt *route) {
	for _, other := range r.routes {
		if other.message.typ == rt.message.typ && (other.as == "" || rt.as == "") {
			panic(fmt.Sprintf("wsrouter: %s: the type is already handled by %s", call, other.who()))
		}
		for _, literal := range rt.message.wire {
			for _, taken := range other.message.wire {
				if literal == taken {
					panic(fmt.Sprintf("wsrouter: %s: message %s is already handled by %s", call, literal, other.who()))
				}
			}
		}
		if rt.as != "" && rt.as == other.as {
			panic(fmt.Sprintf("wsrouter: %s: message %q is already handled by %s", call, rt.as, other.who()))
		}
	}
}

// declaration is one type that some Sends names.
type declaration struct {
	typ  reflect.Type
	call string // for a panic when the router freezes
}

// declare checks that msgs can be messages. Their names are settled when the router freezes, because a later As may name them.
func (r *router) declare(call string, msgs []any) []declaration {
	var list []declaration
	for _, msg := range msgs {
		if msg == nil {
			panic(fmt.Sprintf("wsrouter: %s: got nil, want a value of a message type", call))
		}
		t := messageType(reflect.TypeOf(msg))
		if err := r.messages.check(t); err != nil {
			panic(fmt.Sprintf("wsrouter: %s: %v", call, err))
		}
		list = append(list, declaration{t, call})
	}
	return list
}

// functionName is the last part of fn's Go name, "" for a closure or a generic function, which have none of their own.
func functionName(fn any) string {
	full := runtimeName(fn)
	if full == "" || strings.HasSuffix(full, "]") || strings.Contains(full, "[...].func") {
		return ""
	}
	name := strings.TrimSuffix(full[strings.LastIndexByte(full, '.')+1:], "-fm")
	if isClosure(full) {
		return ""
	}
	return name
}

// runtimeName is fn's Go name with its package, "" if it is nil.
func runtimeName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	return runtime.FuncForPC(v.Pointer()).Name()
}

// isClosure recognises the names that the compiler gives to function literals: main.glob..func1, main.New.func2, main.New.func2.1.
func isClosure(full string) bool {
	last := full[strings.LastIndexByte(full, '.')+1:]
	digits := strings.TrimPrefix(last, "func")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && strings.Count(full[strings.LastIndexByte(full, '/')+1:], ".") > 1 ||
		strings.Contains(full, ".func") && strings.Trim(last, "0123456789") == ""
}
