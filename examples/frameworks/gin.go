package frameworks

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/wsrouter-go/wsrouter/apidoc"
)

// Gin keeps path parameters in its own context: one line hands them over.
func Gin() http.Handler {
	router := newRouter()
	r := gin.New()
	r.GET("/ws/:room", func(c *gin.Context) {
		c.Request.SetPathValue("room", c.Param("room"))
		router.ServeHTTP(c.Writer, c.Request)
	})
	doc := apidoc.New("Gin", "1.0.0")
	doc.Add("/ws/{room}", router)
	doc.Serve(ginMux{r}, "/docs")
	return r
}

// ginMux routes the pages of the documentation, whose paths have no parameters.
type ginMux struct{ r *gin.Engine }

func (m ginMux) Handle(pattern string, h http.Handler) {
	method, path, _ := strings.Cut(pattern, " ")
	m.r.Handle(method, path, gin.WrapH(h))
}
