package api

import "encoding/json"

// Progress is what an adapter keeps in crm.Write.Progress: the steps that are done, each with what it left, an id or
// any other short text.
type Progress map[string]string

// ReadProgress returns what Bytes stored. It is never nil; what cannot be read is as good as no progress.
func ReadProgress(stored []byte) Progress {
	p := Progress{}
	if json.Unmarshal(stored, &p) != nil || p == nil {
		return Progress{}
	}
	return p
}

// Bytes returns the progress as it is stored, nil where there is none.
func (p Progress) Bytes() []byte {
	if len(p) == 0 {
		return nil
	}
	stored, err := json.Marshal(p)
	if err != nil {
		return nil // a map of texts can always be encoded
	}
	return stored
}
