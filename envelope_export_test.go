package wsrouter

// ParseEnvelope reads an envelope and writes it again; ParsePositions reads the resume parameter. For the fuzz tests.
func ParseEnvelope(b []byte) ([]byte, error) {
	var e envelope
	if err := e.parse(b, "0123456789abcdef"); err != nil {
		return nil, err
	}
	return e.append(nil), nil
}

// ParsePositions returns the valid positions of a resume parameter, as they are written, and how many there are in all.
func ParsePositions(text string) (valid map[string]string, all int, err error) {
	list, err := parsePositions(text)
	valid = map[string]string{}
	for room, p := range list {
		if p.valid {
			valid[room] = formatPosition(p.at)
		}
	}
	return valid, len(list), err
}
