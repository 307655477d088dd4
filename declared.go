package wsrouter

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
	"github.com/wsrouter-go/wsrouter/internal/wsconn"
	"github.com/wsrouter-go/wsrouter/schema"

	"reflect"
)

// declaredOrFail returns an error if m may not be sent because no Sends names it. Otherwise it warns, once for each type.
func (r *router) declaredOrFail(m *message, strict bool) error {
	if m.declared {
		return nil
	}
	if strict || r.opts.StrictSends {
		return fmt.Errorf("%w: %v: add it to the Sends of a handler or of the router", ErrUndeclared, m.typ)
	}
	if _, warned := r.warned.LoadOrStore(m.typ, struct{}{}); !warned {
		r.logger().Warn("wsrouter: undeclared message sent", "type", m.typ.String(), "remedy", remedy(m))
	}
	return nil
}

// remedy is the option that declares m.
func remedy(m *message) string {
	switch m.typ {
	case reflect.TypeFor[string]():
		return `Sends("")`
	case reflect.TypeFor[[]byte]():
		return "Sends([]byte(nil))"
	}
	return "Sends(" + m.typ.String() + "{})"
}

// logger is the router's, with its name.
func (r *router) logger() *slog.Logger {
	l := r.opts.Logger
	if l == nil {
		l = slog.Default()
	}
	if r.opts.Name != "" {
		l = l.With("router", r.opts.Name)
	}
	return l
}

// violation tells a test what it would not have seen.
func (c *conn) violation(err error) {
	if c.rarely().hook != nil && c.rarely().hook.Violation != nil {
		c.rarely().hook.Violation(err)
	}
}

// violatesSchema says that a sent message breaks the rules of its own type.
func violatesSchema(m *message, issues []schema.Issue, data []byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "message %q breaks the rules of %v that the documents show:", m.name(), m.typ)
	for _, i := range issues {
		fmt.Fprintf(&b, "\n\t%s %s", orElse(i.Path, "/"), i.Message)
	}
	fmt.Fprintf(&b, "\n\tsent: %s", data)
	return fmt.Errorf("%s", b.String())
}

// codec speaks the router's messages from the client's side, for package wstest.
type codec struct {
	router *router
}

var _ testhook.Codec = codec{}

// Encode returns msg as a client sends it.
func (k codec) Encode(msg any) ([]byte, error) {
	_, b, err := k.router.encode(msg, nil)
	if err != nil {
		return nil, err
	}
	defer b.Free()
	return append([]byte(nil), b.B[wsconn.HeaderRoom:]...), nil
}

// Decode stores a frame in v and fails if it is another message or breaks its rules.
func (k codec) Decode(frame []byte, v any) error {
	t := reflect.TypeOf(v).Elem()
	m, err := k.router.messages.of(t)
	if err != nil {
		return err
	}
	if issues := m.plan.Decode(frame, v); issues != nil {
		return invalid(issues)
	}
	return nil
}

// Binary reports whether JSON travels in binary frames.
func (k codec) Binary() bool { return k.router.opts.Binary }
