package apidoc

func (d *Doc) Merge(openapi []byte) error { return nil }
