// Package wsswag reads Swagger 2.0, as swag init writes it, for apidoc's Doc.Merge, which takes OpenAPI 3:
//
//	//go:embed docs/swagger.json
//	var swagger []byte
//
//	base, err := wsswag.Convert(swagger)
//	…
//	err = doc.Merge(base)
//
// Point the Swagger UI that serves the document today at the merged one, and it shows the messages beside the operations; with
// gin-swagger:
//
//	doc.Serve(mux, "/docs")
//	r.GET("/swagger/*any", ginSwagger.WrapHandler(files.Handler, ginSwagger.URL("/openapi.json")))
//
// Names, order and the spelling of numbers stay. What Swagger says by silence is written out: the media types of the document hold for operations
// without their own, application/json where there are none at all; arrays without a collectionFormat are separated by commas; a form is
// application/x-www-form-urlencoded, with a file multipart/form-data. Body and form parameters that operations share are written into each of them.
// A definition whose name OpenAPI does not allow gets a similar one. A collectionFormat that OpenAPI lacks, such as tsv, stays as x-collectionFormat.
package wsswag

import (
	"errors"
	"fmt"

	"github.com/wsrouter-go/wsrouter/internal/ordered"
)

// Convert returns a Swagger 2.0 document, JSON or YAML, as OpenAPI 3.0 in JSON.
//
// It fails if swagger2 is anything else, or beyond the bounds of Doc.Merge: a member named twice, nested deeper than 200 levels, 524,288 values
// or 16 MiB, read or written, with all aliases followed; or 8 MiB or 300,000 nodes of YAML. Nothing that it refers to is fetched: references to other documents stay as they are.
func Convert(swagger2 []byte) (openapi3 []byte, err error) {
	openapi3, err = convert(swagger2)
	if err != nil {
		return nil, fmt.Errorf("wsswag: Convert: %.500s", err) // a parser's error may quote megabytes
	}
	return openapi3, nil
}

func convert(data []byte) ([]byte, error) {
	root, err := ordered.Parse(data)
	if err != nil {
		return nil, err
	}
	switch {
	case root.Has("openapi"):
		return nil, errors.New("this is OpenAPI 3: give it to Merge as it is")
	case root.Get("swagger") != "2.0":
		return nil, errors.New(`the member "swagger" must be the string "2.0"`)
	}
	c := newConverter(root)
	doc, err := c.document()
	if err != nil {
		return nil, err
	}
	out, err := ordered.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}
