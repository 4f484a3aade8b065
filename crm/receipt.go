package crm

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// receiptVersion is the version of the receipts written here. A receipt of another version is not understood.
const receiptVersion = 1

// The ways in which a call came to its record.
const (
	byTransactionID = "transaction_id"
	byPhone         = "phone"
	byReceipt       = "receipt"
	byCreation      = "created"
	byPolicy        = "unlinked"
	byNothing       = "none"
)

// receipt is what a Syncer remembers of a call between two deliveries.
type receipt struct {
	Version int `json:"v"`
	// CRM is the name of the adapter that wrote it: ids of one CRM mean nothing to another.
	CRM string `json:"crm,omitempty"`
	// LogID is the id of the call log, once it is known.
	LogID string `json:"log,omitempty"`
	// Record is what the call belongs to and By how that was found; TransactionID is the one it was looked up by.
	Record        *Record `json:"record,omitempty"`
	By            string  `json:"by,omitempty"`
	TransactionID string  `json:"transaction_id,omitempty"`
	// Owner is the user to whom the log was last given.
	Owner string `json:"owner,omitempty"`
	// Doubt: a log may be there of which the id is not known. Until DoubtUntil the CRM's search may not show it.
	Doubt      bool      `json:"doubt,omitempty"`
	DoubtUntil time.Time `json:"doubt_until,omitzero"`
	// Progress is the adapter's own.
	Progress []byte `json:"progress,omitempty"`
	// Visible and Complete: the call was seen to become so, and told to the Observer.
	Visible  bool `json:"visible,omitempty"`
	Complete bool `json:"complete,omitempty"`
}

// readReceipt reads what an earlier delivery left. What cannot be read is no reason to stop: everything it may have
// said can be found out again, once the call log is looked up.
func readReceipt(stored []byte, traits Traits) receipt {
	fresh := receipt{Version: receiptVersion, CRM: traits.Name}
	if len(stored) == 0 {
		return fresh
	}
	var r receipt
	if err := json.Unmarshal(stored, &r); err != nil || r.Version != receiptVersion {
		fresh.Doubt = true
		return fresh
	}
	if r.CRM != traits.Name {
		return fresh
	}
	if r.Record == nil && r.By != byPolicy || r.Record != nil && !slices.Contains(traits.Objects, r.Record.Object) {
		r.forgetRecord() // Nothing that was decided, or a kind of record that the configuration does not search any more.
	}
	return r
}

// encode returns the receipt as it is stored, or why it cannot be.
func (r receipt) encode() ([]byte, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	if len(encoded) > outbox.MaxReceiptBytes {
		return nil, fmt.Errorf("receipt has %d bytes, at most %d can be kept: the CRM's ids or the adapter's progress "+
			"are too long", len(encoded), outbox.MaxReceiptBytes)
	}
	return encoded, nil
}

// decided reports whether the receipt holds the record of the call, or that it has none, and nothing better to look it
// up by has appeared since.
func (r receipt) decided(c call.Call) bool {
	return r.By != "" && (c.TransactionID == "" || c.TransactionID == r.TransactionID)
}

// blank reports whether there is nothing to remember yet.
func (r receipt) blank() bool {
	return r.LogID == "" && r.By == "" && !r.Doubt && len(r.Progress) == 0 && !r.Visible
}

// doubt notes that a log may be there that the CRM's search may not show before a time.
func (r *receipt) doubt(until time.Time) {
	r.Doubt = true
	if until.After(r.DoubtUntil) {
		r.DoubtUntil = until.UTC()
	}
}

// found notes the id of the log, which ends every doubt.
func (r *receipt) found(logID string) { r.LogID, r.Doubt, r.DoubtUntil = logID, false, time.Time{} }

// forgetRecord makes the next delivery match anew.
func (r *receipt) forgetRecord() { r.Record, r.By, r.TransactionID = nil, "", "" }

// forgetLog makes the next delivery write a new log. What the adapter knew of the old one goes with it.
func (r *receipt) forgetLog() { r.LogID, r.Progress = "", nil }
