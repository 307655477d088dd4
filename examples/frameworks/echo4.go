package frameworks

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Echo4 keeps path parameters in its own context: one line hands them over.
func Echo4() http.Handler {
	router := newRouter()
	e := echo.New()
	e.GET("/ws/:room", func(c echo.Context) error {
		c.Request().SetPathValue("room", c.Param("room"))
		router.ServeHTTP(c.Response(), c.Request())
		return nil
	})
	doc := apidoc.New("Echo 4", "1.0.0")
	doc.Add("/ws/{room}", router)
	doc.Serve(echo4Mux{e}, "/docs")
	return e
}

// echo4Mux routes the pages of the documentation, whose paths have no parameters.
type echo4Mux struct{ e *echo.Echo }

func (m echo4Mux) Handle(pattern string, h http.Handler) {
	method, path, _ := strings.Cut(pattern, " ")
	m.e.Add(method, path, echo.WrapHandler(h))
}
