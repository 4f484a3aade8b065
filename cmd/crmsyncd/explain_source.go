package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/admin"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// The places where a call can be found.
const (
	fromFile   = "file"
	fromDaemon = "daemon"
	fromOutbox = "outbox"
)

// located is a call and where it was found.
type located struct {
	// place is one of the constants above, name what it is called.
	place, name string
	entry       outbox.Entry
}

// fromEvents makes an entry of the events that r holds, as if they arrived now, all together.
func (e explanation) fromEvents(name string, r io.Reader) (located, error) {
	content, err := io.ReadAll(io.LimitReader(r, outbox.MaxEntryBytes+1))
	switch {
	case err != nil:
		return located{}, fmt.Errorf("read %s: %w", printable(name), err)
	case len(content) > outbox.MaxEntryBytes:
		return located{}, fmt.Errorf("%s is larger than all events of a call can be, %s", printable(name),
			size(outbox.MaxEntryBytes))
	}
	bodies, err := splitEvents(bytes.TrimPrefix(content, []byte("\ufeff")))
	if err != nil {
		return located{}, fmt.Errorf("%s: %w", printable(name), err)
	}
	now := time.Now()
	entry := outbox.Entry{State: outbox.Pending, Created: now, Since: now, Due: now.Add(e.cfg.Delivery.Hold)}
	for i, body := range bodies {
		event, err := e.decoder.Decode(body)
		if err != nil {
			return located{}, fmt.Errorf("%s: event %d would be answered with 400: %w", printable(name), i+1, err)
		}
		if entry.Key != "" && event.CallID != entry.Key {
			return located{}, fmt.Errorf("%s: event %d is of another call than those before it: name the events of one call",
				printable(name), i+1)
		}
		entry.Key = event.CallID
		entry.Messages = append(entry.Messages, outbox.StoredMessage{Seq: uint64(i + 1), At: now, Body: body})
	}
	return located{fromFile, name, entry}, nil
}

// splitEvents returns the events of a text: those of a JSON array, or one JSON value after the other. The errors quote
// nothing of it.
func splitEvents(content []byte) (events [][]byte, err error) {
	trimmed := bytes.TrimSpace(content)
	decoder := json.NewDecoder(bytes.NewReader(trimmed))
	isArray := bytes.HasPrefix(trimmed, []byte("["))
	if isArray {
		_, _ = decoder.Token() // the bracket that was just seen
	}
	for {
		var event json.RawMessage
		if isArray && !decoder.More() {
			_, err = decoder.Token()
			break
		}
		if err = decoder.Decode(&event); err != nil {
			break
		}
		if len(events) == outbox.MaxEntryMessages {
			return nil, fmt.Errorf("it holds more than %d events, a call cannot have so many", outbox.MaxEntryMessages)
		}
		events = append(events, event)
	}
	if isArray && err == nil {
		_, err = decoder.Token() // the end, or what does not belong there
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("event %d is not JSON, see byte %d", len(events)+1, decoder.InputOffset())
	case len(events) == 0:
		return nil, errors.New("it holds no event")
	case isArray && err == nil:
		return nil, errors.New("something follows the array of events")
	}
	return events, nil
}

// fromStore asks the running daemon for a call, or reads the file when no daemon runs.
func (e explanation) fromStore(ctx context.Context) (located, error) {
	entry, err := e.fromDaemon(ctx)
	if err == nil {
		return located{fromDaemon, e.adminURL(), entry}, nil
	}
	failed, dialled := errors.AsType[*net.OpError](err)
	if !dialled || failed.Op != "dial" {
		return located{}, err
	}
	path := e.cfg.Outbox.Path
	entry, err = bolt.ReadEntry(path, e.what)
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return located{}, fmt.Errorf("%s is in use, but no daemon answers at %s: is admin.listen that of the running daemon?",
			path, e.adminURL())
	case errors.Is(err, outbox.ErrNotFound):
		return located{}, e.unknown(path)
	case errors.Is(err, fs.ErrNotExist):
		return located{}, fmt.Errorf("%q is no file; it is no call either: no daemon answers at %s, and there is no outbox "+
			"at %s", printable(e.what), e.adminURL(), path)
	case err != nil:
		return located{}, err
	}
	return located{fromOutbox, path, entry}, nil
}

func (e explanation) unknown(place string) error {
	return fmt.Errorf("%q is neither a file nor a call in %s: delivered calls are kept for outbox.retention, %s",
		printable(e.what), place, e.cfg.Outbox.Retention)
}

func (e explanation) adminURL() string { return "http://" + reachable(e.cfg.Admin.Listen) }

// maxStoredCall bounds the answer of a daemon: base64 takes a third more than the events.
const maxStoredCall = 2 * outbox.MaxEntryBytes

// fromDaemon asks the running daemon for a call with its events.
func (e explanation) fromDaemon(ctx context.Context) (entry outbox.Entry, err error) {
	transport := &http.Transport{ // without a proxy: the token is for the daemon alone
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, ResponseHeaderTimeout: answerWithin,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: 2 * answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		e.adminURL()+"/api/v1/calls/"+url.PathEscape(e.what)+"?include=events", nil)
	if err != nil {
		return entry, fmt.Errorf("ask for the call: %w", err)
	}
	if token := e.cfg.Admin.Token; token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := client.Do(req)
	if err != nil {
		return entry, fmt.Errorf("ask the daemon for the call: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStoredCall))
	if err != nil {
		return entry, fmt.Errorf("read the answer of the daemon at %s: %w", e.adminURL(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return entry, e.refused(resp.StatusCode, body)
	}
	var view admin.Call
	if err := json.Unmarshal(body, &view); err != nil || view.ID != e.what || len(view.Messages) == 0 {
		return entry, fmt.Errorf("what answers at %s (admin.listen) is no daemon that shows the events of a call",
			e.adminURL())
	}
	return storedEntry(view), nil
}

// refused says why a daemon has not sent a call.
func (e explanation) refused(status int, body []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(body, &answer) // what is not JSON is not from a daemon
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("the daemon at %s does not take the token: admin.token must be the one it runs with", e.adminURL())
	case status == http.StatusNotFound && answer.Error.Code == "not_found":
		return e.unknown("the outbox of the daemon at " + e.adminURL())
	case answer.Error.Message != "":
		return fmt.Errorf("the daemon at %s refuses: %s", e.adminURL(), printable(answer.Error.Message))
	}
	return fmt.Errorf("what answers at %s (admin.listen) is no daemon: HTTP %d", e.adminURL(), status)
}

// storedEntry turns the view of a call back into its entry.
func storedEntry(view admin.Call) outbox.Entry {
	entry := outbox.Entry{
		Key: view.ID, Receipt: view.ReceiptBytes, Attempts: view.Attempts, Interrupted: view.Interrupted,
		Created: view.Created, Since: view.Since, Due: view.Due, Reason: view.Reason, Error: view.Error,
	}
	if len(view.Receipt) > 0 {
		entry.Receipt = view.Receipt
	}
	for _, state := range outbox.States {
		if strings.EqualFold(state.String(), view.State) {
			entry.State = state
		}
	}
	for _, m := range view.Messages {
		entry.Messages = append(entry.Messages, outbox.StoredMessage{Seq: m.Seq, At: m.At, Body: m.Body})
	}
	return entry
}
