module github.com/wsrouter-go/wsrouter

go 1.26

require (
	github.com/coder/websocket v1.8.15
	github.com/go-json-experiment/json v1.27.2
	go.yaml.in/yaml/v4 v4.0.0
)
