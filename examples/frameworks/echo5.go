package frameworks

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v5"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Echo5 sets the request's path values itself.
func Echo5() http.Handler {
	router := newRouter()
	e := echo.New()
	e.GET("/ws/:room", echo.WrapHandler(router))
	doc := apidoc.New("Echo 5", "1.0.0")
	doc.Add("/ws/{room}", router)
	doc.Serve(echo5Mux{e}, "/docs")
	return e
}

// echo5Mux routes the pages of the documentation, whose paths have no parameters.
type echo5Mux struct{ e *echo.Echo }

func (m echo5Mux) Handle(pattern string, h http.Handler) {
	method, path, _ := strings.Cut(pattern, " ")
	m.e.Add(method, path, echo.WrapHandler(h))
}
