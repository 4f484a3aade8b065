package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Stored is what a TokenStore keeps. It does not print.
type Stored struct {
	RefreshToken string `json:"refresh_token"`
	// AccessToken, its end of life and the base URL that came with it save a fetch after a restart. They may be empty.
	AccessToken string    `json:"access_token,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
	BaseURL     string    `json:"base_url,omitempty"`
	// Origin tells which configured refresh token this one descends from: once the operator configures another, that
	// one counts.
	Origin string `json:"origin,omitempty"`
}

// Format prints "[tokens]" for every verb.
func (s Stored) Format(f fmt.State, _ rune) {
	// A fmt.State has nobody to report an error of its writer to; fmt itself drops it as well.
	_, _ = io.WriteString(f, "[tokens]")
}

// TokenStore keeps the refresh token that counts.
type TokenStore interface {
	// Load returns what was saved last, the zero Stored where nothing was.
	Load() (Stored, error)
	// Save returns once s is durable. When it fails, or the machine does, what was saved before is still there.
	Save(s Stored) error
}

// TokenFile returns a store in a JSON file of mode 0600. Its directory must be there and writable: a new version is
// written beside the file and takes its place at once.
func TokenFile(path string) TokenStore { return tokenFile(path) }

type tokenFile string

// Load reads the file. One that is not there holds nothing.
func (f tokenFile) Load() (Stored, error) {
	content, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}, nil
	}
	if err != nil {
		return Stored{}, err
	}
	var s Stored
	if err := json.Unmarshal(content, &s); err != nil {
		return Stored{}, fmt.Errorf("%s is no token file: move it away and authorize crmsyncd again", f)
	}
	return s, nil
}

// Save replaces the file and returns once that survives a power cut.
func (f tokenFile) Save(s Stored) error {
	content, err := json.Marshal(s) //nolint:gosec // that is what the file is for
	if err != nil {
		return err
	}
	directory := filepath.Dir(string(f))
	aside, err := os.CreateTemp(directory, "."+filepath.Base(string(f))+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = aside.Write(append(content, '\n'))
	if err == nil {
		err = aside.Sync()
	}
	if err = errors.Join(err, aside.Close()); err == nil {
		err = os.Rename(aside.Name(), string(f))
	}
	if err != nil {
		return errors.Join(err, os.Remove(aside.Name()))
	}
	return syncDirectory(directory)
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
