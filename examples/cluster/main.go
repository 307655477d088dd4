// Command cluster is a chat on three nodes and a broker, all on this machine, with a page that shows them and kills them.
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
		return err
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
