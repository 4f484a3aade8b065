package dynamics

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// The conditions of an operation: without any it is an upsert.
const (
	onlyUpdate = "If-Match"
	onlyCreate = "If-None-Match"
)

// operation is a PATCH of one row.
type operation struct {
	// path is that of the row below the API; condition one of the headers above, or empty.
	path, condition string
	body            map[string]any
}

// batch sends groups of operations in one request and returns what became of each group, nil for success. A group of
// several is a change set: all of it takes effect, or nothing does. The groups are independent of each other: where the
// preference to go on after an error is not heeded, those that were left out are sent again. The second error is one of
// a whole request.
func (a *Adapter) batch(ctx context.Context, r api.Request, groups [][]operation) ([]*crm.Error, error) {
	r.Method, r.Path, r.Effect = http.MethodPost, a.root+"/$batch", api.Changes
	r.Header = http.Header{"Prefer": {"odata.continue-on-error"}}
	r.Judge = func(said api.Answer) *crm.Error {
		if len(decode(said)) > 0 { // a batch that ended at an error has its status
			return nil
		}
		return judge(r, said)
	}
	results := make([]*crm.Error, 0, len(groups))
	for goOn := true; goOn && len(results) < len(groups); {
		body, err := a.encode(groups[len(results):])
		if err != nil {
			return nil, crm.Errorf(crm.KindInvalid, r.Title, "%s", a.client.Mask(err.Error()))
		}
		r.Body = body
		said, err := a.client.Do(ctx, r)
		if err != nil || a.dry {
			return make([]*crm.Error, len(groups)), err
		}
		answers := decode(said)
		goOn = said.Status >= http.StatusMultipleChoices
		for _, answer := range answers[:min(len(answers), len(groups)-len(results))] {
			e := judge(r, answer)
			if e != nil {
				e.Op, e.Status, e.Message = r.Title, answer.Status, a.client.Mask(e.Message)
				e.RetryAfter = api.RetryAfter(answer.Header.Get("Retry-After"), a.now())
				goOn = goOn && !stops(e.Kind)
			}
			results = append(results, e)
		}
	}
	for len(results) < len(groups) {
		results = append(results, crm.Errorf(crm.KindTransient, r.Title, "the answer does not say what became of it"))
	}
	return results, nil
}

// encode writes a batch as "Execute batch operations using the Web API" tells. Bodies of JSON are one line each, so
// none can hold a boundary.
func (a *Adapter) encode(groups [][]operation) (api.Raw, error) {
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	err := w.SetBoundary("batch_" + w.Boundary())
	for i := 0; i < len(groups) && err == nil; i++ {
		if len(groups[i]) == 1 {
			err = a.write(w, "", groups[i][0])
			continue
		}
		var inner bytes.Buffer
		set := multipart.NewWriter(&inner)
		err = set.SetBoundary("changeset_" + set.Boundary())
		for n, o := range groups[i] {
			err = errors.Join(err, a.write(set, strconv.Itoa(n+1), o))
		}
		part, failure := w.CreatePart(textproto.MIMEHeader{
			"Content-Type": {"multipart/mixed; boundary=" + set.Boundary()},
		})
		if err = errors.Join(err, set.Close(), failure); err == nil {
			_, err = inner.WriteTo(part)
		}
	}
	err = errors.Join(err, w.Close())
	return api.Raw{ContentType: "multipart/mixed; boundary=" + w.Boundary(), Body: text.Bytes()}, err
}

// write appends an operation to a batch or change set; in the latter it has an id.
func (a *Adapter) write(w *multipart.Writer, id string, o operation) error {
	header := textproto.MIMEHeader{"Content-Type": {"application/http"}, "Content-Transfer-Encoding": {"binary"}}
	if id != "" {
		header["Content-ID"] = []string{id} // as it is spelled there
	}
	part, err := w.CreatePart(header)
	if err != nil {
		return err
	}
	condition := ""
	if o.condition != "" {
		condition = o.condition + ": *\r\n"
	}
	body, err := json.Marshal(o.body)
	if err != nil {
		return fmt.Errorf("encode the body: %w", err)
	}
	_, err = fmt.Fprintf(part, "PATCH %s%s HTTP/1.1\r\nContent-Type: application/json\r\n%s\r\n%s\r\n", a.root, o.path,
		condition, body)
	return err
}

// decode reads the answer to a batch: one answer for each group, in order, as far as they can be read. That of a change
// set which failed is the error alone.
func decode(said api.Answer) []api.Answer {
	parts := partsOf(said.Header.Get("Content-Type"), bytes.NewReader(said.Body))
	var answers []api.Answer
	for parts != nil {
		part, err := parts.NextRawPart()
		if err != nil {
			break
		}
		answer, err := single(part)
		if set := partsOf(part.Header.Get("Content-Type"), part); set != nil {
			answer, err = changed(set)
		}
		if err != nil {
			break
		}
		answers = append(answers, answer)
	}
	return answers
}

// partsOf returns the reader of a multipart text, nil for one that is none.
func partsOf(contentType string, text io.Reader) *multipart.Reader {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || parameters["boundary"] == "" {
		return nil
	}
	return multipart.NewReader(text, parameters["boundary"])
}

// changed returns the answer to a change set: the first error, else the last success.
func changed(set *multipart.Reader) (last api.Answer, err error) {
	for {
		part, err := set.NextRawPart()
		if errors.Is(err, io.EOF) && last.Status != 0 {
			return last, nil
		}
		if err == nil {
			last, err = single(part)
		}
		if err != nil || last.Status >= http.StatusMultipleChoices {
			return last, err
		}
	}
}

// single reads the answer to one operation; one of status 0 where the part holds none but further parts.
func single(part *multipart.Part) (api.Answer, error) {
	if !strings.HasPrefix(part.Header.Get("Content-Type"), "application/http") {
		return api.Answer{}, nil
	}
	answer, err := http.ReadResponse(bufio.NewReader(part), nil)
	if err != nil {
		return api.Answer{}, err
	}
	body, err := io.ReadAll(answer.Body)
	return api.Answer{Status: answer.StatusCode, Header: answer.Header, Body: body}, errors.Join(err, answer.Body.Close())
}
