package natsbroker

import (
	"net"

	"github.com/nats-io/nats.go"
)

// wires has the client open its connections by a dialer that counts them and closes one that a write has failed on. The client drops what was to be written
// then, subscriptions too, and goes on as if it had been written.
func (b *Broker) wires(o *nats.Options) error {
	o.CustomDialer = &dialer{b: b, o: *o}
	if o.InProcessServer != nil {
		o.InProcessServer = &inProcess{b: b, server: o.InProcessServer}
	}
	return nil
}

// dialer is what the options say.
type dialer struct {
	b *Broker
	o nats.Options
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if d.o.CustomDialer != nil {
		return d.b.wired(d.o.CustomDialer.Dial(network, address))
	}
	own := net.Dialer{Timeout: d.o.Timeout}
	if d.o.Dialer != nil {
		own = *d.o.Dialer
	}
	if d.o.AllowMultipathTCP != nil {
		own.SetMultipathTCP(*d.o.AllowMultipathTCP)
	}
	return d.b.wired(own.Dial(network, address))
}

// SkipTLSHandshake says that a dialer of the options has done it.
func (d *dialer) SkipTLSHandshake() bool {
	s, ok := d.o.CustomDialer.(interface{ SkipTLSHandshake() bool })
	return ok && s.SkipTLSHandshake()
}

type inProcess struct {
	b      *Broker
	server nats.InProcessConnProvider
}

func (p *inProcess) InProcessConn() (net.Conn, error) { return p.b.wired(p.server.InProcessConn()) }

func (b *Broker) wired(c net.Conn, err error) (net.Conn, error) {
	b.dials.Add(1)
	if err != nil {
		return nil, err
	}
	return &wire{c}, nil
}

type wire struct{ net.Conn }

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.Close()
	}
	return n, err
}
