package schema_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/schema"
)

func TestFormats(t *testing.T) {
	for format, list := range map[string]string{
		"date-time": `+2024-02-29T00:00:00Z +2024-12-31T23:59:59.999999999-23:59 +1972-06-30T23:59:60Z +1990-12-31T15:59:60-08:00 -1990-12-31T15:59:60Z
			-2023-02-29T00:00:00Z -2024-01-01T00:00:00 -2024-01-01T00:00Z -2024-01-01t00:00:00Z -2024-01-01T00:00:00z -2024-01-01T00:00:00.Z
			-24-01-01T00:00:00Z -2024-01-01T00:00:00+1:00 -2024-01-01T00:00:00+01:60 -2024-01-01T00:00:61Z -2024-1-01T00:00:00Z -`,
		"date":     `+2024-02-29 +2000-02-29 -1900-02-29 -2024-02-30 -2024-00-01 -2024-01-00 -2024-13-01 -2024-1-1 -20240101 -2024-01-01Z +0000-01-01`,
		"time":     `+00:00:00Z +23:59:59.5+05:30 +23:59:60Z -12:00:60Z -24:00:00Z -12:00Z -12:00:00 -12:00:00+01 -1:00:00Z`,
		"duration": `+P1Y2M3DT4H5M6S +PT0S +P1W +PT1H5S +PT1.5S -P -PT -P1 -P1S -PT1D -P1W1D -P1D1W -PT1.5H -PT1S1S -P1.5D -p1d -PT.5S -PT1.S -P1DT -P-1D`,
		"email":    `+a@b +ada.lovelace+x@sub.example.com +a@[192.0.2.1] +a@[IPv6:::1] +"a\u0020b"@c -@b -a@ -a -a..b@c -.a@b -a.@b -a@b..c -a@-b -a@b_c -é@b -a@[::1] -a@b@c`,
		"uuid":     `+123e4567-e89b-12d3-a456-426614174000 +FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF -123e4567e89b12d3a456426614174000 -123e4567-e89b-12d3-a456-42661417400 -g23e4567-e89b-12d3-a456-426614174000`,
		"uri":      `+https://example.com +urn:a:b +mailto:a@b +http://[::1]/ +a:b%20c +file:///x -//example.com -/path -example.com -a:b%2 -a:é -http://a[b -a:\u0020b -a:<b> - -1a:b`,
		"hostname": `+a +a.b +a-b.c +1.2.3.4 +a. +xn--x -a..b -.a -a_b -a- --a -a.-b - -.`,
		"ipv4":     `+0.0.0.0 +255.255.255.255 -256.0.0.0 -1.2.3 -1.2.3.4.5 -01.2.3.4 -::1 -1.2.3.4/8`,
		"ipv6":     `+:: +::1 +2001:db8::1:2 +::ffff:1.2.3.4 -fe80::1%eth0 -1.2.3.4 -1:2:3 -:::1 -12345::`,
	} {
		sf := reflect.StructField{Name: "V", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(fmt.Sprintf(`json:"v" format:%q`, format))}
		f, err := schema.CompileField(sf)
		if err != nil {
			t.Fatal(err)
		}
		for item := range strings.FieldsSeq(list) {
			value := strings.ReplaceAll(item[1:], `"`, `\"`)
			issues := f.Plan.Validate([]byte(`"` + value + `"`))
			if (issues == nil) != (item[0] == '+') {
				t.Errorf("%s: %s: %v", format, item, issues)
			}
		}
	}
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		format, value string
		ok            bool
	}{
		{"hostname", long + ".b", true}, {"hostname", long + "a.b", false}, {"hostname", strings.Repeat("a.", 126) + "a", true},
		{"hostname", strings.Repeat("a.", 126) + "ab", false}, {"email", long + "a@b", true}, {"email", long + "aa@b", false},
	} {
		sf := reflect.StructField{Name: "V", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(fmt.Sprintf(`format:%q`, c.format))}
		f, _ := schema.CompileField(sf)
		if got := f.Plan.Validate([]byte(`"`+c.value+`"`)) == nil; got != c.ok {
			t.Errorf("%s %s: %v", c.format, c.value, got)
		}
	}
}

func TestDurations(t *testing.T) {
	v := boxedDuration{}
	p := mustCompile(t, v, nil)
	for _, d := range []time.Duration{0, 1, 999, time.Millisecond, time.Second, 61 * time.Second, 90 * time.Minute, 25 * time.Hour, 1<<63 - 1, 10*time.Hour + 1} {
		out, err := p.Append(nil, boxedDuration{d}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if issues := p.Decode(out, &v); issues != nil || v.V != d {
			t.Errorf("%v: %s: %v %v", d, out, v.V, issues)
		}
	}
	for in, want := range map[string]time.Duration{
		"P1W": 7 * 24 * time.Hour, "P1DT1H": 25 * time.Hour, "PT0.1S": 100 * time.Millisecond, "PT0.0000000019S": 1, "PT90M": 90 * time.Minute,
	} {
		if issues := p.Decode([]byte(`{"v":"`+in+`"}`), &v); issues != nil || v.V != want {
			t.Errorf("%s: %v %v", in, v.V, issues)
		}
	}
}

type boxedDuration struct {
	V time.Duration `json:"v" format:"duration"`
}
