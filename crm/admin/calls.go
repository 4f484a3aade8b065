package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Bounds of one request.
const (
	defaultPage   = 50
	maxPage       = 200
	defaultReplay = 1000
	maxReplay     = 10_000
	// replayPage is how many calls are listed at a time to be replayed, replayWorkers how many are replayed at once, so
	// that they share flushes of the disk.
	replayPage    = 100
	replayWorkers = 16
)

// listCalls answers with a page of calls.
func (s *server) listCalls(c *gin.Context) {
	p := parse(c, append(slices.Clip(filterNames), "limit", "after", "numbers")...)
	filter := p.filter()
	filter.Limit = p.number("limit", defaultPage, maxPage)
	filter.After = p.cursor("after")
	numbers := s.numbers(c, p)
	if p.refused(c) {
		return
	}
	calls, err := s.queries.Calls(c.Request.Context(), filter, numbers)
	if err != nil {
		s.refuseError(c, "list calls", err)
		return
	}
	answer := gin.H{"calls": calls.Calls}
	if calls.Next != "" {
		answer["next"] = encodeCursor(calls.Next)
	}
	c.JSON(http.StatusOK, answer)
}

// showCall answers with one call.
func (s *server) showCall(c *gin.Context) {
	p := parse(c, "numbers", "include")
	numbers := s.numbers(c, p)
	withEvents := p.flag("include", "events", "")
	if p.refused(c) {
		return
	}
	ctx := c.Request.Context()
	view, err := s.queries.Call(ctx, c.Param("id"), numbers)
	if err != nil {
		s.refuseError(c, "show the call", err)
		return
	}
	if withEvents {
		s.Logger.InfoContext(ctx, "events of a call shown as they came", "call_id", view.ID, "count", len(view.Messages))
	} else {
		view.Messages = nil
	}
	c.JSON(http.StatusOK, view)
}

// numbers reads how numbers shall be shown, and logs when it is in full.
func (s *server) numbers(c *gin.Context, p *parameters) Numbers {
	if !p.flag("numbers", "full", "masked") || p.err != nil {
		return Masked
	}
	s.Logger.InfoContext(c.Request.Context(), "numbers shown in full", "route", c.FullPath())
	return Full
}

// replayCall makes one call due again.
func (s *server) replayCall(c *gin.Context) {
	s.change(c, "replay the call", "replayed", s.Store.Replay)
}

// discardCall removes one call for good.
func (s *server) discardCall(c *gin.Context) {
	s.change(c, "discard the call", "discarded", s.Store.Discard)
}

// change changes one call by hand.
func (s *server) change(
	c *gin.Context, doing, done string, change func(ctx context.Context, key string) error,
) {
	if parse(c).refused(c) {
		return
	}
	ctx, id := c.Request.Context(), c.Param("id")
	if err := change(ctx, id); err != nil {
		s.refuseError(c, doing, err)
		return
	}
	s.Logger.InfoContext(ctx, "call changed by hand", "call_id", id, "change", done)
	c.JSON(http.StatusOK, gin.H{"call_id": id, "status": done})
}

// replays is what became of a replay of many calls.
type replays struct {
	// Replayed is how many calls are due again (in a dry run: would be), Skipped how many could not be, because they
	// were removed or in flight meanwhile.
	Replayed int `json:"replayed"`
	Skipped  int `json:"skipped"`
	// More: the limit was reached and there may be more.
	More   bool `json:"more"`
	DryRun bool `json:"dry_run"`
}

// replayCalls makes all calls of a state due again.
func (s *server) replayCalls(c *gin.Context) {
	p := parse(c, append(slices.Clip(filterNames), "limit", "dry_run")...)
	filter := p.filter()
	if filter.State != outbox.Parked && filter.State != outbox.Delivered {
		p.fail("state must be parked or delivered")
	}
	limit := p.number("limit", defaultReplay, maxReplay)
	dryRun := p.flag("dry_run", "true", "false")
	if p.refused(c) {
		return
	}
	if filter.To.IsZero() {
		filter.To = s.Now() // what comes back parked meanwhile is not replayed twice
	}
	ctx := c.Request.Context()
	result, err := s.replayAll(ctx, filter, limit, dryRun)
	if !dryRun && result.Replayed > 0 {
		s.Logger.InfoContext(ctx, "calls replayed by hand", "count", result.Replayed, "state", filter.State.String(),
			"reason", filter.Reason)
	}
	if err != nil {
		s.refuseError(c, "replay calls", err)
		return
	}
	c.JSON(http.StatusOK, result)
}

// replayAll replays up to limit calls page by page. With an error the result says how far it got.
func (s *server) replayAll(ctx context.Context, f outbox.Filter, limit int, dryRun bool) (replays, error) {
	result := replays{DryRun: dryRun}
	for left := limit; left > 0; {
		f.Limit = min(left, replayPage)
		page, err := s.Store.List(ctx, f)
		if err != nil {
			return result, err
		}
		left -= len(page.Entries)
		if dryRun {
			result.Replayed += len(page.Entries)
		} else if err := s.replayPage(ctx, page.Entries, &result); err != nil {
			return result, err
		}
		result.More = page.Next != ""
		if !result.More {
			break
		}
		f.After = page.Next
	}
	return result, nil
}

// replayPage replays the calls of a page, several at once.
func (s *server) replayPage(ctx context.Context, entries []outbox.Entry, result *replays) error {
	var replayed, skipped atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(replayWorkers)
	for _, entry := range entries {
		group.Go(func() error {
			err := s.Store.Replay(groupCtx, entry.Key)
			switch {
			case err == nil:
				replayed.Add(1)
			case errors.Is(err, outbox.ErrNotFound), errors.Is(err, outbox.ErrClaimed):
				skipped.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	err := group.Wait()
	result.Replayed += int(replayed.Load())
	result.Skipped += int(skipped.Load())
	return err
}
