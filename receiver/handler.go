package receiver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

// errStoreTimeout is why the context of a sink ends.
var errStoreTimeout = errors.New("the sink took too long")

// request is a webhook on its way through the steps.
type request struct {
	c      *gin.Context
	source Source
	// body is set once it is read, so that a panic afterwards does not lose it.
	body []byte
}

// answering makes a gin handler of a step that decides on the answer.
func (s *Server) answering(decide func(c *gin.Context) answer) gin.HandlerFunc {
	return func(c *gin.Context) {
		begin := s.now()
		a := decide(c)
		a.write(c)
		took := s.now().Sub(begin)
		s.observer.Answered(a.status, a.result, took)
		if s.logger.Enabled(c.Request.Context(), slog.LevelDebug) {
			s.logger.LogAttrs(c.Request.Context(), slog.LevelDebug, "request answered",
				slog.String("path", c.FullPath()), slog.Int("status", a.status), slog.String("result", a.result),
				slog.String("call_id", a.callID), slog.Int64("bytes", c.Request.ContentLength), slog.Duration("took", took))
		}
	}
}

// webhook returns the step for the webhooks of one source.
func (s *Server) webhook(source Source) func(c *gin.Context) answer {
	return func(c *gin.Context) (a answer) {
		r := &request{c: c, source: source}
		defer func() {
			if cause := recover(); cause != nil {
				a = s.panicked(r, cause)
			}
		}()
		if s.stopping.Load() {
			return stopping()
		}
		slot, ok := s.keys.slot(c.Request.Header)
		if !ok {
			if origin, ok := s.warnings.unauthorized.allow(c.Request); ok {
				s.logger.LogAttrs(c.Request.Context(), slog.LevelWarn, "missing or wrong key", origin)
			}
			return unauthorized()
		}
		s.observer.KeyUsed(slot)
		select {
		case s.inFlight <- struct{}{}:
			defer func() { <-s.inFlight }()
		default:
			return overloaded()
		}
		return s.receive(r)
	}
}

// receive reads, decodes and stores the body of an authorized request.
func (s *Server) receive(r *request) answer {
	json := isJSON(r.c.Request.Header)
	body, large, err := readBody(r.c.Request, s.bodyLimit)
	r.body = body
	switch {
	case !json:
		a := unsupportedType()
		a.last = large || err != nil
		return s.refuse(r, a, large || err != nil)
	case large:
		return s.refuse(r, tooLarge(s.bodyLimit), true)
	case err != nil:
		return incomplete()
	}
	event, err := r.source.Decode(body)
	if err != nil {
		return s.refuse(r, malformed(err), false)
	}
	ctx, cancel := s.storeContext(r)
	defer cancel()
	duplicate, err := s.sink.Accept(ctx, Accepted{
		Source: r.source.Name(), Event: event, Body: body, Identity: r.source.Identity(body),
	})
	if err != nil {
		s.warnUnavailable(r, "event", err)
		return unavailable(err)
	}
	if duplicate {
		return answer{status: http.StatusOK, result: ResultDuplicate, callID: event.CallID}
	}
	s.observer.Received(event.Status, string(event.Direction))
	return answer{status: http.StatusOK, result: ResultStored, callID: event.CallID}
}

// refuse puts the body into quarantine and returns a, or a 503 if it cannot be kept. An empty body is not kept.
func (s *Server) refuse(r *request, a answer, truncated bool) answer {
	if origin, ok := s.warnings.refused.allow(r.c.Request); ok {
		s.logger.LogAttrs(r.c.Request.Context(), slog.LevelWarn, "request refused",
			slog.String("reason", a.code), slog.Int("bytes", len(r.body)), origin)
	}
	if len(r.body) == 0 {
		return a
	}
	ctx, cancel := s.storeContext(r)
	defer cancel()
	err := s.sink.Quarantine(ctx, Refused{
		Source: r.source.Name(), Reason: a.code, Problem: a.message,
		ContentType: cut(r.c.Request.Header.Get("Content-Type"), 255), Body: r.body, Truncated: truncated,
	})
	if err == nil {
		return a
	}
	s.warnUnavailable(r, a.code, err)
	failed := unavailable(err)
	failed.last = a.last
	return failed
}

// storeContext returns the context for a call of the sink. It does not end with the sender's connection: an event
// that came in whole is stored even if nobody waits for the answer any more.
func (s *Server) storeContext(r *request) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(r.c.Request.Context()), s.storeTimeout, errStoreTimeout)
}

// panicked logs a panic, tries to keep the body, and has the event sent again. What was thrown is logged by its type
// unless the runtime threw it: it may hold a part of the body.
func (s *Server) panicked(r *request, cause any) (a answer) {
	a = again(ResultPanic, ResultUnavailable, "The event cannot be taken in because of an error of this service",
		time.Minute)
	a.last = true
	s.logPanic(r.c, cause)
	if len(r.body) == 0 {
		return a
	}
	defer func() {
		if cause := recover(); cause != nil {
			s.logPanic(r.c, cause)
		}
	}()
	ctx, cancel := s.storeContext(r)
	defer cancel()
	err := s.sink.Quarantine(ctx, Refused{
		Source: r.source.Name(), Reason: ResultPanic, Problem: "The service failed while it took in this event.",
		ContentType: cut(r.c.Request.Header.Get("Content-Type"), 255), Body: r.body,
	})
	if err != nil {
		s.warnUnavailable(r, ResultPanic, err)
	}
	return a
}

func (s *Server) logPanic(c *gin.Context, cause any) {
	thrown := slog.String("type", typeName(cause))
	if err, ok := cause.(interface {
		error
		RuntimeError()
	}); ok {
		thrown = slog.Any("err", err)
	}
	s.logger.LogAttrs(c.Request.Context(), slog.LevelError, "panic in a request",
		thrown, slog.String("path", c.FullPath()), slog.String("stack", string(debug.Stack())))
}

// warnUnavailable logs that the sink could not keep the body of r, and what the body was to be kept as.
func (s *Server) warnUnavailable(r *request, reason string, err error) {
	if origin, ok := s.warnings.unavailable.allow(r.c.Request); ok {
		s.logger.LogAttrs(r.c.Request.Context(), slog.LevelWarn, "request not stored",
			slog.String("reason", reason), slog.Any("err", err), origin)
	}
}
