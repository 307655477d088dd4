//go:build !race

package wsrouter_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
)

type tick struct {
	_   none   `ws:"tick"`
	Pad string `json:"pad"`
}

// BenchmarkRoomRate publishes 700 messages of 256 bytes a second to one room over TCP, whose readers are another process, and tells the CPU
// time of this one for each delivery. Run it with -benchtime=1x; WSROUTER_MEMBERS says how many there are, else 1,000.
func BenchmarkRoomRate(b *testing.B) {
	members, _ := strconv.Atoi(os.Getenv("WSROUTER_MEMBERS"))
	if members == 0 {
		members = 1000
	}
	for _, way := range []string{"local", "broker", "resume"} {
		for _, rate := range []int{10, 700} {
			b.Run(fmt.Sprintf("%s/%d", way, rate), func(b *testing.B) { benchmarkRate(b, way, members, rate) })
		}
	}
}

func benchmarkRate(b *testing.B, way string, members, rate int) {
	o := &wsrouter.Options{Logger: quiet}
	switch way {
	case "broker":
		o.Broker = broker.New(nil)
	case "resume":
		o.Resume = &wsrouter.Resume{}
	}
	r := wsrouter.New[none](o)
	r.Sends(tick{})
	var in atomic.Int64
	r.OnConnect(func(ctx context.Context, c *conn) error {
		defer in.Add(1)
		return r.Room("all").Join(c)
	})
	srv := httptest.NewServer(r)
	defer srv.Close()
	readers := exec.Command(os.Args[0], "-test.run=^TestReaders$")
	readers.Env = append(os.Environ(), "WSROUTER_READ="+srv.Listener.Addr().String(), fmt.Sprint("WSROUTER_READERS=", members))
	out, err := readers.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	stop, err := readers.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := readers.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for in.Load() < int64(members) {
		time.Sleep(10 * time.Millisecond)
	}
	msg := tick{Pad: strings.Repeat("x", 256-len(`{"type":"tick","pad":""}`))}
	time.Sleep(300 * time.Millisecond)
	before, deliveries := cpu(), r.Stats().Sent
	const seconds = 5
	begun := time.Now()
	for i := range rate * seconds {
		if wait := time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))); wait > time.Millisecond {
			time.Sleep(wait)
		}
		if err := r.Room("all").Broadcast(context.Background(), msg); err != nil {
			b.Fatal(err)
		}
	}
	want := deliveries + uint64(rate*seconds*members)
	for r.Stats().Sent < want && r.Stats().Members == members {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	spent := cpu() - before
	n := r.Stats().Sent - deliveries
	stop.Close()
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "read "); ok {
			if got, _ := strconv.ParseInt(text, 10, 64); got < int64(n)*256 {
				b.Errorf("%d bytes of %d messages were read", got, n)
			}
		}
	}
	readers.Wait()
	b.ReportMetric(float64(spent.Nanoseconds())/float64(n), "cpu-ns/delivery")
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "deliveries/s")
	if err := r.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestReaders is the other process of BenchmarkRoomRate: nothing but connections that are read.
func TestReaders(t *testing.T) {
	addr, n := os.Getenv("WSROUTER_READ"), 0
	if addr == "" {
		return
	}
	fmt.Sscan(os.Getenv("WSROUTER_READERS"), &n)
	var all atomic.Int64
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", addr)
		if res, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err != nil || res.StatusCode != 101 {
			t.Fatal(err)
		}
		go func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := c.Read(buf)
				all.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin)
	time.Sleep(100 * time.Millisecond)
	fmt.Println("\nread", all.Load())
}
