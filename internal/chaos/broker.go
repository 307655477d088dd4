//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/wsrouter-go/wsrouter/internal/reliability"
)

// brokerConfig of the process that serves NATS.
type brokerConfig struct {
	Store string // a directory
	Port  int    // 0: any
}

// newBroker serves NATS with JetStream on files as nats-server does, which syncs them now and then and handles SIGTERM.
func newBroker(config string) (reliability.Verbs, error) {
	var cfg brokerConfig
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return nil, err
	}
	if cfg.Port == 0 {
		cfg.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: cfg.Port, JetStream: true, StoreDir: cfg.Store})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		return nil, errors.New("the NATS server does not become ready")
	}
	return reliability.Verbs{
		"address":       reliability.Verb(func(struct{}) (string, error) { return s.Addr().String(), nil }),
		"usage":         reliability.Verb(func(struct{}) (usage, error) { return used() }),
		"profile":       reliability.Verb(profile),
		"subscriptions": reliability.Verb(func(struct{}) (int, error) { return int(s.NumSubscriptions()), nil }),
	}, nil
}

// A brokerProcess is the broker of a run: it is killed, and comes back at the same address with the same files.
type brokerProcess struct {
	cfg     brokerConfig
	program string
	address string
	*reliability.Process
}

func startBroker(program, store string) (*brokerProcess, error) {
	b := &brokerProcess{cfg: brokerConfig{Store: store}, program: program}
	if err := b.start(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(b.address)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Sscan(port, &b.cfg.Port)
	return b, err
}

func (b *brokerProcess) start() error {
	p, err := reliability.Start(b.program, "broker", b.cfg)
	if err != nil {
		return err
	}
	if err := p.Ask(context.Background(), "address", struct{}{}, &b.address); err != nil {
		p.Kill()
		return err
	}
	b.Process = p
	return nil
}

// stop ends the broker by a signal and waits until it is gone.
func (b *brokerProcess) stop(s syscall.Signal) error {
	if err := b.Signal(s); err != nil {
		return err
	}
	b.Errors()
	return nil
}

// forget throws away what a broker that is gone has stored.
func (b *brokerProcess) forget() error { return os.RemoveAll(b.cfg.Store) }
