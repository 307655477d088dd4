module github.com/wsrouter-go/wsrouter/internal/bench

go 1.26

require (
	github.com/coder/websocket v1.8.15
	github.com/go-json-experiment/json v1.27.2
	github.com/gorilla/websocket v1.5.3
	github.com/olahol/melody v1.1.4
	github.com/wsrouter-go/wsrouter v0.0.0
)

replace github.com/wsrouter-go/wsrouter => ../..
