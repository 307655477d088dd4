module github.com/wsrouter-go/wsrouter/internal/deploy

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/wsrouter-go/wsrouter v0.0.0
)

require github.com/go-json-experiment/json v1.27.2 // indirect

replace github.com/wsrouter-go/wsrouter => ../..
