module github.com/wsrouter-go/wsrouter/examples/cluster

go 1.26

require (
	github.com/coder/websocket v1.8.15
	github.com/nats-io/nats.go v1.55.0
	github.com/wsrouter-go/wsrouter v0.0.0
	github.com/wsrouter-go/wsrouter/broker/natsbroker v0.0.0
)

replace github.com/wsrouter-go/wsrouter => ../..

replace github.com/wsrouter-go/wsrouter/broker/natsbroker => ../../broker/natsbroker
