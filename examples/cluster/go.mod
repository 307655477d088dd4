module github.com/wsrouter-go/wsrouter/examples/cluster

go 1.26

require github.com/wsrouter-go/wsrouter v0.0.0

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
)

replace github.com/wsrouter-go/wsrouter => ../..
