package natsbroker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker"
)

// Three servers with three replicas: each of them is killed once and comes back, and nothing that was acknowledged is lost.
func TestClusterOfServers(t *testing.T) {
	var routes, urls []string
	for range 3 {
		routes = append(routes, "nats://"+freeAddr(t))
	}
	var servers []*process
	for i, route := range routes {
		s := startProcess(t, "--name", fmt.Sprint("s", i), "--cluster_name", "c", "--cluster", route, "--routes", strings.Join(routes, ","))
		servers, urls = append(servers, s), append(urls, s.url())
	}
	var nodes []*natsbroker.Broker
	l := newLedger(t)
	for i := range 3 {
		b := closeLater(t, connectEventually(t, strings.Join(append(urls[i:3:3], urls[:i]...), ","), &natsbroker.Options{Replicas: 3}))
		l.subscribe(b, topics(10)...)
		nodes = append(nodes, b)
	}
	stop := l.writers(nodes, topics(10)...)
	for _, s := range servers {
		heardMore(t, l, nodes[0], 500)
		s.kill()
		heardMore(t, l, nodes[0], 300)
		heardMore(t, l, nodes[1], 300)
		s.start()
	}
	heardMore(t, l, nodes[2], 300)
	stop()
	for _, b := range nodes {
		until(t, states(b), broker.Up)
	}
	if n := l.settle(nodes[1]); n > 0 {
		t.Errorf("%d losses were told of messages that the stream has", n)
	}
	for _, b := range nodes {
		t.Logf("%+v", b.Stats())
	}
}

// connectEventually waits until the servers have found each other.
func connectEventually(t testing.TB, url string, o *natsbroker.Options) (b *natsbroker.Broker) {
	t.Helper()
	await(t, "the cluster takes streams", func() bool {
		var err error
		b, err = natsbroker.Connect(t.Context(), url, o)
		return err == nil
	})
	return b
}
