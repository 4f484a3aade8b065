package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/crmsyncd/crmsyncd/configs"
)

// quiet is a log that tells only what a person must act on, for commands that talk to a person otherwise.
var quiet = configs.Log{Level: "error", Format: "text"}

// progressLine shows how far a command has got: a bar that moves on a terminal, a line now and then elsewhere.
type progressLine struct {
	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	out  io.Writer
	next time.Time
}

// plainEvery is how often a line is written where nothing can move.
const plainEvery = 10 * time.Second

// progress returns a progress line on the standard error. total is what is to be done, 0 when nobody knows.
func (p *program) progress(total int, unit string) *progressLine {
	l := &progressLine{out: p.err, next: time.Now().Add(plainEvery)}
	if !isTerminal(p.err) {
		return l
	}
	if total == 0 {
		total = -1
	}
	l.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.err), progressbar.OptionSetItsString(unit),
		progressbar.OptionShowCount(), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	return l
}

// show says that done of the total are done, and what else there is to say.
func (l *progressLine) show(done int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bar != nil {
		l.bar.Describe(text)
		_ = l.bar.Set(min(done, max(l.bar.GetMax(), 0))) // a bar that cannot be drawn is no reason to stop
		return
	}
	if now := time.Now(); now.After(l.next) {
		l.next = now.Add(plainEvery)
		fmt.Fprintln(l.out, text)
	}
}

// done takes the line away.
func (l *progressLine) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bar != nil {
		_ = l.bar.Finish()
	}
}
