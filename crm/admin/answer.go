package admin

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// refuse ends a request with an error.
func refuse(c *gin.Context, status int, code, message string) {
	c.AbortWithStatusJSON(status, gin.H{"error": gin.H{"code": code, "message": message}})
}

// storeErrors says how errors of the store are answered.
var storeErrors = []struct {
	err           error
	status        int
	code, message string
}{
	{outbox.ErrNotFound, http.StatusNotFound, "not_found", "there is no such call"},
	{outbox.ErrClaimed, http.StatusConflict, "in_flight", "the call is being delivered now, try again in a moment"},
	{outbox.ErrInvalid, http.StatusBadRequest, "invalid_parameter", "a parameter is out of bounds"},
	{outbox.ErrBusy, http.StatusServiceUnavailable, "overloaded", "the outbox is overloaded, try again in a moment"},
	{outbox.ErrFull, http.StatusServiceUnavailable, "full", "the outbox or its disk is full"},
	{outbox.ErrClosed, http.StatusServiceUnavailable, "closed", "the outbox is closing"},
	{outbox.ErrFailed, http.StatusServiceUnavailable, "failed", "the outbox failed to write to its disk: restart it"},
	{outbox.ErrCorrupt, http.StatusInternalServerError, "damaged", "a record of the outbox is damaged: check the store"},
}

// refuseError ends a request with an error of the store; an unknown one is logged and not told.
func (s *server) refuseError(c *gin.Context, doing string, err error) {
	for _, known := range storeErrors {
		if errors.Is(err, known.err) {
			refuse(c, known.status, known.code, known.message)
			return
		}
	}
	if ctx := c.Request.Context(); ctx.Err() == nil {
		s.Logger.ErrorContext(ctx, "admin request failed", "doing", doing, "err", err)
	}
	refuse(c, http.StatusInternalServerError, "internal", "could not "+doing+", the log says more")
}
