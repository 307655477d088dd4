package wsrouter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/wsrouter-go/wsrouter"
)

type commentedMessage struct {
	_    struct{} `ws:"commented"`
	Text string   `json:"text"`
}

func onCommented(ctx context.Context, c *wsrouter.Conn[struct{}], m commentedMessage) error {
	return nil
}

// Generated code calls Comments in an init; the doc comment of the command wsrouter says how to generate it.
func ExampleComments() {
	wsrouter.Comments[commentedMessage](map[string]string{
		"commentedMessage":      "A text said in the chat.",
		"commentedMessage.Text": "What is said.",
		"onCommented":           "Says a text. Nobody answers.",
	})
	router := wsrouter.New[struct{}](nil)
	wsrouter.Receive(router, onCommented)
	op := router.Describe().Receives[0]
	fmt.Println(op.Summary)
	fmt.Println(op.Message.Description)
	fmt.Println(strings.Contains(string(op.Message.Schema), `"description":"What is said."`))
	// Output:
	// Says a text
	// A text said in the chat.
	// true
}

type sentenceMessage struct {
	_ struct{} `ws:"sentence"`
}

func onSentence(ctx context.Context, c *wsrouter.Conn[struct{}], m sentenceMessage) error { return nil }

func TestSummaryOfComment(t *testing.T) {
	for comment, want := range map[string]string{
		"One.":                           "One",
		"One. Two.":                      "One",
		"One":                            "One",
		"One\n\nTwo. Three":              "One",
		"Takes 1.5 units, e.g. of A. B.": "Takes 1.5 units, e.g. of A. B",
		"Asks J. Doe. Or not.":           "Asks J. Doe",
	} {
		wsrouter.Comments[sentenceMessage](map[string]string{"onSentence": comment})
		router := wsrouter.New[struct{}](nil)
		wsrouter.Receive(router, onSentence)
		if op := router.Describe().Receives[0]; op.Summary != want || op.Description != comment {
			t.Errorf("%q: summary %q, description %q", comment, op.Summary, op.Description)
		}
	}
}

func TestCommentsOfNoPackage(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "Comments[int]") {
			t.Error(p)
		}
	}()
	wsrouter.Comments[int](nil)
}
