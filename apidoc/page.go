package apidoc

func (m *model) page(d *Doc) (*rendered, error) {
	return newRendered("text/html; charset=utf-8", []byte("<!doctype html><title>docs</title>")), nil
}
