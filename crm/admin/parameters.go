package admin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// filterNames are the parameters that choose calls.
var filterNames = []string{"state", "reason", "term", "from", "to"}

// parameters reads query parameters and keeps the first error.
type parameters struct {
	values url.Values
	err    error
}

// parse returns the query parameters of a request. A name that is not allowed and a name given twice are errors.
func parse(c *gin.Context, allowed ...string) *parameters {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	p := &parameters{values: values}
	if err != nil {
		p.fail("the query cannot be read")
	}
	for name, given := range values {
		if !slices.Contains(allowed, name) {
			p.fail("unknown parameter %.40q, known are %q", name, allowed)
		}
		if len(given) > 1 {
			p.fail("%s is given more than once", name)
		}
	}
	return p
}

// refused answers with the first error, if there is one.
func (p *parameters) refused(c *gin.Context) bool {
	if p.err != nil {
		refuse(c, http.StatusBadRequest, "invalid_parameter", p.err.Error())
	}
	return p.err != nil
}

// fail keeps the first error.
func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parameters) text(name string) string { return p.values.Get(name) }

// flag returns whether the parameter has the value that turns it on; absent and off turn it off.
func (p *parameters) flag(name, on, off string) bool {
	switch p.text(name) {
	case on:
		return true
	case "", off:
		return false
	default:
		p.fail("%s must be %q or %q", name, on, off)
		return false
	}
}

// number returns a number of at least 1 and at most the given one, absent the default.
func (p *parameters) number(name string, absent, most int) int {
	text := p.text(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.fail("%s must be a number from 1 to %d", name, most)
	}
	return n
}

// id returns an unsigned number, absent 0.
func (p *parameters) id(name string) uint64 {
	text := p.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		p.fail("%s must be a number", name)
	}
	return n
}

// time returns a time, absent the zero time.
func (p *parameters) time(name string) time.Time {
	text := p.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.fail("%s must be a time such as 2026-01-31T08:00:00Z", name)
	}
	return t
}

// cursor returns the place where a listing goes on.
func (p *parameters) cursor(name string) string {
	cursor, err := base64.RawURLEncoding.DecodeString(p.text(name))
	if err != nil {
		p.fail("%s must be the next of an earlier page", name)
	}
	return string(cursor)
}

// encodeCursor is the inverse of cursor: a cursor of the store may be any bytes.
func encodeCursor(cursor string) string { return base64.RawURLEncoding.EncodeToString([]byte(cursor)) }

// filter returns the calls that the parameters choose.
func (p *parameters) filter() outbox.Filter {
	f := outbox.Filter{
		Reason: p.text("reason"), Term: p.text("term"), From: p.time("from"), To: p.time("to"),
	}
	name := p.text("state")
	if name == "" {
		return f
	}
	var names []string
	for _, state := range outbox.States {
		if state.String() == name {
			f.State = state
			return f
		}
		names = append(names, state.String())
	}
	p.fail("state must be one of %q", names)
	return f
}
