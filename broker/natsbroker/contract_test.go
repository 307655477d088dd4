package natsbroker_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

// connect connects to url; the caller closes.
func connect(t testing.TB, url string, o *natsbroker.Options) *natsbroker.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := natsbroker.Connect(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func limits(o *broker.Options) *natsbroker.Options {
	if o == nil {
		return nil
	}
	return &natsbroker.Options{Messages: o.Messages, Bytes: o.Bytes, Age: o.Age}
}

// behind counts subscriptions when the server has heard of those that ended before.
func behind(b *natsbroker.Broker, count func() int) func() int {
	return func() int {
		b.History(context.Background(), "a", broker.Position{}, 0)
		return count()
	}
}

func TestEmbedded(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, limit *broker.Options) brokertest.Subject {
		start := func(addr string) *embedded.Server {
			s, err := embedded.Start(&embedded.Options{Addr: addr, StoreDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := start("")
		t.Cleanup(func() { s.Shutdown() })
		p := newProxy(t, s.Addr())
		b := connect(t, p.url(), limits(limit))
		return brokertest.Subject{
			Broker:        b,
			Peer:          func() broker.Broker { return connect(t, s.URL(), limits(limit)) },
			Subscriptions: behind(b, func() int { return s.Subscriptions() }),
			Cut:           p.cut,
			Restore:       p.restore,
			Restart: func() {
				addr := s.Addr()
				s.Shutdown()
				s = start(addr)
			},
			SharesMemory: true, // the server remembers ids for two minutes
		}
	})
}

func TestServerProcess(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, limit *broker.Options) brokertest.Subject {
		monitor := freeAddr(t)
		s := startProcess(t, "-m", monitor[len("127.0.0.1:"):])
		p := newProxy(t, s.addr)
		b := connect(t, p.url(), limits(limit))
		return brokertest.Subject{
			Broker: b,
			Peer:   func() broker.Broker { return connect(t, s.url(), limits(limit)) },
			Subscriptions: behind(b, func() int {
				r, err := http.Get("http://" + monitor + "/subsz")
				if err != nil {
					t.Error(err)
					return -1
				}
				defer r.Body.Close()
				var v struct {
					N int `json:"num_subscriptions"`
				}
				if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
					t.Error(err)
				}
				return v.N
			}),
			Cut:     p.cut,
			Restore: p.restore,
			Restart: s.forget,
		}
	})
}
