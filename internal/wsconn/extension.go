package wsconn

import "strconv"

// CompressionConfig says how permessage-deflate is agreed on.
type CompressionConfig struct {
	MinSize int      // bytes; a shorter message is sent as it is
	Windows *Windows // for the context of clients. If nil or used up, they are told to send each message without
}

const (
	permessageDeflate = "permessage-deflate"
	minWindowBits     = 8
	maxWindowBits     = 15
)

// Negotiate answers the Sec-WebSocket-Extensions headers of a handshake. It agrees on the first offer of
// permessage-deflate that RFC 7692 section 7.1 allows: response is then the header of the 101, and the caller calls Close
// on agreed when the connection ends or does not come about. All other offers are declined, and all if config is nil: then
// it returns "" and nil. It fails if the headers break their grammar, which is a 400 also where nothing is agreed on.
func Negotiate(headers []string, config *CompressionConfig) (response string, agreed *Compression, err error) {
	extensions, err := ParseExtensions(headers)
	if err != nil || config == nil {
		return "", nil, err
	}
	for _, e := range extensions {
		if o := readOffer(e); o.valid {
			response, agreed = o.accept(config)
			break
		}
	}
	return response, agreed, nil
}

// An offer is one element of the header.
type offer struct {
	valid      bool  // permessage-deflate with parameters that are allowed
	seen       uint8 // of the parameters, a bit each
	noContext  bool  // client_no_context_takeover
	serverBits int   // server_max_window_bits. 0: absent
	clientBits int   // client_max_window_bits. 0: absent or without a value
}

// readOffer reads what an extension asks for, if it is permessage-deflate.
func readOffer(e Extension) (o offer) {
	o.valid = e.Name == permessageDeflate
	for _, p := range e.Params {
		o.set(p.Name, p.Value, p.Value != "")
	}
	return o
}

// set takes one parameter. One that is unknown, given twice or out of range makes the offer one to decline
// (RFC 7692 section 7.1).
func (o *offer) set(name, value string, hasValue bool) {
	bit, ok := uint8(0), !hasValue
	switch name {
	case "server_no_context_takeover": // always agreed on
		bit = 1
	case "client_no_context_takeover":
		bit = 2
		o.noContext = true
	case "server_max_window_bits":
		bit = 4
		o.serverBits, ok = windowBits(value)
	case "client_max_window_bits":
		bit = 8
		if hasValue {
			o.clientBits, ok = windowBits(value)
		}
	default:
		ok = false
	}
	if !ok || o.seen&bit != 0 {
		o.valid = false
	}
	o.seen |= bit
}

// windowBits is a decimal number from 8 to 15 without leading zeros.
func windowBits(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= minWindowBits && n <= maxWindowBits && s == strconv.Itoa(n)
}

// accept agrees on an offer that is valid.
func (o *offer) accept(config *CompressionConfig) (string, *Compression) {
	c := &Compression{minSize: config.MinSize, sendBits: maxWindowBits, windows: config.Windows}
	response := permessageDeflate + "; server_no_context_takeover"
	// What a client says of its own window holds whether it is repeated or not (sections 7.1.1.2 and 7.1.2.2).
	// zlib takes 9 bits where it is asked for 8.
	size := 1 << maxWindowBits
	if o.clientBits > 0 {
		size = 1 << max(o.clientBits, 9)
	}
	if !o.noContext && c.windows.take(size) {
		c.size = size
	} else {
		response += "; client_no_context_takeover"
	}
	if o.serverBits > 0 {
		c.sendBits = uint8(o.serverBits)
		response += "; server_max_window_bits=" + strconv.Itoa(o.serverBits)
	}
	return response, c
}
