module github.com/wsrouter-go/wsrouter/internal/compat/oapi

go 1.26

require (
	github.com/oapi-codegen/oapi-codegen/v2 v2.8.2
	github.com/oapi-codegen/runtime v1.8.0
)
