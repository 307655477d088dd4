module github.com/wsrouter-go/wsrouter/internal/compat/browser

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/wsrouter-go/wsrouter v0.0.0
	github.com/wsrouter-go/wsrouter/internal/compat v0.0.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
)

replace (
	github.com/wsrouter-go/wsrouter => ../../..
	github.com/wsrouter-go/wsrouter/internal/compat => ..
)
