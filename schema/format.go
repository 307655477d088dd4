package schema

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// A format is one that the format tag may name.
type format struct {
	name    string
	text    string            // what a value must be
	example string            // one that is good
	check   func([]byte) bool // nil: only printed
}

// formats are the values of the format tag on strings. Every one of them is checked but password.
var formats = map[string]*format{
	"date-time": {"date-time", "a date and time such as 2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z", isDateTime},
	"date":      {"date", "a date such as 2006-01-02", "2006-01-02", isDate},
	"time":      {"time", "a time such as 15:04:05Z", "15:04:05Z", isClock},
	"duration":  {"duration", "an ISO 8601 duration such as PT1H30M", "PT1H30M", isDuration},
	"email":     {"email", "an email address", "ada@example.com", isEmail},
	"uuid":      {"uuid", "a UUID", "123e4567-e89b-12d3-a456-426614174000", isUUID},
	"uri":       {"uri", "an absolute URI", "https://example.com/", isURI},
	"hostname":  {"hostname", "a host name", "example.com", isHostname},
	"ipv4":      {"ipv4", "an IPv4 address", "192.0.2.1", isIPv4},
	"ipv6":      {"ipv6", "an IPv6 address", "2001:db8::1", isIPv6},
	"password":  {"password", "a password", "", nil},
}

// isDateTime is date-time of RFC 3339, section 5.6. T and Z are upper case, as Go writes and reads them.
func isDateTime(b []byte) bool {
	return len(b) > 11 && b[10] == 'T' && isDate(b[:10]) && isClock(b[11:])
}

// isTime is what time.Time can hold: not a leap second.
func isTime(b []byte) bool { return isDateTime(b) && b[17] != '6' }

// number of two digits at i, or -1.
func two(b []byte, i int) int {
	if b[i] < '0' || b[i] > '9' || b[i+1] < '0' || b[i+1] > '9' {
		return -1
	}
	return int(b[i]-'0')*10 + int(b[i+1]-'0')
}

func isDate(b []byte) bool {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return false
	}
	century, rest, month, day := two(b, 0), two(b, 2), two(b, 5), two(b, 8)
	if century < 0 || rest < 0 || month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= time.Date(century*100+rest, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// isClock is full-time: a zone is needed, and a leap second is one only at 23:59:60 UTC.
func isClock(b []byte) bool {
	if len(b) < 9 || b[2] != ':' || b[5] != ':' {
		return false
	}
	hour, minute, second := two(b, 0), two(b, 3), two(b, 6)
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return false
	}
	b = b[8:]
	if b[0] == '.' {
		end := digits(b, 1)
		if end == 1 || end == len(b) {
			return false
		}
		b = b[end:]
	}
	offset := 0
	switch {
	case len(b) == 1 && b[0] == 'Z':
	case len(b) == 6 && (b[0] == '+' || b[0] == '-') && b[3] == ':':
		h, m := two(b, 1), two(b, 4)
		if h < 0 || h > 23 || m < 0 || m > 59 {
			return false
		}
		if offset = h*60 + m; b[0] == '-' {
			offset = -offset
		}
	default:
		return false
	}
	return second < 60 || (hour*60+minute-offset+2*24*60)%(24*60) == 23*60+59
}

func isUUID(b []byte) bool {
	if len(b) != 36 {
		return false
	}
	for i, c := range b {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}

func isIPv4(b []byte) bool {
	if len(b) > len("255.255.255.255") {
		return false
	}
	a, err := netip.ParseAddr(string(b))
	return err == nil && a.Is4()
}

func isIPv6(b []byte) bool {
	if len(b) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return false
	}
	a, err := netip.ParseAddr(string(b))
	return err == nil && a.Is6() && a.Zone() == ""
}

// isHostname is RFC 1123: letters, digits and hyphens in labels of at most 63, 253 in all.
func isHostname(b []byte) bool {
	b = bytes.TrimSuffix(b, []byte("."))
	if len(b) == 0 || len(b) > 253 {
		return false
	}
	label := 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
		case c == '-' && label > 0 && i+1 < len(b) && b[i+1] != '.':
		case c == '.' && label > 0:
			label = 0
			continue
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}

// isEmail is an addr-spec of RFC 5321: a dot-atom or a quoted string, @, a host name or an address in brackets.
func isEmail(b []byte) bool {
	at := bytes.LastIndexByte(b, '@')
	if len(b) > 254 || at < 1 || at > 64 {
		return false
	}
	local, domain := b[:at], b[at+1:]
	if local[0] == '"' {
		if !isQuotedLocal(local) {
			return false
		}
	} else if !isDotAtom(local) {
		return false
	}
	if len(domain) > 2 && domain[0] == '[' && domain[len(domain)-1] == ']' {
		domain = domain[1 : len(domain)-1]
		if six, ok := bytes.CutPrefix(domain, []byte("IPv6:")); ok {
			return isIPv6(six)
		}
		return isIPv4(domain)
	}
	return isHostname(domain)
}

func isQuotedLocal(b []byte) bool {
	if len(b) < 2 || b[len(b)-1] != '"' {
		return false
	}
	for _, c := range b[1 : len(b)-1] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func isDotAtom(b []byte) bool {
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
		case c == '.' && i > 0 && i+1 < len(b) && b[i+1] != '.':
		case c != '.' && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isURI is RFC 3986 with a scheme: only its characters, and percent signs before two hexadecimal digits.
func isURI(b []byte) bool {
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
		case c == '%':
			if i+2 >= len(b) || hex4([]byte{'0', '0', b[i+1], b[i+2]}) < 0 {
				return false
			}
		case strings.IndexByte("-._~:/?#[]@!$&'()*+,;=", c) < 0:
			return false
		}
	}
	u, err := url.Parse(string(b))
	if err != nil || !u.IsAbs() {
		return false
	}
	if i := bytes.IndexByte(b, '['); i >= 0 && !strings.Contains(u.Host, "[") {
		return false
	}
	return true
}
