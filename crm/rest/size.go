package rest

import (
	"errors"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. As text it may carry a unit: "64KiB", "1MiB", "2MB".
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > 1<<40 {
		return errors.New("is not a size up to 1TiB: write a number and a unit, such as 1MiB")
	}
	*s = Size(n)
	return nil
}

// MarshalText writes a size with its unit.
func (s Size) MarshalText() ([]byte, error) {
	return []byte(humanize.IBytes(uint64(max(s, 0)))), nil
}
