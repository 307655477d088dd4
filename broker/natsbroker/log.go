package natsbroker

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// kinds of lines in the log.
type kind int

const (
	malformed kind = iota
	epochAdvanced
	unreachable
	slowConsumer
	natsError
	kinds
)

// minuteLog writes a line of each kind at most once a minute.
type minuteLog struct {
	to     *slog.Logger
	mu     sync.Mutex
	at     [kinds]time.Time
	silent [kinds]int
}

func (l *minuteLog) say(k kind, text string, args ...any) {
	now := time.Now()
	l.mu.Lock()
	if !l.at[k].IsZero() && now.Sub(l.at[k]) < time.Minute {
		l.silent[k]++
		l.mu.Unlock()
		return
	}
	silent := l.silent[k]
	l.at[k], l.silent[k] = now, 0
	l.mu.Unlock()
	if silent > 0 {
		args = append(args, "alike_before", silent)
	}
	l.to.Warn(text, args...)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
