// Package browser meets the chat as a person does: go run ./examples/chat, and a browser. The tests need Chromium.
package browser
