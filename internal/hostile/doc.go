// Package hostile holds a server against what a hostile peer may send. It has tests only, for Linux, whose /proc tells what a process
// uses.
//
// The server is a process of its own, this test binary started again, and routes as a program would: net/http, a ServeMux, routers.
// Each row of inputs_test.go runs 64 times at once while fifty other connections are served, and says what its peer must see. What must
// hold for all rows, and what may cost more, stands in hostile_test.go.
//
//	go test -v ./internal/hostile                    # the report: what was seen, peak memory, CPU, latency of the others
//	go test ./internal/hostile -connections 100000   # descriptor churn at its full length
package hostile
