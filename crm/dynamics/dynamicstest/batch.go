package dynamicstest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// maxOperations is how many requests a batch may hold.
const maxOperations = 1000

// operation is one request of a batch.
type operation struct {
	id, path string
	header   http.Header
	body     []byte
}

// outcome is what became of an operation, or of the one of a change set that failed.
type outcome struct {
	id, contentID string
	fault         *fault
}

// batch serves a $batch. The caller holds the lock.
func (c *CRM) batch(w http.ResponseWriter, r *http.Request, body []byte) {
	groups, f := readBatch(r.Header.Get("Content-Type"), body)
	if f != nil {
		f.reply(w)
		return
	}
	goOn := strings.Contains(r.Header.Get("Prefer"), "odata.continue-on-error") && !c.options.StopsAtErrors
	status := http.StatusOK
	var text bytes.Buffer
	for _, group := range groups {
		outcomes := c.changeSet(group)
		writeOutcomes(&text, r.Host, group, outcomes)
		if last := outcomes[len(outcomes)-1]; last.fault != nil && !goOn {
			status = last.fault.status
			break
		}
	}
	text.WriteString("--batchresponse_b1--\r\n")
	w.Header().Set("Content-Type", "multipart/mixed; boundary=batchresponse_b1")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the client may be gone
}

// changeSet does a group of operations, or none of it.
func (c *CRM) changeSet(group []operation) []outcome {
	rows, order := c.rows, c.order
	if len(group) > 1 { // one operation changes all or nothing by itself
		rows, order = maps.Clone(c.rows), slices.Clone(c.order)
	}
	var outcomes []outcome
	for _, o := range group {
		id, f := c.patch(strings.TrimPrefix(o.path, apiRoot), o.header, o.body)
		if f != nil {
			c.rows, c.order = rows, order
			return []outcome{{contentID: o.id, fault: f}}
		}
		outcomes = append(outcomes, outcome{id: id, contentID: o.id})
	}
	return outcomes
}

// writeOutcomes writes the answer to a group.
func writeOutcomes(text *bytes.Buffer, host string, group []operation, outcomes []outcome) {
	text.WriteString("--batchresponse_b1\r\n")
	boundary := ""
	if len(group) > 1 {
		boundary = "--changesetresponse_c1"
		text.WriteString("Content-Type: multipart/mixed; boundary=changesetresponse_c1\r\n\r\n")
	}
	for i, o := range outcomes {
		if boundary != "" {
			text.WriteString(boundary + "\r\n")
		}
		text.WriteString("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n")
		if o.contentID != "" {
			text.WriteString("Content-ID: " + o.contentID + "\r\n")
		}
		if o.fault == nil {
			set, _, _ := strings.Cut(group[i].path, "(")
			fmt.Fprintf(text, "\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n"+
				"OData-EntityId: https://%s%s(%s)\r\n\r\n\r\n", host, set, o.id)
			continue
		}
		fmt.Fprintf(text, "\r\nHTTP/1.1 %d %s\r\nContent-Type: application/json; odata.metadata=minimal\r\n"+
			"OData-Version: 4.0\r\n\r\n%s\r\n", o.fault.status, http.StatusText(o.fault.status), o.fault.body())
	}
	if boundary != "" {
		text.WriteString(boundary + "--\r\n")
	}
}

// malformed is the fault of a batch that cannot be read.
func malformed(words string) *fault {
	return refuse(400, "0x80060888", "The batch is malformed: %s", words)
}

// readBatch takes a batch apart: a change set is a group of its own, and so is an operation outside of one.
func readBatch(contentType string, body []byte) (groups [][]operation, f *fault) {
	if bytes.Count(body, []byte("\n")) != bytes.Count(body, []byte("\r\n")) {
		return nil, malformed("lines must end with CRLF")
	}
	count := 0
	f = eachPart(contentType, bytes.NewReader(body), func(part *multipart.Part) *fault {
		if part.Header.Get("Content-Type") == "application/http" {
			o, f := readOperation(part)
			groups, count = append(groups, []operation{o}), count+1
			return f
		}
		var set []operation
		ids := map[string]bool{}
		f := eachPart(part.Header.Get("Content-Type"), part, func(inner *multipart.Part) *fault {
			o, f := readOperation(inner)
			if f == nil && (o.id == "" || ids[o.id]) {
				f = malformed("an operation of a change set needs a Content-ID of its own")
			}
			ids[o.id] = true
			set, count = append(set, o), count+1
			return f
		})
		groups = append(groups, set)
		return f
	})
	switch {
	case f == nil && count > maxOperations:
		f = malformed("it holds more than 1000 requests")
	case f == nil && slices.ContainsFunc(groups, func(g []operation) bool { return len(g) == 0 }):
		f = malformed("a change set is empty")
	}
	return groups, f
}

// eachPart calls do for every part of a multipart text.
func eachPart(contentType string, text io.Reader, do func(*multipart.Part) *fault) *fault {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || parameters["boundary"] == "" {
		return malformed("it is no multipart/mixed with a boundary")
	}
	parts := multipart.NewReader(text, parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return malformed(err.Error())
		}
		if f := do(part); f != nil {
			return f
		}
	}
}

// readOperation reads one request: a PATCH, the only one that this fake has use for.
func readOperation(part *multipart.Part) (operation, *fault) {
	if part.Header.Get("Content-Type") != "application/http" || part.Header.Get("Content-Transfer-Encoding") != "binary" {
		return operation{}, malformed("a part is no binary application/http")
	}
	lines := textproto.NewReader(bufio.NewReader(part))
	line, err := lines.ReadLine()
	words := strings.Fields(line)
	if err != nil || len(words) != 3 || words[0] != http.MethodPatch || words[2] != "HTTP/1.1" {
		return operation{}, malformed("a part does not begin with PATCH and a path")
	}
	header, err := lines.ReadMIMEHeader()
	if err != nil || !strings.HasPrefix(words[1], apiRoot+"/") {
		return operation{}, malformed("a request cannot be read")
	}
	body, err := io.ReadAll(lines.R)
	if err != nil {
		return operation{}, malformed(err.Error())
	}
	return operation{id: part.Header.Get("Content-Id"), path: words[1], header: http.Header(header), body: body}, nil
}
