package wsrouter

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wsrouter-go/wsrouter/schema"
)

// freezer remembers whether the declarations of a router are over.
type freezer struct {
	frozen atomic.Bool
	mu     sync.Mutex
	failed any // what the first freeze panicked with
}

// declaring panics if the router is frozen.
func (r *router) declaring(call string) {
	if r.freezing.frozen.Load() {
		panic(fmt.Sprintf("wsrouter: %s: the router is frozen: declare everything before the first request and the first use of a document", call))
	}
}

// declaringOnce is declaring for what can be set a single time.
func (r *router) declaringOnce(call string, missing, set bool) {
	r.declaring(call)
	if missing {
		panic(fmt.Sprintf("wsrouter: %s: the function is nil", call))
	}
	if set {
		panic(fmt.Sprintf("wsrouter: %s: it is already set", call))
	}
}

// freeze ends the declarations and checks them as a whole. A mistake panics, now and whenever the router is used.
func (r *router) freeze() {
	f := &r.freezing
	if f.frozen.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		panic(f.failed)
	}
	if f.frozen.Load() {
		return
	}
	defer func() {
		if f.failed = recover(); f.failed != nil {
			panic(f.failed)
		}
	}()
	r.settle()
	f.frozen.Store(true)
}

// settle does what can only be done when everything is declared.
func (r *router) settle() {
	r.checkDispatchOnly()
	r.placeSent()
	r.recompileQuestions()
	r.messages.settle(r.sends)
	for _, rt := range r.routes {
		r.messages.settle(rt.sends)
	}
	r.messages.settleError()
	r.table = newTable(r.opts.Discriminator, r.routes)
	for _, rt := range r.routes {
		if r.dispatch != nil {
			r.compileBare(rt)
		}
		for i := len(r.middleware) - 1; i >= 0; i-- {
			rt.call = r.middleware[i](rt.call)
		}
	}
	r.nameHandlers()
}

// checkDispatchOnly panics for handlers that only a dispatcher could call if there is none.
func (r *router) checkDispatchOnly() {
	if r.dispatch != nil {
		return
	}
	for i, rt := range r.routes {
		if rt.message.plain {
			panic(fmt.Sprintf("wsrouter: Receive[%v]: it is no JSON object, so that no discriminator leads to it: set Dispatch, or Payload with As", rt.message.typ))
		}
		for _, other := range r.routes[:i] {
			if other.message.typ == rt.message.typ {
				panic(fmt.Sprintf("wsrouter: Receive[%v]: the type is already handled by %s: only a dispatcher can choose between %q and %q", rt.message.typ, other.who(), other.name(), rt.name()))
			}
		}
	}
}

// placeSent marks what rooms may send under Options.Resume, and declares what the router itself sends then.
func (r *router) placeSent() {
	if r.opts.Resume == nil {
		return
	}
	all := slices.Clone(r.sends)
	for _, rt := range r.routes {
		all = append(all, rt.sends...)
	}
	for _, d := range all {
		r.messages.placed[d.typ] = r.messages.rawFrame(d.typ, r.messages.names[d.typ]) == ""
	}
	if roll := r.rooms.roll; roll != nil {
		delete(r.messages.placed, roll.told)
	}
	for _, t := range []reflect.Type{reflect.TypeFor[Joined](), reflect.TypeFor[Resync]()} {
		delete(r.messages.placed, t)
		r.sends = append(r.sends, declaration{t, "New: Options.Resume (Options.Names gives its messages other names)"})
	}
}

// recompileQuestions compiles received types once more that turned out to be answers of Respond, which show the correlation id, or to be sent by
// rooms, which shows their position.
func (r *router) recompileQuestions() {
	for _, rt := range r.routes {
		t := rt.message.typ
		if again := r.messages.printID[t] && !rt.responds || r.messages.placed[t]; again && rt.message.frame == "" {
			rt.message = r.messages.received("Receive", t, rt.as, r.messages.printID[t])
		}
	}
}

// compileBare compiles rt's message without its envelope.
func (r *router) compileBare(rt *route) {
	if rt.message.frame != "" {
		return
	}
	plan, err := schema.Compile(rt.message.typ, &schema.Options{RejectUnknownMembers: r.opts.RejectUnknownMembers})
	if err != nil {
		panic(fmt.Sprintf("wsrouter: Receive[%v]: %v", rt.message.typ, err))
	}
	rt.bare = plan
}

// nameHandlers gives every handler a name of its own for documents: its function's, else its message's, with a number if taken.
func (r *router) nameHandlers() {
	taken := map[string]bool{}
	for _, rt := range r.routes {
		if taken[rt.handlerName] {
			rt.handlerName = ""
		}
		if rt.handlerName == "" {
			rt.handlerName = rt.name()
		}
		name := rt.handlerName
		for n := 2; taken[rt.handlerName]; n++ {
			rt.handlerName = fmt.Sprintf("%s_%d", name, n)
		}
		taken[rt.handlerName] = true
	}
}
