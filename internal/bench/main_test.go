package main

import (
	"bytes"
	"log"
	"os"
	"testing"
)

// TestMain lets the test binary be the servers that it starts.
func TestMain(m *testing.M) {
	if server := os.Getenv("BENCH_SERVE"); server != "" {
		log.Fatal(child(server))
	}
	os.Exit(m.Run())
}

// TestBench keeps every server and every load alive, with too little work to measure anything.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	if err := bench(&out, 1, "", jobs(4, 640, 10, 20)); err != nil {
		t.Fatal(err)
	}
	t.Log(&out)
}
