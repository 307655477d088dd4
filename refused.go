package wsrouter

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// refusals says of what peers send wrong, which they may do without end, one line a minute for each kind of mistake. At level debug it says
// everything.
type refusals struct {
	mu    sync.Mutex
	kinds map[string]*refusedKind
}

type refusedKind struct {
	next   time.Time // of a line
	silent int       // refused since the last
}

const (
	refusedPause = time.Minute
	maxRefused   = 32 // kinds; what is beyond shares one
)

// due counts one refusal and reports whether it may be logged, with how many were not since the last that was.
func (r *refusals) due(kind string, now time.Time) (silent int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[kind]
	if k == nil && len(r.kinds) >= maxRefused {
		kind = ""
		k = r.kinds[kind]
	}
	if k == nil {
		if r.kinds == nil {
			r.kinds = map[string]*refusedKind{}
		}
		k = new(refusedKind)
		r.kinds[kind] = k
	}
	if now.Before(k.next) {
		k.silent++
		return 0, false
	}
	silent, k.silent, k.next = k.silent, 0, now.Add(refusedPause)
	return silent, true
}

// logRefused notes that the peer was refused something because of kind; args say what.
func (c *conn) logRefused(kind string, args ...any) {
	r := c.router
	level, every := slog.LevelInfo, r.logger().Enabled(&c.ctx, slog.LevelDebug)
	silent, ok := r.refusals.due(kind, time.Now())
	switch {
	case !ok && !every:
		return
	case !ok:
		level = slog.LevelDebug
	}
	if silent > 0 && !every {
		args = append(args, "not_logged", silent)
	}
	c.logger().Log(&c.ctx, level, "wsrouter: message refused", append([]any{"code", kind}, args...)...)
}

// brief cuts a text for the log: a hundred issues, with names that the peer chose, are more than a line.
func brief(s string) string {
	const most = 1 << 10
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
