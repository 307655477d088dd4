package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// A proxy is a program and how to run it in the foreground.
type proxy struct {
	recipe  string
	version []string
	// args starts it under conf, with what it needs for itself in dir and, if it must, a port for its administration.
	args func(dir, conf string, admin int) []string
	// reload makes it read its configuration again.
	reload func(p *running) error
	// cutsAt60 is what the recipe says of idle connections; "" if the proxy has no such limit.
	cutsAt60 string
	// keeps: connections outlive a reload.
	keeps bool
}

var proxies = map[string]proxy{
	"nginx": {
		recipe:  "nginx.conf",
		version: []string{"nginx", "-v"},
		args: func(dir, conf string, admin int) []string {
			return []string{"nginx", "-p", dir, "-c", conf, "-e", "stderr", "-g", "daemon off; pid nginx.pid;"}
		},
		reload:   func(p *running) error { return p.cmd.Process.Signal(syscall.SIGHUP) },
		cutsAt60: "60s", keeps: true,
	},
	"haproxy": {
		recipe:  "haproxy.cfg",
		version: []string{"haproxy", "-v"},
		args: func(dir, conf string, admin int) []string {
			return []string{"haproxy", "-W", "-db", "-S", filepath.Join(dir, "master.sock"), "-f", conf}
		},
		reload:   func(p *running) error { return p.cmd.Process.Signal(syscall.SIGUSR2) },
		cutsAt60: "60s", keeps: true,
	},
	"caddy": {
		recipe:  "Caddyfile",
		version: []string{"caddy", "version"},
		args: func(dir, conf string, admin int) []string {
			return []string{"caddy", "run", "--adapter", "caddyfile", "--config", conf}
		},
		reload: func(p *running) error {
			cmd := exec.Command("caddy", "reload", "--force", "--adapter", "caddyfile", "--config", p.conf, "--address", fmt.Sprint("127.0.0.1:", p.admin))
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		},
	},
}

// shown is the proxy's name and version.
func (p proxy) shown() (string, error) {
	out, err := exec.Command(p.version[0], p.version[1:]...).CombinedOutput()
	if err != nil {
		return "", err
	}
	v := regexp.MustCompile(`\d+\.\d+\.\d+`).Find(out)
	return p.version[0] + " " + string(v), nil
}

// running is a proxy in front of nodes.
type running struct {
	cmd        *exec.Cmd
	conf, base string // base is https://127.0.0.1:port
	port       int
	admin      int
	log        *os.File
}

// start runs p with its recipe in front of two nodes; idle stands for the 60 s of the recipe.
func (p proxy) start(ctx context.Context, certs, dir, idle string, nodes [2]int) (*running, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	recipe, err := os.ReadFile(filepath.Join("recipes", p.recipe))
	if err != nil {
		return nil, err
	}
	r := &running{conf: filepath.Join(dir, p.recipe), port: freePort(), admin: freePort()}
	text := strings.NewReplacer(
		"10.0.0.11:8080", fmt.Sprint("127.0.0.1:", nodes[0]),
		"10.0.0.12:8080", fmt.Sprint("127.0.0.1:", nodes[1]),
		"listen 443", fmt.Sprint("listen 127.0.0.1:", r.port),
		"bind :443", fmt.Sprint("bind 127.0.0.1:", r.port),
		"chat.example.com:443", fmt.Sprint("https://127.0.0.1:", r.port),
		"/etc/ssl", certs,
		"60s", idle,
		"maxconn 100000", "maxconn 9000", // two descriptors each, of the 20,000 that a process is usually allowed

	).Replace(string(recipe))
	if p.recipe == "Caddyfile" {
		text = fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tauto_https disable_redirects\n}\n", r.admin) + text
	}
	if err := os.WriteFile(r.conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	r.base = fmt.Sprint("https://127.0.0.1:", r.port)
	if r.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	args := p.args(dir, r.conf, r.admin)
	r.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.Env = append(os.Environ(), "HOME="+dir)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if err := answers(ctx, r.base+"/readyz"); err != nil {
		text, _ := os.ReadFile(r.log.Name())
		r.stop()
		return nil, fmt.Errorf("%s: %w\n%s", p.recipe, err, text)
	}
	return r, nil
}

// stop ends the proxy's process group, which is ours alone.
func (r *running) stop() {
	_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
	_ = r.cmd.Wait()
	r.log.Close()
}

// A node is a process of package node.
type node struct {
	cmd  *exec.Cmd
	port int
}

// startNode runs one; drain is how long its connections take to leave, after 3 s of notice.
func startNode(ctx context.Context, bin string, port int, drain time.Duration) (*node, error) {
	n := &node{exec.CommandContext(ctx, bin, "-addr", fmt.Sprint("127.0.0.1:", port), "-notice", "3s", "-drain", drain.String()), port}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	return n, answers(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill() // it may be gone
	_ = n.cmd.Wait()
}

// answers waits for a 200.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	client := newHTTP()
	defer client.CloseIdleConnections()
	var last error
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // only its status counts
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		if ctx.Err() != nil {
			return last
		}
		last = err
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort() int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// certificate writes a certificate of our own for 127.0.0.1; chat.pem holds the key too, as HAProxy wants it.
func certificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "chat.key"), keyPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "chat.pem"), append(certPEM, keyPEM...), 0o600)
}
