package receiver

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// readBody reads the body of a request up to limit bytes. tooLarge says that there is more; what comes back then is
// the first part. The error says that the body did not come in whole.
func readBody(r *http.Request, limit int64) (body []byte, tooLarge bool, err error) {
	if declared := r.ContentLength; declared >= 0 {
		body = make([]byte, min(declared, limit))
		n, err := io.ReadFull(r.Body, body)
		return body[:n], declared > limit, err
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], true, nil
	}
	return body, false, err
}

// isJSON reports whether the headers announce plain JSON: application/json or application/…+json with any parameters,
// and no encoding that would have to be undone first.
func isJSON(header http.Header) bool {
	for _, encoding := range header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if media == "application/json" {
		return true
	}
	name, found := strings.CutPrefix(media, "application/")
	return found && len(name) > len("+json") && strings.HasSuffix(name, "+json")
}

// codeOf returns the code of a Decode error, "malformed" if it has none.
func codeOf(err error) string {
	if coded, ok := errors.AsType[interface {
		error
		Code() string
	}](err); ok {
		return coded.Code()
	}
	return ResultMalformed
}

// cut returns s, or its first n bytes if it is longer.
func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
