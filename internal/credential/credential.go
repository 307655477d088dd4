// Package credential knows by their names which parameters of a request are credentials: documents list them as security schemes, and
// what they hold is kept out of logs and answers.
package credential

import (
	"slices"
	"strings"
)

// In small letters without hyphens, underscores and dots, X- and __Host-. "key" and "code" are not among them: both are something else
// more often than not.
var (
	names = []string{
		"token", "accesstoken", "authtoken", "apitoken", "idtoken", "sessiontoken", "bearertoken", "bearer", "jwt",
		"apikey", "accesskey", "auth", "authorization", "ticket",
	}
	cookies = []string{"session", "sessionid", "sid"} // elsewhere a session may be what the API is about
)

// IsName reports whether name is that of a credential wherever it stands.
func IsName(name string) bool { return slices.Contains(names, plain(name)) }

// IsCookie reports whether name is that of a cookie that is a credential.
func IsCookie(name string) bool { return IsName(name) || slices.Contains(cookies, plain(name)) }

func plain(name string) string {
	name = strings.ToLower(name)
	for _, prefix := range []string{"x-", "__host-", "__secure-"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	return separators.Replace(name)
}

var separators = strings.NewReplacer("-", "", "_", "", ".", "")
