package apidoc

import "github.com/wsrouter-go/wsrouter/internal/ordered"

// closeCodes says what the end of a connection means here. The server itself closes with those that are its own.
var closeCodes = []struct {
	pageFact
	own bool
}{
	{pageFact{"1000", "Closed as agreed: the work is done."}, false},
	{pageFact{"1001", "The server is shutting down. Connect again; another one may answer."}, true},
	{pageFact{"1002", "The client broke the WebSocket protocol."}, true},
	{pageFact{"1003", "A frame of the wrong kind: text where binary is expected, or the other way round."}, true},
	{pageFact{"1005", "Closed without a code."}, false},
	{pageFact{"1006", "The connection was lost: no close frame came. The server died, or something between cut the line."}, false},
	{pageFact{"1007", "Text that is not UTF-8."}, true},
	{pageFact{"1008", "Refused after it was opened: not allowed, too many messages, or one in too many frames or not complete in time. The reason, or the error reply before it, says which."}, true},
	{pageFact{"1009", "A message larger than the server takes."}, true},
	{pageFact{"1011", "The server failed, while the client came or while it handled a message. Its log says why."}, true},
	{pageFact{"1013", "The client read too slowly, and what waited for it, or for all clients together, outgrew the server's limit. Or the reason is \"try again later\": the server cannot reach others that it needs, so connect again, later."}, true},
	{pageFact{"4401", "The credentials have expired. Sign in, and connect again."}, true},
}

// errorCodes are those that the library itself answers with.
var errorCodes = []pageFact{
	{"not_json", "The message is not JSON."},
	{"unknown_type", "No message has this name. The issue says which there are, and the nearest."},
	{"validation_failed", "The message breaks a rule of its schema; the issues say which, and where."},
	{"rate_limited", "Too many messages, or bytes, in a second: this one was not handled. Send it again, later."},
	{"unavailable", "The server cannot reach those that the message is for. Send it again, later."},
	{"internal", "The server failed to handle the message. Its log says why; the connection goes on."},
}

// errorCodes are those that e answers with.
func (e *endpoint) errorCodes() *ordered.Object {
	leftOut := map[string]bool{"rate_limited": !e.limitsRate() || e.RateClose, "unavailable": !e.Broker}
	codes := ordered.New()
	for _, c := range errorCodes {
		if !leftOut[c.Name] {
			codes.Set(c.Name, c.Value)
		}
	}
	return codes
}

// limitsRate reports whether a message may come too soon.
func (e *endpoint) limitsRate() bool {
	return e.Limits["messagesPerSecond"] > 0 || e.Limits["bytesPerSecond"] > 0
}

// closes lists all codes, for the page.
func closes() (list []pageFact) {
	for _, c := range closeCodes {
		list = append(list, c.pageFact)
	}
	return list
}

// closeCodes are those of the server itself. An application may close with others.
func (e *endpoint) closeCodes() *ordered.Object {
	codes := ordered.New()
	for _, c := range closeCodes {
		if c.own && (c.Name != "1009" || e.Limits["maxMessage"] >= 0) {
			codes.Set(c.Name, c.Value)
		}
	}
	return codes
}
