package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/adapters"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver"
)

// TestScrapeKnowsEveryWord: whatever the packages can tell has a series of its own.
func TestScrapeKnowsEveryWord(t *testing.T) {
	_, url := crmServer(t, 1)
	p := newProcess(t, url)
	p.start()
	s := p.scrape()
	has := func(metric, label, value string) {
		t.Helper()
		require.True(t, slices.ContainsFunc(s.names(), func(name string) bool {
			family, labels, _ := strings.Cut(name, "{")
			return family == metric && strings.Contains(labels, fmt.Sprintf("%s=%q", label, value))
		}), "%s has no series with %s=%q", metric, label, value)
	}
	for _, result := range receiver.Results() {
		has("webhook_requests_total", "result", result)
	}
	reasons := append(syncerReasons(t), outbox.ReasonGaveUp, outbox.ReasonPanic, outbox.ReasonNoOutcome,
		outbox.ReasonReceipt, outbox.ReasonCrashed, outbox.ReasonDamaged)
	for _, kind := range crm.Kinds {
		reasons = append(reasons, kind.String())
	}
	for _, reason := range reasons {
		has("crm_retries_total", "reason", reason)
		has("dead_letters_total", "reason", reason)
		has("dead_letters", "reason", reason)
	}
	for _, reason := range outbox.PauseReasons {
		has("worker_paused", "by", reason)
		has("worker_paused_until_timestamp_seconds", "by", reason)
	}
	for _, state := range outbox.States {
		has("outbox_items", "state", state.String())
		has("outbox_oldest_timestamp_seconds", "state", state.String())
	}
	for _, operation := range adapters.Operations() {
		has("crm_requests_total", "operation", operation)
	}
}

// syncerReasons returns the words with which the Syncer has calls parked, as its source says: it keeps no list.
func syncerReasons(t *testing.T) []string {
	t.Helper()
	var words []string
	files, err := filepath.Glob(filepath.Join("..", "..", "crm", "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			function, ok := call.Fun.(*ast.Ident)
			if !ok || function.Name != "refused" {
				return true
			}
			if word, ok := call.Args[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(word.Value)
				require.NoError(t, err)
				words = append(words, text)
			}
			return true
		})
	}
	require.Subset(t, words, []string{"unmatched", "ambiguous", "undecodable"})
	return words
}
