package broker_test

import (
	"testing"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/brokertest"
)

func TestContract(t *testing.T) {
	brokertest.Run(t, func(t testing.TB, o *broker.Options) brokertest.Subject {
		return brokertest.Subject{Broker: broker.New(o)}
	})
}
