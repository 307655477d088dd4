package apidoc_test

import (
	"net/http"
	"testing"

	"github.com/wsrouter-go/wsrouter/apidoc"
)

func TestGoldenChat(t *testing.T) {
	doc := apidoc.New("Chat", "1.0.0")
	doc.Mount(http.NewServeMux(), "/ws", endpoint(chat()))
	golden(t, "chat.json", doc.OpenAPI())
	golden(t, "chat.yaml", doc.OpenAPIYAML())
}

func TestGoldenFull(t *testing.T) {
	doc, _ := full()
	golden(t, "full.json", doc.OpenAPI())
	golden(t, "full.yaml", doc.OpenAPIYAML())
}
