package schema

import (
	"math/bits"
	"strconv"
	"time"
)

// isDuration is an ISO 8601 duration as RFC 3339, appendix A, has it: PnW, or years, months, days, hours, minutes and
// seconds in that order. The seconds may have a fraction.
func isDuration(b []byte) bool {
	_, ok := scanDuration(b, func(byte, []byte, []byte) bool { return true })
	return ok
}

// scanDuration calls part for each unit: of the time units in lower case, of those of dates in upper case.
func scanDuration(b []byte, part func(unit byte, whole, frac []byte) bool) (parts int, ok bool) {
	if len(b) < 2 || b[0] != 'P' {
		return 0, false
	}
	b = b[1:]
	order := "YMWD"
	last, clock, weeks := -1, false, false
	for len(b) > 0 {
		if b[0] == 'T' {
			if b = b[1:]; clock || len(b) == 0 {
				return 0, false
			}
			clock, order, last = true, "hms", -1
			continue
		}
		end := digits(b, 0)
		whole := b[:end]
		var frac []byte
		if clock && end > 0 && end < len(b) && b[end] == '.' {
			from := end + 1
			if end = digits(b, from); end == from {
				return 0, false
			}
			frac = b[from:end]
		}
		if len(whole) == 0 || end == len(b) {
			return 0, false
		}
		unit := b[end]
		b = b[end+1:]
		if unit < 'A' || unit > 'Z' {
			return 0, false
		}
		if clock {
			unit |= 0x20
		}
		at := -1
		for i := range order {
			if order[i] == unit {
				at = i
			}
		}
		weeks = weeks || unit == 'W'
		if at <= last || frac != nil && (unit != 's' || len(b) > 0) || !part(unit, whole, frac) {
			return 0, false
		}
		last = at
		parts++
	}
	return parts, parts > 0 && (!weeks || parts == 1 && !clock)
}

// parseDuration reads the ISO 8601 durations that a time.Duration can hold: no years and no months, whose length
// varies, at most 292 years in all, digits beyond the nanosecond dropped.
func parseDuration(b []byte) (d time.Duration, ok bool) {
	var sum uint64
	_, ok = scanDuration(b, func(unit byte, text, frac []byte) bool {
		size := unitSize(unit)
		n, over := parseWhole(text)
		if size == 0 || over {
			return false
		}
		hi, lo := bits.Mul64(n.abs, uint64(size))
		for i, scale := 0, uint64(size)/10; i < len(frac) && scale > 0; i, scale = i+1, scale/10 {
			lo += uint64(frac[i]-'0') * scale
		}
		var carry uint64
		sum, carry = bits.Add64(sum, lo, 0)
		return hi == 0 && carry == 0 && sum <= 1<<63-1 && lo <= 1<<63-1
	})
	return time.Duration(sum), ok
}

// unitSize is 0 for years and months.
func unitSize(unit byte) time.Duration {
	switch unit {
	case 'W':
		return 7 * 24 * time.Hour
	case 'D':
		return 24 * time.Hour
	case 'h':
		return time.Hour
	case 'm':
		return time.Minute
	case 's':
		return time.Second
	}
	return 0
}

// appendDuration writes d, which is not negative, in hours, minutes and seconds.
func appendDuration(dst []byte, d time.Duration) []byte {
	dst = append(dst, "PT"...)
	if d == 0 {
		return append(dst, "0S"...)
	}
	if h := d / time.Hour; h > 0 {
		dst = append(strconv.AppendInt(dst, int64(h), 10), 'H')
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		dst = append(strconv.AppendInt(dst, int64(m), 10), 'M')
	}
	rest := d % time.Minute
	if rest == 0 {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(rest/time.Second), 10)
	if frac := rest % time.Second; frac > 0 {
		text := strconv.AppendInt(nil, int64(frac+time.Second), 10) // a 1 keeps the leading zeros
		text[0] = '.'
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
		dst = append(dst, text...)
	}
	return append(dst, 'S')
}
