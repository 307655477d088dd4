// Package embedded starts a NATS server with JetStream inside the process, for a service that has one machine, for development and for tests.
package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

// Options of a server. The zero value of each field is its default.
type Options struct {
	// Addr to listen on, host:port; port 0 is one that is free. If empty, "127.0.0.1:0". The server asks nobody for a password: on an address that others
	// reach, Configure must say who may connect.
	Addr string
	// StoreDir keeps the messages, for one server at a time: Start fails where another has it, in any process. If empty, a temporary directory that Shutdown removes.
	StoreDir string
	// Configure changes what the server is told beyond that: users, TLS, limits, a cluster. It may be nil.
	Configure func(*server.Options)
}

// Server is one that runs.
type Server struct {
	ns   *server.Server
	lock *flock.Flock // of the store, whose messages two servers would overwrite
	temp string
}

// Start starts a server and returns when it takes connections. If o is nil, every field is zero.
func Start(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	host, port, err := net.SplitHostPort(cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("embedded: address %q: %w", o.Addr, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("embedded: address %q: %w", o.Addr, err)
	}
	if n == 0 {
		n = server.RANDOM_PORT
	}
	s := &Server{}
	dir := o.StoreDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "wsrouter-nats-"); err != nil {
			return nil, err
		}
		s.temp = dir
	}
	so := &server.Options{Host: host, Port: n, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	if o.Configure != nil {
		o.Configure(so)
	}
	if err := s.lockStore(so.StoreDir); err != nil {
		s.removeTemp()
		return nil, err
	}
	if s.ns, err = server.NewServer(so); err != nil {
		s.release()
		return nil, fmt.Errorf("embedded: %w", err)
	}
	said := &complaints{}
	s.ns.SetLogger(said, false, false)
	s.ns.Start()
	for range 100 {
		if s.ns.ReadyForConnections(100 * time.Millisecond) {
			return s, nil
		}
		if said.fatal() != "" {
			break
		}
	}
	s.Shutdown()
	return nil, fmt.Errorf("embedded: the server at %s with files in %q does not take connections: %s", cmp.Or(o.Addr, "127.0.0.1:0"), so.StoreDir, cmp.Or(said.fatal(), "after 10 s"))
}

// complaints is a server's log, of which why it cannot start is kept.
type complaints struct {
	mu   sync.Mutex
	last string
}

func (c *complaints) fatal() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *complaints) Fatalf(format string, v ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = fmt.Sprintf(format, v...)
}

func (*complaints) Errorf(string, ...any)  {}
func (*complaints) Warnf(string, ...any)   {}
func (*complaints) Noticef(string, ...any) {}
func (*complaints) Debugf(string, ...any)  {}
func (*complaints) Tracef(string, ...any)  {}

// URL to connect to.
func (s *Server) URL() string { return s.ns.ClientURL() }

// Addr is host:port.
func (s *Server) Addr() string { return s.ns.Addr().String() }

// Subscriptions of all that are connected, and of the server itself.
func (s *Server) Subscriptions() int { return int(s.ns.NumSubscriptions()) }

// Shutdown stops the server and returns when it has stopped.
func (s *Server) Shutdown() error {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	return s.release()
}

// lockStore takes dir, until release or the process ends.
func (s *Server) lockStore(dir string) error {
	s.lock = flock.New(filepath.Join(dir, "wsrouter.lock"))
	if dir == "" { // Configure leaves it to the server
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	switch ok, err := s.lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("embedded: locking the files in %q: %w", dir, err)
	case !ok:
		return fmt.Errorf("embedded: another server has the files in %q", dir)
	}
	return nil
}

func (s *Server) release() error { return errors.Join(s.lock.Unlock(), s.removeTemp()) }

func (s *Server) removeTemp() error {
	if s.temp == "" {
		return nil
	}
	return os.RemoveAll(s.temp)
}
