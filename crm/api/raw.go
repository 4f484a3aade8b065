package api

// Raw is a Request.Body that is sent as it is: what is neither JSON nor a form, such as the parts of a multipart batch.
type Raw struct {
	ContentType string
	Body        []byte
}
