package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm/explain"
)

// requests prints what would be sent.
func (p printout) requests(step explain.Step) {
	p.heading("requests (none of them is sent)")
	for _, w := range step.Writes {
		if w.Error != "" {
			p.line("  the write ends with: %s", w.Error)
		}
	}
	if len(step.Requests) == 0 {
		p.line("  none")
	}
	if len(step.Requests) > 1 {
		p.line("  the id of what an earlier one of them makes is not known yet: what stands there is a stand-in")
	}
	for i, r := range step.Requests {
		p.line("  %d. %s", i+1, r.Title)
		p.line("     %s %s", r.Method, r.URL)
		for text := range strings.SplitSeq(bodyText(r.Body), "\n") {
			p.line("     %s", text)
		}
	}
}

// bodyText returns a body for people.
func bodyText(body any) string {
	switch body := body.(type) {
	case json.RawMessage:
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, body, "", "  "); err == nil {
			return pretty.String()
		}
		return string(body)
	case string:
		return body
	default:
		return ""
	}
}
