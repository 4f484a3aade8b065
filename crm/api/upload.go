package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"github.com/crmsyncd/crmsyncd/crm"
)

// Upload sends a file as the one part of a form (multipart/form-data), as it arrives: no more of it is held than what
// is under way. The rest of the request is as for Do, its Body must be empty. The file is read once, so nothing is
// repeated: a refused token is an error. When the file breaks off its own error is returned, and the CRM has got no
// whole form. A dry run does not touch the file, which may be nil then.
func (c *Client) Upload(ctx context.Context, r Request, part string, f *File) (Answer, error) {
	r.Method = http.MethodPost
	if c.dryRun != nil {
		return c.pretend(r)
	}
	if err := c.rests.check(r.Title, r.Budget); err != nil {
		return Answer{}, err
	}
	access, err := c.credentials.Access(ctx, "")
	if err != nil {
		return Answer{}, err
	}
	hr, err := c.build(ctx, r, access)
	if err != nil {
		return Answer{}, err
	}
	if err := form(hr, part, f); err != nil {
		return Answer{}, crm.Errorf(crm.KindInvalid, r.Title, "the form cannot be made")
	}
	if err := c.await(ctx, r); err != nil {
		return Answer{}, err
	}
	a, err := c.exchanger.exchange(r.Operation, hr)
	if err != nil {
		if own := f.Err(ctx); own != nil {
			return Answer{}, own
		}
		return a, unanswered(ctx, r.Title, lost(r.Effect), err)
	}
	return a, c.judged(r, a, access)
}

// form makes a file the body of a request.
func form(hr *http.Request, part string, f *File) error {
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	_, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition(part, f.Name)}, "Content-Type": {f.Type},
	})
	head := frame.Len()
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	begin, end := frame.Bytes()[:head], frame.Bytes()[head:]
	hr.Body = io.NopCloser(io.MultiReader(bytes.NewReader(begin), f, bytes.NewReader(end)))
	hr.GetBody, hr.ContentLength = nil, -1
	if f.Size >= 0 {
		hr.ContentLength = int64(frame.Len()) + f.Size
	}
	hr.Header.Set("Content-Type", w.FormDataContentType())
	return nil
}
