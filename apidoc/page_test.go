package apidoc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestGoldenPage(t *testing.T) {
	_, mux := full()
	golden(t, "page.html", get(t, mux, "/docs").Body.Bytes())
}
