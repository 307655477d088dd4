package schema

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// errEndless says that a value would contain itself for ever.
var errEndless = errors.New("contains itself without end")

// A builder makes an example: tags first, else a value that keeps every rule.
type builder struct {
	open map[reflect.Type]bool
}

// field makes an example of a member. k tells several of one kind apart.
func (b *builder) field(f *field, k int) (json.RawMessage, error) {
	switch {
	case f.example != nil && k == 0:
		return f.example, nil
	case f.def != nil && k == 0:
		return f.def, nil
	}
	raw, err := b.value(f.node, k)
	if err != nil && !errors.Is(err, errEndless) {
		err = at(f.goName, err)
	}
	return raw, err
}

// value makes an example of n that keeps its rules, the k-th.
func (b *builder) value(n *node, k int) (json.RawMessage, error) {
	if len(n.enum) > 0 {
		return json.RawMessage(n.enum[k%len(n.enum)].raw), nil
	}
	if n.shape.example != nil && k == 0 {
		return n.shape.example, nil
	}
	switch n.kind {
	case kindBool:
		return json.RawMessage(strconv.FormatBool(k%2 == 0)), nil
	case kindString:
		return appendString(nil, n.exampleText(k)), nil
	case kindInt, kindFloat:
		return n.exampleNumber(k)
	case kindTime:
		return json.RawMessage(fmt.Sprintf(`"2006-01-02T15:%02d:05Z"`, 4+k%50)), nil
	case kindDuration:
		return json.RawMessage(fmt.Sprintf(`"PT%dM"`, 5+k)), nil
	case kindBytes:
		return n.exampleBytes(k), nil
	case kindArray:
		return b.array(n, k)
	case kindObject:
		return b.object(n, k)
	case kindText, kindCustom:
		return n.exampleCustom(k)
	case kindID:
		return json.RawMessage(`"1"`), nil
	}
	if k > 0 {
		return json.RawMessage(strconv.Itoa(k)), nil
	}
	return json.RawMessage("{}"), nil
}

// exampleText keeps the length and the format.
func (n *node) exampleText(k int) string {
	text := "string"
	if n.format != nil && n.format.example != "" {
		return vary(n.format, k)
	}
	if k > 0 {
		text += strconv.Itoa(k + 1)
	}
	if n.maxLen >= 0 && len(text) > n.maxLen {
		text = text[len(text)-n.maxLen:]
	}
	for len(text) < n.minLen {
		text = strings.Repeat("string ", (n.minLen-len(text))/7+1)[:n.minLen-len(text)] + text
	}
	return text
}

// vary makes the k-th example of a format.
func vary(f *format, k int) string {
	if k == 0 {
		return f.example
	}
	switch f.name {
	case "date-time", "time", "date":
		return strings.Replace(f.example, "02", fmt.Sprintf("%02d", 2+k%26), 1)
	case "uuid":
		return f.example[:24] + fmt.Sprintf("%012d", k)
	case "ipv4":
		return "192.0.2." + strconv.Itoa(1+k%254)
	case "ipv6":
		return "2001:db8::" + strconv.Itoa(1+k%999)
	case "duration":
		return "PT" + strconv.Itoa(k) + "H"
	case "uri":
		return f.example + strconv.Itoa(k)
	}
	return "a" + strconv.Itoa(k) + f.example
}

// exampleNumber is the number nearest to 1 that keeps the rules.
func (n *node) exampleNumber(k int) (json.RawMessage, error) {
	step := big.NewRat(1, 1)
	if n.multiple != nil {
		step.SetString(n.multiple.raw)
	}
	low, lowOpen := highest(n.min, n.exMin)
	high, highOpen := lowest(n.max, n.exMax)
	v := big.NewRat(1, 1)
	if low != nil && v.Cmp(low) <= 0 && (lowOpen || v.Cmp(low) < 0) {
		v.Set(low)
	}
	v = ceil(v, step)
	if low != nil && lowOpen && v.Cmp(low) == 0 {
		v.Add(v, step)
	}
	fits := func() bool {
		return high == nil || v.Cmp(high) < 0 || !highOpen && v.Cmp(high) == 0
	}
	if !fits() {
		v = ceil(high, step)
		for i := 0; i < 3 && !fits(); i++ {
			v.Sub(v, step)
		}
	}
	if low != nil && (v.Cmp(low) < 0 || lowOpen && v.Cmp(low) == 0) && high != nil {
		v.Add(low, high).Quo(v, big.NewRat(2, 1)) // between two bounds that are less than 1 apart
	}
	more := func(step *big.Rat) *big.Rat { return new(big.Rat).Mul(big.NewRat(int64(k), 1), step) }
	first := new(big.Rat).Set(v)
	if v.Add(v, more(new(big.Rat).SetInt(step.Num()))); !fits() { // by whole numbers: validators in float64 take 1.2 for no multiple of 0.1
		v.Add(first, more(step))
	}
	text := v.FloatString(20)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if n.quoted {
		text = `"` + text + `"`
	}
	return json.RawMessage(text), nil
}

func ceil(v, step *big.Rat) *big.Rat {
	q := new(big.Rat).Quo(v, step)
	whole := new(big.Int).Div(q.Num(), q.Denom())
	out := new(big.Rat).Mul(new(big.Rat).SetInt(whole), step)
	if out.Cmp(v) < 0 {
		out.Add(out, step)
	}
	return out
}

func highest(min, exMin *bound) (v *big.Rat, open bool) {
	a, b := rat(min), rat(exMin)
	if a == nil || b != nil && b.Cmp(a) >= 0 {
		return b, b != nil
	}
	return a, false
}

func lowest(max, exMax *bound) (v *big.Rat, open bool) {
	a, b := rat(max), rat(exMax)
	if a == nil || b != nil && b.Cmp(a) <= 0 {
		return b, b != nil
	}
	return a, false
}

func rat(b *bound) *big.Rat {
	if b == nil {
		return nil
	}
	v, _ := new(big.Rat).SetString(b.raw)
	return v
}

func (n *node) exampleBytes(k int) json.RawMessage {
	size := n.length
	if size < 0 {
		size = max(3, (n.minLen+3)/4*3)
		if n.maxLen >= 0 {
			size = min(size, n.maxLen/4*3)
		}
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i + k)
	}
	return appendString(nil, base64.StdEncoding.EncodeToString(data))
}

// array makes one item, or as many as there must be; none where they would contain the array again.
func (b *builder) array(n *node, k int) (json.RawMessage, error) {
	count := max(1, n.minLen)
	if n.length >= 0 {
		count = n.length
	} else if n.maxLen >= 0 {
		count = min(count, n.maxLen)
	}
	if b.open[n.typ] {
		return nil, errEndless
	}
	b.open[n.typ] = n.recursive
	defer delete(b.open, n.typ)
	out := json.RawMessage("[")
	for i := range count {
		if i >= 1000 {
			return nil, errors.New("is too long to be built")
		}
		raw, err := b.value(n.elem, k+i)
		if errors.Is(err, errEndless) && n.minLen == 0 && n.length < 0 {
			return json.RawMessage("[]"), nil
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return append(out, ']'), nil
}

// object makes all members; one that would contain the object again is left out, or null.
func (b *builder) object(n *node, k int) (json.RawMessage, error) {
	if n.typ != nil {
		if b.open[n.typ] {
			return nil, errEndless
		}
		b.open[n.typ] = true
		defer delete(b.open, n.typ)
	}
	var o jsonObject
	for _, f := range n.fields {
		if f.hidden || f.role == roleBeside || f.role == roleID && len(n.fields) > 0 {
			continue
		}
		if f.role == roleName {
			o.put(f.name, f.node.names[0])
			continue
		}
		raw, err := b.field(f, k)
		switch {
		case err == nil:
			o.put(f.name, string(raw))
		case !errors.Is(err, errEndless):
			return nil, err
		case !f.required:
		case f.node.nullable:
			o.put(f.name, "null")
		default:
			return nil, err
		}
	}
	if err := b.entries(&o, n, k); err != nil {
		return nil, err
	}
	return json.RawMessage(o.String()), nil
}

// entries makes what a map holds.
func (b *builder) entries(o *jsonObject, n *node, k int) error {
	if n.elem == nil || n.shape.custom != nil {
		return nil
	}
	count := max(1, n.minLen)
	if n.maxLen >= 0 {
		count = min(count, n.maxLen)
	}
	if len(n.fields) > 0 && !n.envelope || n.typ != nil && n.typ.Kind() == reflect.Struct {
		count = 0 // a struct's map of unknown members may be empty
	}
	for i := range count {
		if i >= 1000 {
			return errors.New("is too long to be built")
		}
		name := "key"
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		if n.key != nil {
			var ok bool
			if name, ok = n.key.exampleName(i); !ok {
				return nil
			}
		}
		raw, err := b.value(n.elem, k+i)
		if errors.Is(err, errEndless) && n.minLen == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		o.put(name, string(raw))
	}
	return nil
}

func (n *node) exampleName(i int) (name string, ok bool) {
	if n.kind == kindInt {
		return strconv.Itoa(i + 1), i < 100
	}
	if len(n.enum) > i {
		return n.enum[i].text, true
	}
	for _, name := range []string{"key" + strconv.Itoa(i+1), strconv.Itoa(i + 1), "192.0.2." + strconv.Itoa(i+1)} {
		if decodeText(n.shape, []byte(name)) == nil {
			return name, true
		}
	}
	return "", false
}

// exampleCustom tries what the type writes of its zero value, then some strings.
func (n *node) exampleCustom(k int) (json.RawMessage, error) {
	var tries []json.RawMessage
	if n.kind == kindText {
		tries = append(tries, appendString(nil, n.exampleText(k)))
	}
	if raw, err := jsonv2.Marshal(reflect.New(n.typ).Interface()); err == nil {
		tries = append(tries, raw)
	}
	if n.kind == kindText {
		for _, f := range []string{"ipv4", "uuid", "date-time", "date", "duration", "uri"} {
			tries = append(tries, appendString(nil, vary(formats[f], k)))
		}
		tries = append(tries, json.RawMessage(`"1"`), json.RawMessage(`"192.0.2.0/24"`), json.RawMessage(`"192.0.2.1:80"`))
	} else {
		tries = append(tries, json.RawMessage(`{}`), json.RawMessage(`"string"`), json.RawMessage(`1`), json.RawMessage(`[]`))
	}
	for _, raw := range tries {
		if n.check(raw) == nil {
			return raw, nil
		}
	}
	return nil, fmt.Errorf("nobody can guess a value of %s: add an example tag", n.typ)
}
