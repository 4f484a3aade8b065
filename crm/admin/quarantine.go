package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// rejected is a refused webhook as the API shows it.
type rejected struct {
	ID uint64 `json:"id"`
	// At is when it first came, LastAt when it last came, Count how often.
	At     time.Time `json:"at"`
	LastAt time.Time `json:"last_at"`
	Count  int       `json:"count"`
	// Reason is one word, Error a sentence.
	Reason      string `json:"reason"`
	Error       string `json:"error,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	// Bytes is how large the kept body is; Truncated: it was longer.
	Bytes     int  `json:"bytes"`
	Truncated bool `json:"truncated"`
	// Body is the body as it came, base64, only when asked for.
	Body []byte `json:"body,omitempty"`
}

// listQuarantine answers with a page of refused webhooks.
func (s *server) listQuarantine(c *gin.Context) {
	p := parse(c, "after", "limit", "include")
	after := p.id("after")
	limit := p.number("limit", defaultPage, maxPage)
	withBody := p.flag("include", "body", "")
	if p.refused(c) {
		return
	}
	ctx := c.Request.Context()
	kept, err := s.Store.Quarantined(ctx, after, limit)
	if err != nil {
		s.refuseError(c, "list the quarantine", err)
		return
	}
	items := make([]rejected, 0, len(kept))
	for _, r := range kept {
		item := rejected{
			ID: r.ID, At: r.At.UTC(), LastAt: r.LastAt.UTC(), Count: r.Count, Reason: r.Reason, Error: r.Error,
			ContentType: r.ContentType, Bytes: len(r.Body), Truncated: r.Truncated,
		}
		if withBody {
			item.Body = r.Body
		}
		items = append(items, item)
	}
	if withBody {
		s.Logger.InfoContext(ctx, "refused bodies shown", "count", len(items))
	}
	answer := gin.H{"items": items}
	if len(items) == limit {
		answer["next"] = strconv.FormatUint(items[len(items)-1].ID, 10)
	}
	c.JSON(http.StatusOK, answer)
}
