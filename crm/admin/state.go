package admin

import (
	"bytes"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// stats answers with the figures of the outbox and whether delivery rests.
func (s *server) stats(c *gin.Context) {
	if parse(c).refused(c) {
		return
	}
	stats := s.Store.Stats()
	states, oldest := map[string]int64{}, map[string]time.Time{}
	for _, state := range outbox.States {
		states[state.String()] = stats.States[state]
		if since := stats.OldestSince[state]; !since.IsZero() {
			oldest[state.String()] = since.UTC()
		}
	}
	parkedBy := stats.ParkedBy
	if parkedBy == nil {
		parkedBy = map[string]int64{}
	}
	answer := gin.H{
		"states": states, "parked_by": parkedBy, "oldest_since": oldest,
		"entries": stats.Entries, "messages": stats.Messages, "duplicates": stats.Duplicates,
		"discarded": stats.Discarded, "purged": stats.Purged,
		"quarantine": gin.H{"items": stats.Rejected, "bytes": stats.RejectedBytes, "evicted": stats.Evicted},
		"store": gin.H{
			"file_bytes": stats.FileBytes, "used_bytes": stats.UsedBytes, "limit_bytes": stats.LimitBytes,
		},
	}
	if !stats.OldestDue.IsZero() {
		answer["oldest_due"] = stats.OldestDue.UTC()
	}
	if s.Target != nil {
		answer["delivery"] = s.delivery()
	}
	c.JSON(http.StatusOK, answer)
}

// delivery says whether delivery rests.
type delivery struct {
	Paused bool   `json:"paused"`
	Reason string `json:"reason,omitempty"`
	// Until is when it goes on; left out where only a person ends the rest.
	Until time.Time `json:"until,omitzero"`
	Error string    `json:"error,omitempty"`
}

func (s *server) delivery() delivery {
	pause := s.Target.Paused()
	d := delivery{Paused: pause.Reason != "", Reason: pause.Reason, Error: pause.Error}
	if d.Paused && pause.Reason != outbox.PauseOperator {
		d.Until = pause.Until.UTC()
	}
	return d
}

// pause lets delivery rest.
func (s *server) pause(c *gin.Context) {
	if s.cannotPause(c) || parse(c).refused(c) {
		return
	}
	s.Target.Pause()
	s.Logger.InfoContext(c.Request.Context(), "delivery paused by hand")
	c.JSON(http.StatusOK, s.delivery())
}

// resume lets delivery go on.
func (s *server) resume(c *gin.Context) {
	if s.cannotPause(c) || parse(c).refused(c) {
		return
	}
	s.Target.Resume()
	s.Logger.InfoContext(c.Request.Context(), "delivery resumed by hand")
	c.JSON(http.StatusOK, s.delivery())
}

// cannotPause answers when there is nothing to pause.
func (s *server) cannotPause(c *gin.Context) bool {
	if s.Target == nil {
		refuse(c, http.StatusNotImplemented, "not_supported", "this process does not deliver")
	}
	return s.Target == nil
}

// config answers with the configuration in force, as slog would log it: its secrets mask themselves.
func (s *server) config(c *gin.Context) {
	if parse(c).refused(c) {
		return
	}
	var text bytes.Buffer
	handler := slog.NewJSONHandler(&text, &slog.HandlerOptions{ReplaceAttr: onlyConfig})
	record := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	record.AddAttrs(slog.Any("config", s.Config))
	if err := handler.Handle(c.Request.Context(), record); err != nil {
		s.refuseError(c, "show the configuration", err)
		return
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", text.Bytes())
}

// onlyConfig drops what a log line carries besides the configuration.
func onlyConfig(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key != "config" {
		return slog.Attr{}
	}
	return a
}
