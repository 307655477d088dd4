//go:build linux && (amd64 || arm64)

package reliability

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// A Process is a child that is asked line by line over its stdin and answers over its stdout. Its methods are safe from any goroutine.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	errors bytes.Buffer // what it wrote to stderr; read it when over is closed
	over   chan struct{}

	mu      sync.Mutex
	last    int
	waiting map[int]chan line // by id
}

// line is a question or its answer.
type line struct {
	ID   int             `json:"id"`
	Verb string          `json:"verb,omitempty"`
	Body json.RawMessage `json:"body,omitempty"`
	Err  string          `json:"err,omitempty"`
}

// Start runs the program at path in a role, here "server" or "clients". It is killed with the caller, and by Kill.
func Start(path, role string, config any) (*Process, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(path, role, string(text)), waiting: map[int]chan line{}, over: make(chan struct{})}
	p.cmd.Stderr = &p.errors
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.listen(out)
	return p, nil
}

// listen hands answers to who asked, until the child is gone.
func (p *Process) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var answer line
		if json.Unmarshal(lines.Bytes(), &answer) != nil {
			break
		}
		p.mu.Lock()
		p.waiting[answer.ID] <- answer
		delete(p.waiting, answer.ID)
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // how it ended is told by who asks it next
	close(p.over)
}

// Ask sends a question and stores its answer in out, if that is not nil.
func (p *Process) Ask(ctx context.Context, verb string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := p.post(verb, body)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	case <-p.over:
		return fmt.Errorf("%s: the child died:\n%s", verb, p.Errors())
	case a := <-answer:
		if a.Err != "" {
			return fmt.Errorf("%s: %s", verb, a.Err)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.Body, out)
	}
}

// post writes a question and returns where its answer will come.
func (p *Process) post(verb string, body []byte) (<-chan line, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	text, err := json.Marshal(line{ID: p.last, Verb: verb, Body: body})
	if err != nil {
		return nil, err
	}
	answer := make(chan line, 1)
	p.waiting[p.last] = answer
	if _, err := p.in.Write(append(text, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) { // of a dead child Ask tells more
		return nil, err
	}
	return answer, nil
}

// Signal sends the child a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Alive reports whether the child runs, or is stopped.
func (p *Process) Alive() bool {
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// Errors returns the beginning of what the child wrote to stderr, when it is gone.
func (p *Process) Errors() string {
	<-p.over
	return string(p.errors.Bytes()[:min(p.errors.Len(), 4<<10)])
}

// Kill ends the child and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.over
}

// Verbs are the questions that a child answers.
type Verbs map[string]func(body json.RawMessage) (any, error)

// Verb makes a verb of a function of decoded questions.
func Verb[In, Out any](fn func(In) (Out, error)) func(json.RawMessage) (any, error) {
	return func(body json.RawMessage) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return fn(in)
	}
}

// RunChild is the main of a child: it answers questions from in until that ends.
func RunChild(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: child server|clients CONFIG")
	}
	var v Verbs
	var err error
	switch args[0] {
	case "server":
		v, err = newServer(args[1])
	case "clients":
		v, err = newCrowd(args[1])
	default:
		err = fmt.Errorf("there is no role %q", args[0])
	}
	if err != nil {
		return err
	}
	return v.Answer(in, out)
}

// Answer answers each question in a goroutine of its own, so that a long one holds up no other. Goroutines wait for the next question, so that what is measured
// here is not how they begin.
func (v Verbs) Answer(in io.Reader, out io.Writer) error {
	var mu sync.Mutex
	questions := make(chan line)
	defer close(questions)
	answer := func(q line) {
		for ok := true; ok; q, ok = <-questions {
			text := append(v.one(q), '\n')
			mu.Lock()
			_, _ = out.Write(text) // who asked may be gone
			mu.Unlock()
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q line
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		select {
		case questions <- q:
		default:
			go answer(q)
		}
	}
	return lines.Err()
}

func (v Verbs) one(q line) []byte {
	a := line{ID: q.ID}
	fn := v[q.Verb]
	var body any
	err := fmt.Errorf("there is no verb %q", q.Verb)
	if fn != nil {
		body, err = fn(q.Body)
	}
	if err == nil {
		a.Body, err = json.Marshal(body)
	}
	if err != nil {
		a.Err = err.Error()
	}
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // a line holds nothing that cannot be marshalled
	}
	return text
}
