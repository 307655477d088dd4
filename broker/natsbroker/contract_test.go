package natsbroker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/embedded"
)

var namespaces atomic.Int64

func newNamespace() string { return fmt.Sprint("test-", namespaces.Add(1)) }

// connect connects to url; the caller closes.
func connect(t testing.TB, url string, o *natsbroker.Options) *natsbroker.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := natsbroker.Connect(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func limits(o *broker.Options) natsbroker.Options {
	if o == nil {
		return natsbroker.Options{}
	}
	return natsbroker.Options{Messages: o.Messages, Bytes: o.Bytes, Age: o.Age}
}

func TestEmbedded(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, limit *broker.Options) brokertest.Subject {
		start := func(addr, dir string) *embedded.Server {
			s, err := embedded.Start(&embedded.Options{Addr: addr, StoreDir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := start("", t.TempDir())
		t.Cleanup(func() { s.Shutdown() })
		p := newProxy(t, s.Addr())
		o := limits(limit)
		o.Namespace = newNamespace()
		return brokertest.Subject{
			Broker:        connect(t, p.url(), &o),
			Peer:          func() broker.Broker { return connect(t, s.URL(), &o) },
			Subscriptions: func() int { return s.Subscriptions() },
			Cut:           p.cut,
			Restore:       p.restore,
			Restart: func() {
				addr := s.Addr()
				s.Shutdown()
				s = start(addr, t.TempDir())
			},
		}
	})
}
