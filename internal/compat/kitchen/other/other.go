// Package other has message types with the same names as kitchen's.
package other

type Note struct {
	_    struct{} `ws:"note" doc:"Another package's note."`
	Line int      `json:"line" minimum:"1"`
}

type Place struct {
	Shelf string `json:"shelf"`
}
