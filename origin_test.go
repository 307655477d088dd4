package wsrouter_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
)

// door asks r with a plain GET, which learns 403 or 421, or 426 where an upgrade would be let in.
func door(r http.Handler, host string, secure bool, header http.Header) int {
	req := httptest.NewRequest("GET", "http://example.test/", nil)
	req.Host, req.Header = host, header
	if secure {
		req.TLS = &tls.ConnectionState{}
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code
}

// TestForgedOrigins: what looks like an origin that may connect and is none is refused, whatever the rule.
func TestForgedOrigins(t *testing.T) {
	forged := map[string][]string{
		"user before another host":    {"https://app.example.com@evil.test"},
		"user before our host":        {"https://evil@app.example.com"},
		"user and password":           {"https://app.example.com:443@evil.test:443"},
		"trailing dot":                {"https://app.example.com."},
		"two dots":                    {"https://app..example.com"},
		"port with a name in it":      {"https://app.example.com:443.evil.test"},
		"another port":                {"https://app.example.com:444"},
		"port with zeros":             {"https://app.example.com:0443"},
		"port with a sign":            {"https://app.example.com:+443"},
		"port that wraps":             {"https://app.example.com:65979"},
		"empty port":                  {"https://app.example.com:"},
		"two ports":                   {"https://app.example.com:443:443"},
		"wide letters":                {"https://ａpp.example.com"},
		"wide dot":                    {"https://app。example.com"},
		"Cyrillic a":                  {"https://аpp.example.com"},
		"Punycode":                    {"https://xn--pp-7lc.example.com"},
		"null":                        {"null"},
		"another scheme":              {"http://app.example.com"},
		"scheme of a file":            {"file://app.example.com"},
		"scheme of a WebSocket":       {"wss://app.example.com"},
		"no scheme":                   {"app.example.com"},
		"no host":                     {"https://"},
		"suffix without a dot":        {"https://evil-example.com"},
		"our host as a subdomain":     {"https://app.example.com.evil.test"},
		"domain of the wildcard":      {"https://example.org"},
		"dot before the domain":       {"https://.example.org"},
		"suffix of the wildcard":      {"https://evilexample.org"},
		"IPv6 beside the bracket":     {"https://[::1]evil.test"},
		"IPv6 without a bracket":      {"https://::1"},
		"IPv6 with a zone":            {"https://[::1%25lo]"},
		"IPv6 of another spelling":    {"https://[0::1]"},
		"name in brackets":            {"https://[app.example.com]"},
		"two headers":                 {"https://app.example.com", "https://evil.test"},
		"two headers that are equal":  {"https://app.example.com", "https://app.example.com"},
		"list in one header":          {"https://app.example.com, https://evil.test"},
		"list with spaces":            {"https://app.example.com https://evil.test"},
		"space before":                {" https://app.example.com"},
		"tab behind":                  {"https://app.example.com\t"},
		"line break":                  {"https://app.example.com\r\nX: y"},
		"NUL":                         {"https://app.example.com\x00.evil.test"},
		"percent-encoded dot":         {"https://app%2eexample.com"},
		"percent-encoded slash":       {"https://evil.test%2f.example.org"},
		"percent-encoded NUL":         {"https://app.example.com%00"},
		"path":                        {"https://app.example.com/"},
		"query":                       {"https://evil.test?.example.org"},
		"fragment":                    {"https://evil.test#.example.org"},
		"backslash":                   {`https://evil.test\.example.org`},
		"semicolon":                   {"https://evil.test;.example.org"},
		"one slash":                   {"https:/app.example.com"},
		"empty":                       {""},
		"longer than any":             {"https://" + strings.Repeat("a", 70_000) + ".evil.test"},
		"own host by another scheme":  {"ftp://own.test"},
		"own host, by http under TLS": {"http://own.test"},
		"own host, another port":      {"https://own.test:8443"},
		"own host, port of http":      {"https://own.test:80"},
		"subdomain of the own host":   {"https://a.own.test"},
	}
	rec := &recorder{}
	r := wsrouter.New[none](&wsrouter.Options{Logger: rec.logger(), Origins: []string{"https://app.example.com", "example.com", "*.example.org", "https://[::1]"}})
	for name, origins := range forged {
		rec.logs = nil
		if got := door(r, "own.test", true, http.Header{"Origin": origins}); got != 403 {
			t.Errorf("%s: %.80q is answered %d", name, origins, got)
		}
		if len(rec.logs) != 1 || len(rec.logs[0]) > 500 || !strings.HasPrefix(rec.logs[0], "WARN ") {
			t.Errorf("%s: logged %.600q", name, rec.logs)
		}
	}
}

// TestForwardedIsIgnored: anybody can send these headers.
func TestForwardedIsIgnored(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Hosts: []string{"own.test"}})
	for key, value := range map[string]string{
		"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.test;proto=https", "X-Original-Host": "evil.test", "X-Host": "evil.test",
	} {
		if got := door(r, "own.test", false, http.Header{"Origin": {"https://evil.test"}, key: {value}}); got != 403 {
			t.Errorf("%s: %s makes evil.test an origin of ours: %d", key, value, got)
		}
		if got := door(r, "evil.test", false, http.Header{key: {"own.test"}}); got != 421 {
			t.Errorf("%s: own.test makes evil.test a host of ours: %d", key, got)
		}
	}
}

func TestOriginsAllowed(t *testing.T) {
	rules := []string{"https://app.example.com", "example.com", "*.example.org", "example.net:8443", "*.port.test:8080", "chrome-extension://abcdefghijklmnop", "https://[::1]:8080"}
	for _, tt := range []struct {
		host, origin string
		secure       bool
	}{
		{"own.test", "http://own.test", false},
		{"own.test", "https://own.test", false}, // a proxy may have ended TLS
		{"own.test", "https://own.test", true},
		{"OWN.test", "http://own.TEST", false},
		{"own.test:80", "http://own.test", false},
		{"own.test", "http://own.test:80", false},
		{"own.test:443", "https://own.test", false},
		{"own.test:8080", "http://own.test:8080", false},
		{"[::1]:8080", "http://[::1]:8080", false},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", false},
		{"own.test.", "http://own.test.", false},
		{"own.test", "https://app.example.com", true},
		{"own.test", "HTTPS://APP.EXAMPLE.COM:443", true},
		{"own.test", "http://example.com", true},
		{"own.test", "https://example.com", true},
		{"own.test", "https://a.example.org", true},
		{"own.test", "https://a.b.example.org", true},
		{"own.test", "https://example.net:8443", true},
		{"own.test", "http://a.port.test:8080", true},
		{"own.test", "chrome-extension://abcdefghijklmnop", true},
		{"own.test", "https://[::1]:8080", true},
	} {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Origins: rules})
		if got := door(r, tt.host, tt.secure, http.Header{"Origin": {tt.origin}}); got != 426 {
			t.Errorf("%s at %s, TLS %t: %d", tt.origin, tt.host, tt.secure, got)
		}
	}
	for rule, origin := range map[string]string{"*": "what://ever, really", "null": "null"} {
		r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Origins: []string{rule}})
		if got := door(r, "own.test", true, http.Header{"Origin": {origin}}); got != 426 {
			t.Errorf("%s under %s: %d", origin, rule, got)
		}
	}
}

// TestHosts: a page of a name that was rebound to this server is of the same origin, and refused.
func TestHosts(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Logger: quiet, Hosts: []string{"localhost", "*.example.com", "port.test:443", "127.0.0.1", "[::1]:8080"}})
	for host, want := range map[string]int{
		"localhost": 426, "localhost:8080": 426, "LOCALHOST:1": 426, "a.example.com": 426, "a.b.example.com:8080": 426,
		"port.test": 426, "port.test:443": 426, "127.0.0.1:8080": 426, "[::1]:8080": 426,
		"evil.test": 421, "example.com": 421, "evilexample.com": 421, "localhost.evil.test": 421, "localhost.": 421, "evil.localhost": 421,
		"port.test:80": 421, "[::1]": 421, "127.0.0.2": 421, "localhost:": 421, "localhost:0": 421, "evil.test:localhost": 421, "a@localhost": 421,
		"": 400,
	} {
		header := http.Header{"Origin": {"https://" + host}}
		if got := door(r, host, true, header); got != want && (got != 403 || want != 426) {
			t.Errorf("%q: %d, want %d", host, got, want)
		}
		if got := door(r, host, true, http.Header{}); got != want {
			t.Errorf("%q without an origin: %d, want %d", host, got, want)
		}
	}
}

// TestRulesThatMatchNothing stop the program.
func TestRulesThatMatchNothing(t *testing.T) {
	for _, rule := range []string{"", "*.", "a.*.com", "**.com", "https://", "://a", "1x://a", "a/b", "https://a/", "a:b", "a:0", "a:080", "a:99999", "a b", "u@a", "bücher.example", ".a", "[::1", "%61"} {
		if text := panicOf(func() { wsrouter.New[none](&wsrouter.Options{Origins: []string{rule}}) }); !strings.HasPrefix(text, "wsrouter: New: Origins: ") {
			t.Errorf("Origins %q: %q", rule, text)
		}
	}
	for _, rule := range []string{"", "*", "null", "https://example.com", "a/b", "a:b"} {
		if text := panicOf(func() { wsrouter.New[none](&wsrouter.Options{Hosts: []string{rule}}) }); !strings.HasPrefix(text, "wsrouter: New: Hosts: ") {
			t.Errorf("Hosts %q: %q", rule, text)
		}
	}
	for _, o := range []wsrouter.Options{{MaxConns: -1}, {MaxConnsPerKey: -1}, {MaxConnsPerKey: 1}} {
		if text := panicOf(func() { wsrouter.New[none](&o) }); !strings.HasPrefix(text, "wsrouter: New: MaxConns") {
			t.Errorf("%q", text)
		}
	}
}
