package pipedrive

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// attach fetches the recording of a call and attaches it. It reports whether the link is to be written instead: the
// file may not be fetched, or is not to be had, or Pipedrive does not take it; or the id of the call log got lost with
// the answer to its create, for only the logs of the token's own user can be listed.
func (a *Adapter) attach(ctx context.Context, w crm.Write, done api.Progress) (isLinked bool, err error) {
	if done[progressLog] == "" || !a.recordings.Allows(w.Call.RecordingURL) {
		return true, nil
	}
	var file *api.File
	if a.options.DryRun == nil {
		if file, err = a.recordings.Open(ctx, w.Call.RecordingURL); err != nil {
			return a.patience.afterwards(ctx, w.Call.ID, done, err)
		}
		defer func() { _ = file.Close() }()
	}
	r := api.Request{
		Operation: "attach_recording", Title: "attach recording", Budget: budgetOther, Effect: api.Changes,
		Path: "/v1/callLogs/" + url.PathEscape(done[progressLog]) + "/recordings", Judge: a.judgeUpload,
	}
	if err = a.ledger.spend(r.Title, 10); err != nil {
		return false, err
	}
	_, err = a.client.Upload(ctx, r, "file", file)
	if file != nil && err != nil {
		if own := file.Err(ctx); own != nil {
			return a.patience.afterwards(ctx, w.Call.ID, done, own)
		}
	}
	a.patience.worked()
	switch crm.Classify(err).Kind {
	case crm.KindInvalid, crm.KindForbidden:
		return true, nil
	default:
		if err == nil {
			done[progressRecording] = attached
		}
		return false, err
	}
}

// judgeUpload reads the answer to a recording. 409: one is attached already.
func (a *Adapter) judgeUpload(answer api.Answer) *crm.Error {
	if answer.Status == http.StatusConflict {
		return nil
	}
	return a.judge(api.Request{Effect: api.Changes}, answer)
}

// The bounds of patience.
const (
	// longestWait is how long a recording that cannot be fetched is tried again.
	longestWait = 30 * time.Minute
	// maxFailing is how many calls may fail by their recording before others get the link at once. It must be less than
	// the failures that open the relay's breaker, 5: a media server that is down is no reason to write no calls.
	maxFailing = 3
)

// progressSince is in Progress when the recording could not be fetched for the first time, in Unix seconds.
const progressSince = "recording_since"

// patience decides when a recording that cannot be fetched is given up for its link: when it will not become better,
// when it has been tried long enough, or when other calls fail as well. Safe for concurrent use.
type patience struct {
	now func() time.Time

	mu      sync.Mutex
	failing map[string]bool
}

func newPatience(now func() time.Time) *patience {
	return &patience{now: now, failing: map[string]bool{}}
}

// worked notes that a file could be fetched.
func (p *patience) worked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.failing)
}

// afterwards decides what follows a download that failed: the link, or its error and another try.
func (p *patience) afterwards(ctx context.Context, callID string, done api.Progress, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, err
	}
	now := p.now()
	since, broken := strconv.ParseInt(done[progressSince], 10, 64)
	if broken != nil {
		since = now.Unix()
		done[progressSince] = strconv.FormatInt(since, 10)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing[callID] = true
	if crm.Classify(err).Kind == crm.KindInvalid || now.Sub(time.Unix(since, 0)) > longestWait ||
		len(p.failing) > maxFailing {
		delete(p.failing, callID)
		return true, nil
	}
	return false, err
}
