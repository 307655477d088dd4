//go:build linux && (amd64 || arm64)

package reliability_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// TestPanicIsolation: wherever code of the application panics, its connection alone ends, with 1011 or before its 101 with 500, and
// the log has one line. Somebody else on the same router is answered all the time, and newcomers too.
func TestPanicIsolation(t *testing.T) {
	inModes(t, func(t *testing.T, mode reliability.Mode) {
		for _, p := range reliability.Positions {
			t.Run(p.Name, func(t *testing.T) {
				t.Parallel()
				server, address := serve(t, reliability.ServerConfig{Mode: mode, Panic: p.Name})
				if err := panicAt(t, server, address, p); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// panicAt plays one position and returns what was not as the table has it.
func panicAt(t *testing.T, server process, address string, p reliability.Position) error {
	other, err := reliability.Dial(address, "/?id=other", "")
	if err != nil {
		return err
	}
	defer other.Conn.Close()
	stop, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- chat(other, stop) }()

	errs := []error{meet(server, address, p)}
	if !p.Drain {
		close(stop)
		errs = append(errs, <-served, newcomer(address))
	} else if err := <-served; !closedWith(err, 1001) {
		errs = append(errs, fmt.Errorf("the other client: %v, want a close frame with 1001", err))
	}
	var lines []string
	var lost error
	eventually(2*time.Second, func() bool { // a peer may see the end before it is logged
		var more []string
		lost = server.Ask(t.Context(), "logs", nothing{}, &more)
		lines = append(lines, more...)
		return len(lines) >= p.Lines || lost != nil
	})
	if lost != nil {
		return fmt.Errorf("the server: %.300s", lost.Error())
	}
	if len(lines) != p.Lines {
		errs = append(errs, fmt.Errorf("%d lines in the log, want %d: %q", len(lines), p.Lines, lines))
	}
	return errors.Join(errs...)
}

// meet is the victim's part.
func meet(server process, address string, p reliability.Position) error {
	c, err := reliability.Dial(address, "/?id="+reliability.Victim+p.Query, "")
	var refused *reliability.Refusal
	switch {
	case p.Status != 0 && errors.As(err, &refused) && refused.Status == p.Status:
		return nil
	case p.Status != 0:
		return fmt.Errorf("the victim's handshake: want %d, got %v", p.Status, err)
	case err != nil:
		return err
	}
	defer c.Conn.Close()
	if err := c.Conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if err := say(c, p.Say); err != nil {
		return err
	}
	if p.Trigger != "" {
		ask[string](server, p.Trigger, nothing{})
	}
	if p.Waits {
		eventually(5*time.Second, func() bool { return len(ask[[]string](server, "began", nothing{})) > 0 })
	}
	if p.Drain {
		if err := shutDown(server, address); err != nil {
			return err
		}
	}
	return fate(c, p)
}

// shutDown lets handlers that wait go on when the shutdown has begun.
func shutDown(server process, address string) error {
	var st reliability.Stopped
	over := make(chan error, 1)
	go func() { over <- server.Ask(context.Background(), "shutdown", 5*time.Second, &st) }()
	eventually(5*time.Second, func() bool {
		c, err := reliability.Dial(address, "/?id=late", "")
		if err != nil {
			return true // refused with 503, or the server listens no longer
		}
		c.Reset()
		return false
	})
	ask[any](server, "release", nothing{})
	err := <-over
	if st.Err != "" {
		err = errors.Join(err, fmt.Errorf("Shutdown: %s", st.Err))
	}
	return err
}

func say(c *reliability.Client, what string) error {
	switch what {
	case "":
		return nil
	case "close":
		return c.Write(reliability.OpClose, []byte{0x03, 0xe8})
	}
	return c.Write(reliability.OpText, []byte(what))
}

// fate waits for the victim's end.
func fate(c *reliability.Client, p reliability.Position) error {
	if p.Code == 0 && !p.Silent {
		return echo(c)
	}
	for {
		var err error
		if p.Silent {
			_, _, err = c.Read()
		} else {
			_, err = c.ReadMessage()
		}
		switch {
		case err == nil:
		case p.Silent || closedWith(err, p.Code):
			return nil
		default:
			return fmt.Errorf("the victim: %v, want a close frame with %d", err, p.Code)
		}
	}
}

func closedWith(err error, code int) bool {
	var closed *reliability.Closed
	return errors.As(err, &closed) && closed.Code == code
}

// chat sends and gets its own messages back until told to stop, or until the connection ends.
func chat(c *reliability.Client, stop <-chan struct{}) error {
	for {
		if err := c.Conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if err := echo(c); err != nil {
			return fmt.Errorf("the other client: %w", err)
		}
		select {
		case <-stop:
			return echo(c)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// echo sends one message and waits for one.
func echo(c *reliability.Client) error {
	if err := c.Write(reliability.OpText, []byte(`{"type":"do","what":"echo","n":7}`)); err != nil {
		return err
	}
	_, err := c.ReadMessage()
	return err
}

func newcomer(address string) error {
	c, err := reliability.Dial(address, "/?id=newcomer", "")
	if err != nil {
		return fmt.Errorf("a newcomer: %w", err)
	}
	defer c.Conn.Close()
	if err := c.Conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if err := echo(c); err != nil {
		return fmt.Errorf("a newcomer: %w", err)
	}
	return nil
}
