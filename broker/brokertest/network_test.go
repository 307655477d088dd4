package brokertest_test

import (
	"testing"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
)

func TestNetwork(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, o *broker.Options) brokertest.Subject {
		n := brokertest.NewNetwork(o)
		node := n.Connect()
		return brokertest.Subject{
			Broker:        node,
			Peer:          func() broker.Broker { return n.Connect() },
			Subscriptions: n.Subscriptions,
			Cut:           node.Cut,
			Restore:       node.Restore,
			Restart:       n.Restart,
		}
	})
}
