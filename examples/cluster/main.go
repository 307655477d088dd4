// Command cluster is a chat on three nodes and a broker, all on this machine, with a page that shows them, kills them and counts what is lost.
//
//	cd examples/cluster
//	go run .
//
// One program plays all parts, each in a process of its own, so that a kill is a kill:
//
//   - go run . without a word is the parent. It starts the others, serves the page, leads each client to the node with the fewest, as a load
//     balancer in front of a cluster does, and tells the page over a wsrouter socket of its own, /control, what every process does.
//   - "node" is the chat: a router with Options.Broker and Options.Resume, and no state that a client needs (node.go is all of it).
//   - "broker" is a NATS server with JetStream, which keeps its files when it is killed. Any other one does too:
//     go run . node -broker nats://host:4222.
//
// A child lives as long as its standard input: its parent closes it to end the child in order, and so does the parent's death, so that no
// process is left whatever happens. Nodes end before the broker.
//
// What a client does so that nothing is lost is in page/cluster.js, in three places: it keeps the newest position that it was told of its room and
// presents it when it comes back (connect); it keeps what it has said until it is confirmed, and says it again under the same key (say,
// joined); and it does not show a key twice (said).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(log.Ltime)
	var err error
	switch role, args := role(os.Args[1:]); role {
	case "node":
		log.SetPrefix(fmt.Sprintf("node %d: ", os.Getpid()))
		err = runNode(untilAlone(os.Stdin), args, os.Stdout)
	case "broker":
		log.SetPrefix(fmt.Sprintf("broker %d: ", os.Getpid()))
		err = runBroker(untilAlone(os.Stdin), args, os.Stdout)
	default:
		addr := flag.String("addr", "localhost:8080", "address to listen on; port 0 takes a free one")
		flag.Parse()
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop) // a second signal ends the program at once, and with it its children
		err = run(ctx, *addr, os.Stdout, childOf(os.Args[0]))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// role is the first argument, if it names one, and the rest.
func role(args []string) (string, []string) {
	if len(args) > 0 && (args[0] == "node" || args[0] == "broker") {
		return args[0], args[1:]
	}
	return "", args
}

// childOf makes commands of the program that runs.
func childOf(arg0 string) func(args ...string) *exec.Cmd {
	program, err := os.Executable()
	if err != nil {
		program = arg0
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Stderr = os.Stderr
		return cmd
	}
}

// run runs the cluster and its page until ctx is done, then ends every process.
func run(ctx context.Context, addr string, stdout io.Writer, command func(args ...string) *exec.Cmd) (err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: -addr localhost:0 takes a free port", err)
	}
	defer ln.Close()
	store, err := os.MkdirTemp("", "wsrouter-cluster-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(store)) }()
	c := newCluster(store, command)
	defer c.stop() // before its files go
	if err := c.start(); err != nil {
		return err
	}

	router := newControl(c, hosts(ln.Addr()))
	go show(ctx, c, router)
	fmt.Fprintf(stdout, "cluster: http://%[1]s  docs: http://%[1]s/docs\n", shown(addr, ln))
	return serveUntil(ctx, ln, routes(c, router), router.Shutdown)
}

// hosts are the names of a server that only this machine reaches, so that no page of somebody else gets at it by a name of its own (DNS
// rebinding).
func hosts(addr net.Addr) []string {
	if a, err := netip.ParseAddrPort(addr.String()); err != nil || !a.Addr().IsLoopback() {
		return nil
	}
	return []string{"localhost", "127.0.0.1", "[::1]"}
}

// shown is the address as a browser takes it: the host as asked for, with the port that was given.
func shown(addr string, ln net.Listener) string {
	host, _, _ := net.SplitHostPort(addr)
	if host == "" {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return net.JoinHostPort(host, port)
}
