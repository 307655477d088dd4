package wsconn_test

import (
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// agree negotiates one header that must be agreed on.
func agree(t *testing.T, header string, config *wsconn.CompressionConfig) (response string, c *wsconn.Compression) {
	t.Helper()
	response, c, err := wsconn.Negotiate([]string{header}, config)
	if err != nil || c == nil || response == "" {
		t.Fatalf("%s: %q, %v, %v", header, response, c, err)
	}
	return response, c
}

func TestNegotiate(t *testing.T) {
	const (
		base   = "permessage-deflate; server_no_context_takeover"
		alone  = base + "; client_no_context_takeover"
		refuse = ""
	)
	for _, c := range []struct{ headers, want string }{ // headers by lines
		{"permessage-deflate", base},
		{"permessage-deflate; client_max_window_bits", base}, // what browsers send
		{"permessage-deflate;client_max_window_bits=15", base},
		{"permessage-deflate; client_max_window_bits=8", base},
		{"permessage-deflate; server_no_context_takeover", base},
		{"permessage-deflate; client_no_context_takeover", alone},
		{"permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=12", alone},
		{"permessage-deflate; server_max_window_bits=15", base + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=8; client_no_context_takeover", alone + "; server_max_window_bits=8"},
		{`permessage-deflate; server_max_window_bits="10"`, base + "; server_max_window_bits=10"},
		{`permessage-deflate; server_max_window_bits="\1\0"`, base + "; server_max_window_bits=10"},
		{"\tpermessage-deflate ;\tserver_max_window_bits\t= 10 ", base + "; server_max_window_bits=10"},
		{`permessage-deflate;server_max_window_bits = "10" ; client_max_window_bits`, base + "; server_max_window_bits=10"},

		// Offers to decline (RFC 7692 section 7.1).
		{"x-webkit-deflate-frame", refuse},
		{"permessage-deflate2", refuse},
		{"Permessage-Deflate", refuse},
		{"permessage-deflate; unknown", refuse},
		{"permessage-deflate; unknown=1; client_max_window_bits", refuse},
		{"permessage-deflate; Client_Max_Window_Bits", refuse},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", refuse},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", refuse},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits=10", refuse},
		{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", refuse},
		{"permessage-deflate; server_no_context_takeover=1", refuse},
		{"permessage-deflate; client_no_context_takeover=true", refuse},
		{"permessage-deflate; server_max_window_bits", refuse},
		{"permessage-deflate; server_max_window_bits=7", refuse},
		{"permessage-deflate; server_max_window_bits=16", refuse},
		{"permessage-deflate; server_max_window_bits=08", refuse},
		{"permessage-deflate; server_max_window_bits=+9", refuse},
		{"permessage-deflate; server_max_window_bits=9.0", refuse},
		{"permessage-deflate; server_max_window_bits=99999999999999999999", refuse},
		{"permessage-deflate; client_max_window_bits=7", refuse},
		{"permessage-deflate; client_max_window_bits=16", refuse},
		{"permessage-deflate; client_max_window_bits=010", refuse},
		{"permessage-deflate; client_max_window_bits=x", refuse},

		// Several, by preference.
		{"foo, permessage-deflate", base},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9, permessage-deflate", base + "; server_max_window_bits=9"},
		{"permessage-deflate; unknown, permessage-deflate; client_no_context_takeover", alone},
		{"permessage-deflate; server_max_window_bits=9,permessage-deflate", base + "; server_max_window_bits=9"},
		{`foo; bar="baz"; q=1, permessage-deflate`, base},
		{"foo\nbar\npermessage-deflate; client_no_context_takeover\npermessage-deflate", alone},
		{", ,permessage-deflate,, ", base},
		{"\npermessage-deflate", base},
	} {
		config := &wsconn.CompressionConfig{Windows: wsconn.NewWindows(32 << 10)}
		headers := strings.Split(c.headers, "\n")
		response, agreed, err := wsconn.Negotiate(headers, config)
		if err != nil || response != c.want || (agreed != nil) != (c.want != "") {
			t.Errorf("%q: %q, %v, %v; want %q", c.headers, response, agreed, err, c.want)
		}
		if taken := config.Windows.Free() < 32<<10; taken != (c.want != "" && !strings.Contains(c.want, "client_no_")) {
			t.Errorf("%q: %d bytes left", c.headers, config.Windows.Free())
		}
		if response, agreed, err = wsconn.Negotiate(headers, nil); response != "" || agreed != nil || err != nil {
			t.Errorf("%q, compression off: %q, %v, %v", c.headers, response, agreed, err)
		}
	}
	if response, c, err := wsconn.Negotiate(nil, &wsconn.CompressionConfig{}); response != "" || c != nil || err != nil {
		t.Errorf("no header: %q, %v, %v", response, c, err)
	}
}

// RFC 6455 section 9.1: what does not conform to the grammar fails the connection.
func TestNegotiateMalformed(t *testing.T) {
	for _, h := range []string{
		"", " ", ",", " , ,",
		";", "=", "permessage-deflate;", "permessage-deflate; ;a", "permessage-deflate;;a", "; a", "permessage-deflate; =1",
		"permessage-deflate; a=", "permessage-deflate; a= ,b", "permessage-deflate; a==1", "permessage-deflate; a=1 2", "permessage-deflate a",
		"permessage-deflate=1", "permessage-deflate/1", "permessage-deflate; a=(b)", "a\x00", "a; b\x7f", "é", "a; b=é", "a\nb", "a@b",
		`a; b="`, `a; b="c`, `a; b="c\`, `a; b="c\"`, `a; b=""`, `a; b="c d"`, `a; b="c,d"`, `a; b="c\ d"`, `a; b="c"d`, `a; b="c" d`, `a; "b"=c`, `"a"`, `a; b=c"d"`,
		"permessage-deflate, a b", "permessage-deflate,;",
	} {
		for _, config := range []*wsconn.CompressionConfig{nil, {Windows: wsconn.NewWindows(1 << 20)}} {
			response, c, err := wsconn.Negotiate([]string{h}, config)
			if err == nil || response != "" || c != nil {
				t.Errorf("%q: %q, %v", h, response, c)
			}
			if strings.Trim(h, " ,") != "" { // an empty header is no fault beside another
				if _, c, err = wsconn.Negotiate([]string{"permessage-deflate", h}, config); err == nil || c != nil {
					t.Errorf("%q behind a header that is well formed: %v", h, c)
				}
			}
			if config != nil && config.Windows.Free() != 1<<20 {
				t.Errorf("%q keeps memory", h)
			}
		}
	}
}

// Whatever a header holds, the answer is one that its client must take (RFC 7692 section 7.1).
func FuzzNegotiate(f *testing.F) {
	f.Add(`foo; bar="b\az", permessage-deflate; server_max_window_bits=10; client_max_window_bits`)
	f.Add("permessage-deflate; client_no_context_takeover, permessage-deflate")
	f.Fuzz(func(t *testing.T, header string) {
		windows := wsconn.NewWindows(32 << 10)
		response, c, err := wsconn.Negotiate([]string{header}, &wsconn.CompressionConfig{Windows: windows})
		if (c != nil) != (response != "") || err != nil && c != nil {
			t.Fatalf("%q, %v, %v", response, c, err)
		}
		if c == nil {
			return
		}
		if !strings.Contains(header, "permessage-deflate") {
			t.Fatalf("%q was not offered", response)
		}
		if strings.Contains(response, "client_max_window_bits") || strings.Contains(response, "server_max_window_bits") && !strings.Contains(header, "server_max_window_bits") {
			t.Fatalf("%q answers what was not said", response)
		}
		again, _, err := wsconn.Negotiate([]string{response}, &wsconn.CompressionConfig{Windows: wsconn.NewWindows(32 << 10)})
		if err != nil || again != response {
			t.Fatalf("%q, taken as an offer, gives %q, %v", response, again, err)
		}
		c.Close()
		if windows.Free() != 32<<10 {
			t.Fatalf("%d bytes are free at the end", windows.Free())
		}
	})
}
