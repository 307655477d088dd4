package schema

// DecodeTwin is Decode by json/v2, which says what a message means.
func (p *Plan) DecodeTwin(data []byte, v any) []Issue {
	p.pointer(v)
	issues := p.twoPasses(data, v)
	if issues == nil {
		issues = p.hook(v)
	}
	return issues
}

// AppendTwin is Append by json/v2.
func (p *Plan) AppendTwin(dst []byte, v any, id []byte) ([]byte, error) {
	if err := p.accepts(v); err != nil {
		return dst, err
	}
	return p.appendTwice(dst, v, id)
}

// OnePass reports what goes without json/v2.
func (p *Plan) OnePass() (decodes, encodes bool) { return p.storable, p.writable }
