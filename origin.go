package wsrouter

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// An origin is what a browser says of a page's server (RFC 6454, section 6.2). Of a Host header it has no scheme.
type origin struct {
	scheme string
	host   string // in small letters, with the brackets of IPv6
	port   string // "": the scheme's
}

// parseOrigin takes what browsers write and nothing else, so that nothing in it can be read two ways: no user, path, escape or space,
// and no letters beyond ASCII, which browsers send as Punycode.
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, false
	}
	o, ok = parseHost(rest)
	o.scheme = strings.ToLower(scheme)
	return o, ok
}

// parseHost takes host [":" port].
func parseHost(s string) (o origin, ok bool) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if host, port = s[:i], s[i+1:]; !isPort(port) {
			return origin{}, false
		}
	}
	return origin{host: strings.ToLower(host), port: port}, isHost(host)
}

func isScheme(s string) bool {
	for i, c := range []byte(s) {
		if !isLetter(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// isHost reports whether s is a name, an IPv4 address or, in brackets, an IPv6 address.
func isHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return ok && err == nil && ip.Is6() && ip.Zone() == ""
	}
	for _, c := range []byte(s) {
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && s[0] != '.' && !strings.Contains(s, "..")
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s == strconv.FormatUint(n, 10)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// portFor is the port of o when it is reached by scheme.
func (o origin) portFor(scheme string) string {
	return orElse(o.port, map[string]string{"http": "80", "https": "443"}[scheme])
}

// sameAs reports whether o is where req went to: its host and port, and its scheme as far as it is known. Without TLS it is not, because a
// proxy in front may have ended it.
func (o origin) sameAs(req *http.Request) bool {
	if o.scheme != "https" && (o.scheme != "http" || req.TLS != nil) {
		return false
	}
	host, ok := parseHost(req.Host)
	return ok && host.host == o.host && host.portFor(o.scheme) == o.portFor(o.scheme)
}

// A hostRule is an entry of Options.Origins or Options.Hosts.
type hostRule struct {
	origin
	subdomains bool   // of the host, and not the host itself
	verbatim   string // not "": "*", or what an origin has to be as it stands
}

// parseRule fails if no origin could match rule.
func parseRule(rule string) (r hostRule, err error) {
	if rule == "*" || rule == "null" {
		return hostRule{verbatim: rule}, nil
	}
	scheme, host, ok := strings.Cut(rule, "://")
	if !ok {
		scheme, host = "", rule
	}
	host, r.subdomains = strings.CutPrefix(host, "*.")
	parsed, isHost := parseHost(host)
	switch {
	case isHost && (!ok || isScheme(scheme)):
		r.origin = origin{strings.ToLower(scheme), parsed.host, parsed.port}
		return r, nil
	case strings.ContainsFunc(host, func(c rune) bool { return c > 0x7f }):
		return r, errors.New(`browsers send such a host as Punycode ("xn--…"), want it so`)
	}
	return r, errors.New(`want a host such as "example.com", "https://example.com:8443" or "*.example.com"`)
}

// parseHostRule is parseRule for Options.Hosts.
func parseHostRule(rule string) (hostRule, error) {
	r, err := parseRule(rule)
	if err != nil || r.verbatim != "" || r.scheme != "" {
		return r, errors.New(`want a host such as "example.com", "example.com:8443" or "*.example.com"`)
	}
	return r, nil
}

// parseRules parses rules that were checked before.
func parseRules(rules []string) []hostRule {
	var list []hostRule
	for _, rule := range rules {
		if r, err := parseRule(rule); err == nil {
			list = append(list, r)
		}
	}
	return list
}

// names reports whether host is the rule's or a subdomain of it.
func (r hostRule) names(host string) bool {
	if r.subdomains {
		return len(host) > len(r.host)+1 && strings.HasSuffix(host, "."+r.host)
	}
	return host == r.host
}

// allowsOrigin reports whether r allows the page of o, parsed from text if ok. A rule without a scheme is for http and https.
func (r hostRule) allowsOrigin(text string, o origin, ok bool) bool {
	switch {
	case r.verbatim != "":
		return r.verbatim == "*" || r.verbatim == text
	case !ok || r.scheme != "" && r.scheme != o.scheme, r.scheme == "" && o.scheme != "http" && o.scheme != "https":
		return false
	}
	return r.names(o.host) && r.portFor(o.scheme) == o.portFor(o.scheme)
}

// allowsHost reports whether r allows a request to o. A rule without a port is for all of them.
func (r hostRule) allowsHost(o origin, tls bool) bool {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return r.names(o.host) && (r.port == "" || r.port == o.portFor(scheme))
}
